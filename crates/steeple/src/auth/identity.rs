//! All of identity that a running site shares: made once, at start, and lent to whoever needs a part of it.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{ApiKeys, Authenticator, Config, Login, Sessions, Tokens, Users, api_key::SiteKey, site_secret};
use crate::db::Db;

/// The users, tokens and keys of a site. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Users, their passwords, groups and permissions.
    pub users: Users,
    /// Makes and verifies tokens.
    pub tokens: Tokens,
    /// API keys.
    pub keys: ApiKeys,
    /// From a password to tokens.
    pub login: Login,
    /// From a password to a browser session.
    pub sessions: Sessions,
    pub(crate) authenticator: Authenticator,
}

impl Identity {
    /// Identity in this database, as the configuration wants it. In production the configuration must have the secret
    /// key, elsewhere the database may keep a random one; in development the secret key may be an API key.
    ///
    /// # Errors
    /// A sentence for whoever starts the site: a key that cannot be used, or a database that does not answer.
    pub(crate) async fn open(db: &Db, config: &Config, development: bool, production: bool) -> Result<Self, String> {
        let secret = site_secret(db, config, !production).await.map_err(|error| error.for_log())?;
        let users = Users::new(db.clone(), config);
        let tokens = Tokens::new(db.clone(), config, &secret)?;
        let keys = ApiKeys::new(db.clone(), config);
        let login = Login::new(users.clone(), tokens.clone(), config);
        let sessions = Sessions::new(db.clone(), users.clone(), login.clone(), config, production);
        let site_key = SiteKey::new(config, development, Some(&secret))?;
        let authenticator =
            Authenticator::new(db.clone(), config, users.clone(), tokens.clone(), keys.clone(), site_key)?;
        Ok(Self { users, tokens, keys, login, sessions, authenticator })
    }

    /// What must be done beside the calls, until `end`: uses of keys written, expired tokens and sessions swept.
    pub(crate) fn tend(&self, end: &CancellationToken) -> [JoinHandle<()>; 3] {
        [
            tokio::spawn(self.keys.clone().keep_written(end.clone())),
            tokio::spawn(self.tokens.clone().sweep(end.clone())),
            tokio::spawn(self.sessions.clone().sweep(end.clone())),
        ]
    }
}
