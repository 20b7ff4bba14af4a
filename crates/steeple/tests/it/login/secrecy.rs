//! Passwords and tokens are seen nowhere but at the doors.

use serde_json::json;
use steeple::login::v1::{LoginRequest, LoginResponse, LogoutRequest, RefreshRequest, RefreshResponse};
use tonic::Request;

use super::{PASSWORD, doors::Doors, grpc, user};
use crate::trial::House;

#[test]
fn the_messages_do_not_print_them() {
    let (password, token) = ("secret-4711".to_owned(), "secret-4712".to_owned());
    let (access_token, refresh_token) = (token.clone(), token);
    let (token_type, expires_in) = (String::new(), 900);
    let pair = LoginResponse {
        access_token: access_token.clone(),
        refresh_token: refresh_token.clone(),
        token_type: token_type.clone(),
        expires_in,
    };
    let next = RefreshResponse { access_token, refresh_token: refresh_token.clone(), token_type, expires_in };
    let printed = format!(
        "{:?} {pair:?} {next:?} {:?} {:?}",
        LoginRequest { username: "ada".to_owned(), password },
        RefreshRequest { refresh_token: refresh_token.clone() },
        LogoutRequest { refresh_token },
    );
    assert!(printed.contains("ada") && !printed.contains("secret"), "{printed}");
}

#[tokio::test]
async fn the_request_log_does_not_have_them() {
    let house = House::open().await;
    let channel = house.channel().await;
    user(house.running.db(), "ada").await;
    let pair = grpc::log_in(&channel, "ada", PASSWORD).await.unwrap();
    grpc::log_in(&channel, "ada", "wrong-4711").await.unwrap_err();
    for _ in 0..2 {
        let request = RefreshRequest { refresh_token: pair.refresh_token.clone() };
        let _ = grpc::call::<_, RefreshResponse>(&channel, "Refresh", Request::new(request)).await;
    }
    let request = LogoutRequest { refresh_token: format!("{}x", pair.refresh_token) };
    grpc::call::<_, RefreshResponse>(&channel, "Logout", Request::new(request)).await.unwrap_err();
    let rows =
        house.rows(5, |row| row.service_name == "steeple.auth.v1.AuthService" && row.completed_at.is_some()).await;
    let printed = format!("{rows:?}");
    let secrets = [PASSWORD, "wrong-4711", &pair.access_token, &pair.refresh_token];
    for secret in secrets {
        // Nor a part of it: the signature alone is as good as the token to whoever has the rest.
        let tail = secret.rsplit('.').next().unwrap();
        assert!(!printed.contains(tail), "{printed}");
    }
    assert!(printed.contains("the refresh token was used before"), "the log says why: {printed}");
}

#[tokio::test]
async fn no_problem_says_back_what_was_sent() {
    let house = House::open().await;
    let doors = Doors::of(&house.running);
    for body in [
        json!({ "username": "ada", "password": "secret-4711" }),
        json!({ "username": "secret-4711", "password": "secret-4711" }),
        json!({ "username": ["secret-4711"], "password": "secret-4711" }),
        json!("secret-4711"),
        json!({ "refresh_token": "secret-4711", "token": "secret-4711" }),
    ] {
        for door in ["login", "refresh", "logout", "verify"] {
            let answer = doors.answer(door, &body).await;
            assert!((400..500).contains(&answer.status), "{door} {}", answer.status);
            assert!(!format!("{answer:?}").contains("secret-4711"), "{answer:?}");
        }
    }
}
