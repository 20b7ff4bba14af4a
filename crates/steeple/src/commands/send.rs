//! `send`: a command to a connected client, through a running server of this site.
//!
//! The site's own methods do it, see [`client_command`].

use std::{process::ExitCode, time::Duration};

use humantime_serde::re::humantime::parse_duration;
use serde_json::Value;

use super::{
    Failure,
    out::{Out, printable},
};
use crate::{
    config::Config,
    invoke::{Failed, Invoker, client_command},
    server::Server,
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- send agent-7 '{\"ping\":{\"sequence\":1}}'
  cargo run -- send agent-7 '{\"pause\":{\"reason\":\"maintenance\"}}' --no-wait
  cargo run -- send '*' '{\"request_status\":{}}'";

/// Whom a command is for when it is for everybody: a broadcast, which has no ack.
const EVERYBODY: &str = "*";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The client's name; '*' for every client, without an ack
    client: String,
    /// The command, as JSON of its message
    #[arg(value_name = "JSON")]
    command: String,
    /// The service that knows the client, with or without its package; needed where several send commands
    #[arg(long)]
    service: Option<String>,
    /// Return when the command is queued, without waiting for the ack
    #[arg(long)]
    no_wait: bool,
    /// How long to wait
    #[arg(long, default_value = "15s", value_parser = parse_duration)]
    timeout: Duration,
    /// The running server, if not the one of this configuration
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The API key to call with, if not in the variable STEEPLE_API_KEY
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
}

pub(super) async fn run(server: Server, config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let command: Value = serde_json::from_str(&arguments.command)
        .map_err(|error| Failure(format!("the command is no JSON: {error}")))?;
    let wait = !arguments.no_wait && arguments.client != EVERYBODY;
    let method = client_command::method(wait);
    let service = service(&server, arguments.service.as_deref(), method)?;
    let address = arguments.server.clone().unwrap_or_else(|| own(&config.server.grpc));
    let mut invoker = Invoker::connect(&server.site.descriptors, &address).await.map_err(Failure)?;
    if let Some(key) = arguments.api_key.clone().or_else(|| std::env::var("STEEPLE_API_KEY").ok()) {
        invoker.metadata(&config.auth.api_key_header, &key).map_err(Failure)?;
    }
    let request = client_command::request(&arguments.client, command);
    let answer = match invoker.unary(&service, method, request, arguments.timeout).await {
        Ok(answer) => answer,
        Err(Failed::Here(why)) => return Err(Failure(why)),
        Err(Failed::There(status)) => {
            return Err(Failure(format!("{:?}: {}", status.code(), status.message())));
        }
    };
    if let Some(failure) = client_command::failure(&answer) {
        return Err(Failure(failure));
    }
    out.either(&answer, || match answer.get("message").and_then(Value::as_str) {
        Some(message) if !message.is_empty() => format!("done: {}", printable(message)),
        _ if !wait => "queued".to_owned(),
        _ => "done".to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

/// The service that has this method.
fn service(server: &Server, asked: Option<&str>, method: &str) -> Result<String, Failure> {
    let methods = server.site.methods().map_err(|error| Failure(error.to_string()))?;
    let able = methods.services().filter(|service| service.methods.iter().any(|known| known.name == method));
    let able: Vec<_> = able.map(|service| &*service.name).collect();
    let called = |name: &str| asked.is_none_or(|asked| name == asked || name.rsplit('.').next() == Some(asked));
    let all: Vec<_> = able.iter().copied().filter(|name| called(name)).collect();
    match (all.as_slice(), asked) {
        ([one], _) => Ok((*one).to_owned()),
        ([], Some(asked)) if !able.is_empty() => {
            Err(Failure(format!("no service {asked} has a method {method}; these have it: {}", able.join(", "))))
        }
        ([], _) => Err(Failure(format!("no service of this site has a method {method}"))),
        (several, _) => {
            Err(Failure(format!("several services have {method}; say --service {}", several.join(" or --service "))))
        }
    }
}

/// Where a server with this configuration is reached from the same machine.
fn own(listens: &str) -> String {
    let port = listens.rsplit_once(':').map_or("50051", |(_, port)| port);
    let everywhere = listens.starts_with("[::]:") || listens.starts_with("0.0.0.0:");
    if everywhere { format!("http://localhost:{port}") } else { format!("http://{listens}") }
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn a_server_that_listens_everywhere_is_reached_here() {
        assert_eq!(own("[::]:50051"), "http://localhost:50051");
        assert_eq!(own("0.0.0.0:7"), "http://localhost:7");
        assert_eq!(own("127.0.0.1:7"), "http://127.0.0.1:7");
        assert_eq!(own("[::1]:7"), "http://[::1]:7");
    }
}
