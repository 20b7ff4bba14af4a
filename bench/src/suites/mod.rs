//! What is measured, one module a suite, each with the criteria for it.

pub mod coin;
pub mod echo;
pub mod identity;
pub mod idle;
pub mod log;
pub mod noise;
pub mod operate;
pub mod stats;
pub mod stream;

use std::fmt::{self, Display, Formatter};

use clap::ValueEnum;
use serde::Serialize;

use crate::{
    figures::{Criterion, Sample, Series, difference, ratio, spread_text},
    table::Table,
};

/// The suites by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Bare tonic against itself: how far a ratio of this run can be trusted.
    Noise,
    /// Echo through the whole pipeline, nothing logged, against bare tonic.
    Echo,
    /// Echo with every call logged to SQLite, against bare tonic.
    Log,
    /// Echo by callers with an API key or an access token, logged, against bare tonic.
    Identity,
    /// The demo's GetCoin against tonic and sqlx by hand, on SQLite and PostgreSQL.
    Coin,
    /// How long a day's statistics take, after one and after ten million calls.
    Stats,
    /// Clients that stay connected: memory, commands, broadcasts, and three nodes over a broker.
    Stream,
    /// What whoever operates a site asks, on ten million calls, on SQLite and PostgreSQL.
    Operate,
    /// The demo at rest: memory, and time from start to the first answer.
    Idle,
    /// All of them.
    All,
}

/// What a suite found.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// What was measured, in a few words.
    pub title: String,
    /// The sides that were driven; empty for a suite that drives nothing.
    pub sides: Vec<Series>,
    /// Measured against the limits.
    pub criteria: Vec<Criterion>,
    /// What one has to know to read the figures.
    pub notes: Vec<String>,
}

impl Findings {
    /// Whether every criterion holds.
    pub fn hold(&self) -> bool {
        self.criteria.iter().all(|criterion| criterion.holds)
    }
}

impl Display for Findings {
    /// As Markdown, without the title.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.sides.is_empty() {
            writeln!(f, "{}\n{}", medians(&self.sides), ratios(&self.sides))?;
        }
        if !self.criteria.is_empty() {
            write!(f, "{}", criteria(&self.criteria))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "\n{note}"))
    }
}

/// Counts that must be right whatever the speed: no failed call, and a row for every call.
pub fn counted(sides: &[Series]) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    for side in sides {
        criteria.push(Criterion::equal(format!("{}: failed calls", side.name), side.failed(), 0));
        if let Some(rows) = side.rows() {
            criteria.push(Criterion::equal(format!("{}: rows written", side.name), rows, side.calls()));
        }
    }
    criteria
}

fn medians(sides: &[Series]) -> Table {
    let mut table = Table::new(&[
        "side (medians)",
        "calls/s",
        "p50 ms",
        "p99 ms",
        "CPU µs/call",
        "client µs/call",
        "resident MiB",
        "peak MiB",
        "calls",
        "failed",
        "rows",
    ]);
    for side in sides {
        table.row([
            side.name.clone(),
            format!("{:.0}", side.median(|round| round.calls_per_second)),
            format!("{:.2}", side.median(|round| round.p50_ms)),
            format!("{:.2}", side.median(|round| round.p99_ms)),
            format!("{:.1}", side.median(|round| round.cpu_micros)),
            format!("{:.1}", side.median(|round| round.client_micros)),
            format!("{:.1}", side.median(|round| round.resident_mib)),
            format!("{:.1}", side.median(|round| round.peak_mib)),
            side.calls().to_string(),
            side.failed().to_string(),
            side.rows().map_or_else(|| "-".into(), |rows| rows.to_string()),
        ]);
    }
    table
}

fn ratios(sides: &[Series]) -> Table {
    let base = &sides[0];
    let heading = format!("of {}", base.name);
    let mut table = Table::new(&[&heading, "calls/s", "p50", "p99", "CPU/call", "CPU µs more", "resident"]);
    for side in &sides[1..] {
        let of_base = |figure: fn(&Sample) -> f64| spread_text(side.against(base, figure, ratio));
        table.row([
            side.name.clone(),
            of_base(|round| round.calls_per_second),
            of_base(|round| round.p50_ms),
            of_base(|round| round.p99_ms),
            of_base(|round| round.cpu_micros),
            spread_text(side.against(base, |round| round.cpu_micros, difference)),
            of_base(|round| round.resident_mib),
        ]);
    }
    table
}

fn criteria(criteria: &[Criterion]) -> Table {
    let mut table = Table::new(&["criterion", "measured", "limit", "holds"]);
    for criterion in criteria {
        let holds = if criterion.holds { "yes" } else { "NO" };
        table.row([criterion.what.clone(), criterion.measured.clone(), criterion.limit.clone(), holds.into()]);
    }
    table
}
