//! Staff only: who is let in, who is not, and what they are told.

use super::*;

#[tokio::test]
async fn staff_are_let_in_and_nobody_else() {
    let house = house().await;
    let address = house.running.http.unwrap();
    let ask = async |lines: &str| send(address, "GET", "/cfg/grpc/monitor/health/", lines, "").await;
    assert_eq!(ask("cookie: sessionid=staff\r\n").await.status, 200);
    for stranger in ["", "cookie: sessionid=over\r\n", "cookie: other=1\r\n"] {
        let answer = ask(stranger).await;
        assert!(answer.problem(401).contains("logged in"), "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(ask("cookie: sessionid=user\r\n").await.problem(403), "this method is for staff");
    assert_eq!(ask("cookie: sessionid=away\r\n").await.problem(503), "the sessions are away");
    // What was sent on purpose counts, also beside a good cookie.
    ask("authorization: Bearer nonsense\r\ncookie: sessionid=staff\r\n").await.problem(401);
    ask("x-api-key: nonsense\r\ncookie: sessionid=staff\r\n").await.problem(401);
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
async fn without_sessions_a_cookie_is_nothing() {
    let house = House::open().await;
    let answer = get(&house, "monitor/health/").await;
    answer.problem(401);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let house = house().await;
    let address = house.running.http.unwrap();
    let staff = "cookie: sessionid=staff\r\n";
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
