//! What a caller can tell from a refusal: its code, its reason for programs, the field it is about.

use steeple::Error;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub code: Code,
    /// `google.rpc.ErrorInfo`
    pub reason: Option<String>,
    /// `google.rpc.BadRequest`
    pub field: Option<String>,
}

impl Refused {
    fn new(code: Code, details: &ErrorDetails) -> Self {
        let field = details.bad_request().and_then(|bad| bad.field_violations.first());
        Self {
            code,
            reason: details.error_info().map(|info| info.reason.clone()),
            field: field.map(|violation| violation.field.clone()),
        }
    }
}

/// As a client receives it.
impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        assert!(details.request_info().is_some_and(|info| !info.request_id.is_empty()), "no request id in {status:?}");
        Self::new(status.code(), &details)
    }
}

/// As a service returns it.
impl From<Error> for Refused {
    fn from(mut error: Error) -> Self {
        Self::new(error.code(), error.details_mut())
    }
}

pub fn invalid(field: &str) -> Refused {
    Refused { code: Code::InvalidArgument, reason: None, field: Some(field.into()) }
}

pub fn failed(reason: &str) -> Refused {
    Refused { code: Code::FailedPrecondition, reason: Some(reason.into()), field: None }
}

pub fn missing() -> Refused {
    bare(Code::NotFound)
}

/// A code that says all.
pub fn bare(code: Code) -> Refused {
    Refused { code, reason: None, field: None }
}
