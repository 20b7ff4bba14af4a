//! A request that may be answered: who asks, what for, and how to answer with a page.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    RequestExt as _,
    extract::{ConnectInfo, FromRequest as _, Path, Request},
    http::{HeaderMap, Method, StatusCode},
    response::{Html, IntoResponse as _, Response},
};
use minijinja::{Value, context, value::Serde};
use serde::Serialize;

use super::{
    Admin, failure,
    fields::Fields,
    navigation,
    visitor::{self, Visitor},
};
use crate::{
    auth::{Principal, User},
    error::{Error, Result},
    login::StaffForm,
};

/// A request that may be answered.
pub(super) struct Asked {
    pub shell: Shell,
    /// What stands behind the question mark.
    pub query: Fields,
    /// What was filled in; empty unless something is to be changed.
    pub form: Fields,
    /// What came with it. Holds the session's cookie.
    pub headers: HeaderMap,
    parts: HashMap<String, String>,
}

/// What every page has around it.
#[derive(Clone)]
pub(super) struct Shell {
    pub admin: Arc<Admin>,
    pub visitor: Arc<Visitor>,
    /// The path, below the admin's own address.
    pub path: String,
    /// The client.
    pub from: Option<IpAddr>,
    /// The script asks for a part of a page.
    pub fragment: bool,
}

/// What every page is told, as `page`.
#[derive(Serialize)]
struct Surroundings<'s> {
    theme: &'static str,
    user: &'s str,
    csrf: &'s str,
    notice: Option<&'s str>,
    nav: Vec<navigation::Group>,
}

impl Asked {
    /// Reads a request; the error is the answer to one that may not be answered.
    pub async fn read(admin: Arc<Admin>, mut request: Request) -> Result<(Self, Shell), Box<Response>> {
        let fragment = request.headers().contains_key("x-fragment");
        let visitor = match visitor::find(&admin, request.headers()).await {
            Ok(Some(visitor)) => visitor,
            Ok(None) => return Err(Box::new(visitor::ask(&admin, &request, fragment))),
            Err(error) => return Err(Box::new(failure::alone(&admin, request.headers(), error))),
        };
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let path = request.uri().path().to_owned();
        let shell = Shell { admin, visitor: Arc::new(visitor), path, from, fragment };
        let query = Fields::read(request.uri().query().unwrap_or_default().as_bytes());
        let Ok(Path(parts)) = request.extract_parts::<Path<HashMap<String, String>>>().await else {
            let error = Error::not_found("page", "of this address");
            return Err(Box::new(failure::page(&shell, error)));
        };
        let headers = request.headers().clone();
        let form = if request.method() == Method::POST {
            let identity = &shell.admin.inside().identity;
            match StaffForm::from_request(request, identity).await {
                Ok(form) => form.fields.into_iter().collect(),
                Err(problem) => return Err(Box::new(failure::told(&shell, problem.status(), problem.detail()))),
            }
        } else {
            Fields::default()
        };
        Ok((Self { shell: shell.clone(), query, form, headers, parts }, shell))
    }

    pub fn admin(&self) -> &Admin {
        &self.shell.admin
    }

    pub fn user(&self) -> &Arc<User> {
        self.shell.visitor.user()
    }

    /// Who asks, as the functions behind the REST API want to know it.
    pub fn principal(&self) -> Principal {
        Principal::User(self.user().clone())
    }

    /// A part of the path.
    pub fn part(&self, name: &str) -> &str {
        self.parts.get(name).map_or("", String::as_str)
    }

    /// A part of the path that is a number.
    ///
    /// # Errors
    /// NOT_FOUND: nothing has another name.
    pub fn id(&self, what: &str) -> Result<i64> {
        let text = self.part("id");
        text.parse().map_err(|_| Error::not_found(what, text.chars().take(50).collect::<String>()))
    }

    /// An address of the admin.
    pub fn to(&self, path: &str) -> String {
        format!("{}{path}", self.admin().root)
    }

    /// A page.
    ///
    /// # Errors
    /// INTERNAL for a template of the site that is broken.
    pub fn page(&self, template: &str, title: &str, values: Value) -> Result<Response> {
        self.page_with(StatusCode::OK, template, title, values)
    }

    /// A page with another status.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub fn page_with(&self, status: StatusCode, template: &str, title: &str, values: Value) -> Result<Response> {
        let text = self.shell.admin.views.render(template, self.shell.around(title, values))?;
        let mut response = html(status, text);
        if self.shell.visitor.notice.is_some() {
            // Shown once.
            visitor::set_notice(&mut response, &self.admin().root, None);
        }
        Ok(response)
    }

    /// A part of a page, for the script.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub fn part_of_page(&self, template: &str, values: Value) -> Result<Response> {
        Ok(html(StatusCode::OK, self.shell.admin.views.render(template, values)?))
    }

    /// To another page, which says what was done.
    pub fn done(&self, path: &str, notice: &str) -> Response {
        let mut response = super::see_other(&self.to(path));
        visitor::set_notice(&mut response, &self.admin().root, Some(notice));
        response
    }
}

impl Shell {
    /// The values of a page, with those that every page has.
    pub fn around(&self, title: &str, values: Value) -> Value {
        let page = Surroundings {
            theme: self.visitor.theme,
            user: &self.visitor.user().username,
            csrf: self.visitor.session.csrf_token.expose(),
            notice: self.visitor.notice.as_deref(),
            nav: navigation::groups(self),
        };
        context! { page => Serde(&page), title => title, ..values }
    }
}

/// A page as a response.
pub(super) fn html(status: StatusCode, text: String) -> Response {
    (status, Html(text)).into_response()
}
