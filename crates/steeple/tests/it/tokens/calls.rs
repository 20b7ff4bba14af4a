//! Access tokens in the metadata of real calls.

use std::time::Duration;

use serde_json::json;
use steeple::{
    Code,
    auth::{NewUser, Secret},
    login::v1::{WhoAmIRequest, WhoAmIResponse, who_am_i_response::Credential},
};
use tonic::{
    Request,
    metadata::{AsciiMetadataValue, MetadataValue},
    transport::Channel,
};

use super::{SECRET, claims, corpus, now, token, with};
use crate::{
    login::{PASSWORD, doors::Doors, grpc::call, user, users},
    trial::{House, pb::trial::v1::Order},
};

/// A site with the secret of these tests, and so many users who have no password.
async fn house(count: i64) -> House {
    let house = House::configured(|config| {
        config.auth.secret_key = Some(Secret::new(SECRET));
        config.auth.user_cache = Duration::ZERO;
    })
    .await;
    let users = users(house.running.db());
    for number in 1..=count {
        let made = users.create(NewUser { username: format!("user{number}"), ..NewUser::default() }).await.unwrap();
        assert_eq!(i64::from(made.id), number);
    }
    house
}

fn with_metadata<T>(message: T, value: AsciiMetadataValue) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", value);
    request
}

fn bearing<T>(message: T, token: &str) -> Request<T> {
    with_metadata(message, format!("Bearer {token}").parse().unwrap())
}

async fn who(channel: &Channel, token: &str) -> Result<WhoAmIResponse, tonic::Status> {
    call(channel, "WhoAmI", bearing(WhoAmIRequest {}, token)).await
}

#[tokio::test]
async fn a_token_says_who_calls_in_the_call_and_in_its_row() {
    let house = House::open().await;
    let users = users(house.running.db());
    let ada = user(house.running.db(), "ada").await;
    users.set_staff(ada.id.into(), true).await.unwrap();
    users.create_group("editors").await.unwrap();
    users.grant_to_group("editors", "auth.add_user").await.unwrap();
    users.add_to_group(ada.id.into(), "editors").await.unwrap();
    users.grant(ada.id.into(), "auth.view_group").await.unwrap();
    let pair = Doors::of(&house.running).log_in("ada", PASSWORD).await;

    let channel = house.channel().await;
    let me = who(&channel, &pair.access_token).await.unwrap();
    let told = WhoAmIResponse {
        user_id: ada.id.into(),
        username: "ada".to_owned(),
        email: "ada@example.org".to_owned(),
        full_name: "Ada".to_owned(),
        is_staff: true,
        is_superuser: false,
        permissions: vec!["auth.add_user".to_owned(), "auth.view_group".to_owned()],
        credential: Credential::Token.into(),
    };
    assert_eq!(me, told);
    who(&channel, &pair.refresh_token).await.unwrap_err();

    let rows = house.rows(2, |row| row.method_name == "WhoAmI" && row.completed_at.is_some()).await;
    let callers: Vec<_> = rows.iter().map(|row| (row.is_authenticated, row.user_id, row.api_key_id)).collect();
    assert_eq!(callers, [(false, None, None), (true, Some(ada.id.into()), None)], "newest first");
    assert_eq!(rows[0].grpc_status_code.as_deref(), Some("UNAUTHENTICATED"));
}

/// The trial service is public in these tests: a token that does not hold is refused all the same.
#[tokio::test]
async fn nothing_of_the_corpus_opens_a_method_and_none_is_taken_for_no_token() {
    let house = house(7).await;
    let channel = house.channel().await;
    let mut client = house.client().await;
    client.unary(Order::default()).await.expect("anyone may call it");
    client.unary(bearing(Order::default(), &token(&claims()))).await.expect("also with a right token");
    assert_eq!(who(&channel, &token(&claims())).await.unwrap().user_id, 7);

    let mut sent = 0;
    for (what, token) in corpus::all() {
        // Not all of it can be metadata, and none of it longer than what a connection takes; bytes beyond ASCII can.
        let Ok(value) = http::HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()) else { continue };
        // Spaces around a value are no part of it.
        if value.len() > 12 * 1024 || token.trim() != token {
            continue;
        }
        let refused = |status: tonic::Status| {
            assert_eq!(status.code(), Code::Unauthenticated, "{what}");
            assert!(["the token is not valid", "the token has expired"].contains(&status.message()), "{what}");
        };
        let value = || MetadataValue::try_from(value.as_bytes()).unwrap();
        refused(client.unary(with_metadata(Order::default(), value())).await.expect_err(&what));
        let asked = with_metadata(WhoAmIRequest {}, value());
        refused(call::<_, WhoAmIResponse>(&channel, "WhoAmI", asked).await.expect_err(&what));
        sent += 1;
    }
    assert!(sent > 150, "{sent}");
    let rows = house.rows(2 * sent, |row| row.grpc_status_code.as_deref() == Some("UNAUTHENTICATED")).await;
    assert!(rows.iter().all(|row| !row.is_authenticated && row.user_id.is_none()));
}

#[tokio::test]
async fn a_token_is_refused_before_the_method_whatever_its_shape() {
    let house = house(1).await;
    let mut client = house.client().await;
    let (forged, right) = (token(&with("exp", json!(now() - 1))), token(&with("user_id", json!(1))));
    let many = || tokio_stream::iter([Order::default(), Order::default()]);
    let one = || Order { count: 2, ..Order::default() };
    for (token, good) in [(&forged, false), (&right, true)] {
        let codes = [
            client.unary(bearing(one(), token)).await.err(),
            client.collect(bearing(many(), token)).await.err(),
            client.spread(bearing(one(), token)).await.err(),
            client.exchange(bearing(many(), token)).await.err(),
        ];
        let codes = codes.map(|status| status.map(|status| status.code()));
        assert_eq!(codes, if good { [None; 4] } else { [Some(Code::Unauthenticated); 4] });
    }
}

#[tokio::test]
async fn who_is_gone_or_inactive_is_refused_in_the_next_call() {
    let house = house(2).await;
    let channel = house.channel().await;
    let users = users(house.running.db());
    let of = |id: i64| token(&with("user_id", json!(id)));
    for id in [1, 2] {
        who(&channel, &of(id)).await.unwrap();
    }
    users.set_active(1, false).await.unwrap();
    assert!(users.delete(2).await.unwrap());
    for id in [1, 2, 3] {
        let status = who(&channel, &of(id)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "the token is not valid"));
    }
    users.set_active(1, true).await.unwrap();
    who(&channel, &of(1)).await.unwrap();
}
