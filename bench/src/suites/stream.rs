//! Clients that stay connected: what each holds in memory, how fast commands and acks go, how soon a broadcast has
//! reached the last, and what a broker between three nodes adds.

use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message as _;

use crate::{
    Outcome,
    agents::{Agents, Manner, Wanted},
    database::Database,
    figures::{Criterion, Sample, Series, Spread, mebibytes, millis},
    load::{Client, Driven, Target, framed},
    process::{Server, free_address, usage},
    run::{Bench, say},
    stock::relay::{Order, Reached, Reply},
    suites::Findings,
};

/// What a command says: as much as a small one does.
const TEXT: &[u8] = b"sync wallets of BTC and ETH";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What bare tonic reaches, times this, is asked of Steeple, but no more than [`COMMANDS`].
const OF_BARE: f64 = 0.6;
/// Commands a second that are asked for.
const COMMANDS: f64 = 20_000.0;
/// Resident memory of a client over idle, in KB, where clients share connections.
const KILOBYTES: f64 = 24.0;
/// Where each has its own, of what it costs bare tonic, whose connection alone takes more than [`KILOBYTES`].
const OF_CONNECTION: f64 = 1.1;
/// Commands a second from another node.
const REMOTE: f64 = 1_000.0;
/// Broadcasts in each round.
const BROADCASTS: usize = 5;

/// How much of everything: less in a smoke run.
struct Sizes {
    crowd: usize,
    clients: usize,
    calls: u64,
    /// How long calls go at a rate.
    steady: Duration,
    /// How long heartbeats go before memory is read: long enough for pings, and for rows brought up to date.
    settled: Duration,
    remote_clients: usize,
    remote_rate: f64,
    timeouts: u64,
}

impl Sizes {
    fn of(bench: &Bench) -> Self {
        if bench.smoke {
            Self {
                crowd: 60,
                clients: 20,
                calls: 300,
                steady: Duration::from_millis(200),
                settled: Duration::from_millis(200),
                remote_clients: 9,
                remote_rate: 100.0,
                timeouts: 100,
            }
        } else {
            Self {
                crowd: 10_000,
                clients: 1_000,
                calls: bench.load.calls,
                steady: Duration::from_secs(5),
                settled: Duration::from_secs(20),
                remote_clients: 300,
                remote_rate: REMOTE,
                timeouts: 100_000,
            }
        }
    }
}

/// Runs the suite.
pub async fn run(bench: &Bench) -> Outcome<Vec<Findings>> {
    let sizes = Sizes::of(bench);
    let mut findings = vec![commands(bench, &sizes).await?, crowd(bench, &sizes).await?];
    match &bench.nats_url {
        Some(url) => findings.push(nodes(bench, &sizes, url).await?),
        None => say("nodes: left out, no broker: --nats-url or STEEPLE_TEST_NATS_URL names one"),
    }
    Ok(findings)
}

// === commands and acks ===

