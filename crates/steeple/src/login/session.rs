//! `/api/auth/session`: a browser session. `POST` {username, password} begins one, `GET` tells of it, `DELETE` ends it.
//!
//! The session is a cookie that scripts cannot read; the answer has the token that a change must repeat.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::Serialize;

use super::{
    http::{Credentials, Sent},
    staff::own_page,
};
use crate::{
    auth::{Identity, NewSession, Session},
    clock::Time,
    error::Error,
    problem::Problem,
};

pub(super) fn router(identity: Identity) -> Router {
    Router::new().route("/api/auth/session", get(tell).post(log_in).delete(log_out)).with_state(identity)
}

#[derive(Serialize)]
struct Told {
    user_id: i64,
    username: String,
    is_staff: bool,
    is_superuser: bool,
    /// For the header `x-csrf-token` of each request that changes something.
    csrf_token: String,
    ends_at: Time,
}

impl From<Session> for Told {
    fn from(session: Session) -> Self {
        let user = &session.user;
        Self {
            user_id: user.id,
            username: user.username.clone(),
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            csrf_token: session.csrf_token.expose().to_owned(),
            ends_at: session.ends_at,
        }
    }
}

async fn log_in(
    State(identity): State<Identity>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Sent(Credentials { username, password }): Sent<Credentials>,
) -> Result<Response, Problem> {
    own_page(&headers)?;
    let from = Some(peer.ip());
    let NewSession { session, cookie } = identity.sessions.log_in(&username, &password, from, &headers).await?;
    Ok(([(header::SET_COOKIE, cookie)], Json(Told::from(session))).into_response())
}

async fn tell(State(identity): State<Identity>, headers: HeaderMap) -> Result<Json<Told>, Problem> {
    let session = identity.sessions.find(&headers).await?;
    let session = session.ok_or_else(|| Error::unauthenticated("there is no session, or it is over"))?;
    Ok(Json(session.into()))
}

async fn log_out(State(identity): State<Identity>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(session) = identity.sessions.find(&headers).await? {
        own_page(&headers)?;
        let token = headers.get("x-csrf-token").and_then(|token| token.to_str().ok());
        if !token.is_some_and(|token| session.has_csrf_token(token)) {
            return Err(Error::permission_denied("the header x-csrf-token must have this session's token").into());
        }
        identity.sessions.end(&session).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, identity.sessions.forget())]).into_response())
}
