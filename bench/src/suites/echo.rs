//! Echo through the whole pipeline, nothing logged: the price of the framework itself.

use crate::{
    Outcome,
    database::Database,
    duel::{Side, duel},
    figures::{Criterion, ratio},
    load::Target,
    run::Bench,
    stock::echo::EchoRequest,
    suites::{Findings, counted},
};

/// Five bytes, as in the trials before any framework existed.
pub fn target() -> Outcome<Target> {
    Target::new("/echo.EchoService/Echo", &EchoRequest { text: "hello".into() })
}

/// The stock server every echo is compared with.
pub fn bare(bench: &Bench) -> Side<'_> {
    Side {
        name: "bare tonic".into(),
        command: Box::new(|address| bench.itself("serve-bare", address)),
        log: None,
        credential: None,
    }
}

/// Runs the suite.
pub async fn run(bench: &Bench) -> Outcome<Findings> {
    let database = Database::file(bench.folder.path(), "echo.sqlite3");
    bench.migrate_itself(&database)?;
    let steeple = Side {
        name: "steeple, log off".into(),
        command: Box::new(|address| bench.echo_site(address, &database, false)),
        log: None,
        credential: None,
    };
    let sides = duel(bench, bench.load, &target()?, &[bare(bench), steeple]).await?;
    let mut criteria = counted(&sides);
    if !bench.smoke {
        let cpu = sides[1].against(&sides[0], |round| round.cpu_micros, ratio);
        criteria.push(Criterion::at_most("server CPU per call, of bare tonic", cpu, 1.10));
    }
    Ok(Findings { title: "Echo, request log off".into(), sides, criteria, notes: Vec::new() })
}
