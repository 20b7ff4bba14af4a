//! The five commands, ready to send. Their ids are made when they are sent.

use super::protocol::now;
use crate::pb::crypto::{
    DjangoCommand, PauseClientCommand, PingCommand, RequestStatusCommand, ResumeClientCommand, SyncWalletsCommand,
    django_command::Command,
};

/// Answer.
pub fn ping(sequence: i32) -> DjangoCommand {
    command(Command::Ping(PingCommand { sequence }))
}

/// Stop working until told to resume.
pub fn pause(reason: &str) -> DjangoCommand {
    command(Command::Pause(PauseClientCommand { reason: reason.to_owned() }))
}

/// Work again.
pub fn resume(message: &str) -> DjangoCommand {
    command(Command::Resume(ResumeClientCommand { message: message.to_owned() }))
}

/// Say what the wallets of these coins hold; of none: of all.
pub fn sync_wallets<'a>(symbols: impl IntoIterator<Item = &'a str>) -> DjangoCommand {
    let symbols = symbols.into_iter().map(str::to_owned).collect();
    command(Command::SyncWallets(SyncWalletsCommand { symbols }))
}

/// Say how you are.
pub fn request_status(include_stats: bool) -> DjangoCommand {
    command(Command::RequestStatus(RequestStatusCommand { include_stats }))
}

fn command(command: Command) -> DjangoCommand {
    DjangoCommand { command_id: String::new(), timestamp: Some(now()), command: Some(command) }
}
