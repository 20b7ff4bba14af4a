//! Echo with every call logged to SQLite, against bare tonic, which logs nothing.

use crate::{
    Outcome,
    database::Database,
    duel::{Side, duel},
    figures::{Criterion, difference, ratio},
    run::Bench,
    suites::{Findings, counted, echo},
};

/// Runs the suite.
pub async fn run(bench: &Bench) -> Outcome<Findings> {
    let database = Database::file(bench.folder.path(), "log.sqlite3");
    bench.migrate_itself(&database)?;
    let steeple = Side {
        name: "steeple, log on SQLite".into(),
        command: Box::new(|address| bench.echo_site(address, &database, true)),
        log: Some(&database),
        credential: None,
    };
    let sides = duel(bench, bench.load, &echo::target()?, &[echo::bare(bench), steeple]).await?;
    let mut criteria = counted(&sides);
    if !bench.smoke {
        let (bare, steeple) = (&sides[0], &sides[1]);
        let speed = steeple.against(bare, |round| round.calls_per_second, ratio);
        let p99 = steeple.against(bare, |round| round.p99_ms, ratio);
        let cpu = steeple.against(bare, |round| round.cpu_micros, difference);
        criteria.push(Criterion::at_least("calls/s, of bare tonic", speed, 0.85));
        criteria.push(Criterion::at_most("p99, of bare tonic", p99, 1.5));
        criteria.push(Criterion::at_most("server CPU per call above bare tonic, µs", cpu, 5.0));
    }
    Ok(Findings { title: "Echo, every call logged to SQLite".into(), sides, criteria, notes: Vec::new() })
}
