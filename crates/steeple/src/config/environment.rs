//! Which kind of place the site runs in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What `STEEPLE_ENV` says: it picks the file `steeple.<env>.toml` and how strict the start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// A developer's machine: readable logs, demo data. The default.
    #[default]
    Development,
    /// Real users.
    Production,
    /// A test run.
    Test,
}

impl Environment {
    /// `development`, `production` or `test`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            "test" => Ok(Self::Test),
            other => Err(format!("expected development, production or test, found \"{other}\"")),
        }
    }
}
