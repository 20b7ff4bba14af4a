//! `apikeys`: keys of programs, made, listed, revoked and rotated.

use std::{collections::HashMap, process::ExitCode, time::Duration};

use chrono::TimeDelta;
use clap::{Subcommand, builder::PossibleValuesParser};
use serde_json::{Value, json};

use super::{
    Failure,
    out::{Out, printable, table},
};
use crate::{
    auth::{
        Access, ApiKeys, Users,
        api_key::{KeyType, NewApiKey, NewKey, Scopes, entity::Model},
        tables::user,
    },
    clock::{self, Time},
    config::Config,
    server::Server,
};

pub(super) const EXAMPLE: &str = "Examples:
  cargo run -- apikeys create --user alice --name reports --scope 'crypto.CryptoService/*' --expires-in-days 90
  cargo run -- apikeys list --user alice
  cargo run -- apikeys rotate k3Qz81Lm --overlap 12h
  cargo run -- apikeys revoke 7";

const CREATE: &str = "Scopes narrow what the key's user may do:
  *                               everything
  crypto.*                        the services of a package
  crypto.CryptoService/*          one service
  crypto.CryptoService/GetCoin    one method
  orders:write                    what asks for this name

Example:
  cargo run -- apikeys create --user alice --name reports --scope 'crypto.CryptoService/*' --json";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and show it, this once
    #[command(after_help = CREATE)]
    Create(Create),
    /// List keys, the newest first
    #[command(after_help = "Example:\n  cargo run -- apikeys list --user alice --json")]
    List(List),
    /// Refuse a key from now on, for ever
    #[command(after_help = "Example:\n  cargo run -- apikeys revoke k3Qz81Lm")]
    Revoke {
        /// The key, by its id or its prefix
        #[arg(value_name = "ID|PREFIX")]
        key: String,
    },
    /// Make a key that takes the place of another, which stays good for a while
    #[command(after_help = "Example:\n  cargo run -- apikeys rotate 7 --overlap 12h")]
    Rotate {
        /// The key, by its id or its prefix
        #[arg(value_name = "ID|PREFIX")]
        key: String,
        /// How long the old key is good still; 0s: it is revoked at once
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = overlap)]
        overlap: Duration,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// On whose behalf the key acts, by user name
    #[arg(long, value_name = "NAME")]
    user: String,
    /// What to call it
    #[arg(long)]
    name: String,
    /// More about it
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// What it is for
    #[arg(long = "type", value_name = "TYPE", default_value = "service", value_parser = PossibleValuesParser::new(KeyType::ALL.map(KeyType::as_str)))]
    key_type: String,
    /// What it may be used for; may be given several times [default: everything]
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Refuse it after so many days [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36500))]
    expires_in_days: Option<u32>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only keys of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

pub(super) async fn run(server: Server, config: Config, arguments: &Arguments, out: Out) -> Result<ExitCode, Failure> {
    let scopes = match &arguments.action {
        Action::Create(create) => scopes(&server, &config, &create.scopes)?,
        _ => Scopes::all(),
    };
    let (db, users) = super::users_database(&config).await?;
    let keys = ApiKeys::new(db.clone(), &config.auth);
    let done = match &arguments.action {
        Action::Create(create) => self::create(&users, &keys, create, scopes, out).await,
        Action::List(wanted) => list(&users, &keys, wanted, out).await,
        Action::Revoke { key } => revoke(&users, &keys, key, &config, out).await,
        Action::Rotate { key, overlap } => rotate(&users, &keys, key, *overlap, out).await,
    };
    db.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

/// The scopes asked for. One that is about nothing this site serves is a slip of the pen.
fn scopes(server: &Server, config: &Config, given: &[String]) -> Result<Scopes, Failure> {
    let scopes = Scopes::read(given).map_err(Failure)?;
    if given.is_empty() {
        return Ok(scopes);
    }
    let plan = super::plan(server, config)?;
    let methods: Vec<_> = plan.methods().map(|planned| &*planned.method).collect();
    let asked_for = |scope: &str| {
        plan.methods().any(|planned| matches!(&planned.decision.access, Access::Scope(name) if name == scope))
    };
    if let Some(idle) = scopes.about_nothing(&methods).find(|scope| !asked_for(scope)) {
        let names: Vec<_> = plan.services.iter().map(|service| service.found.name).collect();
        let names = names.join(", ");
        return Err(Failure(format!("--scope {idle} names no method of this site; the services are: {names}")));
    }
    Ok(scopes)
}

async fn user(users: &Users, name: &str) -> Result<user::Model, Failure> {
    users.by_username(name).await?.ok_or_else(|| Failure(format!("there is no user {name:?}; `users` lists them")))
}

async fn create(users: &Users, keys: &ApiKeys, wanted: &Create, scopes: Scopes, out: Out) -> Result<(), Failure> {
    let user = user(users, &wanted.user).await?;
    if !user.is_active {
        return Err(Failure(format!("user {} is not active, so a key of theirs would open nothing", user.username)));
    }
    let days = wanted.expires_in_days.map(|days| TimeDelta::days(days.into()));
    let key_type = KeyType::ALL.into_iter().find(|known| known.as_str() == wanted.key_type).unwrap_or_default();
    let new = NewApiKey {
        description: wanted.description.clone(),
        key_type,
        scopes,
        expires_at: days.map(|days| clock::now() + days),
        ..NewApiKey::new(user.id.into(), &wanted.name)
    };
    show(users, &keys.create(new).await?, out).await
}

/// A new key: the text this once.
async fn show(users: &Users, NewKey { row, text }: &NewKey, out: Out) -> Result<(), Failure> {
    let users = usernames(users, std::slice::from_ref(row)).await?;
    let mut value = described(row, &users);
    value["key"] = text.expose().into();
    out.either(&value, || {
        let (id, prefix, scopes) = (row.id, &row.key_prefix, scopes_of(row).join(" "));
        let until = row.expires_at.map_or_else(|| "for ever".to_owned(), |moment| format!("until {}", short(moment)));
        let user = value["user"].as_str().unwrap_or("?");
        format!(
            "{}\n\nkey {id} ({prefix}) of {user}, good {until}, for {scopes}\nthis is the only time it is shown: keep it where your program finds it",
            text.expose()
        )
    });
    Ok(())
}

async fn list(users: &Users, keys: &ApiKeys, wanted: &List, out: Out) -> Result<(), Failure> {
    let of = match &wanted.user {
        Some(name) => Some(user(users, name).await?.id.into()),
        None => None,
    };
    let rows = keys.list(of, wanted.limit.into()).await?;
    let users = usernames(users, &rows).await?;
    let values: Vec<_> = rows.iter().map(|row| described(row, &users)).collect();
    out.either(&values, || {
        let lines = rows.iter().map(|row| {
            let moment = |moment: Option<Time>| moment.map_or_else(String::new, short);
            [
                row.id.to_string(),
                row.key_prefix.clone(),
                printable(&row.name).replace('\n', " "),
                row.key_type.as_str().to_owned(),
                users.get(&row.user_id).cloned().unwrap_or_default(),
                state(row).to_owned(),
                row.request_count.to_string(),
                moment(row.last_used_at),
                moment(row.expires_at),
                scopes_of(row).join(" "),
            ]
        });
        match rows.len() {
            0 => "no keys".to_owned(),
            _ => table(
                ["id", "prefix", "name", "type", "user", "state", ">uses", "last used", "expires", "scopes"],
                lines,
            ),
        }
    });
    Ok(())
}

async fn revoke(users: &Users, keys: &ApiKeys, key: &str, config: &Config, out: Out) -> Result<(), Failure> {
    let row = keys.revoke(keys.get(key).await?.id).await?;
    let users = usernames(users, std::slice::from_ref(&row)).await?;
    let within = config.auth.api_key_cache;
    out.either(&described(&row, &users), || {
        format!("key {} ({}) is revoked; a running server refuses it within {within:?}", row.id, row.key_prefix)
    });
    Ok(())
}

async fn rotate(users: &Users, keys: &ApiKeys, key: &str, overlap: Duration, out: Out) -> Result<(), Failure> {
    let old = keys.get(key).await?;
    show(users, &keys.rotate(old.id, overlap).await?, out).await?;
    if !out.json {
        let old = keys.get(&old.id.to_string()).await?;
        let good = match (state(&old), old.expires_at) {
            ("active", Some(moment)) => format!("is good until {}", short(moment)),
            (state, _) => format!("is {state}"),
        };
        Out::text(&format!("key {} ({}), which it replaces, {good}", old.id, old.key_prefix));
    }
    Ok(())
}

async fn usernames(users: &Users, rows: &[Model]) -> Result<HashMap<i64, String>, Failure> {
    Ok(users.usernames(rows.iter().map(|row| row.user_id)).await?)
}

fn described(row: &Model, users: &HashMap<i64, String>) -> Value {
    json!({
        "id": row.id,
        "prefix": row.key_prefix,
        "name": row.name,
        "description": row.description,
        "type": row.key_type.as_str(),
        "user_id": row.user_id,
        "user": users.get(&row.user_id),
        "scopes": scopes_of(row),
        "state": state(row),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
        "request_count": row.request_count,
        "rotated_from": row.rotated_from_id,
    })
}

fn scopes_of(row: &Model) -> Vec<String> {
    serde_json::from_str(&row.scopes).unwrap_or_default()
}

fn state(row: &Model) -> &'static str {
    match row {
        Model { revoked_at: Some(_), .. } => "revoked",
        Model { is_active: false, .. } => "off",
        Model { expires_at: Some(moment), .. } if *moment <= clock::now() => "expired",
        _ => "active",
    }
}

fn short(moment: Time) -> String {
    moment.format("%F %T").to_string()
}

fn overlap(text: &str) -> Result<Duration, String> {
    let text = if text == "0" { "0s" } else { text };
    humantime_serde::re::humantime::parse_duration(text).map_err(|_| "write a time such as 24h, 30m or 0s".to_owned())
}
