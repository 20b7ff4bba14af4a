//! Who looks: their session, their theme, and the doors in and out.
//!
//! A form counts when it has its session's token and the browser does not say that another site's page sent it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use minijinja::context;

use super::{
    Admin,
    asked::{self, Asked, html},
    failure,
    fields::{Fields, escaped},
    see_other,
};
use crate::{
    auth::{Session, User},
    error::{Code, Error, Result},
};

/// The cookies that are the admin's own.
const THEME: &str = "steeple_theme";
const NOTICE: &str = "steeple_notice";
/// Longest notice, in bytes.
const LONGEST: usize = 500;

/// Somebody with a session.
pub(super) struct Visitor {
    session: Session,
    pub theme: &'static str,
    /// What the last form did, to be said once.
    pub notice: Option<String>,
}

impl Visitor {
    pub fn user(&self) -> &Arc<User> {
        &self.session.user
    }

    /// What a form repeats.
    pub fn csrf_token(&self) -> &str {
        self.session.csrf_token.expose()
    }

    /// A change must not come from another site's page, where the browser says so.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    pub fn same_site(&self, headers: &HeaderMap) -> Result<()> {
        same_site(headers)
    }

    /// A form must have its session's token.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    pub fn sent(&self, form: &Fields) -> Result<()> {
        if self.session.has_csrf_token(form.get("csrf_token")) {
            return Ok(());
        }
        Err(Error::permission_denied("the form is not of this session: go back, load the page again, and send it again"))
    }
}

fn same_site(headers: &HeaderMap) -> Result<()> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let origin = match headers.get(header::ORIGIN).map(HeaderValue::to_str) {
        None => true,
        Some(Ok(origin)) => origin.split_once("://").map(|(_, host)| host) == text(header::HOST),
        Some(Err(_)) => false,
    };
    if site && origin { Ok(()) } else { Err(Error::permission_denied("the form was sent by another site's page")) }
}

/// Who sends these headers; `None` for nobody.
///
/// # Errors
/// UNAVAILABLE while that cannot be known.
pub(super) async fn find(admin: &Admin, headers: &HeaderMap) -> Result<Option<Visitor>> {
    let session = admin.inside().identity.sessions.find(headers).await?;
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
        let error = Error::unauthenticated("your session is over, and nothing was changed: log in, then send the form again");
        return failure::alone(admin, request.headers(), None, error);
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
    let query = Fields::read(request.uri().query().unwrap_or_default().as_bytes()).unwrap_or_default();
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
        Err(error) => failure::alone(admin, headers, None, error),
    }
}

/// `POST login`.
pub(super) async fn log_in(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    let headers = request.headers().clone();
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let sent = match same_site(&headers) {
        Ok(()) => asked::body(request).await,
        Err(error) => Err(error),
    };
    let sent = sent.map(|body| Fields::read(&body).unwrap_or_default());
    let fields = match sent {
        Ok(fields) => fields,
        Err(error) => return failure::alone(&admin, &headers, None, error),
    };
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
            _ => failure::alone(&admin, &headers, None, error),
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
        for elsewhere in ["", "requests", "//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "/login"] {
            assert_eq!(next("/admin", elsewhere), None, "{elsewhere:?}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
            same_site(&headers.collect::<HeaderMap>()).is_ok()
        };
        assert!(of(&[]) && of(&[("host", "a:1"), ("origin", "http://a:1"), ("sec-fetch-site", "same-origin")]));
        assert!(!of(&[("host", "a:1"), ("origin", "http://b:1")]) && !of(&[("origin", "null"), ("host", "a")]));
        assert!(!of(&[("sec-fetch-site", "cross-site")]) && !of(&[("sec-fetch-site", "same-site")]));
    }
}
