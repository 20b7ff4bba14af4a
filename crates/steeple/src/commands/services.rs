//! `services`: what discovery found.

use std::process::ExitCode;

use super::{Failure, out::{Out, table}};
use crate::{config::Config, server::{Plan, Server}};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- services
  cargo run -- services --json | jq '.services[].name'";

pub(super) fn run(server: &Server, config: &Config, out: Out) -> Result<ExitCode, Failure> {
    let plan = Plan::of(server, config).map_err(|problems| Failure(problems.join("\n")))?;
    out.either(&plan, || text(&plan));
    Ok(ExitCode::SUCCESS)
}

fn text(plan: &Plan) -> String {
    let rows = plan.services.iter().map(|service| {
        let found = &service.found;
        let implementation = if found.implementation == found.at { found.at.to_owned() } else { format!("{} at {}", found.implementation, found.at) };
        [found.app.to_owned(), found.name.to_owned(), service.methods.len().to_string(), implementation]
    });
    let mut text = table(["app", "service", "methods", "implementation"], rows);
    if !plan.skipped.is_empty() {
        let rows = plan.skipped.iter().map(|skipped| [skipped.app.to_owned(), skipped.name.clone(), skipped.why.clone()]);
        text = format!("{text}\n\n{}", table(["app", "skipped", "why"], rows));
    }
    text
}
