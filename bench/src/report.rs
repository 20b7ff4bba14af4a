//! What a run found, as Markdown or JSON, with everything that is needed to run it again.
//!
//! In Markdown each suite's section says by itself how it came about, so that a file of results can keep sections of
//! different runs beside each other: [`Report::added_to`] replaces those that were measured anew, and no other.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::{load::Load, machine::Machine, suites::Findings};

/// What stands before the sections.
const HEAD: &str = "# What Steeple costs

Each section says with which command, when and on what it was measured; `--write` replaces the sections of the suites that
ran. Every side is started afresh in every round, closed loop; every second round goes the other way round. Ratios are
medians of the ratios within a round, in brackets the smallest and the largest.
";

/// What every section begins with.
const SECTION: &str = "\n## ";

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

    /// The results so far with those of this run: a section of the same title makes way, in its place.
    pub fn added_to(&self, kept: &str) -> String {
        let mut sections: Vec<String> = kept.split(SECTION).skip(1).map(str::to_owned).collect();
        for findings in &self.findings {
            let section = self.section(findings);
            let same = sections.iter_mut().find(|kept| kept.lines().next() == Some(&findings.title));
            match same {
                Some(kept) => *kept = section,
                None => sections.push(section),
            }
        }
        joined(&sections)
    }

    /// A section without its mark.
    fn section(&self, findings: &Findings) -> String {
        let Load { connections, streams, warm_up, calls } = self.load;
        let Self { command, date, machine, rounds, .. } = self;
        let title = &findings.title;
        let verdict = if findings.hold() { "All criteria hold." } else { "NOT all criteria hold." };
        format!(
            "{title}\n\n    {command}\n\n{date}, {rounds} rounds, each with {warm_up} calls to warm up and {calls} \
             measured on {connections} connections with {streams} calls in flight each, unless said otherwise below. \
             {machine}.\n\n{findings}\n{verdict}\n"
        )
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sections: Vec<_> = self.findings.iter().map(|findings| self.section(findings)).collect();
        f.write_str(&joined(&sections))
    }
}

fn joined(sections: &[String]) -> String {
    sections.iter().fold(HEAD.to_owned(), |all, section| all + SECTION + section.trim_end() + "\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(titles: &[&str]) -> Report {
        let found = |title: &&str| Findings {
            title: (*title).to_owned(),
            sides: Vec::new(),
            criteria: Vec::new(),
            notes: vec![format!("note of {title}")],
        };
        let load = Load { connections: 1, streams: 1, warm_up: 1, calls: 1 };
        Report::new(1, load, Machine::here(), titles.iter().map(found).collect())
    }

    #[test]
    fn results_keep_what_was_not_measured_anew() {
        let first = report(&["Echo", "Coins"]).to_string().replace("note of Echo", "an old note");
        let second = report(&["Echo", "Idle"]).added_to(&first);
        let titles: Vec<_> = second.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(titles, ["Echo", "Coins", "Idle"]);
        assert!(second.contains("note of Echo") && !second.contains("an old note"), "{second}");
        assert!(second.contains("note of Coins"), "{second}");
        assert!(second.starts_with(HEAD));
    }

    #[test]
    fn results_written_again_do_not_change() {
        let report = report(&["Echo", "Coins"]);
        assert_eq!(report.added_to(""), report.to_string());
        assert_eq!(report.added_to(&report.to_string()), report.to_string());
    }
}
