//! Everything at a glance, and the same again every two seconds while somebody looks.

use axum::response::Response;
use minijinja::{Value, context, value::Serde};

use super::{asked::Asked, chart, period, shown};
use crate::{
    error::Result,
    monitor::{charts, overview, servers},
    record::stats::Question,
};

/// Kinds of failures, and servers, that are told.
const SOME: usize = 5;

/// `GET /`.
pub(super) async fn page(asked: Asked) -> Result<Response> {
    let (hours, periods) = period::of(&asked, "/")?;
    let figures = figures(&asked, hours).await?;
    asked.page("overview.html", "Overview", context! { hours => hours, periods => periods, ..figures })
}

/// `GET /overview/live`: the part of the page that changes.
pub(super) async fn live(asked: Asked) -> Result<Response> {
    let (hours, _) = period::of(&asked, "/")?;
    asked.part_of_page("overview_live.html", figures(&asked, hours).await?)
}

async fn figures(asked: &Asked, hours: u32) -> Result<Value> {
    let monitor = &asked.admin().monitor;
    let overview = overview::of(monitor, hours).await?;
    let timeline = Question::last(hours)?.timeline(&monitor.inside.db, period::interval(hours)).await?;
    let mut errors = charts::error_distribution(monitor, hours).await?.error_types;
    errors.truncate(SOME);
    let mut servers = servers::all(monitor).await?.servers;
    servers.truncate(SOME);
    let failed = overview.numbers.total - overview.numbers.successful;
    let rate = rate(overview.numbers.total as f64, hours);
    Ok(context! {
        overview => Serde(&overview),
        failed => failed,
        rate => rate,
        volume => Serde(chart::volume(&timeline)),
        latency => Serde(chart::latency(&timeline)),
        errors => Serde(&errors),
        servers => Serde(&servers),
    })
}

/// How many calls that is in a time that people can picture.
fn rate(calls: f64, hours: u32) -> String {
    let minutes = f64::from(hours) * 60.0;
    match calls / minutes {
        0.0 => "none in this time".to_owned(),
        rate if rate >= 120.0 => format!("{} a second", shown::number(rate / 60.0)),
        rate if rate >= 1.0 => format!("{} a minute", shown::number(rate)),
        _ => format!("{} an hour", shown::number((calls / f64::from(hours)).max(0.1))),
    }
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn a_rate_is_told_in_a_time_that_suits_it() {
        assert_eq!(rate(0.0, 24), "none in this time");
        assert_eq!(rate(12.0, 24), "0.5 an hour");
        assert_eq!(rate(2880.0, 24), "2 a minute");
        assert_eq!(rate(864_000.0, 24), "10 a second");
    }
}
