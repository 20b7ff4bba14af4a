//! Credentials that are present and wrong: refused, also where anyone may call.

use steeple::{Access, Code};

use super::callers::{SHAPES, Sent, call, code, house, key, user};

#[tokio::test]
async fn what_does_not_hold_is_never_taken_for_nothing() {
    let house = house(Access::Public).await;
    let (id, token) = user(&house, "ada", |_| ()).await;
    let (_, api_key) = key(&house, id, &["*"]).await;
    let channel = house.channel().await;
    assert_eq!(code(&channel, &vec![]).await, Code::Ok);
    let (token, api_key) = (token[0].1.clone(), api_key[0].1.clone());
    let bare = token.strip_prefix("Bearer ").unwrap();
    let authorization = |value: &str| vec![("authorization", value.to_owned())];
    let keyed = |value: &str| vec![("x-api-key", value.to_owned())];
    let wrong: Vec<Sent> = vec![
        authorization(""),
        authorization("Bearer"),
        authorization("Bearer "),
        authorization(bare),
        authorization(&format!("Basic {bare}")),
        authorization(&format!("Token {bare}")),
        authorization(&format!("Bearer {bare}x")),
        authorization(&format!("Bearer {bare} {bare}")),
        authorization(&format!("Bearer {}", "x".repeat(9000))),
        authorization("Bearer ä"),
        authorization(&format!("Bearer {api_key}")),
        keyed(""),
        keyed(" "),
        keyed("ä"),
        keyed("stp_"),
        keyed(bare),
        keyed(&api_key[..api_key.len() - 1]),
        keyed(&format!("{api_key}0")),
        keyed(&api_key.to_uppercase()),
        keyed(&"x".repeat(9000)),
        vec![("authorization", token.clone()), ("authorization", token.clone())],
        vec![("x-api-key", api_key.clone()), ("x-api-key", api_key.clone())],
        vec![("authorization", token.clone()), ("x-api-key", api_key.clone())],
    ];
    for sent in &wrong {
        for shape in SHAPES {
            let refused = call(&channel, shape, sent).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{shape} {sent:?}");
            // What was sent is not said again.
            assert!(!refused.message().contains(bare) && !refused.message().contains(&api_key), "{refused:?}");
        }
    }
    // The scheme is not case sensitive (RFC 9110 section 11.1).
    for scheme in ["bearer", "BEARER"] {
        assert_eq!(call(&channel, "Unary", &authorization(&format!("{scheme} {bare}"))).await.unwrap(), "ada");
    }
    let rows = house.close().await;
    let refused = rows.iter().filter(|row| row.grpc_status_code.as_deref() == Some("UNAUTHENTICATED")).count();
    assert_eq!(refused, wrong.len() * SHAPES.len());
    let secret = api_key.rsplit('_').next().unwrap();
    for row in rows {
        let row = format!("{row:?}");
        assert!(!row.contains(bare) && !row.contains(secret), "{row}");
    }
}

#[tokio::test]
async fn another_header_may_carry_the_key() {
    let house = crate::trial::House::of(super::callers::site(Access::Authenticated), |config| {
        config.auth.public_methods.clear();
        "x-site-key".clone_into(&mut config.auth.api_key_header);
    })
    .await;
    let (id, _) = user(&house, "ada", |_| ()).await;
    let (_, api_key) = key(&house, id, &["*"]).await;
    let channel = house.channel().await;
    assert_eq!(code(&channel, &api_key).await, Code::Unauthenticated);
    assert_eq!(code(&channel, &vec![("x-site-key", api_key[0].1.clone())]).await, Code::Ok);
}
