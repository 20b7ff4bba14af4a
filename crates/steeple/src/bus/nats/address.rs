//! The broker's URL, taken apart: async-nats ignores the user and the password in it.
//!
//! Must never: put either into a message.

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

/// Where the brokers are, and who enters.
#[derive(Debug)]
pub(in crate::bus) struct Address {
    pub servers: Vec<ServerAddr>,
    pub login: Option<Login>,
}

pub(in crate::bus) struct Login {
    pub user: String,
    pub password: String,
}

impl Address {
    /// Takes `nats://user:password@host:4222`, several with commas; a login in one of them is everybody's.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn of(url: &str) -> Result<Self, String> {
        let mut servers = Vec::new();
        let mut login: Option<Login> = None;
        for part in url.split(',').map(str::trim) {
            let server: ServerAddr = part.parse().map_err(|_| {
                "is no URL of a broker, such as nats://user:password@host:4222; encode @, / and , in a password as %40, %2F \
                 and %2C"
                    .to_owned()
            })?;
            if !matches!(server.scheme(), "nats" | "tls") || server.host().is_empty() {
                return Err("must begin with nats:// or tls:// and name a host".to_owned());
            }
            if let Some(user) = server.username() {
                let Some(password) = server.password() else {
                    return Err("has a user without a password; a token goes into bus.token".to_owned());
                };
                let found = Login { user: decoded(user)?, password: decoded(password)? };
                if login.as_ref().is_some_and(|login| login.user != found.user || login.password != found.password) {
                    return Err("has several logins; all brokers must take the same one".to_owned());
                }
                login = Some(found);
            }
            servers.push(without_login(server)?);
        }
        Ok(Self { servers, login })
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| "has a user or password that is not UTF-8".to_owned())
}

fn without_login(server: ServerAddr) -> Result<ServerAddr, String> {
    let mut url = server.into_inner();
    let cannot = || "is no URL of a broker".to_owned();
    url.set_username("").map_err(|()| cannot())?;
    url.set_password(None).map_err(|()| cannot())?;
    ServerAddr::from_url(url).map_err(|_| cannot())
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_leaves_the_url() {
        let address = Address::of("nats://ada:p%40ss%2Cword@[::1]:4223, tls://two").unwrap();
        let login = address.login.unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("ada", "p@ss,word"));
        let shown: Vec<_> = address.servers.iter().map(|server| server.as_url_str().to_owned()).collect();
        assert_eq!(shown, ["nats://[::1]:4223", "tls://two"]);
        assert!(address.servers[1].tls_required());
        assert_eq!(Address::of("127.0.0.1").unwrap().servers[0].port(), 4222);
    }
}
