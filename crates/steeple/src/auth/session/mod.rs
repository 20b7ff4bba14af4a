//! Browser sessions: who has logged in with a browser, in the database, so that every node of the site knows.
//!
//! [`Sessions`] takes a username and a password and gives a [`NewSession`] with the cookie for the browser; takes the
//! headers of a later request and gives the [`Session`], or `None`. A session ends when its user logs out, changes the
//! password or is deactivated, after `auth.session_idle` without a request, and after `auth.session_lifetime` whatever
//! happens. A login always begins a new one and ends the one that the browser had.
//!
//! The cookie holds 256 random bits. The table has their SHA-256, so that whoever reads it has nobody's session, and a
//! mark of the password's hash as it was at login, which is how a change of it is noticed, whoever made it.
//!
//! Cookies come with requests that other sites' pages make, too: a request that changes something must repeat the
//! session's [`csrf_token`](Session::csrf_token). Checking that is the business of `login::Staff`.
//!
//! Must never: keep or show the text of a cookie, or let a session outlive what its user may do.

pub(super) mod table;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, header};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;

use self::table::{ActiveModel, Column, Entity};
use super::{
    Config, Login, Secret, User, Users,
    api_key::Digest,
    password::{Encoded, random_text},
};
use crate::{
    clock::{self, Time},
    db::Db,
    error::{Error, Result},
};

/// Letters and digits of a cookie: 256 random bits.
const LENGTH: usize = 43;
/// How much later a session would expire before that is written down.
const WORTH_A_WRITE: Duration = Duration::from_secs(60);
/// How often rows are looked through, and how many go at once.
const SWEEP: Duration = Duration::from_secs(10 * 60);
const SWEPT_AT_ONCE: u64 = 500;

/// The browser sessions of a site. Cheap to clone.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    db: Db,
    users: Users,
    login: Login,
    cookie: String,
    secure: bool,
    lifetime: Duration,
    idle: Duration,
}

/// Somebody who is logged in with a browser.
#[derive(Clone)]
pub struct Session {
    /// Who.
    pub user: Arc<User>,
    /// What a request that changes something must repeat: in the header `x-csrf-token`, or in the field `csrf_token` of
    /// a form. The same as long as the session lasts.
    pub csrf_token: Secret,
    /// When it ends at the latest.
    pub ends_at: Time,
    /// The row.
    id: String,
}

impl Session {
    /// Whether this is the session's token, in a time that does not depend on how much of it is right.
    pub fn has_csrf_token(&self, given: &str) -> bool {
        self.csrf_token.expose().as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user).field("ends_at", &self.ends_at).finish_non_exhaustive()
    }
}

/// A session that has just begun.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The value of the answer's `set-cookie`: the only moment at which the cookie is known here.
    pub cookie: HeaderValue,
}

impl Sessions {
    /// In this database, of these users; in production the cookie is for TLS alone, unless the configuration says otherwise.
    pub(super) fn new(db: Db, users: Users, login: Login, config: &Config, production: bool) -> Self {
        Self(Arc::new(Inner {
            db,
            users,
            login,
            cookie: config.session_cookie.clone(),
            secure: config.session_secure.unwrap_or(production),
            lifetime: config.session_lifetime,
            idle: config.session_idle,
        }))
    }

