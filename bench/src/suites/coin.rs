//! The demo's GetCoin against a server written by hand with tonic and sqlx that logs nothing, on the same database.

use crate::{
    Outcome,
    database::Database,
    duel::{Side, duel},
    figures::{Criterion, ratio},
    load::Target,
    run::{Bench, say},
    stock::crypto::GetCoinRequest,
    suites::{Findings, counted},
};

/// A lookup costs several echoes, and the suite has three sides on each database.
const LESS_CALLS: u64 = 3;

/// A coin the demo is seeded with.
pub fn target() -> Outcome<Target> {
    Target::new("/crypto.CryptoService/GetCoin", &GetCoinRequest { symbol: "BTC".into() })
}

/// Runs the suite on SQLite, and on PostgreSQL when there is one.
pub async fn run(bench: &Bench) -> Outcome<Vec<Findings>> {
    let file = Database::file(bench.folder.path(), "coin.sqlite3");
    let mut findings = vec![on(bench, &file).await?];
    match &bench.postgres_url {
        Some(url) => {
            let database = Database::on_server(url).await?;
            let found = on(bench, &database).await;
            database.drop().await?;
            findings.push(found?);
        }
        None => say("skipped: GetCoin on PostgreSQL; give --postgres-url to run it"),
    }
    Ok(findings)
}

async fn on(bench: &Bench, database: &Database) -> Outcome<Findings> {
    bench.migrate_demo(database)?;
    let sides = [
        Side {
            name: "tonic + sqlx, no log".into(),
            command: Box::new(|address| {
                let mut command = bench.itself("serve-sqlx", address);
                command.args(["--url", &database.url]);
                command
            }),
            log: None,
            credential: None,
        },
        Side {
            name: "demo, log off".into(),
            command: Box::new(|address| bench.demo_site(address, database, false)),
            log: None,
            credential: None,
        },
        Side {
            name: "demo, log on".into(),
            command: Box::new(|address| bench.demo_site(address, database, true)),
            log: Some(database),
            credential: None,
        },
    ];
    let sides = duel(bench, bench.load.shortened(LESS_CALLS), &target()?, &sides).await?;
    let mut criteria = counted(&sides);
    if !bench.smoke {
        for side in &sides[1..] {
            let speed = side.against(&sides[0], |round| round.calls_per_second, ratio);
            criteria.push(Criterion::at_least(format!("{}: calls/s, of tonic + sqlx", side.name), speed, 0.80));
        }
    }
    let notes = vec![format!(
        "The hand-written server logs nothing; its pool never tests a connection before use. One call for every \
         {LESS_CALLS} of the echo."
    )];
    Ok(Findings { title: format!("GetCoin on {}", database.kind), sides, criteria, notes })
}
