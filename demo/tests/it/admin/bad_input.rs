//! What must not get through: strangers, other sites' forms, sessions that are over, scripts, injected filters.

use demo::pb::crypto::{GetCoinRequest, crypto_service_client::CryptoServiceClient};
use steeple::record::RequestLog;
use tonic::Request;

use super::*;

const SCRIPT: &str = "<script>alert(1)</script>";

#[tokio::test]
async fn strangers_are_sent_to_the_login_and_back() {
    let site = site().await;
    let mut nobody = superuser(&site).await.1;
    nobody.cookie = "other=1".to_owned();
    let asked = nobody.get("/requests?code=OK").await;
    assert_eq!(asked.is(303).location(), "/admin/login?next=%2Frequests%3Fcode%3DOK");
    nobody.get("/login?next=%2Frequests").await.is(200).has("name=\"next\" value=\"/requests\"");
    nobody.get("/login?next=%2F%2Fevil.example").await.is(200).lacks("evil");
    nobody.post_as_is("/keys/new", &[("name", "x")]).await.is(401).has("nothing was changed");
    let simple = site.user("simple", NewUser::default(), &[]).await;
    let simple = Browser::of(&site, &simple).await;
    simple.get("/").await.is(403).has("for staff").lacks("API keys");
    simple.post("/keys/new", &[("name", "x")]).await.is(403);
    site.stop().await;
}

#[tokio::test]
async fn a_login_takes_the_right_password_of_staff_from_this_sites_page() {
    let site = site().await;
    let (root, mut nobody) = superuser(&site).await;
    site.running.identity().users.set_password(root.id, Some("korrekt-pferd")).await.unwrap();
    nobody.cookie = "other=1".to_owned();
    let right = [("username", "root"), ("password", "korrekt-pferd"), ("next", "/keys")];
    nobody.post_as_is("/login", &[("username", "root"), ("password", "wrong")]).await.is(401).has("is not right");
    let elsewhere = "content-type: application/x-www-form-urlencoded\r\norigin: https://evil.example\r\n";
    let body = "username=root&password=korrekt-pferd";
    nobody.send("POST", "/admin/login", elsewhere, body).await.is(403).has("another site");
    let welcome = nobody.post_as_is("/login", &right).await;
    assert_eq!(welcome.is(303).location(), "/admin/keys");
    let cookie = welcome.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    site.stop().await;
}

#[tokio::test]
async fn a_change_needs_its_own_pages_token() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let fields = [("name", "x"), ("key_type", "cli"), ("days", "0")];
    root.post_as_is("/keys/new", &fields).await.is(403).has("open its page again");
    let with = |token: &'static str| [&[("csrf_token", token)][..], &fields].concat();
    root.post_as_is("/keys/new", &with("wrong")).await.is(403);
    let body = format!("csrf_token={}&name=x&key_type=cli&days=0", root.csrf);
    let lines = "content-type: application/x-www-form-urlencoded\r\n";
    for elsewhere in
        ["sec-fetch-site: cross-site\r\n", "sec-fetch-site: same-site\r\n", "origin: http://evil.example\r\n"]
    {
        root.send("POST", "/admin/keys/new", &format!("{lines}{elsewhere}"), &body).await.is(403).has("another site");
    }
    root.send("POST", "/admin/keys/new", "content-type: text/plain\r\n", &body).await.is(415);
    root.get("/keys").await.lacks("<td class=\"cut\" title=\"x\">");
    root.send("POST", "/admin/keys/new", lines, &body).await.is(200).has("stp_");
    root.send("PUT", "/admin/keys/new", lines, &body).await.is(405);
    site.stop().await;
}

#[tokio::test]
async fn a_session_that_is_over_changes_nothing() {
    let site = site().await;
    let (user, root) = superuser(&site).await;
    let form = root.get("/models/crypto/coin/rows/1").await;
    site.running.identity().sessions.end_all(user.id).await.unwrap();
    let answer = root.fill_in("/models/crypto/coin/rows/1", &form, &[("rank", "4711")]).await;
    answer.is(401).has("nothing was changed");
    root.get("/overview/live").await.is(303);
    assert_eq!(root.send("GET", "/admin/overview/live", "x-fragment: 1\r\n", "").await.status, 401);
    let again = Browser::of(&site, &user).await;
    again.get("/models/crypto/coin/rows/1").await.lacks("4711");
    site.stop().await;
}

