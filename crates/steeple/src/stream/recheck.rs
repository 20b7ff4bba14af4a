//! Whether the callers behind open sessions may still call: a session may last for weeks, its credential need not.
//!
//! Every caller is looked up in the identity's caches, many times a second if need be, and asked of the database at most
//! once within their time: a key that was revoked, or a user who was disabled, on any node ends the session here within
//! `auth.user_cache` or `auth.api_key_cache`, and a second. While the database is away nobody is ended.
//!
//! Must never: let one session's caller cost more than one of a thousand sessions.

use std::{
    collections::HashMap,
    sync::Weak,
    time::{Duration, Instant},
};

use tokio::time::MissedTickBehavior;

use super::hubs::{Hubs, Who};
use crate::{
    Code, Principal, User,
    auth::{self, Access, Authenticator},
    error::{DOMAIN, Error},
    method::Method,
};

/// Who may call which bidirectional method, by path.
pub(crate) type Rules = HashMap<String, Access>;

/// What is known of a caller now.
pub(super) enum Now {
    /// The credential holds, for this.
    Is(Principal),
    /// It does not; why, for the log.
    Gone(String),
}

pub(super) struct Recheck {
    authenticator: Authenticator,
    rules: Rules,
    /// How long the answer of the database is good.
    patience: Duration,
    /// When the database was asked of whom.
    asked: HashMap<Who, Instant>,
}

impl Recheck {
    pub fn new(config: &auth::Config, authenticator: Authenticator, rules: Rules) -> Self {
        let patience = config.user_cache.max(config.api_key_cache).max(LEAST);
        Self { authenticator, rules, patience, asked: HashMap::new() }
    }

    /// Looks again and again, until the hubs are gone or drain.
    pub async fn run(mut self, hubs: Weak<Hubs>) {
        let mut tick = tokio::time::interval((self.patience / 5).min(TICK));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let Some(hubs) = hubs.upgrade().filter(|hubs| !hubs.is_draining()) else { return };
            self.round(&hubs).await;
        }
    }

    async fn round(&mut self, hubs: &Hubs) {
        let mut callers = HashMap::new();
        for hub in hubs.live() {
            hub.callers(&mut callers);
        }
        self.asked.retain(|who, _| callers.contains_key(who));
        let mut known = HashMap::with_capacity(callers.len());
        for (who, principal) in callers {
            match self.ask(who, &principal).await {
                Ok(Some(now)) => {
                    known.insert(who, now);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(error = error.for_log(), "callers of sessions cannot be looked up");
                    break;
                }
            }
        }
        for hub in hubs.live() {
            hub.recheck(&known, &self.rules);
        }
    }

    /// What is known of a caller; `None`: nothing new.
    async fn ask(&mut self, who: Who, principal: &Principal) -> Result<Option<Now>, Error> {
        let now = match self.authenticator.again_at_once(principal) {
            Some(now) => now,
            None if self.asked.get(&who).is_some_and(|asked| asked.elapsed() < self.patience) => return Ok(None),
            None => {
                let now = self.authenticator.again(principal).await;
                self.asked.insert(who, Instant::now());
                now
            }
        };
        match now {
            Ok(principal) => Ok(Some(Now::Is(principal))),
            Err(error) if error.code() == Code::Unauthenticated => Ok(Some(Now::Gone(error.for_log()))),
            Err(error) => Err(error),
        }
    }
}

impl Now {
    /// Why a session that began as `then` must end; `None`: it may go on.
    pub fn refuses(&self, then: &Principal, method: &Method, rules: &Rules) -> Option<Error> {
        let now = match self {
            Self::Is(now) => now,
            Self::Gone(why) => {
                let error = Error::unauthenticated("the credential of this session does not hold any more");
                return Some(error.reason("REVOKED", DOMAIN).because(why.clone()));
            }
        };
        if let Some(access) = rules.get(&method.path)
            && let Err(error) = now.allows(method, access).and_then(|()| access.check(now))
        {
            return Some(error.reason("REVOKED", DOMAIN));
        }
        // Handlers ask the principal that the call began with what it may do.
        let lost = matches!((then.user(), now.user()), (Some(then), Some(now)) if lost(then, now));
        lost.then(|| {
            Error::unavailable("rights of this caller were taken away, connect again with those that are left")
                .reason("RIGHTS_CHANGED", DOMAIN)
                .retry_after(Duration::from_millis(100))
        })
    }
}

/// Whether the user had rights that they have no more.
fn lost(then: &User, now: &User) -> bool {
    if now.is_superuser {
        return false;
    }
    // Nothing has changed: the cache still has the same user.
    if std::ptr::eq(then, now) {
        return false;
    }
    then.is_superuser || (then.is_staff && !now.is_staff) || !then.permissions.is_subset(&now.permissions)
}

/// Longest time between two rounds.
const TICK: Duration = Duration::from_secs(1);
/// The database is asked of one caller no more often than this, also where nothing is remembered.
const LEAST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn user(is_staff: bool, is_superuser: bool, permissions: &[&str]) -> User {
        User {
            id: 1,
            username: "ada".to_owned(),
            email: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            is_staff,
            is_superuser,
            permissions: permissions.iter().map(|permission| (*permission).to_owned()).collect(),
        }
    }

    #[test]
    fn only_what_was_taken_away_ends_a_session() {
        let plain = user(false, false, &["a.b"]);
        assert!(!lost(&plain, &plain));
        assert!(!lost(&plain, &user(true, false, &["a.b", "a.c"])), "more than before");
        assert!(!lost(&plain, &user(false, true, &[])), "superusers have every right");
        assert!(lost(&plain, &user(true, false, &["a.c"])));
        assert!(lost(&user(true, false, &[]), &user(false, false, &[])));
        assert!(lost(&user(false, true, &[]), &user(true, false, &[])));
    }
}
