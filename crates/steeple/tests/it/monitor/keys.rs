//! API keys over HTTP: made once, seen once, revoked for ever; and who may do that.

use serde_json::json;
use steeple::{
    Access, App, Site,
    auth::{NewUser, Secret},
};

use super::*;
use crate::trial::{
    DESCRIPTORS, Trial,
    pb::trial::v1::{self, trial_client::TrialClient},
};

/// A house whose service is for authenticated callers, with a superuser, one of staff and another of staff.
struct Keep {
    house: House,
    tokens: Vec<(i64, String)>,
}

async fn keep() -> Keep {
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    let app = App::new("trial").service("trial.v1.Trial", "Trial", "trial.rs", |_| Ok(v1::trial(Trial)));
    site.app(app.access("*", Access::Authenticated));
    let house = House::with(|_| Server::new(site), |config| config.auth.public_methods.clear()).await;
    let identity = house.running.identity();
    let mut tokens = Vec::new();
    for (username, is_superuser, is_staff) in
        [("root", true, true), ("ann", false, true), ("bob", false, true), ("eve", false, false)]
    {
        let password = Some(Secret::new("pa55-word!"));
        let new = NewUser { username: username.to_owned(), password, is_superuser, is_staff, ..NewUser::default() };
        let id = i64::from(identity.users.create(new).await.unwrap().id);
        let user = identity.users.active(id).await.unwrap().unwrap();
        let pair = identity.tokens.issue(&user).await.unwrap();
        tokens.push((id, format!("authorization: Bearer {}\r\n", pair.access.expose())));
    }
    Keep { house, tokens }
}

impl Keep {
    async fn ask(&self, lines: &str, method: &str, path: &str, body: &Value) -> Answer {
        let lines = format!("content-type: application/json\r\n{lines}");
        let body = if method == "POST" { body.to_string() } else { String::new() };
        send(self.house.running.http.unwrap(), method, &format!("/cfg/grpc/{path}"), &lines, &body).await
    }

    async fn post(&self, who: usize, path: &str, body: Value) -> Answer {
        self.ask(&self.tokens[who].1, "POST", path, &body).await
    }

