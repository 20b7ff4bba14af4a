//! The demo at rest: how soon it answers on an existing database, and how much memory it holds before any load.

use std::time::Duration;

use crate::{
    Outcome,
    database::Database,
    figures::{Criterion, Spread},
    load::Client,
    process::{Server, free_address},
    run::Bench,
    suites::{Findings, coin},
};

/// Long enough for everything that starts in the background to have started.
const AT_REST_AFTER: Duration = Duration::from_secs(2);

/// Runs the suite.
pub async fn run(bench: &Bench) -> Outcome<Findings> {
    let database = Database::file(bench.folder.path(), "idle.sqlite3");
    bench.migrate_demo(&database)?;
    let target = coin::target()?;
    let (mut seconds, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let address = free_address()?;
        let command = bench.demo_site(address, &database, true);
        let server = Server::start("demo", command, address, bench.folder.path())?;
        Client::connect(address, 1).await?.ask(&target).await?;
        seconds.push(server.spawned.elapsed().as_secs_f64());
        if !bench.smoke {
            tokio::time::sleep(AT_REST_AFTER).await;
        }
        resident.push(server.usage()?.resident as f64 / 1e6);
        server.stop().await?;
    }
    let answered = seconds.len() as u64;
    let (seconds, resident) = (Spread::of(seconds), Spread::of(resident));
    let mut criteria = vec![Criterion::equal("starts that were answered and stopped", answered, bench.rounds as u64)];
    if !bench.smoke {
        criteria.push(Criterion::at_most("resident memory at rest, MB", resident, 40.0));
        criteria.push(Criterion::at_most("from start to the first answered call, s", seconds, 0.5));
    }
    Ok(Findings { title: "The demo at rest".into(), sides: Vec::new(), criteria, notes: Vec::new() })
}