#[tokio::test]
async fn scripts_of_callers_are_text() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let mut client = CryptoServiceClient::new(site.channel.clone());
    let mut request = Request::new(GetCoinRequest { symbol: "<IMG SRC=X>".into() });
    for name in ["x-forwarded-for", "x-request-id", "user-agent", "x-thing"] {
        request.metadata_mut().insert(name, SCRIPT.parse().unwrap());
    }
    client.get_coin(request).await.unwrap_err();
    let row = loop {
        let rows = RequestLog::all_time().all(site.db()).await.unwrap();
        if let Some(row) = rows.into_iter().find(|row| row.method_name == "GetCoin" && row.status != "pending") {
            break row;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    for path in [format!("/requests/{}", row.id), "/requests".to_owned(), "/".to_owned()] {
        let page = root.get(&path).await;
        page.is(200).lacks("<script>alert").lacks("<IMG").lacks("<img");
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    }
    root.get(&format!("/requests/{}", row.id)).await.has("&lt;IMG SRC=X&gt;");
    // What is asked for comes back as text, too.
    for path in [
        "/requests?text=%3Cscript%3Ealert(1)%3C/script%3E",
        "/models/crypto/coin?q=%22%3E%3Cscript%3Ealert(1)",
        "/%3Cscript%3Ealert(1)",
    ] {
        root.get(path).await.lacks("<script>alert");
    }
    site.stop().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_in_words() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    for hours in ["0", "-1", "100000000", "many"] {
        root.get(&format!("/?hours={hours}")).await.is(400).has("whole number");
    }
    root.get("/services/no.Service").await.is(404);
    root.get("/requests?before=x").await.is(400);
    root.get("/requests?code=NOPE").await.is(400).has("code");
    root.get("/requests?user=nobody-at-all").await.is(400);
    root.get("/requests?service='%20OR%201=1%20--").await.is(200).has("No request fits");
    root.get("/requests/99999999").await.is(404);
    root.get("/keys?page=99").await.is(404).has("the last is");
    root.get("/keys/99999/revoke").await.is(404);
    root.get("/nothing").await.is(404);
    let coins = "/models/crypto/coin";
    for path in [
        "?o=password",
        "?o=price_usd;drop",
        "?f-nothing=1",
        "?nothing=1",
        "?f-stablecoin=maybe",
        "?after=junk",
        "?after=%7B%7D",
        "?after=%7B%22rank%22%3A%22x%22%2C%22id%22%3A1%7D",
        "?f-symbol=BTC",
    ] {
        root.get(&format!("{coins}{path}")).await.is(400);
    }
    root.get(&format!("{coins}?q='%20OR%20''='")).await.is(200).has("Nothing fits");
    root.get(&format!("{coins}?after=%7B%22rank%22%3A2000000000%2C%22id%22%3A1%7D"))
        .await
        .is(200)
        .has("Nothing beyond here");
    for path in ["/rows/none", "/rows/999999", "/rows/1%20OR%201=1", "/rows/999999/delete", "/pick/nothing"] {
        root.get(&format!("{coins}{path}")).await.is(404);
    }
    root.get("/models/crypto/nothing").await.is(404);
    root.get("/models/auth/user").await.is(404);
    site.stop().await;
}

#[tokio::test]
async fn a_key_is_shown_once_and_a_revoked_one_is_refused() {
    let site = site().await;
    let (_, root) = superuser(&site).await;
    let made = root.post("/keys/new", &[("name", "mine"), ("key_type", "cli"), ("days", "30"), ("scopes", "")]).await;
    let text = made.is(200).body.split("<code id=\"key\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(text.starts_with("stp_"));
    root.get("/keys").await.has("mine").lacks(&text);
    let id =
        site.running.identity().keys.list(None, 100).await.unwrap().iter().find(|key| key.name == "mine").unwrap().id;
    root.get(&format!("/keys/{id}/revoke")).await.is(200).has("Revoke key");
    root.post(&format!("/keys/{id}/revoke"), &[]).await.is(303);
    root.get("/keys?state=revoked").await.has("mine").has("revoked");
    root.get("/audit?kind=steeple.apikey").await.has("revoke").has("mine").lacks(&text);
    // Others' keys are for superusers.
    let other = staff(&site, "other", &[]).await;
    other.post(&format!("/keys/{id}/revoke"), &[]).await.is(403);
    other.post("/keys/new", &[("name", "theirs"), ("user", "root"), ("key_type", "cli"), ("days", "0")]).await.is(403);
    root.post("/keys/new", &[("name", ""), ("key_type", "cli"), ("days", "0")]).await.is(400).has("aria-invalid");
    root.post("/keys/new", &[("name", "x"), ("key_type", "cli"), ("days", "0"), ("scopes", "no.Such")]).await.is(400);
    site.stop().await;
}