    /// The session of a user who says their password, within the same limits as a login for tokens. The session that
    /// these headers belong to ends.
    ///
    /// # Errors
    /// As [`Login::log_in`].
    pub async fn log_in(
        &self,
        username: &str,
        password: &str,
        from: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<NewSession> {
        let (user, hash) = self.0.login.check(username, password, from).await?;
        self.end_presented(headers).await?;
        self.with(user, &hash).await
    }

    /// The session of a user who proved otherwise who they are, or who has just changed their own password.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when there is no such user, or they are not active.
    pub async fn begin(&self, user_id: i64) -> Result<NewSession> {
        let nobody = || Error::failed_precondition("a session needs an active user");
        let row = self.0.users.by_id(user_id).await?.filter(|row| row.is_active).ok_or_else(nobody)?;
        let user = self.0.users.active(user_id).await?.ok_or_else(nobody)?;
        self.with(user, &row.password).await
    }

    async fn with(&self, user: Arc<User>, hash: &Encoded) -> Result<NewSession> {
        let Inner { db, cookie, secure, lifetime, .. } = &*self.0;
        let text = random_text(LENGTH)?;
        let now = clock::now();
        let ends_at = after(now, *lifetime);
        let row = ActiveModel {
            id: Set(digest(&text)),
            user_id: Set(user.id),
            password_mark: Set(mark(hash)),
            created_at: Set(now),
            expires_at: Set(self.expiry(now, ends_at)),
            ends_at: Set(ends_at),
        };
        Entity::insert(row).exec_without_returning(db).await?;
        let (age, secure) = (lifetime.as_secs(), if *secure { "; Secure" } else { "" });
        let value = format!("{cookie}={text}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
        let session = Session { user, csrf_token: csrf_token(&text), ends_at, id: digest(&text) };
        Ok(NewSession { session, cookie: cookie_header(&value)? })
    }

    /// The session that these headers' cookie belongs to; `None` without one, or when it is over. Whoever asks is a
    /// request: the session is not idle.
    ///
    /// # Errors
    /// UNAVAILABLE while the database is.
    pub async fn find(&self, headers: &HeaderMap) -> Result<Option<Session>> {
        let now = clock::now();
        let Some((session, known)) = self.known(headers, now).await? else { return Ok(None) };
        let expires_at = self.expiry(now, session.ends_at);
        if (expires_at - known).to_std().is_ok_and(|later| later > WORTH_A_WRITE.min(self.0.idle / 10)) {
            let later = ActiveModel { expires_at: Set(expires_at), ..ActiveModel::default() };
            Entity::update_many().set(later).filter(Column::Id.eq(&session.id)).exec(&self.0.db).await?;
        }
        Ok(Some(session))
    }

    /// The same, asked by an answer that goes on by itself: the session may become idle meanwhile.
    ///
    /// # Errors
    /// UNAVAILABLE while the database is.
    pub async fn still(&self, headers: &HeaderMap) -> Result<Option<Session>> {
        Ok(self.known(headers, clock::now()).await?.map(|(session, _)| session))
    }

    /// The session, and when it expires without another request.
    async fn known(&self, headers: &HeaderMap, now: Time) -> Result<Option<(Session, Time)>> {
        let Inner { db, users, .. } = &*self.0;
        let Some(text) = self.presented(headers) else { return Ok(None) };
        let row = Entity::find_by_id(digest(text)).filter(Column::ExpiresAt.gt(now)).one(db).await?;
        let Some(row) = row else { return Ok(None) };
        // Not what is remembered of the user: a password that was changed, or a user who was shut out, counts at once.
        let owner = users.by_id(row.user_id).await?.filter(|owner| owner.is_active);
        if owner.is_none_or(|owner| mark(&owner.password) != row.password_mark) {
            return Ok(None);
        }
        let Some(user) = users.active(row.user_id).await? else { return Ok(None) };
        let session = Session { user, csrf_token: csrf_token(text), ends_at: row.ends_at, id: row.id };
        Ok(Some((session, row.expires_at)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// UNAVAILABLE while the database is.
    pub async fn end(&self, session: &Session) -> Result<()> {
        Entity::delete_by_id(&session.id).exec(&self.0.db).await?;
        Ok(())
    }

    /// Ends all sessions of a user; tells how many there were.
    ///
    /// # Errors
    /// UNAVAILABLE while the database is.
    pub async fn end_all(&self, user_id: i64) -> Result<u64> {
        let ended = Entity::delete_many().filter(Column::UserId.eq(user_id)).exec(&self.0.db).await?;
        Ok(ended.rows_affected)
    }

    /// The value of `set-cookie` that makes a browser forget its session.
    pub fn forget(&self) -> HeaderValue {
        let secure = if self.0.secure { "; Secure" } else { "" };
        let value = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}", self.0.cookie);
        cookie_header(&value).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The name of the cookie.
    pub fn cookie_name(&self) -> &str {
        &self.0.cookie
    }

    async fn end_presented(&self, headers: &HeaderMap) -> Result<()> {
        if let Some(text) = self.presented(headers) {
            Entity::delete_by_id(digest(text)).exec(&self.0.db).await?;
        }
        Ok(())
    }

    /// The text of the cookie, if it has the form of one.
    fn presented<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, text) = pairs.find(|(name, _)| *name == self.0.cookie)?;
        Some(text).filter(|text| text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    }

    fn expiry(&self, now: Time, ends_at: Time) -> Time {
        Ord::min(after(now, self.0.idle), ends_at)
    }

    /// Removes, now and then, the rows of sessions that are over, until `end`.
    pub(super) async fn sweep(self, end: CancellationToken) {
        let sweep = async {
            loop {
                match self.sweep_once(clock::now()).await {
                    Ok(0) => {}
                    Ok(rows) => tracing::debug!(rows, "removed browser sessions that were over"),
                    Err(error) => tracing::warn!(error = error.for_log(), "could not remove browser sessions"),
                }
                tokio::time::sleep(SWEEP).await;
            }
        };
        end.run_until_cancelled(sweep).await;
    }

    /// By their keys and in portions, as refresh tokens are.
    async fn sweep_once(&self, before: Time) -> Result<u64> {
        let mut rows = 0;
        loop {
            let over = Entity::find().select_only().column(Column::Id).filter(Column::ExpiresAt.lt(before));
            let over: Vec<String> = over.limit(SWEPT_AT_ONCE).into_tuple().all(&self.0.db).await?;
            if over.is_empty() {
                return Ok(rows);
            }
            let gone = Entity::delete_many().filter(Column::Id.is_in(over)).filter(Column::ExpiresAt.lt(before));
            rows += gone.exec(&self.0.db).await?.rows_affected;
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("cookie", &self.0.cookie).finish_non_exhaustive()
    }
}

fn after(now: Time, time: Duration) -> Time {
    TimeDelta::from_std(time).ok().and_then(|time| now.checked_add_signed(time)).unwrap_or(Time::MAX_UTC)
}

fn cookie_header(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|error| Error::internal("internal error").because(format!("auth.session_cookie: {error}")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What the table has of a cookie.
fn digest(text: &str) -> String {
    Digest::of(text).hex()
}

/// What the table has of a password: it is the same as long as the password's hash is.
fn mark(hash: &Encoded) -> String {
    Digest::of(&format!("steeple session\n{}", hash.expose())).hex()
}

/// Follows from the cookie, and is of no use to get it.
fn csrf_token(text: &str) -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(<Sha256 as sha2::Digest>::digest(format!("steeple csrf\n{text}"))))
}
