//! Section `[admin]`: whether there is an admin, and where.

use serde::{Deserialize, Serialize};

/// Section `[admin]`. Each key is described in the default configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Serve it. Default true.
    pub enabled: bool,
    /// Where it is on the HTTP listener. Default `/admin`.
    pub path: String,
    /// The folder in which templates of the site take the place of the admin's. Default `templates`.
    pub templates: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true, path: "/admin".to_owned(), templates: "templates".to_owned() }
    }
}

/// What else is on the HTTP listener.
const TAKEN: [&str; 5] = ["api", "cfg", "healthz", "metrics", "readyz"];

impl Config {
    /// What is wrong with the values, as (key, sentence). Empty when nothing is.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let fit = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let parts: Vec<_> = self.path.split('/').collect();
        match parts.as_slice() {
            ["", rest @ ..] if !rest.is_empty() && rest.iter().all(|part| fit(part)) => {
                if TAKEN.contains(&rest[0]) {
                    wrong.push(("path", format!("may not begin with /{}, which is something else", rest[0])));
                }
            }
            _ => {
                let sentence = "must be a path such as \"/admin\": a slash in front, none at the end, and letters, \
                                digits, - and _ only";
                wrong.push(("path", sentence.to_owned()));
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_cannot_be_are_named() {
        let wrong = |path: &str| Config { path: path.to_owned(), ..Config::default() }.validate().len();
        assert_eq!(["/admin", "/staff/admin", "/a-b_c1"].map(wrong), [0; 3]);
        assert_eq!(["", "/", "admin", "/admin/", "/ad min", "//a", "/{x}", "/cfg", "/api/admin"].map(wrong), [1; 9]);
    }
}
