//! `logs`: rows of the request log.

use std::{process::ExitCode, time::Duration};

use super::{
    Failure,
    out::{Out, counted, printable, table},
    run::told_to_stop,
};
use crate::{
    Db, clock,
    config::Config,
    record::{
        RequestLog, State,
        log::{News, RequestLogRow},
    },
    server::Server,
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- logs --errors
  cargo run -- logs --service crypto.CryptoService --method GetCoin --hours 1
  cargo run -- logs --request-id 0198c8a4-0000-7000-8000-000000000000 --json
  cargo run -- logs --follow --status error";

/// Between two looks at the log that is followed.
const EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only calls that began in the last HOURS
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=87600))]
    hours: u32,
    /// Only calls of this service, by its full name
    #[arg(long)]
    service: Option<String>,
    /// Only calls of this method, by its own name
    #[arg(long)]
    method: Option<String>,
    /// Only calls with this status
    #[arg(long, value_parser = ["pending", "success", "error", "cancelled", "timeout"], conflicts_with = "errors")]
    status: Option<String>,
    /// Only calls that failed: any code but OK, CANCELLED and DEADLINE_EXCEEDED
    #[arg(long)]
    errors: bool,
    /// Only calls of the user with this id
    #[arg(long, value_name = "ID")]
    user: Option<i64>,
    /// Only calls that took at least this long
    #[arg(long, value_name = "MILLISECONDS")]
    slow: Option<u32>,
    /// Only the call with this request id, however old
    #[arg(long, value_name = "ID", conflicts_with = "hours")]
    request_id: Option<String>,
    /// At most this many rows
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10000))]
    limit: u64,
    /// Only rows older than the row with this id: the next page
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Show calls as they end, on whatever server, until Ctrl-C
    #[arg(short, long, conflicts_with_all = ["before", "request_id"])]
    follow: bool,
}

impl Arguments {
    fn question(&self) -> RequestLog {
        let mut log = match &self.request_id {
            Some(id) => RequestLog::all_time().by_request_id(id),
            None => RequestLog::recent(self.hours),
        };
        if let Some(service) = &self.service {
            log = log.by_service(service);
        }
        if let Some(method) = &self.method {
            log = log.by_method(method);
        }
        if let Some(state) = State::ALL.into_iter().find(|state| self.status.as_deref() == Some(state.as_str())) {
            log = log.by_status(state);
        }
        if self.errors {
            log = log.errors();
        }
        if let Some(user) = self.user {
            log = log.by_user(user);
        }
        if let Some(milliseconds) = self.slow {
            log = log.slow(milliseconds);
        }
        if let Some(before) = self.before {
            log = log.before(before);
        }
        log.limit(self.limit)
    }

    fn nothing(&self) -> String {
        match &self.request_id {
            Some(id) => format!("no call with request id {id}"),
            None => format!("no such calls in the last {}", counted(self.hours as usize, "hour")),
        }
    }
}

pub(super) async fn run(_: Server, config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let db = super::log_database(&config).await?;
    if arguments.follow {
        let followed = follow(&db, arguments, out).await;
        db.close().await;
        return followed.map(|()| ExitCode::SUCCESS);
    }
    let rows = arguments.question().all(&db).await?;
    db.close().await;
    out.either(&rows, || if rows.is_empty() { arguments.nothing() } else { text(&rows) });
    Ok(ExitCode::SUCCESS)
}

/// Prints what is new until told to stop, or until nobody reads any more.
async fn follow(db: &Db, arguments: &Arguments, out: Out) -> Result<(), Failure> {
    let mut told = told_to_stop()?;
    let mut tail = arguments.question().follow();
    loop {
        let News { rows, gap } = tail.look(db).await?;
        if gap {
            tracing::warn!("more calls than can be shown; some were left out");
        }
        for row in &rows {
            if !out.goes_on(row, || line(row)) {
                return Ok(());
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = told.recv() => return Ok(()),
        }
    }
}

/// A call in one line.
fn line(row: &RequestLogRow) -> String {
    let duration = row.duration_us.map_or_else(String::new, |us| format!("  {:.1} ms", us as f64 / 1000.0));
    let error =
        row.error_message.as_deref().map_or_else(String::new, |error| format!("  \"{}\"", error.escape_debug()));
    let (code, method) =
        (row.grpc_status_code.as_ref().unwrap_or(&row.status), row.full_method.trim_start_matches('/'));
    let (time, peer) = (moment(row.created_at), row.peer.as_deref().unwrap_or("-"));
    printable(&format!("{time} {code:<18} {method}{duration}  {peer}  id {}{error}", row.request_id)).into_owned()
}

/// A moment in UTC.
pub(super) fn moment(time: clock::Time) -> String {
    time.format("%F %T%.3f").to_string()
}

pub(super) fn text(rows: &[RequestLogRow]) -> String {
    let lines = rows.iter().map(|row| {
        [
            moment(row.created_at),
            row.full_method.trim_start_matches('/').to_owned(),
            row.grpc_status_code.clone().unwrap_or_else(|| row.status.clone()),
            row.duration_us.map_or_else(String::new, |us| format!("{:.1} ms", us as f64 / 1000.0)),
            row.peer.clone().unwrap_or_default(),
            row.request_id.clone(),
            row.error_message.as_deref().unwrap_or_default().escape_debug().to_string(),
        ]
    });
    table(["time (UTC)", "method", "code", ">duration", "peer", "request id", "error"], lines)
}
