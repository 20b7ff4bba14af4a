//! The echo as a Steeple site, with the command line every site has.
//!
//! A site's command line reads the arguments of its process, so this program becomes the site by running itself again
//! under [`NAME`]. It stays the same process, which is what its parent measures.

use std::{
    collections::BTreeSet,
    env,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
    sync::Arc,
};

use steeple::{
    Result, User,
    auth::{Session, Sessions},
};

use crate::Outcome;

/// What a request to the site's REST API needs to come from staff. The site listens on the loopback while it is measured.
pub const COOKIE: &str = "sessionid=bench";

/// The orchestrator's session, and no other.
struct Orchestrator;

#[async_trait::async_trait]
impl Sessions for Orchestrator {
    async fn find(&self, headers: &http::HeaderMap) -> Result<Option<Session>> {
        if headers.get(http::header::COOKIE).is_none_or(|cookie| cookie != COOKIE) {
            return Ok(None);
        }
        let user = User {
            id: 1,
            username: "bench".to_owned(),
            email: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            is_staff: true,
            is_superuser: false,
            permissions: BTreeSet::new(),
        };
        Ok(Some(Session { user: Arc::new(user), csrf_token: "bench".to_owned() }))
    }
}

/// The name under which this program is the site.
const NAME: &str = "echo-site";

/// The site's own `main`, if this process was started under the site's name.
pub fn site() -> Option<ExitCode> {
    let name = env::args_os().next()?;
    (Path::new(&name).file_name()? == NAME).then(|| steeple::Server::new(crate::site()).sessions(Orchestrator).main())
}

/// Becomes the site, with these arguments: `run`, `migrate`, `methods`, …
pub fn become_site(arguments: &[String]) -> Outcome<ExitCode> {
    // Comes back only when it failed.
    Err(Command::new(env::current_exe()?).arg0(NAME).args(arguments).exec().into())
}
