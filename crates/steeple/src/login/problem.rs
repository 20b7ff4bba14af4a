//! An error as an HTTP answer: `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::error::{Code, Error};

/// What the caller reads. The type is `about:blank`: the status says what kind of problem it is (RFC 9457 section 4.2.1).
#[derive(Debug, Serialize)]
struct Body {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// The name of the gRPC code that the same failure has over gRPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

/// A failure on its way out.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    code: Option<Code>,
    wait: Option<Duration>,
}

impl Problem {
    /// A failure that only HTTP knows.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), code: None, wait: None }
    }
}

impl From<Error> for Problem {
    /// As `google/rpc/code.proto` maps codes to HTTP.
    fn from(error: Error) -> Self {
        let status = match error.code() {
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Aborted | Code::AlreadyExists => StatusCode::CONFLICT,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!(error = error.for_log(), "a request to /api/auth failed");
        }
        let (detail, code, wait) = (error.message().to_owned(), Some(error.code()), error.retry_delay());
        Self { status, detail, code, wait }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Failed");
        let code = self.code.map(crate::record::code_name);
        let body = Body { r#type: "about:blank", title, status: self.status.as_u16(), detail: self.detail, code };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
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
pub(super) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
