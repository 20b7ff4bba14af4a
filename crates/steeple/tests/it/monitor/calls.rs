//! The request log over HTTP: pages, filters, files, and the live tail.

use sea_orm::ConnectionTrait as _;
use steeple::auth::api_key::NewApiKey;

use super::*;

async fn ids(house: &Watched, path: &str) -> Vec<i64> {
    let page = json(house, path).await;
    page["results"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn pages_by_number_and_by_the_last_row_show_every_row_once() {
    let house = house().await;
    make_calls(&house, 20, 5).await;
    let all = ids(&house, "monitor/requests/").await;
    assert!(all.len() == 25 && all.is_sorted_by(|newer, older| newer > older));

    let page = json(&house, "monitor/requests/?page=2&page_size=10").await;
    for (key, value) in
        [("count", 25), ("page", 2), ("pages", 3), ("page_size", 10), ("next_page", 3), ("previous_page", 1)]
    {
        assert_eq!(page[key], value, "{key}");
    }
    assert_eq!((&page["has_next"], &page["count_is_exact"]), (&true.into(), &true.into()));
    let mut by_number = Vec::new();
    for number in 1..=3 {
        by_number.extend(ids(&house, &format!("monitor/requests/?page={number}&page_size=10")).await);
    }
    assert_eq!(by_number, all);

    let (mut by_row, mut path) = (Vec::new(), "monitor/requests/?page_size=10".to_owned());
    loop {
        by_row.extend(ids(&house, &path).await);
        match json(&house, &path).await["next_before"].as_i64() {
            Some(before) => path = format!("monitor/requests/?page_size=10&before={before}"),
            None => break,
        }
    }
    assert_eq!(by_row, all);
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let house = house().await;
    make_calls(&house, 4, 3).await;
    let count =
        async |filter: &str| json(&house, &format!("monitor/requests/?{filter}")).await["count"].as_u64().unwrap();
    assert_eq!(count("status=error").await, 3);
    assert_eq!(count("code=NOT_FOUND").await, 3);
    assert_eq!(count("code=INTERNAL").await, 0);
    assert_eq!(count("service=trial.v1.Trial&method=Unary").await, 7);
    assert_eq!(count("service=no.Such").await, 0);
    assert_eq!(count("text=told%20to").await, 3);
    assert_eq!(count("text=%25").await, 0, "a per cent sign is itself");
    assert_eq!(count("text=_old").await, 0);
    assert_eq!(count("min_ms=3600000").await, 0);
    assert_eq!(count("max_ms=3600000").await, 7);
    assert_eq!(count("client_ip=127.0.0.1&hours=1").await, 7);
    assert_eq!(count("client_ip=10.0.0.1").await, 0);
    assert_eq!(count("until=2026-01-01T00:00:00Z").await, 0);
    assert_eq!(count("since=2026-01-01T00:00:00Z").await, 7);
    assert_eq!(count("user_id=7").await, 0);
    let id = json(&house, "monitor/requests/").await["results"][0]["request_id"].as_str().unwrap().to_owned();
    assert_eq!(count(&format!("request_id={id}")).await, 1);
    // Whatever is put in, it is a value.
    for attack in ["'%20OR%201=1%20--", "x');DROP%20TABLE%20steeple_request_log;--", "%22;--", "\\%27"] {
        for name in ["service", "method", "request_id", "client_ip", "text"] {
            assert_eq!(count(&format!("{name}={attack}")).await, 0, "{name}={attack}");
        }
    }
    assert_eq!(count("").await, 7);
}

#[tokio::test]
async fn what_callers_send_is_text_in_a_file() {
    let house = house().await;
    make_calls(&house, 30, 2).await;
    let csv = get(&house, "monitor/requests/export/").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"requests.csv\""));
    let lines: Vec<_> = csv.body.split("\r\n").collect();
    assert_eq!((lines.len(), lines[33]), (34, ""), "a heading, rows, and an end");
    assert!(lines[0].starts_with("id,request_id,service_name") && lines[1].contains("NOT_FOUND"), "{}", lines[1]);

    let filtered = get(&house, "monitor/requests/export/?format=ndjson&status=success&limit=7").await;
    assert_eq!(filtered.header("content-type"), Some("application/x-ndjson"));
    let rows: Vec<Value> = filtered.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.len() == 7 && rows.iter().all(|row| row["status"] == "success"));
    assert_eq!(get(&house, "monitor/requests/export/?service=no.Such").await.body.lines().count(), 1);
}

