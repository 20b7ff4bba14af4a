//! The one error of a call, and the one table that makes a gRPC status of it.
//!
//! Takes whatever went wrong: a refusal written by a service (`Error::not_found("coin", "BTC")`), or a foreign error
//! through `?`. Gives a [`tonic::Status`] with `google.rpc` details. Two sentences are kept apart: the **public**
//! one, which the caller reads, and the **cause**, which only the log reads.
//!
//! The table of foreign errors follows the original's error handler (`ValidationError` is INVALID_ARGUMENT,
//! `ObjectDoesNotExist` NOT_FOUND, `PermissionDenied` PERMISSION_DENIED, `NotImplementedError` UNIMPLEMENTED,
//! `TimeoutError` DEADLINE_EXCEEDED, anything else INTERNAL), and says less than it did: what a database or a library
//! says never reaches the caller.
//!
//! Must never: put a cause, a file name or a secret into the public sentence.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use sea_orm::{DbErr, RuntimeErr, SqlErr};
pub use tonic::Code;
use tonic::{Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What a service, an interceptor and most functions of Steeple return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A boxed cause: any error that may cross threads.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// The `domain` of every [`ErrorInfo`](tonic_types::ErrorInfo) that Steeple itself attaches.
pub const DOMAIN: &str = "steeple";

/// Why a call ends without an answer: a gRPC code, a sentence for the caller, details, and the cause for the log.
///
/// One word wide, so that `Result<T>` stays small.
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    message: Cow<'static, str>,
    details: ErrorDetails,
    cause: Option<Cause>,
    /// A status that came from elsewhere (a stock service, an upstream call) and passes through as it is.
    status: Option<Status>,
}

impl Error {
    /// An error with `code` and the sentence its caller reads. The named constructors below read better.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), details: ErrorDetails::new(), cause: None, status: None }))
    }

    /// CANCELLED: the caller gave up, or the call was taken from it.
    pub fn cancelled(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Cancelled, message)
    }

    /// UNKNOWN: an outcome of a foreign system that fits nothing else. Prefer [`Error::internal`].
    pub fn unknown(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unknown, message)
    }

    /// INVALID_ARGUMENT: the request is wrong whatever the state of the system. See [`Error::invalid`] for one field.
    pub fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// INVALID_ARGUMENT for one field, with a `google.rpc.BadRequest` violation: `Error::invalid("symbol", "may not be empty")`.
    ///
    /// More fields: [`Error::violation`].
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self::new(Code::InvalidArgument, format!("{field}: {problem}")).violation(field, problem)
    }

    /// DEADLINE_EXCEEDED: time ran out.
    pub fn deadline_exceeded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::DeadlineExceeded, message)
    }

    /// NOT_FOUND, with a `google.rpc.ResourceInfo`: `Error::not_found("coin", "BTC")` reads "coin BTC not found".
    pub fn not_found(what: impl Into<String>, key: impl fmt::Display) -> Self {
        let (what, key) = (what.into(), key.to_string());
        let mut error = Self::new(Code::NotFound, format!("{what} {key} not found"));
        error.0.details.set_resource_info(what, key, "", "does not exist");
        error
    }

    /// ALREADY_EXISTS, with a `google.rpc.ResourceInfo`: `Error::already_exists("coin", "BTC")` reads "coin BTC already exists".
    pub fn already_exists(what: impl Into<String>, key: impl fmt::Display) -> Self {
        let (what, key) = (what.into(), key.to_string());
        let mut error = Self::new(Code::AlreadyExists, format!("{what} {key} already exists"));
        error.0.details.set_resource_info(what, key, "", "already exists");
        error
    }

    /// PERMISSION_DENIED: the caller is known and may not.
    pub fn permission_denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::PermissionDenied, message)
    }

    /// RESOURCE_EXHAUSTED: a quota, a queue, a size.
    pub fn resource_exhausted(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ResourceExhausted, message)
    }

    /// FAILED_PRECONDITION: the system is not in a state for this; do not retry before it changed.
    pub fn failed_precondition(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    /// ABORTED: lost against a concurrent call; retry the whole operation.
    pub fn aborted(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Aborted, message)
    }

    /// OUT_OF_RANGE: past the valid range, as reading past the end.
    pub fn out_of_range(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::OutOfRange, message)
    }

    /// UNIMPLEMENTED: this server does not serve the method.
    pub fn unimplemented(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    /// INTERNAL: a fault of ours. The sentence is public; give the reason with [`Error::because`].
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// UNAVAILABLE: not now; the caller may retry, see [`Error::retry_after`].
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// DATA_LOSS: data is lost or corrupt beyond repair.
    pub fn data_loss(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::DataLoss, message)
    }

    /// UNAUTHENTICATED: no credential, or one that does not hold.
    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unauthenticated, message)
    }

    /// The cause, for the log only.
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds a field violation to the `google.rpc.BadRequest` of this error.
    pub fn violation(mut self, field: impl Into<String>, problem: impl Into<String>) -> Self {
        self.0.details.add_bad_request_violation(field, problem);
        self
    }

    /// Adds a `google.rpc.RetryInfo`: the caller should wait at least this long.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.details.set_retry_info(Some(delay));
        self
    }

    /// The wait that [`retry_after`](Self::retry_after) asks for.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.details.retry_info()?.retry_delay
    }

    /// Adds a `google.rpc.ErrorInfo`: a reason in UPPER_SNAKE_CASE that programs may rely on, unique in `domain`.
    pub fn reason(mut self, reason: impl Into<String>, domain: impl Into<String>) -> Self {
        self.0.details.set_error_info(reason, domain, std::collections::HashMap::new());
        self
    }

    /// The `google.rpc` details.
    pub fn details(&self) -> &ErrorDetails {
        &self.0.details
    }

    /// The details so far, to add what has no method here.
    pub fn details_mut(&mut self) -> &mut ErrorDetails {
        &mut self.0.details
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The sentence the caller reads.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The cause, if one was given.
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// What the log keeps: the public sentence, and behind it the whole chain of causes.
    pub fn for_log(&self) -> String {
        let mut text = self.0.message.to_string();
        let mut next = self.0.cause.as_deref().map(|cause| cause as &dyn StdError);
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            // Many libraries print their source inside their own text: say each thing once.
            if !text.ends_with(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            next = cause.source();
        }
        text
    }

    /// The same refusal for a second call that waited for the same thing: sentence, details, and the cause as text.
    pub(crate) fn copied(&self) -> Self {
        let Inner { code, message, details, cause, status } = &*self.0;
        let cause = cause.as_ref().map(|_| Cause::from(self.for_log()));
        let (message, details, status) = (message.clone(), details.clone(), status.clone());
        Self(Box::new(Inner { code: *code, message, details, cause, status }))
    }

    /// The status the caller gets: public sentence, details, the request id as `google.rpc.RequestInfo`, and metadata.
    pub(crate) fn into_status(mut self, request_id: &str, metadata: MetadataMap) -> Status {
        if let Some(mut status) = self.0.status.take() {
            for entry in metadata.iter() {
                match entry {
                    tonic::metadata::KeyAndValueRef::Ascii(key, value) => {
                        status.metadata_mut().insert(key.clone(), value.clone());
                    }
                    tonic::metadata::KeyAndValueRef::Binary(key, value) => {
                        status.metadata_mut().insert_bin(key.clone(), value.clone());
                    }
                }
            }
            return status;
        }
        self.0.details.set_request_info(request_id, "");
        Status::with_error_details_and_metadata(self.0.code, self.0.message, self.0.details, metadata)
    }
}

