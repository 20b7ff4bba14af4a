//! What whoever operates a site asks, on ten million calls: the overview, lists, charts, and a file of a million rows.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use steeple::{
    Code, Db, db,
    record::{
        RequestLog,
        stats::{Interval, Question},
    },
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::{
    Outcome,
    database::Database,
    figures::{Criterion, Spread, mebibytes, millis},
    fill::{self, fill},
    machine,
    process::{Server, free_address},
    run::{Bench, say},
    suites::Findings,
};

/// The calls, and over how many hours up to now they are spread.
const CALLS: i64 = 10_000_000;
const HOURS: i64 = 30;
/// Rows of the file.
const FILE: u64 = 1_000_000;
/// What a page of a list has.
const PAGE: u64 = 100;
/// Rows of the file between two looks at the server's memory.
const LOOK: u64 = 10_000;
/// How long the next part of a file may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest any answer may take.
const LIMIT_MS: f64 = 100.0;
/// How much more memory a file of any length may take.
const LIMIT_MIB: f64 = 32.0;

/// Runs the suite on SQLite, and on PostgreSQL when there is one.
pub async fn run(bench: &Bench) -> Outcome<Vec<Findings>> {
    let mut findings = vec![on(bench, &Database::file(bench.folder.path(), "operate.sqlite3")).await?];
    match &bench.postgres_url {
        Some(url) => {
            let database = Database::on_server(url).await?;
            let found = on(bench, &database).await;
            database.drop().await?;
            findings.push(found?);
        }
        None => say("skipped: operating on PostgreSQL; give --postgres-url to run it"),
    }
    Ok(findings)
}

async fn on(bench: &Bench, database: &Database) -> Outcome<Findings> {
    let calls = if bench.smoke { 20_000 } else { CALLS };
    bench.migrate_itself(database)?;
    let began = Instant::now();
    fill(&fill::Options { url: database.url.clone(), calls, hours: HOURS, sums_only: false }).await?;
    say(&format!("filled in {calls} calls on {} in {:.0} s", database.kind, began.elapsed().as_secs_f64()));
    let mut criteria = Vec::new();
    let config = db::Config { url: database.url.clone(), ..db::Config::default() };
    let db = Db::connect(&config, machine::cores()).await?;
    let found = Question::last(HOURS as u32 + 1)?.statistics(&db).await?.all.total;
    criteria.push(Criterion::equal("calls in the statistics", found, calls.unsigned_abs()));
    let users: u64 =
        Question::last(HOURS as u32 + 1)?.users(&db, usize::MAX).await?.iter().map(|user| user.counts.total).sum();
    criteria.push(Criterion::equal("calls of users in the statistics", users, calls.unsigned_abs().div_ceil(2)));
    ask_all(bench, &db, &mut criteria).await?;
    db.close().await;
    file(bench, database, calls, &mut criteria).await?;
    let notes = vec![format!(
        "{calls} calls over {HOURS} hours, 20 methods, three codes, {} users. The file is asked of a server over HTTP; its \
         memory is what the server holds more at its highest, looked at every 10,000 rows, than before.",
        fill::USERS
    )];
    Ok(Findings { title: format!("Operating on {}", database.kind), sides: Vec::new(), criteria, notes })
}

