//! Who looks: their session, their theme, and the doors in and out.
//!
//! Whether somebody is of staff, and whether a form is theirs, is decided in [`login`](crate::login), as for the REST API.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use minijinja::context;

use super::{
    Admin,
    asked::{Asked, html},
    failure,
    fields::{Fields, escaped},
    see_other,
};
use crate::{
    auth::{Session, User},
    error::{Code, Error, Result},
    login::{Staff, own_page},
};

/// The cookies that are the admin's own.
const THEME: &str = "steeple_theme";
const NOTICE: &str = "steeple_notice";
/// Longest notice, in bytes.
const LONGEST: usize = 500;
/// Largest login form, in bytes, and the time it has to arrive.
const LARGEST: usize = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody of staff with a session.
pub(super) struct Visitor {
    pub session: Session,
    pub theme: &'static str,
    /// What the last form did, to be said once.
    pub notice: Option<String>,
}

impl Visitor {
    pub fn user(&self) -> &Arc<User> {
        &self.session.user
    }
}

/// Who sends these headers; `None` for nobody, or for somebody without a browser session.
///
/// # Errors
/// PERMISSION_DENIED for who is not of staff; UNAVAILABLE while that cannot be known.
pub(super) async fn find(admin: &Admin, headers: &HeaderMap) -> Result<Option<Visitor>> {
    let session = match Staff::of(&admin.inside().identity, &Method::GET, headers).await {
        Ok(staff) => staff.session,
        Err(error) if error.code() == Code::Unauthenticated => None,
        Err(error) => return Err(error),
    };
    let notice = || {
        let text = cookie(headers, NOTICE).filter(|text| !text.is_empty() && text.len() <= LONGEST * 3)?;
        Some(percent_encoding::percent_decode_str(text).decode_utf8().ok()?.into_owned())
    };
    Ok(session.map(|session| Visitor { session, theme: theme(headers), notice: notice() }))
}

/// How the page should look: as the system does, or as they chose.
pub(super) fn theme(headers: &HeaderMap) -> &'static str {
    let chosen = cookie(headers, THEME);
    ["light", "dark"].into_iter().find(|theme| Some(*theme) == chosen).unwrap_or("auto")
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Lets the next page say this; `None`: it was said.
pub(super) fn set_notice(response: &mut Response, root: &str, notice: Option<&str>) {
    let value = match notice {
        Some(text) => {
            let short: String = text.chars().take(LONGEST / 4).collect();
            format!("{NOTICE}={}; Path={root}; Max-Age=60; HttpOnly; SameSite=Lax", escaped(&short))
        }
        None => format!("{NOTICE}=; Path={root}; Max-Age=0; HttpOnly; SameSite=Lax"),
    };
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The answer to somebody who is not logged in: to the login page, and back here afterwards.
pub(super) fn ask(admin: &Admin, request: &Request, fragment: bool) -> Response {
    if fragment || request.headers().get(header::ACCEPT).is_some_and(|accept| accept == "text/event-stream") {
        return (StatusCode::UNAUTHORIZED, "log in first\n").into_response();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let error =
            Error::unauthenticated("your session is over, and nothing was changed: log in, then send the form again");
        return failure::alone(admin, request.headers(), error);
    }
    let here = request.uri().path_and_query().map_or("/", |here| here.as_str());
    let login = format!("{}/login", admin.root);
    if here == "/" { see_other(&login) } else { see_other(&format!("{login}?next={}", escaped(here))) }
}

/// An address within the admin; anything else is not where a login leads.
fn next<'n>(root: &str, wanted: &'n str) -> Option<&'n str> {
    let within = wanted.starts_with('/') && !wanted.starts_with("//") && !wanted.starts_with("/login");
    // The root goes in front, so that it leads to no other host.
    let fit = within && !wanted.contains(|letter: char| letter.is_control() || letter == '\\') && !root.is_empty();
    fit.then_some(wanted)
}

/// `GET login`.
pub(super) async fn login_page(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    let query = Fields::read(request.uri().query().unwrap_or_default().as_bytes());
    let next = next(&admin.root, query.get("next")).unwrap_or("/");
    if let Ok(Some(_)) = find(&admin, request.headers()).await {
        return see_other(&format!("{}{next}", admin.root));
    }
    form(&admin, request.headers(), StatusCode::OK, next, "", None)
}

fn form(
    admin: &Admin,
    headers: &HeaderMap,
    status: StatusCode,
    next: &str,
    username: &str,
    wrong: Option<&str>,
) -> Response {
    let page = context! { theme => theme(headers) };
    let wrong = wrong.map(failure::sentence);
    let values = context! { page => page, title => "Log in", next => next, username => username, wrong => wrong };
    match admin.views.render("login.html", values) {
        Ok(text) => html(status, text),
        Err(error) => failure::alone(admin, headers, error),
    }
}

/// `POST login`.
pub(super) async fn log_in(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    let headers = request.headers().clone();
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    // There is no session yet whose token it could have, but no other site's page may log anybody in.
    if let Err(error) = own_page(&headers) {
        return failure::alone(&admin, &headers, error);
    }
    let body = tokio::time::timeout(PATIENCE, axum::body::to_bytes(request.into_body(), LARGEST)).await;
    let Ok(Ok(body)) = body else {
        let error = Error::invalid_argument("the form did not arrive whole");
        return failure::alone(&admin, &headers, error);
    };
    let fields = Fields::read(&body);
    let (username, next) = (fields.get("username"), next(&admin.root, fields.get("next")).unwrap_or("/"));
    let sessions = &admin.inside().identity.sessions;
    match sessions.log_in(username, fields.get("password"), from, &headers).await {
        Ok(new) if new.session.user.is_staff || new.session.user.is_superuser => {
            let mut response = see_other(&format!("{}{next}", admin.root));
            response.headers_mut().append(header::SET_COOKIE, new.cookie);
            response
        }
        Ok(new) => {
            // Their session is of no use here, and nobody knows of it.
            if let Err(error) = sessions.end(&new.session).await {
                tracing::warn!(error = error.for_log(), "a session could not be ended");
            }
            let wrong = "this account may not use the admin: it is for staff";
            form(&admin, &headers, StatusCode::FORBIDDEN, next, username, Some(wrong))
        }
        Err(error) => match error.code() {
            Code::Unauthenticated | Code::InvalidArgument => {
                form(&admin, &headers, StatusCode::UNAUTHORIZED, next, username, Some(error.message()))
            }
            Code::ResourceExhausted => {
                let mut response =
                    form(&admin, &headers, StatusCode::TOO_MANY_REQUESTS, next, username, Some(error.message()));
                if let Some(delay) = error.retry_delay() {
                    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(delay.as_secs().max(1)));
                }
                response
            }
            _ => failure::alone(&admin, &headers, error),
        },
    }
}

/// `POST logout`.
pub(super) async fn log_out(asked: Asked) -> Result<Response> {
    let sessions = &asked.admin().inside().identity.sessions;
    sessions.end(&asked.shell.visitor.session).await?;
    let mut response = see_other(&asked.to("/login"));
    response.headers_mut().append(header::SET_COOKIE, sessions.forget());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_into_the_admin_only() {
        assert_eq!(next("/admin", "/requests?code=OK"), Some("/requests?code=OK"));
        for elsewhere in
            ["", "requests", "//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "/login"]
        {
            assert_eq!(next("/admin", elsewhere), None, "{elsewhere:?}");
        }
    }
}