async fn commands(bench: &Bench, sizes: &Sizes) -> Outcome<Findings> {
    let database = Database::file(bench.folder.path(), "relay.sqlite3");
    bench.migrate_itself(&database)?;
    let names = ["bare tonic by hand", "steeple, log on"];
    let mut sides = names.map(|name| Series { name: name.into(), rounds: Vec::new() });
    let (mut half, mut bare_half) = (Vec::new(), Vec::new());
    let mut lost = 0;
    let mut asked = None;
    for round in 0..bench.rounds {
        for turn in 0..2 {
            let index = (round + turn) % 2;
            let address = free_address()?;
            let command = match index {
                0 => bench.itself("serve-bare-relay", address),
                _ => bench.relay_site(address, &database, &[]),
            };
            let server = Server::start(names[index], command, address, bench.folder.path())?;
            let done = drive(bench, sizes, &server, address, asked).await?;
            server.stop().await?;
            say(&format!(
                "round {} of {}, {}: {:.0} commands/s, p99 {:.1} ms, at half the rate {:.1} ms",
                round + 1,
                bench.rounds,
                names[index],
                done.sample.calls_per_second,
                done.sample.p99_ms,
                done.half_p99_ms
            ));
            if index == 1 {
                half.push(done.half_p99_ms);
            } else {
                bare_half.push(done.half_p99_ms);
                asked = Some(asked_of(done.sample.calls_per_second));
            }
            lost += done.lost;
            sides[index].rounds.push(done.sample);
        }
    }
    let mut criteria: Vec<_> = sides
        .iter()
        .map(|side| Criterion::equal(format!("{}: failed commands", side.name), side.failed(), 0))
        .collect();
    criteria.push(Criterion::equal("streams that ended", lost, 0));
    if !bench.smoke {
        let asked = asked_of(sides[0].median(|round| round.calls_per_second));
        let reached = Spread::of(sides[1].rounds.iter().map(|round| round.calls_per_second));
        criteria.push(Criterion::at_least("commands/s, each with its ack", reached, asked));
        criteria.push(Criterion::at_most("p99 at half that rate, ms", Spread::of(half), 5.0));
    }
    let notes = vec![format!(
        "{} clients, each with a heartbeat a second; one unary call is one command to one of them, in turn, and ends with \
         the client's ack. Asked is {COMMANDS:.0} commands/s, or {OF_BARE} of what bare tonic reaches. At half that rate \
         bare tonic's p99 was {:.2} ms. The clients are on the load client's thread.",
        sizes.clients,
        Spread::of(bare_half).median
    )];
    Ok(Findings { title: "Commands to connected clients".into(), sides: sides.into(), criteria, notes })
}

struct Done {
    sample: Sample,
    half_p99_ms: f64,
    lost: u64,
}

/// What is asked of Steeple where bare tonic is so fast.
fn asked_of(bare: f64) -> f64 {
    (bare * OF_BARE).min(COMMANDS)
}

async fn drive(
    bench: &Bench,
    sizes: &Sizes,
    server: &Server,
    address: SocketAddr,
    asked: Option<f64>,
) -> Outcome<Done> {
    let client = Client::connect(address, bench.load.connections).await?;
    let agents = Agents::open(address, "agent", wanted(sizes.clients, 100, Manner::Obeys)).await?;
    connected(&client, sizes.clients).await?;
    let target = execute("agent", sizes.clients, 0)?;
    let expected = framed(&Reply { text: TEXT.to_vec() });
    let warm = client.drive(&target, &expected, bench.load.streams, sizes.calls / 10).await?;
    let (server_before, client_before) = (server.usage()?, usage("self")?);
    let driven = client.drive(&target, &expected, bench.load.streams, sizes.calls).await?;
    let (server_after, client_after) = (server.usage()?, usage("self")?);
    told(&warm);
    told(&driven);
    let good = (driven.calls - driven.failed) as f64;
    let speed = good / driven.elapsed.as_secs_f64();
    let asked = if bench.smoke { sizes.remote_rate } else { asked.unwrap_or_else(|| asked_of(speed)) / 2.0 };
    let paced = client.pace(&target, &expected, asked, (asked * sizes.steady.as_secs_f64()) as u64).await?;
    told(&paced);
    for end in agents.ended().iter().take(3) {
        say(&format!("a stream ended: {end}"));
    }
    let sample = Sample {
        calls_per_second: speed,
        p50_ms: quantile(&driven, 0.5),
        p99_ms: quantile(&driven, 0.99),
        cpu_micros: server_after.cpu.saturating_sub(server_before.cpu).as_secs_f64() * 1e6 / good,
        client_micros: client_after.cpu.saturating_sub(client_before.cpu).as_secs_f64() * 1e6 / good,
        resident_mib: mebibytes(server_after.resident),
        peak_mib: mebibytes(server_after.peak),
        calls: warm.calls + driven.calls + paced.calls,
        failed: warm.failed + driven.failed + paced.failed,
        rows: None,
    };
    Ok(Done { sample, half_p99_ms: quantile(&paced, 0.99), lost: agents.ended().len() as u64 })
}

// === ten thousand clients ===

/// What one crowd showed.
struct Crowd {
    seconds: f64,
    kilobytes: f64,
    broadcast_ms: Vec<f64>,
    missed: u64,
    lost: u64,
}

