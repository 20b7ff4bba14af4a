//! Sides driven in turn: each round starts every side afresh, loads it, and stops it, and the next round goes the
//! other way round, so that neither time nor heat nor neighbours favour one of them.
//!
//! Must never: give one side another load, another order of events or another measuring window than the others.

use std::{net::SocketAddr, process::Command, time::Duration};

use bytes::Bytes;

use crate::{
    Outcome,
    database::Database,
    figures::{Sample, Series, mebibytes, millis},
    load::{Client, Load, Target},
    process::{Server, Usage, free_address, usage},
    run::{Bench, say},
};

/// A server to be driven.
pub struct Side<'a> {
    /// What it is called in tables.
    pub name: String,
    /// The command that serves on this address.
    pub command: Box<dyn Fn(SocketAddr) -> Command + 'a>,
    /// The database its calls are logged to.
    pub log: Option<&'a Database>,
    /// What its callers show: the name of a metadata key and its value.
    pub credential: Option<(&'static str, String)>,
}

/// Drives all sides in all rounds. Every reply of every side must be the same, byte for byte.
pub async fn duel(bench: &Bench, load: Load, target: &Target, sides: &[Side<'_>]) -> Outcome<Vec<Series>> {
    let mut series: Vec<Series> =
        sides.iter().map(|side| Series { name: side.name.clone(), rounds: Vec::with_capacity(bench.rounds) }).collect();
    let mut expected = None;
    for round in 0..bench.rounds {
        for index in order(sides.len(), round) {
            let sample = drive(bench, load, target, &sides[index], &mut expected).await?;
            say(&format!(
                "round {} of {}, {}: {:.0} calls/s, {:.1} µs CPU a call, p99 {:.1} ms",
                round + 1,
                bench.rounds,
                sides[index].name,
                sample.calls_per_second,
                sample.cpu_micros,
                sample.p99_ms
            ));
            series[index].rounds.push(sample);
        }
    }
    Ok(series)
}

/// Forwards in even rounds, backwards in odd ones.
fn order(sides: usize, round: usize) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..sides).collect() } else { (0..sides).rev().collect() }
}

/// One side, one round.
async fn drive(
    bench: &Bench,
    load: Load,
    target: &Target,
    side: &Side<'_>,
    expected: &mut Option<Bytes>,
) -> Outcome<Sample> {
    let Load { connections, streams, warm_up, calls } = load;
    let rows_before = rows(side).await?;
    let address = free_address()?;
    let server = Server::start(&side.name, (side.command)(address), address, bench.folder.path())?;

    let target = &match &side.credential {
        Some((name, value)) => target.showing(name, value)?,
        None => target.clone(),
    };
    let client = Client::connect(address, connections).await?;
    let reply = client.ask(target).await?;
    let expected = &*expected.get_or_insert_with(|| reply.clone());
    if reply != expected {
        return Err(format!("{} answers {reply:?}, the first side answered {expected:?}", side.name).into());
    }
    let warm = client.drive(target, expected, streams, warm_up).await?;
    settle(bench).await;
    let (server_before, client_before) = (server.usage()?, usage("self")?);
    let driven = client.drive(target, expected, streams, calls).await?;
    let client_after = usage("self")?;
    settle(bench).await;
    let server_after = server.usage()?;
    drop(client);
    server.stop().await?;

    for failure in warm.failures.iter().chain(&driven.failures) {
        say(&format!("{}: a call failed: {failure}", side.name));
    }
    let good = (driven.calls - driven.failed) as f64;
    let per_call = |after: Usage, before: Usage| after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e6 / good;
    Ok(Sample {
        calls_per_second: good / driven.elapsed.as_secs_f64(),
        p50_ms: millis(Duration::from_micros(driven.latency.value_at_quantile(0.5))),
        p99_ms: millis(Duration::from_micros(driven.latency.value_at_quantile(0.99))),
        cpu_micros: per_call(server_after, server_before),
        client_micros: per_call(client_after, client_before),
        resident_mib: mebibytes(server_after.resident),
        peak_mib: mebibytes(server_after.peak),
        calls: 1 + warm.calls + driven.calls,
        failed: warm.failed + driven.failed,
        rows: rows(side).await?.zip(rows_before).map(|(after, before)| after - before),
    })
}

/// Lets a writer that works behind its calls catch up, so that its processor time falls to the calls that caused it.
async fn settle(bench: &Bench) {
    if !bench.smoke {
        tokio::time::sleep(SETTLED_AFTER).await;
    }
}

/// Twice and a half the longest time a row waits.
const SETTLED_AFTER: Duration = Duration::from_millis(500);

async fn rows(side: &Side<'_>) -> Outcome<Option<u64>> {
    match side.log {
        Some(database) => database.logged().await.map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn every_second_round_goes_backwards() {
        assert_eq!(order(3, 0), [0, 1, 2]);
        assert_eq!(order(3, 1), [2, 1, 0]);
    }
}