// === foreign errors ===

impl From<DbErr> for Error {
    /// Nothing found is NOT_FOUND, a unique value taken ALREADY_EXISTS, a broken reference FAILED_PRECONDITION, a lost
    /// race for a lock ABORTED, a database out of reach UNAVAILABLE; the rest is INTERNAL. The text of the database stays in the cause.
    fn from(error: DbErr) -> Self {
        let mapped = match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::new(Code::AlreadyExists, "already exists"),
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
                Self::failed_precondition("refers to something that does not exist, or is still referred to")
            }
            _ => match &error {
                DbErr::RecordNotFound(_) | DbErr::RecordNotUpdated => Self::new(Code::NotFound, "not found"),
                DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::away(),
                DbErr::Query(RuntimeErr::SqlxError(e)) | DbErr::Exec(RuntimeErr::SqlxError(e)) => Self::of_sqlx(e),
                _ => Self::internal("internal error"),
            },
        };
        mapped.because(error)
    }
}

impl Error {
    fn away() -> Self {
        Self::unavailable("the database is not available, try again").retry_after(Duration::from_secs(1))
    }

    fn of_sqlx(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::away()
            }
            sqlx::Error::RowNotFound => Self::new(Code::NotFound, "not found"),
            sqlx::Error::Database(db) => match db.code().as_deref() {
                // PostgreSQL: serialization failure, deadlock; MySQL: deadlock (SQLSTATE 40001); SQLite: busy, locked
                Some("40001" | "40P01" | "5" | "6" | "261" | "517") => {
                    Self::aborted("lost against a concurrent change, try again").retry_after(Duration::from_millis(50))
                }
                // PostgreSQL: connection exceptions, shutting down, starting up, too many connections
                Some(code) if code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "53300") => {
                    Self::away()
                }
                _ => Self::internal("internal error"),
            },
            _ => Self::internal("internal error"),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::of_sqlx(&error).because(error)
    }
}

impl From<Status> for Error {
    /// Passes through unchanged: what an upstream answered is the answer.
    fn from(status: Status) -> Self {
        let message = Cow::Owned(status.message().to_owned());
        Self(Box::new(Inner {
            code: status.code(),
            message,
            details: ErrorDetails::new(),
            cause: None,
            status: Some(status),
        }))
    }
}

impl From<tokio::time::error::Elapsed> for Error {
    fn from(error: tokio::time::error::Elapsed) -> Self {
        Self::deadline_exceeded("took too long").because(error)
    }
}

/// A value that does not parse is the caller's: INVALID_ARGUMENT.
macro_rules! invalid_value {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::invalid_argument(format!("invalid value: {error}")).because(error)
            }
        }
    )*};
}

invalid_value!(
    std::num::ParseIntError,
    std::num::ParseFloatError,
    std::num::TryFromIntError,
    std::str::Utf8Error,
    std::string::FromUtf8Error,
    std::str::ParseBoolError,
    chrono::ParseError,
    rust_decimal::Error,
    uuid::Error,
);

impl From<std::io::Error> for Error {
    /// INTERNAL, but for a timeout: DEADLINE_EXCEEDED.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::TimedOut {
            return Self::deadline_exceeded("took too long").because(error);
        }
        Self::internal("internal error").because(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal("internal error").because(error)
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::internal("internal error").because(cause)
    }
}

// === impl Debug, Display, Error ===

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}
