//! The echo as a Steeple site, with the command line every site has.
//!
//! A site's command line reads the arguments of its process, so this program becomes the site by running itself again
//! under [`NAME`]. It stays the same process, which is what its parent measures.

use std::{
    env,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

use crate::Outcome;

/// The name under which this program is the site.
const NAME: &str = "echo-site";

/// The site's own `main`, if this process was started under the site's name.
pub fn site() -> Option<ExitCode> {
    let name = env::args_os().next()?;
    (Path::new(&name).file_name()? == NAME).then(|| steeple::Server::new(crate::site()).main())
}

/// Becomes the site, with these arguments: `run`, `migrate`, `methods`, …
pub fn become_site(arguments: &[String]) -> Outcome<ExitCode> {
    // Comes back only when it failed.
    Err(Command::new(env::current_exe()?).arg0(NAME).args(arguments).exec().into())
}
