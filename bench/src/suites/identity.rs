//! Echo by callers who show who they are, with every call logged to SQLite, against bare tonic, which asks nobody.

use crate::{
    Outcome,
    database::Database,
    duel::{Side, duel},
    figures::{Criterion, ratio},
    run::Bench,
    suites::{Findings, counted, echo},
};

/// Runs the suite.
pub async fn run(bench: &Bench) -> Outcome<Findings> {
    let database = Database::file(bench.folder.path(), "identity.sqlite3");
    bench.migrate_itself(&database)?;
    let caller = bench.caller(&database)?;
    let guarded = |name: &str, credential| Side {
        name: name.into(),
        command: Box::new(|address| bench.guarded_echo_site(address, &database)),
        log: Some(&database),
        credential: Some(credential),
    };
    let sides = [
        echo::bare(bench),
        guarded("steeple, API key, log on", ("x-api-key", caller.key)),
        guarded("steeple, access token, log on", ("authorization", format!("Bearer {}", caller.token))),
    ];
    let sides = duel(bench, bench.load, &echo::target()?, &sides).await?;
    let mut criteria = counted(&sides);
    if !bench.smoke {
        for side in &sides[1..] {
            let speed = side.against(&sides[0], |round| round.calls_per_second, ratio);
            criteria.push(Criterion::at_least(format!("{}: calls/s, of bare tonic", side.name), speed, 0.75));
        }
    }
    let notes = vec!["No rule of the site opens the method: a call without the credential is refused.".into()];
    Ok(Findings { title: "Echo by known callers, every call logged to SQLite".into(), sides, criteria, notes })
}
