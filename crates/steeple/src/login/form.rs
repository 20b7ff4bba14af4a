//! A form of a page for staff: [`StaffForm`] is an axum extractor as [`Staff`] is, for `POST` handlers of pages.
//!
//! Takes `application/x-www-form-urlencoded` with the session's token in the field `csrf_token`; gives the
//! other fields. Must never: take a form without its token, or from somebody without a browser session.

use std::time::Duration;

use axum::{
    body::to_bytes,
    extract::{FromRef, FromRequest, Request},
    http::{HeaderValue, StatusCode, header},
};

use super::staff::{Staff, own_page};
use crate::{auth::Identity, error::Error, problem::Problem};

/// The session's token.
const FIELD: &str = "csrf_token";
/// Largest form, in bytes, and the time it has to arrive.
const LARGEST: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// A form that somebody of staff sent from a page of this site.
#[derive(Debug, Clone)]
pub(crate) struct StaffForm {
    /// The fields as they came, without the token.
    pub fields: Vec<(String, String)>,
}

impl<S> FromRequest<S> for StaffForm
where
    S: Send + Sync,
    Identity: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let identity = Identity::from_ref(state);
        let staff = Staff::seen(&identity, request.headers()).await?;
        own_page(request.headers())?;
        let kind = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        if kind.split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii) != Some(b"application/x-www-form-urlencoded")
        {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be a form"));
        }
        let body = match tokio::time::timeout(PATIENCE, to_bytes(request.into_body(), LARGEST)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                let detail = format!("the form did not arrive whole, or has more than {LARGEST} bytes");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
            }
            Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the form did not arrive in time")),
        };
        let (tokens, fields): (Vec<_>, Vec<_>) =
            form_urlencoded::parse(&body).into_owned().partition(|(name, _)| name == FIELD);
        match (&staff.session, &tokens[..]) {
            (Some(session), [(_, token)]) if session.has_csrf_token(token) => Ok(Self { fields }),
            _ => Err(Error::permission_denied("the form is not of this session: open its page again").into()),
        }
    }
}
