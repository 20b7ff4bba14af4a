//! What a run found, as Markdown or JSON, with everything that is needed to run it again.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::{load::Load, machine::Machine, suites::Findings};

/// One run.
#[derive(Debug, Serialize)]
pub struct Report {
    command: String,
    date: String,
    machine: Machine,
    rounds: usize,
    load: Load,
    holds: bool,
    findings: Vec<Findings>,
}

impl Report {
    /// What was found just now.
    pub fn new(rounds: usize, load: Load, machine: Machine, findings: Vec<Findings>) -> Self {
        let date = steeple::clock::now().format("%F %R UTC").to_string();
        let holds = findings.iter().all(Findings::hold);
        Self { command: command_line(), date, machine, rounds, load, holds, findings }
    }

    /// Whether every criterion of every suite holds.
    pub fn holds(&self) -> bool {
        self.holds
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Load { connections, streams, warm_up, calls } = self.load;
        writeln!(f, "# What Steeple costs\n\n    {}\n", self.command)?;
        writeln!(f, "{}. {}.\n", self.date, self.machine)?;
        writeln!(
            f,
            "Rounds: {}; in each {warm_up} calls to warm up and {calls} measured, {connections} connections with \
             {streams} calls in flight each, closed loop. Every side is started afresh in every round; every second \
             round goes the other way round. Ratios are medians of the ratios within a round, in brackets the \
             smallest and the largest.",
            self.rounds
        )?;
        for findings in &self.findings {
            write!(f, "\n{findings}")?;
        }
        writeln!(f, "\n{}", if self.holds { "All criteria hold." } else { "NOT all criteria hold." })
    }
}

/// How this run was asked for, without the password a URL may hold.
fn command_line() -> String {
    let profile = if cfg!(debug_assertions) { "" } else { "--release " };
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    for (option, hidden) in [("--postgres-url", "postgres://…"), ("--nats-url", "nats://…")] {
        let with = format!("{option}=");
        for index in 0..arguments.len() {
            if arguments[index] == option && index + 1 < arguments.len() {
                arguments[index + 1] = hidden.into();
            } else if arguments[index].starts_with(&with) {
                arguments[index] = format!("{with}{hidden}");
            }
        }
    }
    format!("cargo run {profile}-p bench -- {}", arguments.join(" "))
}