async fn crowd(bench: &Bench, sizes: &Sizes) -> Outcome<Findings> {
    let database = Database::file(bench.folder.path(), "crowd.sqlite3");
    bench.migrate_itself(&database)?;
    let mut criteria = Vec::new();
    let (mut bare, mut own) = (Vec::new(), 0.0);
    for (shared, what) in [(100, "100 to a connection"), (1, "a connection each")] {
        let (mut seconds, mut kilobytes, mut broadcasts) = (Vec::new(), Vec::new(), Vec::new());
        let (mut missed, mut lost) = (0, 0);
        for round in 0..bench.rounds {
            let one = gather(bench, sizes, &database, shared).await?;
            if shared == 1 {
                let address = free_address()?;
                let server = bench.itself("serve-bare-relay", address);
                let server = Server::start("bare crowd", server, address, bench.folder.path())?;
                bare.push(seat(&server, address, sizes, shared).await?.kilobytes);
                server.stop().await?;
            }
            say(&format!(
                "round {} of {}, {} clients, {what}: connected in {:.2} s, {:.1} KB each, broadcasts {:.0?} ms",
                round + 1,
                bench.rounds,
                sizes.crowd,
                one.seconds,
                one.kilobytes,
                one.broadcast_ms
            ));
            seconds.push(one.seconds);
            kilobytes.push(one.kilobytes);
            broadcasts.push(one.broadcast_ms.iter().copied().fold(0.0, f64::max));
            missed += one.missed;
            lost += one.lost;
        }
        own = Spread::of(kilobytes.iter().copied()).median;
        let crowd = format!("{} clients, {what}", sizes.crowd);
        criteria.push(Criterion::equal(format!("{crowd}: streams that ended"), lost, 0));
        criteria.push(Criterion::equal(format!("{crowd}: clients that a broadcast missed"), missed, 0));
        if !bench.smoke {
            let of = |what: &str| format!("{crowd}: {what}");
            criteria.push(if shared == 1 {
                let more = Spread::of(kilobytes.iter().zip(&bare).map(|(ours, bare)| ours / bare));
                Criterion::at_most(of("resident over idle, of bare tonic by hand"), more, OF_CONNECTION)
            } else {
                Criterion::at_most(of("resident KB each, over idle"), Spread::of(kilobytes.iter().copied()), KILOBYTES)
            });
            criteria.push(Criterion::at_most(of("all connected within, s"), Spread::of(seconds), 5.0));
            criteria.push(Criterion::at_most(
                of("slowest broadcast, to the last ack sent, ms"),
                Spread::of(broadcasts),
                500.0,
            ));
        }
    }
    let notes = vec![format!(
        "One server; every client gives a sign of life a second, and has acknowledged a ping when its memory is read, \
         {:.0} s after the last has connected. One more client, on a connection of its own, reads nothing and has its \
         window full before the broadcasts. A client with a connection of its own costs bare tonic by hand {:.1} KB, \
         Steeple {:.1} KB.",
        sizes.settled.as_secs_f64(),
        Spread::of(bare).median,
        own
    )];
    Ok(Findings { title: "A crowd of connected clients".into(), sides: Vec::new(), criteria, notes })
}

/// Clients that have connected to a server.
struct Seated {
    client: Client,
    agents: Agents,
    seconds: f64,
    kilobytes: f64,
}

/// Connects a crowd to a server where nobody is, and weighs it when it has settled.
async fn seat(server: &Server, address: SocketAddr, sizes: &Sizes, shared: usize) -> Outcome<Seated> {
    let client = Client::connect(address, 1).await?;
    // Once before anybody is there, so that what it needs is there.
    client.ask(&broadcast()?).await?;
    tokio::time::sleep(sizes.steady).await;
    let idle = server.usage()?.resident;
    let began = Instant::now();
    let agents = Agents::open(address, "agent", wanted(sizes.crowd, shared, Manner::Obeys)).await?;
    connected(&client, sizes.crowd).await?;
    let seconds = began.elapsed().as_secs_f64();
    tokio::time::sleep(sizes.settled).await;
    let kilobytes = server.usage()?.resident.saturating_sub(idle) as f64 / sizes.crowd as f64 / 1e3;
    Ok(Seated { client, agents, seconds, kilobytes })
}

fn broadcast() -> Outcome<Target> {
    Target::new("/relay.RelayService/Broadcast", &order("", TEXT.to_vec(), 0))
}

