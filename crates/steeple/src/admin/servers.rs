//! The servers of the site, those that run first.

use axum::response::Response;
use minijinja::{context, value::Serde};

use super::asked::Asked;
use crate::{
    error::{Error, Result},
    monitor::servers,
};

/// `GET /servers`.
pub(super) async fn list(asked: Asked) -> Result<Response> {
    let all = servers::all(&asked.admin().monitor).await?;
    let values = context! {
        counted => Serde(&all.counted),
        servers => Serde(&all.servers),
        here => asked.admin().inside().node.start_token(),
    };
    asked.page("servers.html", "Servers", values)
}

/// `GET /servers/{id}?start=`.
pub(super) async fn one(asked: Asked) -> Result<Response> {
    let id = asked.part("id");
    let all = servers::all(&asked.admin().monitor).await?.servers;
    let server = servers::find(all, id, Some(asked.query.get("start")).filter(|token| !token.is_empty()));
    let server = server.ok_or_else(|| Error::not_found("server", id.chars().take(300).collect::<String>()))?;
    asked.page("server.html", &server.instance_id, context! { server => Serde(&server) })
}
