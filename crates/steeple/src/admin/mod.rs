//! The admin at `/admin/`: pages for people who run the site.
//!
//! Takes the running server as its doors see it ([`Inside`]) and a browser's requests; gives pages that the server
//! renders, without a script where one is not needed and without anything from another host. What a page tells comes from
//! the functions that the REST API and the commands call too: `monitor/` for calls, services, servers and
//! keys, [`auth`](crate::auth) for people, [`model`](crate::model) for the site's own rows.
//!
//! A page is a function from `Asked` to a response, and its place stands in `router`. Templates (`templates/`) may be
//! overridden from the site's folder, see `Views`; style and script (`assets/`) are part of the program.
//!
//! Must never: answer anybody but staff, write SQL, put a caller's text on a page as anything but text, change anything
//! for a request that one of its own pages did not send, or cost a server anything when nobody looks.

mod asked;
mod assets;
mod audit;
mod chart;
mod config;
mod connections;
mod failure;
mod fields;
mod keys;
mod models;
mod navigation;
mod overview;
mod people;
mod period;
mod requests;
mod security;
mod servers;
mod services;
mod shown;
mod views;
mod visitor;

use std::{fmt, future::Future, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware,
    response::{IntoResponse as _, Redirect, Response},
    routing::{MethodRouter, get, post},
};

pub use self::config::Config;
use self::{asked::Asked, models::Models, views::Views};
use crate::{
    error::{Error, Result},
    monitor::Monitor,
    server::Inside,
};

/// What all pages share.
pub(crate) struct Admin {
    monitor: Arc<Monitor>,
    views: Views,
    models: Models,
    /// Where the admin is, without a slash at the end.
    root: String,
}

impl Admin {
    fn inside(&self) -> &Inside {
        &self.monitor.inside
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("root", &self.root).finish_non_exhaustive()
    }
}

/// The admin of a server.
pub(crate) fn router(monitor: &Arc<Monitor>) -> Router {
    let inside = &monitor.inside;
    let config = &inside.config.admin;
    if !config.enabled {
        return Router::new();
    }
    let root = config.path.clone();
    let views = Views::new(inside, &root);
    let models = Models::of(inside);
    let admin = Arc::new(Admin { monitor: monitor.clone(), views, models, root: root.clone() });
    let pages = Router::new()
        .route("/", page(overview::page))
        .route("/overview/live", page(overview::live))
        .route("/requests", page(requests::list))
        .route("/requests/live", page(requests::live))
        .route("/requests/{id}", page(requests::one))
        .route("/services", page(services::list))
        .route("/services/{name}", page(services::one))
        .route("/servers", page(servers::list))
        .route("/servers/{id}", page(servers::one))
        .route("/keys", page(keys::list))
        .route("/keys/new", page(keys::blank).merge(form(keys::create)))
        .route("/keys/{id}/revoke", page(keys::ask_revoke).merge(form(keys::revoke)))
        .route("/keys/{id}/rotate", page(keys::ask_rotate).merge(form(keys::rotate)))
        .route("/connections", page(connections::list))
        .route("/connections/{service}/{client}", page(connections::one).merge(form(connections::send)))
        .route("/audit", page(audit::list))
        .route("/login", get(visitor::login_page).post(visitor::log_in))
        .route("/logout", form(visitor::log_out))
        .route("/assets/{hash}/{name}", get(assets::serve));
    let pages = people::routes(models::routes(pages))
        .fallback_service(page(nothing).with_state(admin.clone()))
        .method_not_allowed_fallback(failure::not_allowed)
        .layer(middleware::map_response(security::headers))
        .with_state(admin);
    let slash = format!("{root}/");
    // Both spellings of the first page: links and the cookie's path have the slash.
    Router::new().route(&root, get(async move || Redirect::permanent(&slash))).nest_service(&format!("{root}/"), pages)
}

/// A page that is only read.
fn page<W>(handler: fn(Asked) -> W) -> MethodRouter<Arc<Admin>>
where
    W: Future<Output = Result<Response>> + Send + 'static,
{
    get(move |State(admin): State<Arc<Admin>>, request: Request| answer(admin, request, handler))
}

/// A form that changes something.
fn form<W>(handler: fn(Asked) -> W) -> MethodRouter<Arc<Admin>>
where
    W: Future<Output = Result<Response>> + Send + 'static,
{
    post(move |State(admin): State<Arc<Admin>>, request: Request| answer(admin, request, handler))
}

/// Answers: first who asks, then what.
async fn answer<W>(admin: Arc<Admin>, request: Request, handler: fn(Asked) -> W) -> Response
where
    W: Future<Output = Result<Response>> + Send + 'static,
{
    let (asked, shell) = match Asked::read(admin, request).await {
        Ok(read) => read,
        Err(turned_away) => return *turned_away,
    };
    match handler(asked).await {
        Ok(response) => response,
        Err(error) => failure::page(&shell, error),
    }
}

async fn nothing(_: Asked) -> Result<Response> {
    Err(Error::not_found("page", "of this address"))
}

/// To another page, after a form was sent.
fn see_other(address: &str) -> Response {
    Redirect::to(address).into_response()
}
