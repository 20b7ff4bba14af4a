//! `services`: what discovery found.

use std::process::ExitCode;

use super::{
    Failure,
    out::{Out, table},
};
use crate::{
    config::Config,
    server::{Plan, Server},
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- services
  cargo run -- services --json | jq '.services[].name'";

pub(super) fn run(server: &Server, config: &Config, out: Out) -> Result<ExitCode, Failure> {
    let plan = super::plan(server, config)?;
    out.either(&plan, || text(&plan));
    Ok(ExitCode::SUCCESS)
}

fn text(plan: &Plan) -> String {
    let rows = plan.services.iter().map(|service| {
        let found = &service.found;
        // The place says the modules; the type's own name is what it adds.
        let name = found.implementation.rsplit("::").next().unwrap_or_default();
        let place = if found.implementation == found.at { String::new() } else { found.at.to_owned() };
        [found.app.to_owned(), found.name.to_owned(), service.methods.len().to_string(), name.to_owned(), place]
    });
    let mut text = table(["app", "service", ">methods", "implementation", "at"], rows);
    if !plan.receivers.is_empty() {
        let rows = plan.receivers.iter().map(|found| [found.app, found.event, found.receiver].map(str::to_owned));
        text = format!("{text}\n\n{}", table(["app", "signal", "receiver"], rows));
    }
    if !plan.skipped.is_empty() {
        let rows = plan.skipped.iter().map(|skipped| {
            let what = if skipped.name.is_empty() { "the app" } else { &skipped.name };
            [skipped.app.to_owned(), what.to_owned(), skipped.why.clone()]
        });
        text = format!("{text}\n\n{}", table(["app", "skipped", "why"], rows));
    }
    text
}
