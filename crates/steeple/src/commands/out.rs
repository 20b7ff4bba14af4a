//! What a command prints: text for people, or one JSON value for programs.

use std::{
    borrow::Cow,
    io::{IsTerminal as _, Write as _},
};

use comfy_table::{CellAlignment, Table, presets};
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
        Self::text(&if self.json { in_json(value, serde_json::to_string_pretty) } else { text() });
    }

    /// The same with the JSON in one line, for a command whose output goes on.
    pub fn line(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        Self::text(&if self.json { in_json(value, serde_json::to_string) } else { text() });
    }

    /// One line of an output that goes on; false when nobody reads it any more.
    pub fn goes_on(self, value: &impl Serialize, text: impl FnOnce() -> String) -> bool {
        let line = if self.json { in_json(value, serde_json::to_string) } else { text() };
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_ok()
    }

    /// A word aside, on standard error.
    pub fn note(text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", printable(text));
    }

    /// A question, on standard error; the answer goes into the same line.
    pub fn ask(question: &str) {
        let mut stderr = std::io::stderr().lock();
        let _ = stderr.write_all(question.as_bytes());
        let _ = stderr.flush();
    }

    /// A failure: `error: …` on standard error, and with `--json` also `{"error": …}` where the value would have been.
    pub fn failed(self, why: &str) {
        if self.json {
            Self::text(&json!({ "error": why }).to_string());
        }
        let _ = writeln!(std::io::stderr().lock(), "error: {}", printable(why));
    }
}

/// Every value printed here has text keys, so it can be JSON. What a terminal would obey is escaped in it.
fn in_json<T: Serialize>(value: &T, write: impl FnOnce(&T) -> serde_json::Result<String>) -> String {
    let text = write(value).unwrap_or_else(|error| json!({ "error": error.to_string() }).to_string());
    if !text.contains(risky) {
        return text;
    }
    // Only within strings can such a character stand, and there this is what JSON calls it.
    text.chars().fold(String::new(), |text, letter| {
        if risky(letter) {
            format!("{text}\\u{:04x}", u32::from(letter))
        } else {
            text + letter.encode_utf8(&mut [0; 4])
        }
    })
}

/// The text without what a terminal would obey: somebody else may have chosen it.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(risky) {
        return Cow::Borrowed(text);
    }
    let escaped = |letter: char| if risky(letter) { letter.escape_default().to_string() } else { letter.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// Control characters, but for the end of a line, and those that turn the direction of writing.
fn risky(letter: char) -> bool {
    letter != '\n' && (letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// Whether standard error takes colours: it is a terminal, and `NO_COLOR` (<https://no-color.org>) is not set.
pub(super) fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Rows under headings, one line each, so that `grep` and `less -S` work. A heading that begins with `>` has its column
/// to the right.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings.map(|heading| heading.trim_start_matches('>').to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for (column, heading) in table.column_iter_mut().zip(headings) {
        column.set_padding((0, 2));
        if heading.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// `1 method`, `2 methods`.
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
