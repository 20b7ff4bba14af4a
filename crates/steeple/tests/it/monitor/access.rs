//! Staff only: who is let in, who is not, and what they are told.

use super::*;

#[tokio::test]
async fn staff_are_let_in_and_nobody_else() {
    let house = house().await;
    let address = house.running.http.unwrap();
    let ask = async |lines: &str| send(address, "GET", "/cfg/grpc/monitor/health/", lines, "").await;
    assert_eq!(ask(&house.staff).await.status, 200);
    let cookie = house.running.identity().sessions.cookie_name().to_owned();
    for stranger in [
        "",
        "cookie: other=1\r\n",
        &format!("cookie: {cookie}=over\r\n"),
        &format!("cookie: {cookie}={}\r\n", "x".repeat(43)),
    ] {
        let answer = ask(stranger).await;
        assert_eq!(answer.problem(401), "this is for staff: log in first");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let other = user(&house, "other", false, false).await;
    assert_eq!(ask(&session(&house, other).await.0).await.problem(403), "this is for staff");
    assert_eq!(ask(&token(&house, other).await).await.problem(403), "this is for staff");
    let staff = user(&house, "second", true, false).await;
    assert_eq!(ask(&token(&house, staff).await).await.status, 200);
    // What was sent on purpose counts, also beside a good cookie.
    ask(&format!("authorization: Bearer nonsense\r\n{}", house.staff)).await.problem(401);
    ask(&format!("x-api-key: nonsense\r\n{}", house.staff)).await.problem(401);
    // Who is no longer of staff, or no longer active, is out.
    house.running.identity().users.set_staff(staff, false).await.unwrap();
    assert_eq!(ask(&token(&house, staff).await).await.problem(403), "this is for staff");
    let left = session(&house, staff).await.0;
    house.running.identity().users.set_active(staff, false).await.unwrap();
    ask(&left).await.problem(401);
}

#[tokio::test]
async fn no_path_answers_strangers() {
    let house = house().await;
    let document = json(&house, "openapi.json").await;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = format!("/cfg/grpc{}", path.replace("{id}", "1").replace("{name}", "x"));
            let answer = send(house.running.http.unwrap(), &method.to_uppercase(), &path, "", "").await;
            answer.problem(401);
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let house = house().await;
    let address = house.running.http.unwrap();
    let staff = &house.staff;
    send(address, "GET", "/cfg/grpc/monitor/nothing/", staff, "").await.problem(404);
    send(address, "DELETE", "/cfg/grpc/monitor/health/", staff, "").await.problem(405);
    let bare = send(address, "GET", "/cfg/grpc/monitor/health", staff, "").await;
    assert_eq!(bare.status, 200, "a slash more or less makes no difference");
    assert_eq!(bare.header("cache-control"), Some("no-store"));
}

/// A peer that sends half of a request's head, byte by byte, must not hold a connection for ever.
#[tokio::test]
async fn a_request_that_does_not_come_is_given_up() {
    let house = configured(|config| config.server.header_timeout = Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(house.running.http.unwrap()).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nx-slow: ").await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
    closed.expect("the server closes it").ok();
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
}

#[tokio::test]
async fn no_more_http_connections_than_the_configuration_says() {
    let house = configured(|config| config.server.max_connections = 3).await;
    let address = house.running.http.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        held.push(stream);
    }
    let mut surplus = TcpStream::connect(address).await.unwrap();
    let mut nothing = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), surplus.read_to_end(&mut nothing)).await;
    assert!(closed.expect("it is closed").is_err() || nothing.is_empty());
    held.pop();
    // A place is free as soon as the server has seen that the connection is gone.
    for _ in 0..500 {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let mut head = [0; 12];
            let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
            if asked.is_ok() && stream.read_exact(&mut head).await.is_ok() {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no place became free");
}
