//! The default configuration file: every key with its meaning, unit and default.

use std::fmt::Write as _;

use super::{Config, keys::SECTIONS};

const HEAD: &str = "\
# The configuration of a Steeple site. Every key is here with its default; uncomment what you change.
#
# Later wins: this file, steeple.<env>.toml beside it (STEEPLE_ENV is development, production or test; development when
# not set), environment variables (STEEPLE_SERVER__GRPC is grpc of [server]; lists with commas), the command line.
# Unknown keys are refused. Durations: \"200ms\", \"10s\", \"5m\", \"1h 30m\".
";

const SETTINGS: &str = "
# What the site's own apps are told, one table per app label; STEEPLE_SETTINGS__CRYPTO__FOO is foo of [settings.crypto].
# [settings.crypto]
# foo = \"bar\"
";

impl Config {
    /// The commented default configuration file, written from the same table that the loader knows keys by.
    pub fn default_toml() -> String {
        let defaults = Self::default().sections();
        let mut file = HEAD.to_owned();
        for section in SECTIONS {
            write_line(&mut file, "");
            write_line(&mut file, &format!("# {}", section.doc));
            write_line(&mut file, &format!("[{}]", section.name));
            for key in section.keys {
                write_line(&mut file, "");
                for line in key.doc.lines() {
                    write_line(&mut file, &format!("# {line}"));
                }
                let value = defaults[section.name].get(key.name).map(toml::Value::to_string);
                if value.is_none() {
                    write_line(&mut file, "# Default: not set.");
                }
                let value = value.as_deref().or(key.example).unwrap_or_default();
                write_line(&mut file, &format!("#{} = {value}", key.name));
            }
        }
        file.push_str(SETTINGS);
        file
    }
}

fn write_line(file: &mut String, line: &str) {
    writeln!(file, "{line}").expect("a String takes every line");
}