async fn gather(bench: &Bench, sizes: &Sizes, database: &Database, shared: usize) -> Outcome<Crowd> {
    let address = free_address()?;
    let server = Server::start("crowd", bench.relay_site(address, database, &[]), address, bench.folder.path())?;
    let Seated { client, agents, seconds, kilobytes } = seat(&server, address, sizes, shared).await?;
    let broadcast = broadcast()?;
    let deaf = Agents::open(address, "deaf", wanted(1, 1, Manner::Deaf)).await?;
    connected(&client, sizes.crowd + 1).await?;
    // More than its window.
    let filling = Target::new("/relay.RelayService/Execute", &order("deaf-0", vec![7; 100_000], 100))?;
    if client.ask(&filling).await.is_ok() {
        return Err("a client that reads nothing has answered".into());
    }
    let mut broadcast_ms = Vec::new();
    let mut missed = 0;
    for _ in 0..BROADCASTS {
        let before = agents.commands();
        let began = Instant::now();
        let (reached, received) =
            tokio::join!(client.ask(&broadcast), agents.received(before + sizes.crowd as u64, PATIENCE));
        received?;
        broadcast_ms.push(millis(began.elapsed()));
        missed += (sizes.crowd as u64 + 1).saturating_sub(clients(&reached?)?);
    }
    let lost = (sizes.crowd + 1).saturating_sub(agents.open_streams() + deaf.open_streams()) as u64;
    drop((agents, deaf, client));
    // The connections close on this thread.
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop().await?;
    Ok(Crowd { seconds, kilobytes, broadcast_ms, missed, lost })
}

// === three nodes ===

async fn nodes(bench: &Bench, sizes: &Sizes, broker: &str) -> Outcome<Findings> {
    let database = Database::file(bench.folder.path(), "nodes.sqlite3");
    bench.migrate_itself(&database)?;
    let site = format!("bench-{}", std::process::id());
    let bus = [("STEEPLE_BUS__URL", broker), ("STEEPLE_BUS__SITE", &site), ("STEEPLE_BUS__SETTLE", "0s")];
    let mut servers = Vec::new();
    let mut clients = Vec::new();
    for number in 0..3 {
        let address = free_address()?;
        let command = bench.relay_site(address, &database, &bus);
        servers.push(Server::start(&format!("node {number}"), command, address, bench.folder.path())?);
        clients.push((address, Client::connect(address, 4).await?));
    }
    let each = sizes.remote_clients / 3;
    let mut agents = Vec::new();
    for (number, (address, client)) in clients.iter().enumerate() {
        agents.push(Agents::open(*address, &format!("obeys-{number}"), wanted(each, 10, Manner::Obeys)).await?);
        agents.push(Agents::open(*address, &format!("silent-{number}"), wanted(each, 10, Manner::Silent)).await?);
        connected(client, 2 * each).await?;
    }
    let expected = framed(&Reply { text: TEXT.to_vec() });
    // Every node commands the clients of the next one.
    let next =
        |manner: &str, node: usize, timeout: u32| execute(&format!("{manner}-{}", (node + 1) % 3), each, timeout);
    let targets = [next("obeys", 0, 0)?, next("obeys", 1, 0)?, next("obeys", 2, 0)?];
    let (mut p50, mut p99, mut failed) = (Vec::new(), Vec::new(), 0);
    for round in 0..bench.rounds {
        let (rate, calls) = (sizes.remote_rate / 3.0, (sizes.remote_rate * sizes.steady.as_secs_f64() / 3.0) as u64);
        let paced = tokio::try_join!(
            clients[0].1.pace(&targets[0], &expected, rate, calls),
            clients[1].1.pace(&targets[1], &expected, rate, calls),
            clients[2].1.pace(&targets[2], &expected, rate, calls),
        )?;
        let mut all = paced.0;
        for other in [paced.1, paced.2] {
            all.latency.add(&other.latency)?;
            all.failed += other.failed;
            all.failures.extend(other.failures);
        }
        told(&all);
        failed += all.failed;
        p50.push(quantile(&all, 0.5));
        p99.push(quantile(&all, 0.99));
        say(&format!("round {} of {}, from other nodes: p99 {:.1} ms", round + 1, bench.rounds, quantile(&all, 0.99)));
    }

    // Timeouts: some to warm up, the rest counted.
    let resident = || servers.iter().map(|server| Ok(server.usage()?.resident)).sum::<Outcome<u64>>();
    let silent = next("silent", 0, 20)?;
    let storm = async |calls| clients[0].1.drive(&silent, &Bytes::new(), bench.load.streams, calls).await;
    let warm = storm(sizes.timeouts / 5).await?;
    let before = resident()?;
    let timeouts = storm(sizes.timeouts).await?;
    let after = resident()?;
    let timed_out = timeouts.failures.iter().chain(&warm.failures).all(|failure| failure.starts_with("grpc-status 4"));
    if !timed_out {
        told(&timeouts);
    }
    let grown = mebibytes(after) - mebibytes(before);
    say(&format!("{} timeouts in {:.1} s: {grown:+.1} MiB", timeouts.calls, timeouts.elapsed.as_secs_f64()));
    let lost: usize = agents.iter().map(|agents| agents.ended().len()).sum();
    drop((agents, clients));
    tokio::time::sleep(Duration::from_millis(50)).await;
    for server in servers {
        server.stop().await?;
    }

    let mut criteria = vec![
        Criterion::equal("failed commands from other nodes", failed, 0),
        Criterion::equal("streams that ended", lost as u64, 0),
        Criterion::equal("commands to silent clients that timed out", timeouts.failed, sizes.timeouts),
    ];
    if !bench.smoke {
        criteria.push(Criterion::at_most("p50 at 1,000 commands/s from another node, ms", Spread::of(p50), 5.0));
        criteria.push(Criterion::at_most("p99 at 1,000 commands/s from another node, ms", Spread::of(p99), 5.0));
        let what = "MiB that three nodes grew by in 100,000 timeouts";
        criteria.push(Criterion::at_most(what, Spread::of([grown]), 8.0));
    }
    let notes = vec![format!(
        "Three nodes and a NATS broker on this machine; {} clients that answer and as many that do not. Timeouts are 20 ms \
         long, and come after {} that are not counted; before them the nodes held {:.0} MiB together.",
        3 * each,
        sizes.timeouts / 5,
        mebibytes(before)
    )];
    Ok(Findings { title: "Three nodes over a broker".into(), sides: Vec::new(), criteria, notes })
}

