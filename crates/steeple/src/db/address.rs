//! A database URL that may be printed.

use std::fmt;

use sea_orm::DbBackend;

/// A database URL, split far enough to know which database it is and to hide its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
}

impl Address {
    /// Any text; whether it is a URL shows when connecting.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    /// Which database the scheme names: `sqlite:`, `postgres:` or `postgresql:`, `mysql:` or `mariadb:`.
    pub fn backend(&self) -> Option<DbBackend> {
        match self.url.split_once(':')?.0 {
            "sqlite" => Some(DbBackend::Sqlite),
            "postgres" | "postgresql" => Some(DbBackend::Postgres),
            "mysql" | "mariadb" => Some(DbBackend::MySql),
            _ => None,
        }
    }

    /// The URL with everything. Not for printing.
    pub(crate) fn secret(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.url))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The URL with `***` for the password, wherever it stands: `postgres://ada:***@db/site`.
///
/// Works on malformed URLs as well, where it hides too much rather than too little.
pub fn redacted(url: &str) -> String {
    let (front, rest) = match url.find("://") {
        Some(at) => url.split_at(at + 3),
        None => ("", url),
    };
    // The last @ before the parameters: a password may hold an @ (or a /, or a #) that somebody forgot to encode.
    let shown = match rest.rfind('@') {
        Some(at) => {
            let (login, place) = rest.split_at(at);
            match login.split_once(':') {
                Some((user, _)) => format!("{front}{user}:***{place}"),
                None => url.to_owned(),
            }
        }
        None => url.to_owned(),
    };
    // The @ may as well have been a parameter's, and what is left begin in the middle of them.
    let mut out = String::with_capacity(shown.len());
    for piece in shown.split_inclusive(['?', '&']) {
        let (parameter, mark) = piece.split_at(piece.trim_end_matches(['?', '&']).len());
        match parameter.split_once('=') {
            Some((key, _)) if ["pass", "key"].iter().any(|secret| key.to_lowercase().contains(secret)) => {
                out.extend([key, "=***"]);
            }
            _ => out.push_str(parameter),
        }
        out.push_str(mark);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows() {
        for (url, shown) in [
            ("postgres://ada:secret@db:5432/site", "postgres://ada:***@db:5432/site"),
            ("postgres://ada@db/site", "postgres://ada@db/site"),
            ("postgres://db/site?user=ada&password=secret", "postgres://db/site?user=ada&password=***"),
            (
                "postgres://127.0.0.1:5432/db?user=ada@corp&password=secret",
                "postgres://127.0.0.1:***@corp&password=***",
            ),
            ("mysql://ada:se@cr:et@db/site", "mysql://ada:***@db/site"),
            ("mysql://ada:se?cr=e/t@db/site", "mysql://ada:***@db/site"),
            ("ada:secret@db", "ada:***@db"),
            ("sqlite://site.sqlite3?mode=ro", "sqlite://site.sqlite3?mode=ro"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("", ""),
        ] {
            assert_eq!(redacted(url), shown);
            assert_eq!(format!("{:?}", Address::new(url)), shown);
        }
    }

    #[test]
    fn the_scheme_names_the_database() {
        assert_eq!(Address::new("postgresql://x").backend(), Some(DbBackend::Postgres));
        assert_eq!(Address::new("mariadb://x").backend(), Some(DbBackend::MySql));
        assert_eq!(Address::new("sqlite::memory:").backend(), Some(DbBackend::Sqlite));
        assert_eq!(Address::new("oracle://x").backend(), None);
        assert_eq!(Address::new("site.sqlite3").backend(), None);
    }
}
