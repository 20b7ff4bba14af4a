//! Callers who lose the right to call while their sessions are open.

use std::time::Duration;

use steeple::{
    Code,
    auth::{
        NewUser,
        api_key::{NewApiKey, Scopes},
    },
    stream::Cause,
};
use tonic::{Status, metadata::AsciiMetadataValue};
use tonic_types::StatusExt as _;

use super::fleet::{Boat, Fleet, streaming};
use crate::trial::pb::fleet::v1::{Beat, Say, say::Payload};

/// What the identity of others remembers, here.
const REMEMBERED: Duration = Duration::from_millis(200);

async fn fleet() -> Fleet {
    Fleet::with(streaming(), |config| {
        (config.auth.user_cache, config.auth.api_key_cache) = (REMEMBERED, REMEMBERED);
    })
    .await
}

/// A client of this user, by an API key of its own; gives the key's number too.
async fn keyed(fleet: &Fleet, user_id: i64, name: &str) -> (Boat, String) {
    let keys = &fleet.house.running.identity().keys;
    let scopes = Scopes::read(["*"]).unwrap();
    let key = keys.create(NewApiKey { scopes, ..NewApiKey::new(user_id, "tests") }).await.unwrap();
    let text: AsciiMetadataValue = key.text.expose().parse().unwrap();
    let first = Say { client_id: name.into(), payload: Some(Payload::Beat(Beat {})) };
    let dress = |request: &mut tonic::Request<_>| {
        request.metadata_mut().insert("x-api-key", text);
    };
    let boat = Boat::opened(fleet.channel().await, first, dress).await.unwrap();
    fleet.noted(&format!("connected {name}")).await;
    (boat, key.text.expose().to_owned())
}

async fn user(fleet: &Fleet, name: &str, new: NewUser) -> i64 {
    let users = &fleet.house.running.identity().users;
    users.create(NewUser { username: name.into(), ..new }).await.unwrap().id.into()
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason.clone()
}

#[tokio::test]
async fn a_revoked_key_ends_its_sessions_and_no_others() {
    let fleet = fleet().await;
    let ada = user(&fleet, "ada", NewUser::default()).await;
    let (mut boat, text) = keyed(&fleet, ada, "first").await;
    let (other, _) = keyed(&fleet, ada, "second").await;
    let anonymous = fleet.boat("anonymous").await;
    let keys = &fleet.house.running.identity().keys;
    let id = keys.find(&text).await.unwrap().id;
    keys.revoke(id).await.unwrap();
    let status = boat.end().await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "REVOKED"), "{status}");
    assert!(!status.message().contains(&text));
    fleet.noted("disconnected first revoked").await;
    assert_eq!(fleet.hub.len(), 2);
    assert_eq!(fleet.hub.session("second").unwrap().ended(), None);
    drop((other, anonymous));
    fleet.nothing_left().await;
}

#[tokio::test]
async fn a_disabled_user_ends_their_sessions() {
    let fleet = fleet().await;
    let ada = user(&fleet, "ada", NewUser::default()).await;
    let (mut boat, _) = keyed(&fleet, ada, "first").await;
    let session = fleet.hub.session("first").unwrap();
    fleet.house.running.identity().users.set_active(ada, false).await.unwrap();
    assert_eq!(boat.end().await.code(), Code::Unauthenticated);
    fleet.nothing_left().await;
    assert_eq!(session.ended(), Some(Cause::Revoked));
}

#[tokio::test]
async fn rights_that_were_taken_away_end_the_session_and_the_client_may_come_back() {
    let fleet = fleet().await;
    let ada = user(&fleet, "ada", NewUser::default()).await;
    let users = fleet.house.running.identity().users.clone();
    users.grant(ada, "auth.view_user").await.unwrap();
    let (mut boat, _) = keyed(&fleet, ada, "first").await;
    assert!(fleet.hub.session("first").unwrap().principal().user().unwrap().has_permission("auth.view_user"));
    users.revoke(ada, "auth.view_user").await.unwrap();
    let status = boat.end().await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "RIGHTS_CHANGED"), "{status}");
    assert!(status.get_details_retry_info().is_some());
    fleet.nothing_left().await;
    let (back, _) = keyed(&fleet, ada, "again").await;
    drop(back);
    fleet.nothing_left().await;
}
