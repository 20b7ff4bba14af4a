//! Who may ask: staff, by token, by API key, or by the cookie of a browser session.

use axum::http::{HeaderMap, Method, header};

use crate::{
    auth::{Access, Principal, Session},
    error::{Error, Result},
    server::Inside,
};

/// The scope an API key needs besides being of staff.
const SCOPE: &str = "steeple:monitor";
/// What a request with a cookie repeats when it changes something.
const CSRF: &str = "x-csrf-token";

/// Who asks, when they may.
///
/// # Errors
/// UNAUTHENTICATED without a credential or with one that does not hold; PERMISSION_DENIED for others than staff, for a key
/// without the scope, and for a change by cookie that another site's page may have made.
pub(super) async fn admit(inside: &Inside, method: &Method, headers: &HeaderMap) -> Result<Principal> {
    let principal = match inside.authenticate(headers).await? {
        // A credential that was sent on purpose counts before a cookie, which comes by itself.
        Principal::Anonymous => by_session(inside, method, headers).await?,
        known => known,
    };
    Access::Staff.check(&principal)?;
    if !principal.has_scope(SCOPE) {
        return Err(Error::permission_denied(format!("this api key needs the scope {SCOPE}")));
    }
    Ok(principal)
}

async fn by_session(inside: &Inside, method: &Method, headers: &HeaderMap) -> Result<Principal> {
    let Some(sessions) = inside.sessions.as_ref().filter(|_| headers.contains_key(header::COOKIE)) else {
        return Ok(Principal::Anonymous);
    };
    let Some(session) = sessions.find(headers).await? else {
        return Ok(Principal::Anonymous);
    };
    if !method.is_safe() {
        own_page(headers, &session)?;
    }
    Ok(Principal::User(session.user))
}

/// A change by cookie must come from a page of this server: it knows the session's token, and the browser says so.
fn own_page(headers: &HeaderMap, session: &Session) -> Result<()> {
    let refused = |why: &'static str| Err(Error::permission_denied(why));
    let mut tokens = headers.get_all(CSRF).iter();
    let (Some(token), None) = (tokens.next(), tokens.next()) else {
        return refused("a change by cookie needs the header x-csrf-token");
    };
    if !session.has_csrf_token(token.as_bytes()) {
        return refused("x-csrf-token is not this session's");
    }
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return refused("the request comes from another site's page");
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST);
    match text(header::ORIGIN) {
        Some(origin) if origin.split_once("://").map(|(_, host)| host) != host => {
            refused("the request comes from another site's page")
        }
        _ => Ok(()),
    }
}