    async fn get(&self, who: usize, path: &str) -> Value {
        let answer = self.ask(&self.tokens[who].1, "GET", path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// How a call with this key ends.
    async fn call(&self, key: &str) -> steeple::Code {
        let mut client = TrialClient::new(self.house.channel().await);
        let mut request = tonic::Request::new(Order::default());
        request.metadata_mut().insert("x-api-key", key.parse().unwrap());
        client.unary(request).await.map_or_else(|status| status.code(), |_| steeple::Code::Ok)
    }
}

const ROOT: usize = 0;
const ANN: usize = 1;
const BOB: usize = 2;
const EVE: usize = 3;

#[tokio::test]
async fn a_key_is_made_used_counted_and_revoked() {
    let keep = keep().await;
    let made =
        keep.post(ANN, "api-keys/", json!({ "name": "mine", "scopes": ["trial.v1.Trial/*"], "key_type": "cli" })).await;
    assert_eq!((made.status, made.header("cache-control")), (200, Some("no-store")));
    let made = made.json();
    let (id, text) = (made["id"].as_i64().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(
        (&made["username"], &made["created_by"], &made["is_valid"]),
        (&"ann".into(), &"ann".into(), &true.into())
    );
    assert_eq!(keep.call(text).await, steeple::Code::Ok);

    let listed = keep.ask(&keep.tokens[BOB].1, "GET", "api-keys/?is_active=true&key_type=cli", &Value::Null).await;
    assert!(!listed.body.contains(text) && listed.body.contains("mine"), "{}", listed.body);
    let one = keep.get(BOB, &format!("api-keys/{id}/")).await;
    assert!(one.get("key").is_none() && text.starts_with(one["masked_key"].as_str().unwrap().trim_end_matches('…')));

    let rows = keep.house.rows(1, |row| row.api_key_id == Some(id)).await;
    let request = keep.get(ROOT, &format!("monitor/requests/{}/", rows[0].id)).await;
    assert_eq!((&request["username"], &request["api_key_name"]), (&"ann".into(), &"mine".into()));
    assert_eq!(keep.get(ROOT, &format!("monitor/requests/?api_key_id={id}")).await["count"], 1);
    for _ in 0..500 {
        let keys = keep.get(ROOT, "monitor/api-keys/").await;
        if keys["api_keys"][0]["name"] == "mine" && keys["api_keys"][0]["total"] == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let users = keep.get(ROOT, "monitor/users/").await;
    assert_eq!((&users["users"][0]["username"], &users["users"][0]["total"]), (&"ann".into(), &1.into()));

    let revoked = keep.post(ANN, &format!("api-keys/{id}/revoke/"), json!({})).await.json();
    assert_eq!((&revoked["is_valid"], &revoked["is_active"]), (&false.into(), &false.into()));
    assert_eq!(keep.call(text).await, steeple::Code::Unauthenticated);
    let stats = keep.get(ROOT, "api-keys/stats/").await;
    assert_eq!(
        (&stats["total_keys"], &stats["active_keys"], &stats["revoked_keys"]),
        (&1.into(), &0.into(), &1.into())
    );
    assert_eq!(stats["keys_by_type"]["cli"], 1);
}

#[tokio::test]
async fn a_rotated_key_gives_way_to_the_new_one() {
    let keep = keep().await;
    let old = keep.post(ANN, "api-keys/", json!({ "name": "mine" })).await.json();
    let path = format!("api-keys/{}/rotate/", old["id"]);
    let new = keep.post(ANN, &path, json!({ "overlap_seconds": 0 })).await.json();
    assert_eq!(new["rotated_from_id"], old["id"]);
    assert_eq!(keep.call(new["key"].as_str().unwrap()).await, steeple::Code::Ok);
    assert_eq!(keep.call(old["key"].as_str().unwrap()).await, steeple::Code::Unauthenticated);
    keep.post(ANN, &path, json!({})).await.problem(409);
    let both = keep.post(ANN, &format!("api-keys/{}/rotate/", new["id"]), json!({})).await.json();
    for key in [&new, &both] {
        assert_eq!(keep.call(key["key"].as_str().unwrap()).await, steeple::Code::Ok, "a day to change over");
    }
}

#[tokio::test]
async fn keys_of_others_are_for_superusers() {
    let keep = keep().await;
    let of_bob = json!({ "name": "his", "user_id": keep.tokens[BOB].0 });
    keep.post(ANN, "api-keys/", of_bob.clone()).await.problem(403);
    keep.post(EVE, "api-keys/", json!({ "name": "mine" })).await.problem(403);
    let made = keep.post(ROOT, "api-keys/", of_bob).await.json();
    assert_eq!((&made["username"], &made["created_by"]), (&"bob".into(), &"root".into()));
    for change in ["revoke", "rotate"] {
        keep.post(ANN, &format!("api-keys/{}/{change}/", made["id"]), json!({})).await.problem(403);
    }
    // A key opens the API when its scopes say so, and never makes keys.
    let with = async |scopes: &[&str]| {
        let made = keep.post(ROOT, "api-keys/", json!({ "name": "reader", "scopes": scopes })).await;
        format!("x-api-key: {}\r\n", made.json()["key"].as_str().unwrap())
    };
    let (reader, caller) = (with(&["steeple:monitor"]).await, with(&["trial.v1.Trial"]).await);
    assert_eq!(keep.ask(&reader, "GET", "monitor/overview/", &Value::Null).await.status, 200);
    keep.ask(&caller, "GET", "monitor/overview/", &Value::Null).await.problem(403);
    keep.ask(&reader, "POST", "api-keys/", &json!({ "name": "child" })).await.problem(403);
}

#[tokio::test]
async fn a_change_by_cookie_needs_the_sessions_token() {
    let keep = keep().await;
    let address = keep.house.running.http.unwrap();
    let (cookie, csrf) = session(&keep.house, keep.tokens[ANN].0).await;
    let (_, of_bob) = session(&keep.house, keep.tokens[BOB].0).await;
    let body = json!({ "name": "mine" });
    let ask = async |more: &str| keep.ask(&format!("{cookie}{more}"), "POST", "api-keys/", &body).await;
    let right = format!("x-csrf-token: {csrf}\r\n");
    assert_eq!(ask("").await.problem(403), "a change by cookie needs the header x-csrf-token");
    for wrong in ["guess", &of_bob] {
        let answer = ask(&format!("x-csrf-token: {wrong}\r\n")).await;
        assert_eq!(answer.problem(403), "x-csrf-token is not this session's");
    }
    assert_eq!(ask(&format!("{right}{right}")).await.problem(403), "a change by cookie needs the header x-csrf-token");
    for foreign in [
        "origin: https://evil.example\r\n",
        "origin: null\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
    ] {
        assert_eq!(ask(&format!("{right}{foreign}")).await.problem(403), "the request comes from another site's page");
    }
    assert_eq!(keep.get(ROOT, "api-keys/").await["count"], 0);
    for own in [String::new(), format!("origin: http://{address}\r\n"), "sec-fetch-site: same-origin\r\n".to_owned()] {
        assert_eq!(ask(&format!("{right}{own}")).await.json()["username"], "ann", "{own}");
    }
    // To read, the cookie will do.
    assert_eq!(keep.ask(&cookie, "GET", "api-keys/", &Value::Null).await.json()["count"], 3);
    // A token comes with a request on purpose, and needs none of this.
    assert_eq!(keep.post(ANN, "api-keys/", json!({ "name": "mine" })).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused() {
    let keep = keep().await;
    for (body, said) in [
        (json!({}), "body: missing field `name`"),
        (json!({ "name": "" }), "name: must have from 1 to 255 characters"),
        (json!({ "name": "x", "scope": "*" }), "body: unknown field `scope`"),
        (json!({ "name": "x", "scopes": ["no.Such/Method"] }), "scopes: no.Such/Method names no method of this site"),
        (json!({ "name": "x", "scopes": ["a b"] }), "scopes: "),
        (json!({ "name": "x", "key_type": "magic" }), "key_type: must be one of service"),
        (json!({ "name": "x", "expires_at": "2020-01-01T00:00:00Z" }), "expires_at: must be in the future"),
        (json!({ "name": "x", "expires_at": "soon" }), "body: "),
        (json!(["name"]), "body: "),
    ] {
        let detail = keep.post(ANN, "api-keys/", body).await.problem(400);
        assert!(detail.starts_with(said), "{detail}");
    }
    let address = keep.house.running.http.unwrap();
    let form = format!("{}content-type: application/x-www-form-urlencoded\r\n", keep.tokens[ANN].1);
    send(address, "POST", "/cfg/grpc/api-keys/", &form, "name=x").await.problem(415);
    let huge = json!({ "name": "x", "description": "x".repeat(1 << 20) });
    keep.post(ANN, "api-keys/", huge).await.problem(413);
    for path in ["api-keys/99/revoke/", "api-keys/99/rotate/", "api-keys/stp_abc/revoke/"] {
        keep.post(ROOT, path, json!({})).await.problem(404);
    }
    assert_eq!(keep.get(ROOT, "api-keys/").await["count"], 0);
}

#[tokio::test]
async fn no_key_is_made_or_changed_without_its_entry_in_the_audit_log() {
    use sea_orm::ConnectionTrait as _;

    let keep = keep().await;
    let key = keep.post(ANN, "api-keys/", json!({ "name": "mine" })).await.json();
    keep.house.running.db().execute_unprepared("DROP TABLE steeple_audit_log").await.unwrap();
    keep.post(ANN, "api-keys/", json!({ "name": "another" })).await.problem(500);
    for change in ["revoke", "rotate"] {
        keep.post(ANN, &format!("api-keys/{}/{change}/", key["id"]), json!({})).await.problem(500);
    }
    let all = keep.get(ANN, "api-keys/").await;
    assert_eq!((&all["count"], &all["results"][0]["is_valid"]), (&1.into(), &true.into()), "{all}");
    assert_eq!(keep.call(key["key"].as_str().unwrap()).await, steeple::Code::Ok);
}
