//! API keys: seen by all staff, changed by their owners and by superusers. A key's text is on one page, once.

use std::{collections::BTreeMap, time::Duration};

use axum::{http::StatusCode, response::Response};
use minijinja::{Value, context, value::Serde};

use super::{asked::Asked, failure, fields::Fields, shown};
use crate::{
    auth::api_key::{KeyFilter, KeyState},
    clock,
    error::{Code, Error, Result},
    monitor::keys::{self, Key, NewKeyBody, TYPES},
};

/// Keys of a page.
const ROWS: u64 = 50;
/// Characters of a search.
const LONGEST: usize = 200;
/// In days; 0: never.
const EXPIRIES: [(u32, &str); 5] =
    [(0, "never"), (7, "in a week"), (30, "in 30 days"), (90, "in 90 days"), (365, "in a year")];
/// In seconds.
const OVERLAPS: [(u64, &str); 5] =
    [(0, "not at all"), (3600, "an hour"), (86_400, "a day"), (604_800, "a week"), (2_592_000, "30 days")];

/// `GET /keys`.
pub(super) async fn list(asked: Asked) -> Result<Response> {
    let (q, state) = (asked.query.get("q").trim(), asked.query.get("state"));
    let number = match asked.query.get("page") {
        "" => 1,
        text => text
            .parse::<u64>()
            .ok()
            .filter(|page| *page > 0)
            .ok_or_else(|| Error::invalid("page", "must be a whole number from 1"))?,
    };
    let filter = KeyFilter {
        state: match state {
            "active" => Some(KeyState::Valid),
            "revoked" => Some(KeyState::Revoked),
            "expired" => Some(KeyState::Expired),
            _ => None,
        },
        text: Some(q.chars().take(LONGEST).collect()),
        ..KeyFilter::default()
    };
    let page = keys::page(&asked.admin().monitor, &filter, (number, ROWS)).await?;
    let may_change = |key: &Key| asked.user().is_superuser || key.user_id == asked.user().id;
    let shown = page.results.iter().map(|key| {
        context! { may_change => may_change(key) && key.revoked_at.is_none(), ..Serde(key) }
    });
    let filters: Fields = [("q", asked.query.get("q")), ("state", state)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let at = |page: u64| filters.with("page", &page.to_string()).at(&asked.to("/keys"));
    let counted = format!("{} {}", shown::number(page.count as f64), if page.count == 1 { "key" } else { "keys" });
    let values = context! {
        keys => shown.collect::<Vec<_>>(),
        q => asked.query.get("q"),
        state => state,
        counted => counted,
        previous_href => page.previous_page.map(at),
        next_href => page.next_page.map(at),
    };
    asked.page("keys.html", "API keys", values)
}

/// `GET /keys/new`.
pub(super) async fn blank(asked: Asked) -> Result<Response> {
    let username = asked.user().username.clone();
    let fields: Fields =
        [("user".to_owned(), username), ("key_type".to_owned(), "service".to_owned())].into_iter().collect();
    filled(&asked, StatusCode::OK, &fields, None)
}

/// The form as it was filled in, and what is wrong with it.
fn filled(asked: &Asked, status: StatusCode, fields: &Fields, error: Option<Error>) -> Result<Response> {
    let (wrong, failed) = match error {
        None => (BTreeMap::new(), None),
        Some(mut error) => {
            let violations = error.details_mut().bad_request().map(|bad| bad.field_violations.clone());
            let wrong = violations.unwrap_or_default().into_iter();
            let wrong = wrong.map(|one| (one.field, failure::sentence(&one.description))).collect();
            (wrong, Some(failure::sentence(error.message())))
        }
    };
    let values = context! {
        asked => fields.values(),
        days => fields.get("days").parse::<u32>().unwrap_or(90),
        wrong => wrong,
        failed => failed,
        may_choose => asked.user().is_superuser,
        types => Serde(TYPES),
        expiries => EXPIRIES.iter().map(|(days, label)| vec![Value::from(*days), Value::from(*label)]).collect::<Vec<_>>(),
    };
    asked.page_with(status, "key_new.html", "New API key", values)
}

/// `POST /keys/new`: answers with the key itself, since it is not kept anywhere.
pub(super) async fn create(asked: Asked) -> Result<Response> {
    let made = match wanted(&asked).await {
        Ok(wanted) => keys::make(&asked.admin().monitor, &asked.principal(), wanted).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => shown_once(&asked, "The new key", &made),
        Err(error) if matches!(error.code(), Code::InvalidArgument | Code::FailedPrecondition) => {
            filled(&asked, StatusCode::BAD_REQUEST, &asked.form, Some(error))
        }
        Err(error) => Err(error),
    }
}

async fn wanted(asked: &Asked) -> Result<NewKeyBody> {
    let form = &asked.form;
    let owner = form.get("user").trim();
    let user_id = if owner.is_empty() || owner == asked.user().username {
        None
    } else {
        let found = asked.admin().inside().identity.users.by_username(owner).await?;
        Some(found.ok_or_else(|| Error::invalid("user_id", "there is no such user"))?.id.into())
    };
    let days: u32 = form.get("days").parse().map_err(|_| Error::invalid("expires_at", "must be one of the choices"))?;
    let days = EXPIRIES.iter().find(|(choice, _)| *choice == days);
    let (days, _) = days.ok_or_else(|| Error::invalid("expires_at", "must be one of the choices"))?;
    Ok(NewKeyBody {
        name: form.get("name").trim().to_owned(),
        user_id,
        description: form.get("description").trim().to_owned(),
        key_type: form.given("key_type").map(str::to_owned),
        scopes: form.get("scopes").split_whitespace().map(str::to_owned).collect(),
        expires_at: (*days > 0).then(|| clock::now() + chrono::TimeDelta::days((*days).into())),
    })
}

fn shown_once(asked: &Asked, title: &str, made: &keys::Made) -> Result<Response> {
    let header = &asked.admin().inside().config.auth.api_key_header;
    asked.page("key_made.html", title, context! { made => Serde(made), header => header })
}

/// `GET /keys/{id}/revoke`.
pub(super) async fn ask_revoke(asked: Asked) -> Result<Response> {
    let key = keys::find(&asked.admin().monitor, asked.id("api key")?).await?;
    let question = format!(
        "Calls with {} ({}) are refused from then on, for ever. Its owner is {}.",
        key.name,
        key.masked_key,
        key.username.as_deref().unwrap_or("gone")
    );
    let values = context! {
        question => question,
        action => asked.to(&format!("/keys/{}/revoke", key.id)),
        back => asked.to("/keys"),
        button => "Revoke key",
        dangerous => true,
    };
    asked.page("confirm.html", &format!("Revoke {}?", key.name), values)
}

/// `POST /keys/{id}/revoke`.
pub(super) async fn revoke(asked: Asked) -> Result<Response> {
    let key = keys::revoke_as(&asked.admin().monitor, &asked.principal(), asked.id("api key")?).await?;
    Ok(asked.done("/keys", &format!("{} is revoked.", key.name)))
}

/// `GET /keys/{id}/rotate`.
pub(super) async fn ask_rotate(asked: Asked) -> Result<Response> {
    let key = keys::find(&asked.admin().monitor, asked.id("api key")?).await?;
    let overlaps: Vec<_> =
        OVERLAPS.iter().map(|(seconds, label)| vec![Value::from(*seconds), Value::from(*label)]).collect();
    let values = context! { key => Serde(&key), overlaps => overlaps };
    asked.page("key_rotate.html", &format!("Rotate {}", key.name), values)
}

/// `POST /keys/{id}/rotate`.
pub(super) async fn rotate(asked: Asked) -> Result<Response> {
    let overlap =
        asked.form.get("overlap").parse().ok().filter(|wanted| OVERLAPS.iter().any(|(choice, _)| choice == wanted));
    let overlap = overlap.ok_or_else(|| Error::invalid("overlap", "must be one of the choices"))?;
    let (monitor, id) = (&asked.admin().monitor, asked.id("api key")?);
    let made = keys::rotate_as(monitor, &asked.principal(), id, Duration::from_secs(overlap)).await?;
    shown_once(&asked, "The new key", &made)
}
