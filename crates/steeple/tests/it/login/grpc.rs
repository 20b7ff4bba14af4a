//! The gRPC door.

use std::time::Duration;

use prost::Message;
use steeple::{
    Code,
    login::v1::{
        LoginRequest, LoginResponse, LogoutRequest, LogoutResponse, RefreshRequest, RefreshResponse, WhoAmIRequest,
        WhoAmIResponse,
    },
};
use tonic::{Request, Status, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use super::{PASSWORD, doors::Doors, user};
use crate::trial::House;

/// Calls one method of `steeple.auth.v1.AuthService`.
pub async fn call<Req, Res>(channel: &Channel, method: &'static str, request: Request<Req>) -> Result<Res, Status>
where
    Req: Message + Default + 'static,
    Res: Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/steeple.auth.v1.AuthService/{method}")).unwrap();
    Ok(grpc.unary(request, path, ProstCodec::default()).await?.into_inner())
}

pub async fn log_in(channel: &Channel, username: &str, password: &str) -> Result<LoginResponse, Status> {
    let request = LoginRequest { username: username.to_owned(), password: password.to_owned() };
    call(channel, "Login", Request::new(request)).await
}

async fn refresh(channel: &Channel, refresh_token: &str) -> Result<RefreshResponse, Status> {
    call(channel, "Refresh", Request::new(RefreshRequest { refresh_token: refresh_token.to_owned() })).await
}

#[tokio::test]
async fn it_says_what_the_http_doors_say() {
    let house = House::open().await;
    let channel = house.channel().await;
    let doors = Doors::of(&house.running);
    let ada = user(house.running.db(), "ada").await;
    let pair = log_in(&channel, "ada", PASSWORD).await.unwrap();
    assert_eq!((pair.token_type.as_str(), pair.expires_in), ("Bearer", 15 * 60));
    assert_eq!(doors.verify(&pair.access_token).await["user_id"], ada.id);

    let next = refresh(&channel, &pair.refresh_token).await.unwrap();
    assert_eq!((next.token_type.as_str(), next.expires_in), ("Bearer", 15 * 60));
    let last = doors.refresh(&next.refresh_token).await.expect("either door takes what the other gave");
    let again = refresh(&channel, &next.refresh_token).await.unwrap_err();
    assert_eq!((again.code(), again.message()), (Code::Unauthenticated, "the token is not valid"));
    assert_eq!(doors.refresh(&last.refresh_token).await.unwrap_err().0, 401, "the login has ended");

    let pair = log_in(&channel, "ada", PASSWORD).await.unwrap();
    let request = LogoutRequest { refresh_token: pair.refresh_token.clone() };
    let LogoutResponse {} = call(&channel, "Logout", Request::new(request)).await.unwrap();
    assert_eq!(refresh(&channel, &pair.refresh_token).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_refusal_tells_nothing_of_who_exists() {
    let house = House::open().await;
    let channel = house.channel().await;
    user(house.running.db(), "ada").await;
    for (name, password) in [("ada", "wrong"), ("nobody", PASSWORD)] {
        let status = log_in(&channel, name, password).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unauthenticated, "the username or the password is not right")
        );
    }
    for (name, password, field) in [("", "x", "username"), ("ada", "", "password"), ("a\u{0}", "x", "username")] {
        let status = log_in(&channel, name, password).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
}

#[tokio::test]
async fn a_pause_says_how_long_it_is() {
    let house = House::configured(|config| config.auth.login_attempts = 1).await;
    let channel = house.channel().await;
    user(house.running.db(), "ada").await;
    log_in(&channel, "ada", "wrong").await.unwrap_err();
    let status = log_in(&channel, "ada", PASSWORD).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait > Duration::from_secs(200), "{wait:?}");
    let told: u64 = status.metadata().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
    assert!((wait.as_secs()..=wait.as_secs() + 1).contains(&told), "{told} {wait:?}");
}

#[tokio::test]
async fn who_am_i_needs_a_credential_also_where_everything_is_public() {
    let house = House::open().await;
    assert_eq!(house.config.auth.public_methods, ["*"]);
    let channel = house.channel().await;
    let anonymous = call::<_, WhoAmIResponse>(&channel, "WhoAmI", Request::new(WhoAmIRequest {})).await.unwrap_err();
    assert_eq!(anonymous.code(), Code::Unauthenticated);
    // And logging in needs none where nothing is.
    let closed = House::configured(|config| config.auth.public_methods = vec![]).await;
    user(closed.running.db(), "ada").await;
    log_in(&closed.channel().await, "ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn it_is_planned_like_every_other_service() {
    let house = House::open().await;
    let service =
        house.running.plan.services.iter().find(|service| service.found.name == "steeple.auth.v1.AuthService");
    let service = service.expect("it is served");
    assert!(service.comment.starts_with("Gives tokens for a password"), "{}", service.comment);
    let access: Vec<_> = service
        .methods
        .iter()
        .map(|planned| (planned.method.name.as_str(), planned.decision.access.to_string()))
        .collect();
    let public = || "public".to_owned();
    assert_eq!(
        access,
        [("Login", public()), ("Refresh", public()), ("Logout", public()), ("WhoAmI", "authenticated".to_owned())]
    );
}