// === parts ===

fn wanted(clients: usize, per_connection: usize, manner: Manner) -> Wanted {
    Wanted { clients, per_connection, heartbeat: Duration::from_secs(1), manner }
}

fn order(client_id: &str, text: Vec<u8>, timeout_ms: u32) -> Order {
    Order { client_id: client_id.to_owned(), text, timeout_ms }
}

/// A command to each of these clients in turn.
fn execute(name: &str, clients: usize, timeout_ms: u32) -> Outcome<Target> {
    let orders: Vec<_> =
        (0..clients).map(|number| order(&format!("{name}-{number}"), TEXT.to_vec(), timeout_ms)).collect();
    Target::each("/relay.RelayService/Execute", &orders)
}

/// Waits until the server knows so many clients.
async fn connected(client: &Client, wanted: usize) -> Outcome<()> {
    let ask = Target::new("/relay.RelayService/Connected", &Order::default())?;
    let began = Instant::now();
    loop {
        let known = clients(&client.ask(&ask).await?)?;
        if known == wanted as u64 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{known} of {wanted} clients are connected after {PATIENCE:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn clients(reply: &Bytes) -> Outcome<u64> {
    let message = reply.get(5..).ok_or("a reply that is no message")?;
    Ok(Reached::decode(message)?.clients.into())
}

fn quantile(driven: &Driven, quantile: f64) -> f64 {
    millis(Duration::from_micros(driven.latency.value_at_quantile(quantile)))
}

fn told(driven: &Driven) {
    for failure in &driven.failures {
        say(&format!("a command failed: {failure}"));
    }
}

/// Tells a site to take any number of clients from one address.
pub fn unlimited(command: &mut Command) -> &mut Command {
    command
        .env("STEEPLE_SERVER__MAX_CONNECTIONS", "20000")
        .env("STEEPLE_STREAMS__MAX_SESSIONS", "0")
        .env("STEEPLE_STREAMS__MAX_SESSIONS_PER_PRINCIPAL", "0")
}