#[tokio::test]
async fn a_file_longer_than_a_part_has_every_row() {
    let house = house().await;
    let mut client = house.client().await;
    for _ in 0..2300 {
        client.unary(Order::default()).await.unwrap();
    }
    house.rows(2300, |_| true).await;
    let csv = get(&house, "monitor/requests/export/").await;
    let mut ids: Vec<i64> =
        csv.body.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(ids.len() == 2300 && ids.is_sorted_by(|newer, older| newer > older));
    ids.dedup();
    assert_eq!(ids.len(), 2300);
}

#[tokio::test]
async fn the_live_tail_shows_calls_as_they_end() {
    let house = house().await;
    make_calls(&house, 3, 0).await;
    let mut all = Events::open(&house, "monitor/requests/live/").await;
    let mut failed = Events::open(&house, "monitor/requests/live/?status=error").await;
    let mut client = house.client().await;
    client.unary(Order { code: 5, ..Order::default() }).await.unwrap_err();
    client.unary(Order::default()).await.unwrap();
    let (first, second) = (all.next().await.unwrap(), all.next().await.unwrap());
    assert_eq!((first.0.as_str(), &first.1["grpc_status_code"]), ("call", &"NOT_FOUND".into()));
    assert_eq!(second.1["status"], "success");
    assert_eq!(failed.next().await.unwrap().1["id"], first.1["id"]);

    // A long call is seen while it runs, and again when it ends.
    let waiting = tokio::spawn(async move { client.unary(Order { wait: 1500, ..Order::default() }).await });
    let running = all.next().await.unwrap().1;
    assert_eq!(running["status"], "pending");
    let ended = all.next().await.unwrap().1;
    assert_eq!((&ended["status"], &ended["id"]), (&"success".into(), &running["id"]));
    waiting.await.unwrap().unwrap();

    // It ends with the server, and does not hold it.
    let stopping = tokio::spawn(house.house.close());
    assert_eq!(all.next().await, None);
    stopping.await.unwrap();
}

/// However somebody lost the right to read, what they read ends; who still has it reads on.
#[tokio::test]
async fn the_live_tail_ends_with_the_right_to_read() {
    let house = configured(|config| {
        (config.auth.user_cache, config.auth.api_key_cache) = (Duration::from_millis(100), Duration::from_millis(100));
    })
    .await;
    let identity = house.running.identity().clone();
    let path = "monitor/requests/live/";
    let mut stays = Events::open(&house, path).await;
    for what in
        ["logged out", "session ended", "no longer of staff", "deactivated", "token of one deactivated", "revoked"]
    {
        let id = user(&house, &what.replace(' ', "-"), true, false).await;
        let mut key = None;
        let lines = match what {
            "token of one deactivated" => token(&house, id).await,
            "revoked" => {
                let made = identity.keys.create(NewApiKey::new(id, "live")).await.unwrap();
                key = Some(made.row.id);
                format!("x-api-key: {}\r\n", made.text.expose())
            }
            _ => session(&house, id).await.0,
        };
        let mut events = Events::of(&house, &lines, path).await;
        match what {
            "logged out" => {
                let cookie = lines.trim().trim_start_matches("cookie: ").parse().unwrap();
                let headers = http::HeaderMap::from_iter([(http::header::COOKIE, cookie)]);
                let session = identity.sessions.find(&headers).await.unwrap().unwrap();
                identity.sessions.end(&session).await.unwrap();
            }
            "session ended" => assert_eq!(identity.sessions.end_all(id).await.unwrap(), 1),
            "no longer of staff" => identity.users.set_staff(id, false).await.unwrap(),
            "revoked" => assert_eq!(identity.keys.revoke(key.unwrap()).await.unwrap().user_id, id),
            _ => identity.users.set_active(id, false).await.unwrap(),
        }
        assert_eq!(events.next().await, None, "{what}");
    }
    house.client().await.unary(Order::default()).await.unwrap();
    assert_eq!(stays.next().await.unwrap().1["status"], "success");
}