async fn ask_all(bench: &Bench, db: &Db, criteria: &mut Vec<Criterion>) -> Outcome<()> {
    let day = || Question::last(24);
    let log = || RequestLog::recent(24);
    let (mut one, mut rare, mut slow) = (Vec::new(), Vec::new(), Vec::new());
    macro_rules! measure {
        ($what:expr, $ask:expr) => {{
            let mut times = Vec::new();
            // The first one reads what the disk has.
            for round in 0..=bench.rounds {
                let began = Instant::now();
                $ask;
                if round > 0 {
                    times.push(millis(began.elapsed()));
                }
            }
            let spread = Spread::of(times);
            if !bench.smoke {
                criteria.push(Criterion::at_most($what, spread, LIMIT_MS));
            }
        }};
    }
    measure!("overview of a day, ms", day()?.statistics(db).await?);
    measure!("a day by hour, ms", day()?.timeline(db, Interval::Hour).await?);
    measure!("a day by minute, ms", day()?.timeline(db, Interval::Minute).await?);
    measure!("a day of one service by hour, ms", day()?.service("bench.Filled").timeline(db, Interval::Hour).await?);
    measure!("errors of a day, ms", day()?.errors(db).await?);
    measure!("users of a day, ms", day()?.users(db, 20).await?);
    measure!("slowest calls of a day, ms", log().slowest(db, 20).await?);
    let method = || log().by_service("bench.Filled").by_method("Method0");
    measure!("calls of a method, first page, ms", one = method().page(db, 1, PAGE).await?.rows);
    measure!("calls of a method, hundredth page, ms", one.extend(method().page(db, 100, PAGE).await?.rows));
    measure!("failed calls, first page, ms", rare = log().errors().page(db, 1, PAGE).await?.rows);
    measure!("failed calls, hundredth page, ms", rare.extend(log().errors().page(db, 100, PAGE).await?.rows));
    measure!("failed calls with one code, first page, ms", log().by_code(Code::Internal).page(db, 1, PAGE).await?);
    measure!("calls of a user, first page, ms", log().by_user(7).page(db, 1, PAGE).await?);
    measure!("all calls, hundredth page, ms", log().page(db, 100, PAGE).await?);
    measure!("calls of a service, first page, ms", log().by_service("bench.Filled").page(db, 1, PAGE).await?);
    measure!("calls of a service, hundredth page, ms", log().by_service("bench.Filled").page(db, 100, PAGE).await?);
    // Every third call takes that long; then one in three hundred; then none.
    measure!("calls of 100 ms and more, first page, ms", log().slow(100).page(db, 1, PAGE).await?);
    measure!("calls of 199 ms and more, first page, ms", slow = log().slow(199).page(db, 1, PAGE).await?.rows);
    measure!("calls of 1 s and more, first page, ms", log().slow(1000).page(db, 1, PAGE).await?);
    // No index finds these: as REST and the admin ask them, by looks that go through so much and say how far.
    macro_rules! look {
        ($question:expr) => {{
            let (near, _) = $question.within_reach(db).await?;
            near.page(db, 1, PAGE).await?
        }};
    }
    measure!("failed calls with a text, ms", look!(log().containing("by the bench")));
    measure!("failed calls with a text that is nowhere, one look, ms", look!(log().containing("no such text")));
    measure!("calls from an address, ms", look!(log().by_client_ip("127.0.0.1")));
    measure!("calls from an address that never called, one look, ms", look!(log().by_client_ip("192.0.2.1")));
    measure!("calls of 50 ms at most from it, one look, ms", look!(log().by_client_ip("192.0.2.1").quick(50)));
    measure!("all that the first page of the admin asks of the log, ms", {
        let (overview, chart) = (day()?.statistics(db).await?, day()?.timeline(db, Interval::Hour).await?);
        let errors = day()?.errors(db).await?;
        std::hint::black_box((overview, chart, errors))
    });
    if !bench.smoke {
        let whole = one.iter().all(|row| row.method_name == "Method0")
            && rare.iter().all(|row| row.status == "error")
            && slow.iter().all(|row| row.duration_us.is_some_and(|us| us >= 199_000));
        criteria.push(Criterion::equal("pages that have what was asked for", u64::from(whole), 1));
    }
    Ok(())
}

/// A file of many rows from a running server: all of them, in memory that does not grow.
async fn file(bench: &Bench, database: &Database, calls: i64, criteria: &mut Vec<Criterion>) -> Outcome<()> {
    let (grpc, http) = (free_address()?, free_address()?);
    let mut command = bench.echo_site(grpc, database, true);
    command.env("STEEPLE_SERVER__HTTP", http.to_string());
    let token = bench.caller(database)?.token;
    let server = Server::start("operated", command, http, bench.folder.path())?;
    let wanted = FILE.min(calls.unsigned_abs() / 2);
    // A first, short one: what any export needs is there before it is measured.
    download((http, &token), 1000, || Ok(())).await?;
    // The second one finds SQLite's page caches full: they are bounded, and kept.
    for which in ["the file", "a second file"] {
        let before = server.usage()?.anonymous;
        let mut most = before;
        let began = Instant::now();
        let rows = download((http, &token), wanted, || {
            most = most.max(server.usage()?.anonymous);
            Ok(())
        })
        .await?;
        let took = began.elapsed();
        criteria.push(Criterion::equal(format!("rows of {which}"), rows, wanted));
        if !bench.smoke {
            let more = Spread::of([mebibytes(most - before)]);
            criteria.push(Criterion::at_most(format!("memory for {which}, MiB"), more, LIMIT_MIB));
            say(&format!("{which} of {rows} rows in {:.1} s", took.as_secs_f64()));
        }
    }
    server.stop().await?;
    Ok(())
}

/// Counts the rows of a CSV file, and looks around now and then. To HTTP/1.0 it comes without chunks, and ends with the
/// connection.
async fn download(
    (http, token): (SocketAddr, &str),
    limit: u64,
    mut look: impl FnMut() -> Outcome<()>,
) -> Outcome<u64> {
    let mut stream = TcpStream::connect(http).await?;
    let path = format!("/cfg/grpc/monitor/requests/export/?limit={limit}");
    let request = format!("GET {path} HTTP/1.0\r\nhost: {http}\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line).await?;
    if !line.starts_with("HTTP/1.0 200") {
        return Err(format!("no file: {line}").into());
    }
    // The rest of the head, and the heading of the file.
    while line != "\r\n" {
        line.clear();
        answer.read_line(&mut line).await?;
    }
    answer.read_line(&mut line).await?;
    let (mut rows, mut row) = (0, Vec::new());
    while tokio::time::timeout(PATIENCE, answer.read_until(b'\n', &mut row)).await?? > 0 {
        rows += 1;
        row.clear();
        if rows % LOOK == 0 {
            look()?;
        }
    }
    Ok(rows)
}
