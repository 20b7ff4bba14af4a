//! An error as an HTTP answer: `application/problem+json` (RFC 9457).
//!
//! Takes an [`Error`], or a status that only HTTP knows; gives the response. Must never: tell the cause of an error, which
//! is for the log.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    error::{Code, Error},
    record::code_name,
};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is (RFC 9457 section 4.2.1).
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The sentence for whoever asked.
    detail: String,
    /// The gRPC code that the same failure has over gRPC; absent when only HTTP knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// What was wrong with which parameter or field; absent when nothing was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Violation>,
    /// When to ask again.
    #[serde(skip)]
    wait: Option<Duration>,
}

/// What was wrong with one parameter or field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
struct Violation {
    /// Its name.
    field: String,
    /// What it must be.
    detail: String,
}

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
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Problem {
    /// A failure that only HTTP knows.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Failed"),
            status: status.as_u16(),
            detail: detail.into(),
            code: None,
            errors: Vec::new(),
            wait: None,
        }
    }

    /// The sentence for whoever asked.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Error> for Problem {
    fn from(mut error: Error) -> Self {
        let status = status(error.code());
        if status.is_server_error() {
            tracing::error!(error = error.for_log(), "an http request failed");
        }
        let violations = error.details_mut().bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        let errors = violations.into_iter().map(|wrong| Violation { field: wrong.field, detail: wrong.description });
        Self {
            code: Some(code_name(error.code())),
            errors: errors.collect(),
            wait: error.retry_delay(),
            ..Self::new(status, error.message())
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(body.into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 section 15.5.2 wants one.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        response
    }
}

/// Whole seconds, rounded up: asked again then, the answer is another one.
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
