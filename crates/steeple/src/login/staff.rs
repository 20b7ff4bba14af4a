//! Who may use the doors on the HTTP listener that are for staff: the REST API and the admin.
//!
//! [`Staff`] is an axum extractor for every handler of theirs, over any state that an [`Identity`] can be taken from. It
//! takes a token, an API key with the scope `steeple:monitor`, or the cookie of a browser session, and refuses everybody
//! else. A request that changes something and comes with a cookie must prove that a page of this site made it: the
//! browser says so, and it repeats the session's token in the header `x-csrf-token`. [`StaffForm`](super::StaffForm) is the
//! same for a form that a page sends: its token is the field `csrf_token`.
//!
//! ```text
//! async fn page(staff: Staff) -> Html<String> { … staff.csrf_token() … }          // GET
//! async fn change(StaffForm { fields }: StaffForm) -> Result<Redirect> { … } // POST of a form
//! async fn list(staff: Result<Staff, Problem>) -> Response { … }                     // 401: to the login page
//! ```
//!
//! Must never: let a change by cookie through without its token, or take a credential that does not hold for none.

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
};

use crate::{
    auth::{Access, Identity, Principal, Session},
    error::{Error, Result},
    problem::Problem,
};

/// The scope an API key needs besides being of staff.
const SCOPE: &str = "steeple:monitor";
/// What a request with a cookie repeats when it changes something.
const HEADER: &str = "x-csrf-token";

/// Somebody of staff.
#[derive(Debug, Clone)]
pub(crate) struct Staff {
    /// Who, and how they proved it.
    pub principal: Principal,
    /// The browser session; `None` for who came with a token or a key.
    pub session: Option<Session>,
}

impl Staff {
    /// Who sends a request with this method and these headers, when they may.
    ///
    /// # Errors
    /// UNAUTHENTICATED without a credential or with one that does not hold; PERMISSION_DENIED for others than staff, for a
    /// key without the scope, and for a change by cookie that another site's page may have made.
    pub async fn of(identity: &Identity, method: &Method, headers: &HeaderMap) -> Result<Self> {
        let staff = Self::seen(identity, headers).await?;
        if let (Some(session), false) = (&staff.session, method.is_safe()) {
            own_page(headers)?;
            let mut tokens = headers.get_all(HEADER).iter();
            let (Some(token), None) = (tokens.next(), tokens.next()) else {
                return Err(Error::permission_denied("a change by cookie needs the header x-csrf-token"));
            };
            if !token.to_str().is_ok_and(|token| session.has_csrf_token(token)) {
                return Err(Error::permission_denied("x-csrf-token is not this session's"));
            }
        }
        Ok(staff)
    }

    /// Who sends these headers, whatever they want.
    pub(super) async fn seen(identity: &Identity, headers: &HeaderMap) -> Result<Self> {
        Self::with(identity, headers, identity.sessions.find(headers)).await
    }

    /// Whether they who sent these headers a while ago still may: for an answer that goes on by itself, which keeps no
    /// session from becoming idle.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub async fn still(identity: &Identity, headers: &HeaderMap) -> Result<()> {
        Self::with(identity, headers, identity.sessions.still(headers)).await.map(drop)
    }

    async fn with(
        identity: &Identity,
        headers: &HeaderMap,
        session: impl Future<Output = Result<Option<Session>>>,
    ) -> Result<Self> {
        let staff = match identity.authenticator.authenticate(headers).await? {
            // A credential that was sent on purpose counts before a cookie, which comes by itself.
            Principal::Anonymous => match session.await? {
                Some(session) => Self { principal: Principal::User(session.user.clone()), session: Some(session) },
                None => Self { principal: Principal::Anonymous, session: None },
            },
            principal => Self { principal, session: None },
        };
        match &staff.principal {
            Principal::Anonymous => Err(Error::unauthenticated("this is for staff: log in first")),
            principal if Access::Staff.check(principal).is_err() => Err(Error::permission_denied("this is for staff")),
            principal if !principal.has_scope(SCOPE) => {
                Err(Error::permission_denied(format!("this api key needs the scope {SCOPE}")))
            }
            _ => Ok(staff),
        }
    }
}

impl<S> FromRequestParts<S> for Staff
where
    S: Send + Sync,
    Identity: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self::of(&Identity::from_ref(state), &parts.method, &parts.headers).await?)
    }
}

/// Refuses a request that another site's page made, as far as the browser says so; all of today do, with each change.
///
/// # Errors
/// PERMISSION_DENIED.
pub(crate) fn own_page(headers: &HeaderMap) -> Result<()> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let own = match (headers.get("sec-fetch-site"), headers.get(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none",
        // Over plain HTTP the browser says where the page is from, and no more.
        (None, Some(origin)) => {
            let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            from.is_some_and(|(_, host)| Some(host) == text(header::HOST))
        }
        (None, None) => true,
    };
    if own { Ok(()) } else { Err(Error::permission_denied("the request comes from another site's page")) }
}
