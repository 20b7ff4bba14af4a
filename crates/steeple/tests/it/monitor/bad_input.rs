//! What cannot be meant is refused by name.

use super::*;

#[tokio::test]
async fn parameters_out_of_their_bounds_are_refused_by_name() {
    let house = house().await;
    for (path, field) in [
        ("monitor/overview/?hours=0", "hours"),
        ("monitor/overview/?hours=-1", "hours"),
        ("monitor/overview/?hours=8761", "hours"),
        ("monitor/overview/?hours=184467440737095516150", "hours"),
        ("monitor/overview/?hours=many", "hours"),
        ("monitor/overview/?hours=1.5", "hours"),
        ("monitor/overview/?hours=1&hours=2", "hours"),
        ("charts/dashboard/?hours=721", "hours"),
        ("monitor/timeline/?hours=25&interval=minute", "hours"),
        ("monitor/timeline/?hours=1441&interval=hour", "hours"),
        ("monitor/timeline/?interval=week", "interval"),
        ("monitor/requests/?status=broken", "status"),
        ("monitor/requests/?code=200", "code"),
        ("monitor/requests/?page=0", "page"),
        ("monitor/requests/?page_size=1001", "page_size"),
        ("monitor/requests/?page=2&before=5", "page"),
        ("monitor/requests/?since=yesterday", "since"),
        ("monitor/requests/?user_id=me", "user_id"),
        ("monitor/requests/?servce=x", "servce"),
        ("monitor/requests/export/?format=xml", "format"),
        ("monitor/requests/live/?page=1", "page"),
        ("monitor/health/?verbose=1", "verbose"),
    ] {
        let answer = get(&house, path).await;
        let detail = answer.problem(400);
        assert!(detail.starts_with(&format!("{field}: ")), "{path}: {detail}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{path}");
    }
    let text = format!("monitor/requests/?text={}", "x".repeat(501));
    get(&house, &text).await.problem(400);
    assert_eq!(
        get(&house, "monitor/requests/?status=&hours=").await.status,
        200,
        "what a form leaves empty is not given"
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let house = house().await;
    make_calls(&house, 3, 0).await;
    for path in [
        "services/no.Such/",
        "services/no.Such/methods/",
        "services/trial.v1.Trial'--/",
        "monitor/requests/1/",
        "monitor/requests/one/",
        "monitor/requests/99999999999999999999/",
        "monitor/servers/nobody:1:2/",
        "monitor/requests/?page=2",
        "monitor/requests/?page=1000000&page_size=1000",
        "services/?page=5",
    ] {
        get(&house, path).await.problem(404);
    }
    let empty = json(&house, "monitor/requests/?service=no.Such").await;
    assert_eq!((&empty["count"], &empty["pages"], &empty["has_next"]), (&0.into(), &1.into(), &false.into()));
}

#[tokio::test]
async fn a_database_that_is_away_is_said() {
    // A token asks no database, once its user is remembered.
    let house = configured(|config| config.auth.user_cache = Duration::from_secs(3600)).await;
    let staff = user(&house, "second", true, false).await;
    let token = token(&house, staff).await;
    let address = house.running.http.unwrap();
    let ask = async |path: &str, lines: &str| send(address, "GET", &format!("/cfg/grpc/{path}"), lines, "").await;
    assert_eq!(ask("monitor/health/", &token).await.status, 200);
    house.running.db().close().await;
    for path in ["monitor/overview/", "monitor/requests/", "monitor/requests/export/", "monitor/servers/"] {
        let detail = ask(path, &token).await.problem(503);
        assert_eq!(detail, "the database is not available, try again", "{path}");
    }
    let health = ask("monitor/health/", &token).await.json();
    assert!(health["status"] == "healthy" || health["status"] == "unhealthy");
    // Who comes with a cookie cannot be told from others now: neither let in nor sent to log in.
    ask("monitor/health/", &house.staff).await.problem(503);
}

/// A page that shows these must find them as they were sent, and a browser must not take the answer itself for a page.
#[tokio::test]
async fn scripts_and_formulas_of_callers_stay_text() {
    let house = house().await;
    let script = "<script>alert(1)</script>";
    let address = format!("http://{}", house.running.grpc);
    let channel = tonic::transport::Channel::from_shared(address).unwrap().user_agent(script).unwrap();
    let mut client = crate::trial::pb::trial::v1::trial_client::TrialClient::new(channel.connect().await.unwrap());
    let mut request = tonic::Request::new(Order { code: 5, ..Order::default() });
    request.metadata_mut().insert("x-request-id", "=1+2\";<b>".parse().unwrap());
    client.unary(request).await.unwrap_err();
    let row = house.rows(1, |_| true).await.remove(0);
    let answer = get(&house, &format!("monitor/requests/{}/", row.id)).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let shown = answer.json();
    assert!(shown["user_agent"].as_str().unwrap().starts_with(script), "{shown}");
    assert_eq!(shown["request_id"], row.request_id);
    assert_eq!(json(&house, "monitor/requests/?request_id=%3D1%2B2%22%3B%3Cb%3E").await["count"], 1);
    let csv = get(&house, "monitor/requests/export/").await;
    assert!(csv.body.contains("\"'=1+2\"\";<b>\""), "{}", csv.body);
    assert_eq!(csv.header("x-content-type-options"), Some("nosniff"));
}
