//! `POST /api/auth/login`, `refresh`, `logout` and `verify`: a JSON object in, a JSON object or a problem out.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::Response,
    routing::post,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    auth::{AccessClaims, Identity, Login, Pair, Verified},
    clock,
    problem::Problem,
};

/// Largest body: a token and its name.
const MOST_BYTES: usize = 16 * 1024;
/// Time a body has to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The doors for tokens and for sessions.
pub(crate) fn router(identity: &Identity) -> Router {
    Router::new()
        .route("/api/auth/login", post(log_in))
        .route("/api/auth/refresh", post(refresh))
        .route("/api/auth/logout", post(log_out))
        .route("/api/auth/verify", post(verify))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "use POST"))
        .with_state(identity.login.clone())
        .merge(super::session::router(identity.clone()))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::map_response(not_stored))
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    pub username: String,
    pub password: String,
}

#[derive(Deserialize)]
struct RefreshToken {
    refresh_token: String,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

#[derive(Serialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    expires_in: u64,
}

#[derive(Serialize)]
struct Valid {
    token_type: &'static str,
    user_id: i64,
    expires_in: i64,
}

impl From<Pair> for Tokens {
    fn from(Pair { access, refresh, expires_in }: Pair) -> Self {
        Self {
            access_token: access.expose().to_owned(),
            refresh_token: refresh.expose().to_owned(),
            token_type: "Bearer",
            expires_in: expires_in.as_secs(),
        }
    }
}

async fn log_in(
    State(login): State<Login>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Sent(credentials): Sent<Credentials>,
) -> Result<Json<Tokens>, Problem> {
    let Credentials { username, password } = credentials;
    let pair = login.log_in(&username, &password, Some(peer.ip())).await?;
    Ok(Json(pair.into()))
}

async fn refresh(State(login): State<Login>, Sent(sent): Sent<RefreshToken>) -> Result<Json<Tokens>, Problem> {
    Ok(Json(login.refresh(&sent.refresh_token).await?.into()))
}

async fn log_out(State(login): State<Login>, Sent(sent): Sent<RefreshToken>) -> Result<StatusCode, Problem> {
    login.log_out(&sent.refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn verify(State(login): State<Login>, Sent(sent): Sent<Token>) -> Result<Json<Valid>, Problem> {
    let (token_type, user_id, expires) = match login.verify(&sent.token).await? {
        Verified::Access(AccessClaims { user_id, expires }) => ("access", user_id, expires),
        Verified::Refresh(claims) => ("refresh", claims.user_id, claims.expires),
    };
    // Within the leeway a token is good although it has expired.
    Ok(Json(Valid { token_type, user_id, expires_in: (expires - clock::now().timestamp()).max(0) }))
}

/// The body of a request, as the JSON object that the door wants. What was sent is never said back.
pub(super) struct Sent<T>(pub T);

pub(super) trait Wanted: DeserializeOwned {
    const WANTED: &str;
}

impl Wanted for Credentials {
    const WANTED: &str = "the body must be a JSON object with username and password, both text";
}

impl Wanted for RefreshToken {
    const WANTED: &str = "the body must be a JSON object with refresh_token, a text";
}

impl Wanted for Token {
    const WANTED: &str = "the body must be a JSON object with token, a text";
}

impl<T: Wanted, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !media_type.eq_ignore_ascii_case(b"application/json") {
            // Nor can a form of another site be made to send it.
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json"));
        }
        let body = tokio::time::timeout(PATIENCE, Bytes::from_request(request, state)).await;
        let Ok(body) = body else {
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive"));
        };
        let body = body.map_err(|rejected| match rejected.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body may have {MOST_BYTES} bytes"))
            }
            status => Problem::new(status, "the body did not arrive"),
        })?;
        // A list of the same values is none, though serde would take it.
        let object = body.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(&body).ok()).flatten();
        object.map(Self).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, T::WANTED))
    }
}

/// Tokens are for who asked (RFC 6749 section 5.1).
async fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
