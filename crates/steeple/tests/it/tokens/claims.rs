//! What a token must say, and until when it is good.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use steeple::auth::Verified;

use super::{Site, hmac, now, signed, token, with};
use crate::databases::Database;

#[tokio::test]
async fn the_claims_of_simplejwt_are_enough() {
    let site = Site::new(|_| ()).await;
    let claims = site.verify(&token(&super::claims())).unwrap();
    assert_eq!(claims.user_id, 7);
    for id in [json!(7), json!("7")] {
        assert_eq!(site.verify(&token(&with("user_id", id))).unwrap().user_id, 7);
    }
    assert_eq!(site.verify(&token(&with("user_id", json!(i64::MAX)))).unwrap().user_id, i64::MAX);
    site.verify(&token(&with("iat", Value::Null))).unwrap();
    site.verify(&token(&with("nbf", json!(now())))).unwrap();
    site.verify(&token(&with("name", json!("whatever else somebody put in")))).unwrap();
    for header in [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","typ":"jwt"}"#, r#"{"alg":"HS256","typ":"at+jwt"}"#] {
        site.verify(&signed(header, &super::claims().to_string(), Algorithm::HS256, &hmac())).unwrap();
    }
}

#[tokio::test]
async fn a_token_is_good_until_its_second_has_come() {
    let site = Site::new(|_| ()).await;
    for exp in [now(), now() - 1, 0, -1, i64::MIN] {
        let log = site.refused("expired", &token(&with("exp", json!(exp))));
        assert_eq!(log, "the token has expired", "{exp}");
    }
    site.verify(&token(&with("exp", json!(now() + 60)))).unwrap();
}

#[tokio::test]
async fn one_that_was_verified_before_expires_all_the_same() {
    let site = Site::new(|_| ()).await;
    let token = token(&with("exp", json!(now() + 2)));
    site.verify(&token).unwrap();
    let expired = loop {
        match site.verify(&token) {
            Ok(claims) => assert!(claims.expires > now() - 1),
            Err(error) => break error,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(expired.message(), "the token has expired");
    site.refused("expired", &token);
}

#[tokio::test]
async fn leeway_is_for_clocks_that_differ() {
    let site = Site::new(|config| config.jwt_leeway = Duration::from_secs(60)).await;
    site.verify(&token(&with("exp", json!(now() - 30)))).unwrap();
    site.verify(&token(&with("nbf", json!(now() + 30)))).unwrap();
    site.refused("long expired", &token(&with("exp", json!(now() - 61))));
    site.refused("not yet valid", &token(&with("nbf", json!(now() + 90))));
}

#[tokio::test]
async fn issuer_and_audience_are_asked_for_when_they_are_set() {
    let site = Site::new(|config| {
        config.jwt_issuer = Some("https://id.example.org".to_owned());
        config.jwt_audience = Some("orders".to_owned());
    })
    .await;
    let made = |iss: Value, aud: Value| {
        let mut claims = super::claims();
        (claims["iss"], claims["aud"]) = (iss, aud);
        token(&claims)
    };
    let ours = || json!("https://id.example.org");
    site.verify(&made(ours(), json!("orders"))).unwrap();
    site.verify(&made(ours(), json!(["billing", "orders"]))).unwrap();
    for (iss, aud) in [
        (json!("https://id.example.com"), json!("orders")),
        (json!(["https://id.example.org"]), json!("orders")),
        (Value::Null, json!("orders")),
        (ours(), json!("order")),
        (ours(), json!(["billing"])),
        (ours(), json!([])),
        (ours(), json!({ "orders": true })),
        (ours(), Value::Null),
    ] {
        site.refused(&format!("{iss} {aud}"), &made(iss, aud));
    }
    site.refused("neither", &token(&super::claims()));

    let open = Site::new(|_| ()).await;
    open.verify(&token(&with("iss", json!("anybody")))).unwrap();
    let log = open.refused("for somebody else", &token(&with("aud", json!("orders"))));
    assert!(log.contains("auth.jwt_audience is not set"), "{log}");
}

#[tokio::test]
async fn what_is_made_here_holds_here() {
    let database = Database::sqlite().await.unwrap();
    let config = steeple::auth::Config {
        jwt_issuer: Some("https://id.example.org".to_owned()),
        jwt_audience: Some("orders".to_owned()),
        jwt_key_id: Some("2026".to_owned()),
        access_lifetime: Duration::from_secs(120),
        ..Default::default()
    };
    let tokens = super::families::tokens(&database, &config).await;
    let pair = tokens.issue(&super::user(41)).await.unwrap();
    assert_eq!(pair.expires_in, Duration::from_secs(120));
    let access = tokens.verify_access(pair.access.expose()).unwrap();
    assert_eq!(access.user_id, 41);
    assert!((now() + 100..=now() + 120).contains(&access.expires));
    let Verified::Refresh(refresh) = tokens.verify(pair.refresh.expose()).unwrap() else { panic!("a refresh token") };
    assert_eq!(refresh.user_id, 41);
    assert!((now() + 86_300..=now() + 86_400).contains(&refresh.expires));

    // Neither does for the other.
    tokens.verify_access(pair.refresh.expose()).unwrap_err();
    tokens.verify_refresh(pair.access.expose()).unwrap_err();
    let seen = format!("{tokens:?} {pair:?}");
    assert!(!seen.contains(pair.access.expose()) && !seen.contains(pair.refresh.expose()), "{seen}");
}
