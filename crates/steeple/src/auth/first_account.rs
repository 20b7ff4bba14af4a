//! The first account of a new site: whoever has just started it can call every method at once.
//!
//! Takes a database in which nobody is a superuser; gives one, with a random password and an API key, whose texts are
//! seen this once. Where there is a superuser it does nothing.
//!
//! Must never: be made where others than developers come in.

use serde::Serialize;

use super::{Identity, NewUser, Secret, api_key::NewApiKey, password};
use crate::error::{Code, Result};

/// Who it is, unless the name is taken.
const USERNAME: &str = "admin";
/// Letters and digits of the password.
const PASSWORD: usize = 20;

/// A superuser who was just made, with what lets them in.
#[derive(Debug, Serialize)]
pub(crate) struct FirstAccount {
    pub username: String,
    pub password: Secret,
    pub api_key: Secret,
}

impl Identity {
    /// Makes the first account; `None` when there is a superuser, or somebody has its name.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn first_account(&self) -> Result<Option<FirstAccount>> {
        if self.users.has_superuser().await? {
            return Ok(None);
        }
        let password = Secret::new(password::random_text(PASSWORD)?);
        let new = NewUser {
            username: USERNAME.to_owned(),
            password: Some(password.clone()),
            is_staff: true,
            is_superuser: true,
            ..NewUser::default()
        };
        let user = match self.users.create(new).await {
            Err(error) if error.code() == Code::AlreadyExists => {
                // Another process started at the same moment may have been faster, and has told its terminal.
                if !self.users.has_superuser().await? {
                    tracing::warn!(
                        username = USERNAME,
                        "no first account: the name is taken by a user who is no superuser; make one with createsuperuser"
                    );
                }
                return Ok(None);
            }
            made => made?,
        };
        let key = NewApiKey { created_by: Some(user.id.into()), ..NewApiKey::new(user.id.into(), "first account") };
        let key = self.keys.create(key).await?;
        Ok(Some(FirstAccount { username: user.username, password, api_key: Secret::new(key.text.expose()) }))
    }
}