#[tokio::test]
async fn what_no_index_finds_is_looked_for_step_by_step() {
    let house = house().await;
    make_calls(&house, 4, 3).await;
    let db = house.running.db();
    let back = "UPDATE steeple_request_call SET created_us = created_us - 172800000000, id = id - 172800000000";
    db.execute_unprepared(back).await.unwrap();
    // More than one look goes through.
    let many = "INSERT INTO steeple_request_call (request_id, service_name, method_name, method_key, request_size, \
        response_size, request_messages, response_messages, code, duration_us, created_us) \
        WITH RECURSIVE number (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 250100) \
        SELECT '00000000-0000-7000-8000-000000000000', 'other', 'M', 7, 1, 1, 1, 1, 0, 5, \
        (SELECT MAX(created_us) FROM steeple_request_call) FROM number";
    db.execute_unprepared(many).await.unwrap();
    let found = async |filter: &str| {
        let page = json(&house, &format!("monitor/requests/?{filter}")).await;
        (page["count"].as_u64().unwrap(), page["next_before"].as_i64(), page["looked_back_to"].is_string())
    };
    let address = "client_ip=127.0.0.1";
    for (filter, all) in [
        (address, 7),
        ("max_ms=60000&client_ip=127.0.0.1", 7),
        ("method=Gone", 0),
        ("min_ms=1&hours=72&client_ip=192.0.2.1", 0),
    ] {
        let (count, next, stopped) = found(filter).await;
        assert!(count == 0 && stopped, "{filter}: {count}");
        let (count, end, stopped) = found(&format!("{filter}&before={}", next.unwrap())).await;
        assert!(end.is_none() && !stopped, "{filter}");
        assert_eq!(count, all, "{filter}");
    }
    // Pages of what one look found, then on from where it ended.
    for path in ["monitor/requests/", "test/logs/"] {
        let (mut rows, mut pages, mut on) = (0, 0, String::new());
        loop {
            let page = json(&house, &format!("{path}?{address}&page_size=3{on}")).await;
            rows += page["results"].as_array().unwrap().len();
            pages += 1;
            let Some(next) = page["next_before"].as_i64() else { break };
            on = format!("&before={next}");
        }
        assert_eq!((rows, pages), (7, 4), "{path}");
    }
    assert_eq!(found("text=told").await, (3, None, false), "there are not that many failures");
    assert_eq!(found("client_ip=127.0.0.1&hours=1").await, (0, None, false));
    assert_eq!(found("method=Unary").await, (7, None, false), "one service has it, and with that an index finds it");
    assert_eq!(found("min_ms=100").await, (0, None, false));
    assert_eq!(found("status=error").await, (3, None, false));
    for (filter, rows) in
        [("client_ip=127.0.0.1", 7), ("text=told", 3), ("method=M&limit=2500", 2500), ("method=Gone", 0)]
    {
        let file = get(&house, &format!("monitor/requests/export/?{filter}")).await;
        assert_eq!(file.body.lines().count(), 1 + rows, "{filter}");
    }
    let recent = async |hours: u32| {
        let detail = json(&house, &format!("services/trial.v1.Trial/?hours={hours}")).await;
        detail["recent_errors"].as_array().unwrap().len()
    };
    assert_eq!((recent(24).await, recent(72).await), (0, 3));
}

#[tokio::test]
async fn no_more_readers_than_there_are_places() {
    let house = house().await;
    let mut readers = Vec::new();
    for _ in 0..32 {
        readers.push(Events::open(&house, "monitor/requests/live/").await);
    }
    get(&house, "monitor/requests/live/").await.problem(429);
    drop(readers);
    for _ in 0..500 {
        let address = house.running.http.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let staff = &house.staff;
        let request = format!("GET /cfg/grpc/monitor/requests/live/ HTTP/1.1\r\nhost: {address}\r\n{staff}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        if &head == b"HTTP/1.1 200" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no place became free");
}
