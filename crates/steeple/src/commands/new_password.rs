//! Where the commands have a new password from: a variable, or the terminal.

use std::io::{BufRead as _, IsTerminal as _};

use super::{Failure, out::Out};
use crate::{
    auth::{
        Secret,
        password::{LONGEST, weaknesses},
    },
    config::Environment,
};

/// Named after Django's.
const VARIABLE: &str = "STEEPLE_SUPERUSER_PASSWORD";
/// How often a password is asked for.
const TRIES: u32 = 3;

/// Whether somebody can be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    noinput: bool,
    terminal: bool,
}

impl Asking {
    pub fn of(noinput: bool) -> Self {
        Self { noinput, terminal: std::io::stdin().is_terminal() }
    }

    pub fn is_possible(self) -> bool {
        self.terminal && !self.noinput
    }

    /// A line from the terminal. `option`: what would have answered.
    pub fn text(self, question: &str, option: &str) -> Result<String, Failure> {
        if !self.is_possible() {
            return Err(Failure(format!("there is no terminal to ask on: give {option}")));
        }
        Out::ask(question);
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(Failure("nothing was answered".to_owned()));
        }
        Ok(line.trim().to_owned())
    }
}

/// A new password for the user whom `about` describes: from the variable if it is set, or else from the terminal, which
/// does not show it. One that is easily guessed is refused in production, and remarked upon elsewhere.
pub(super) fn get(asking: Asking, env: Environment, about: &[(&'static str, &str)]) -> Result<Secret, Failure> {
    match std::env::var(VARIABLE) {
        Ok(password) => accepted(password, env, about).map_err(|why| Failure(format!("{VARIABLE}: {why}"))),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure(format!("{VARIABLE} is not UTF-8"))),
        Err(std::env::VarError::NotPresent) if asking.is_possible() => ask(env, about),
        Err(std::env::VarError::NotPresent) => {
            Err(Failure(format!("there is nobody to ask for a password: set the variable {VARIABLE}")))
        }
    }
}

fn ask(env: Environment, about: &[(&'static str, &str)]) -> Result<Secret, Failure> {
    for _ in 0..TRIES {
        let password = rpassword::prompt_password("Password: ")?;
        match accepted(password, env, about) {
            Err(why) => Out::note(&why),
            Ok(password) if rpassword::prompt_password("Password (again): ")? == password.expose() => {
                return Ok(password);
            }
            Ok(_) => Out::note("the two differ"),
        }
    }
    Err(Failure("no password was given".to_owned()))
}

fn accepted(password: String, env: Environment, about: &[(&'static str, &str)]) -> Result<Secret, String> {
    if password.is_empty() || password.len() > LONGEST {
        return Err(format!("the password must have from 1 to {LONGEST} bytes"));
    }
    let weak: Vec<_> = weaknesses(&password, about).iter().map(ToString::to_string).collect();
    if !weak.is_empty() {
        let weak = format!("the password is easily guessed: {}", weak.join("; "));
        if env == Environment::Production {
            return Err(weak);
        }
        Out::note(&format!("{weak}; production would refuse it"));
    }
    Ok(Secret::new(password))
}
