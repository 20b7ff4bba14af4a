//! What a command prints: text for people, or one JSON value for programs.

use std::io::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::json;

/// The terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    pub json: bool,
}

impl Out {
    /// A line, or several. A reader that has left (`| head`) is no failure.
    pub fn text(text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = stdout.write_all(b"\n");
        }
        let _ = stdout.flush();
    }

    /// `value` as JSON, or else the text.
    pub fn either(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            // Every value printed here has text keys, so it can be JSON.
            Self::text(&serde_json::to_string_pretty(value).unwrap_or_else(|error| json!({"error": error.to_string()}).to_string()));
        } else {
            Self::text(&text());
        }
    }

    /// A failure: on standard error, as text or as `{"error": …}`.
    pub fn failed(self, why: &str) {
        let mut stderr = std::io::stderr().lock();
        let text = if self.json { json!({"error": why}).to_string() } else { format!("error: {why}") };
        let _ = writeln!(stderr, "{text}");
    }
}

/// Rows under headings, as wide as the terminal allows.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.map(str::to_uppercase));
    for row in rows {
        table.add_row(row);
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}
