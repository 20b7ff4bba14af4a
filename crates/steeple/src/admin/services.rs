//! What is served: comments of the protos, access, the rooms of a call, and how it went.

use axum::response::Response;
use minijinja::{context, value::Serde};

use super::{asked::Asked, chart, fields::escaped, period};
use crate::{error::Result, monitor::services, record::stats::Question};

/// `GET /services`.
pub(super) async fn list(asked: Asked) -> Result<Response> {
    let (hours, periods) = period::of(&asked, "/services")?;
    let services = services::list(&asked.admin().monitor, hours).await?;
    let values = context! { services => Serde(&services), periods => periods };
    asked.page("services.html", "Services", values)
}

/// `GET /services/{name}`.
pub(super) async fn one(asked: Asked) -> Result<Response> {
    let name = asked.part("name");
    let (hours, periods) = period::of(&asked, &format!("/services/{}", escaped(name)))?;
    let monitor = &asked.admin().monitor;
    let service = services::detail(monitor, name, hours).await?;
    let methods = services::methods_of(monitor, name, hours).await?.methods;
    let timeline = Question::last(hours)?.service(name).timeline(&monitor.inside.db, period::interval(hours)).await?;
    let values = context! {
        service => Serde(&service),
        methods => Serde(&methods),
        volume => Serde(chart::volume(&timeline)),
        periods => periods,
    };
    asked.page("service.html", &service.full_name, values)
}
