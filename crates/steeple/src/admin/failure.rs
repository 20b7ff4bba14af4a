//! What went wrong, as a page. Must never: say more than the error's public sentence.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use minijinja::{Value, context};

use super::{
    Admin,
    asked::{Shell, html},
    visitor,
};
use crate::error::{Code, Error};

/// The status that says the same as a gRPC code.
fn status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::METHOD_NOT_ALLOWED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "That cannot be meant",
        StatusCode::UNAUTHORIZED => "Log in first",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::METHOD_NOT_ALLOWED => "Not this way",
        StatusCode::CONFLICT => "That does not fit",
        StatusCode::TOO_MANY_REQUESTS => "Too much at once",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => "Away for a moment",
        _ => "Something broke",
    }
}

/// What is wrong with which field, for whoever filled it in.
pub(super) fn violations(error: &mut Error) -> Vec<Value> {
    let wrong = error.details_mut().bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    wrong.into_iter().map(|one| context! { field => one.field, problem => one.description }).collect()
}

fn logged(error: &Error) -> StatusCode {
    let status = status(error.code());
    if status.is_server_error() {
        tracing::warn!(error = error.for_log(), "a page of the admin failed");
    }
    status
}

/// A sentence with a capital and a full stop: pages are read, errors are quoted.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// A failure within the admin.
pub(super) fn page(shell: &Shell, mut error: Error) -> Response {
    let status = logged(&error);
    let violations = violations(&mut error);
    shown(shell, status, error.message(), violations)
}

/// The same for a failure that only HTTP knows.
pub(super) fn told(shell: &Shell, status: StatusCode, detail: &str) -> Response {
    shown(shell, status, detail, Vec::new())
}

fn shown(shell: &Shell, status: StatusCode, detail: &str, violations: Vec<Value>) -> Response {
    if shell.fragment {
        return plain(status, detail);
    }
    let values = shell.around(title(status), context! { detail => sentence(detail), violations => violations });
    let views = &shell.admin.views;
    // The site's own templates may be what is broken.
    match views.render("failure.html", values.clone()).or_else(|_| views.render_own("failure.html", values)) {
        Ok(text) => html(status, text),
        Err(error) => plain(status, error.message()),
    }
}

/// A failure of somebody who may not see the admin, or is nobody yet.
pub(super) fn alone(admin: &Admin, headers: &HeaderMap, error: Error) -> Response {
    let status = logged(&error);
    let page = context! { theme => visitor::theme(headers) };
    let values = context! { page => page, title => title(status), detail => sentence(error.message()) };
    match admin.views.render("failure_alone.html", values) {
        Ok(text) => html(status, text),
        Err(error) => plain(status, error.message()),
    }
}

fn plain(status: StatusCode, text: &str) -> Response {
    (status, format!("{}\n", sentence(text))).into_response()
}

/// Another method than the page takes.
pub(super) async fn not_allowed() -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    response
}
