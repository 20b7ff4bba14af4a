//! `steeple.auth.v1.AuthService`.

use super::v1::{
    LoginRequest, LoginResponse, LogoutRequest, LogoutResponse, RefreshRequest, RefreshResponse, WhoAmIRequest,
    WhoAmIResponse, who_am_i_response::Credential,
};
use crate::{
    Context,
    auth::{Access, Login, Pair, Principal},
    error::{Error, Result},
    service::Service,
};

pub(crate) const NAME: &str = "steeple.auth.v1.AuthService";

/// Who may call what. Configuration changes nothing about it: a caller without a token must be able to get one.
pub(crate) const ACCESS: [(&str, Access); 4] = [
    ("steeple.auth.v1.AuthService/Login", Access::Public),
    ("steeple.auth.v1.AuthService/Refresh", Access::Public),
    ("steeple.auth.v1.AuthService/Logout", Access::Public),
    ("steeple.auth.v1.AuthService/WhoAmI", Access::Authenticated),
];

pub(crate) fn service(login: &Login) -> Service {
    let (enters, refreshes, leaves) = (login.clone(), login.clone(), login.clone());
    Service::new(NAME)
        .unary("/steeple.auth.v1.AuthService/Login", move |cx, request| log_in(enters.clone(), cx, request))
        .unary("/steeple.auth.v1.AuthService/Refresh", move |_, request| refresh(refreshes.clone(), request))
        .unary("/steeple.auth.v1.AuthService/Logout", move |_, request| log_out(leaves.clone(), request))
        .unary("/steeple.auth.v1.AuthService/WhoAmI", who_am_i)
}

async fn log_in(login: Login, cx: Context, request: LoginRequest) -> Result<LoginResponse> {
    let from = cx.peer().map(|peer| peer.ip());
    let pair = login.log_in(&request.username, &request.password, from).await;
    let Pair { access, refresh, expires_in } = pair.inspect_err(|error| tell_wait(&cx, error))?;
    Ok(LoginResponse {
        access_token: access.expose().to_owned(),
        refresh_token: refresh.expose().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: expires_in.as_secs() as i64,
    })
}

async fn refresh(login: Login, request: RefreshRequest) -> Result<RefreshResponse> {
    let Pair { access, refresh, expires_in } = login.refresh(&request.refresh_token).await?;
    Ok(RefreshResponse {
        access_token: access.expose().to_owned(),
        refresh_token: refresh.expose().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: expires_in.as_secs() as i64,
    })
}

async fn log_out(login: Login, request: LogoutRequest) -> Result<LogoutResponse> {
    login.log_out(&request.refresh_token).await?;
    Ok(LogoutResponse {})
}

async fn who_am_i(cx: Context, _: WhoAmIRequest) -> Result<WhoAmIResponse> {
    let user = cx.require_user()?;
    let credential = match cx.principal() {
        Principal::Anonymous => Credential::Unspecified,
        Principal::User(_) => Credential::Token,
        Principal::ApiKey(..) => Credential::ApiKey,
    };
    Ok(WhoAmIResponse {
        user_id: user.id,
        username: user.username.clone(),
        email: user.email.clone(),
        full_name: user.full_name(),
        is_staff: user.is_staff,
        is_superuser: user.is_superuser,
        permissions: user.permissions.iter().cloned().collect(),
        credential: credential.into(),
    })
}

/// The same as in `google.rpc.RetryInfo`, for callers who do not decode details.
fn tell_wait(cx: &Context, error: &Error) {
    if let Some(wait) = error.retry_delay() {
        let told = cx.set_metadata("retry-after", crate::problem::seconds(wait).to_string());
        debug_assert!(told.is_ok(), "a number is fit for metadata");
    }
}
