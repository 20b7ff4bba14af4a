//! `methods`: every method, who may call it, and the way of a call to it.

use std::process::ExitCode;

use super::{
    Failure,
    out::{Out, table},
};
use crate::{
    config::Config,
    server::{PlannedMethod, Server},
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- methods
  cargo run -- methods crypto.CryptoService --json";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only methods whose path contains this, as `crypto.CryptoService` or `GetCoin`
    filter: Option<String>,
}

pub(super) fn run(server: &Server, config: &Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let plan = super::plan(server, config)?;
    let wanted = |planned: &&PlannedMethod| {
        arguments.filter.as_ref().is_none_or(|text| planned.method.path.contains(text.as_str()))
    };
    let methods: Vec<_> = plan.methods().filter(wanted).collect();
    if let (true, Some(filter)) = (methods.is_empty(), &arguments.filter) {
        return Err(Failure(format!("no method has {filter:?} in its path; `methods` alone lists them all")));
    }
    out.either(&methods, || {
        let rows = methods.iter().map(|planned| {
            [
                planned.method.path.trim_start_matches('/').to_owned(),
                planned.method.shape.to_string(),
                planned.decision.access.to_string(),
                planned.decision.access_from.clone(),
                planned.chain.join(" > "),
            ]
        });
        table(["method", "shape", "access", "says", "chain"], rows)
    });
    Ok(ExitCode::SUCCESS)
}
