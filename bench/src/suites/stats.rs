//! How long a day's statistics take after one million calls, and after ten.

use std::time::Instant;

use steeple::{Db, db, record::RequestLog};

use crate::{
    Outcome,
    database::Database,
    figures::{Criterion, Spread, millis, ratio},
    fill::{self, P95_MS, fill},
    machine,
    run::{Bench, say},
    suites::Findings,
};

/// The question: the last day.
const HOURS: u32 = 24;
/// One hour more is filled than is asked for, so that the day is full however long the filling takes.
const FILLED_HOURS: i64 = 25;
/// Questions in each round.
const ASKED: usize = 5;

/// Runs the suite.
pub async fn run(bench: &Bench) -> Outcome<Findings> {
    let calls_a_day = if bench.smoke { [1_000, 10_000] } else { [1_000_000, 10_000_000] };
    let mut databases = Vec::new();
    let mut criteria = Vec::new();
    for calls in calls_a_day {
        let (db, filled) = filled(bench, calls).await?;
        // Everything that was filled in is found again: by the sums, and by the rows.
        let found = RequestLog::get_statistics(&db, 2 * HOURS).await?.all;
        criteria.push(Criterion::equal(format!("{calls} calls a day: calls in the statistics"), found.total, filled));
        let off = Spread::of([(found.p95_duration_ms / P95_MS - 1.0).abs() * 100.0]);
        criteria.push(Criterion::at_most(format!("{calls} calls a day: p95 off by, %"), off, 2.0));
        let rows = RequestLog::all_time().count(&db).await?;
        criteria.push(Criterion::equal(format!("{calls} calls a day: rows in the table"), rows, filled));
        databases.push(db);
    }
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..bench.rounds {
        for turn in 0..2 {
            let index = (round + turn) % 2;
            for _ in 0..ASKED {
                let began = Instant::now();
                RequestLog::get_statistics(&databases[index], HOURS).await?;
                times[index].push(millis(began.elapsed()));
            }
        }
    }
    for db in &databases {
        db.close().await;
    }
    let [few, many] = times.map(Spread::of);
    if bench.smoke {
        return Ok(findings(criteria));
    }
    criteria.push(Criterion::at_most("1,000,000 rows: get_statistics(24), ms", few, 50.0));
    let factor = Spread::of([ratio(many.median, few.median)]);
    criteria.push(Criterion::at_most("10,000,000 rows: get_statistics(24), of the time for 1,000,000", factor, 2.0));
    criteria.push(Criterion::at_most("10,000,000 rows: get_statistics(24), ms", many, 100.0));
    Ok(findings(criteria))
}

fn findings(criteria: Vec<Criterion>) -> Findings {
    let notes = vec![
        "SQLite; 20 methods, three codes, spread evenly over the day. The part of the first hour is read minute by \
         minute, so the time depends on the minute of the hour in which it is measured."
            .into(),
    ];
    Findings { title: "Statistics of a day".into(), sides: Vec::new(), criteria, notes }
}

/// A database with so many calls a day, and how many there are in all.
async fn filled(bench: &Bench, calls_a_day: i64) -> Outcome<(Db, u64)> {
    let database = Database::file(bench.folder.path(), &format!("stats-{calls_a_day}.sqlite3"));
    bench.migrate_itself(&database)?;
    let calls = calls_a_day * FILLED_HOURS / i64::from(HOURS);
    let began = Instant::now();
    fill(&fill::Options { url: database.url.clone(), calls, hours: FILLED_HOURS, sums_only: false }).await?;
    say(&format!("filled in {calls} calls in {:.0} s", began.elapsed().as_secs_f64()));
    let config = db::Config { url: database.url, ..db::Config::default() };
    Ok((Db::connect(&config, machine::cores()).await?, calls.unsigned_abs()))
}
