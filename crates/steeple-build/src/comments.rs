//! The comments of the protos, carried past prost unharmed.
//!
//! prost rewrites URLs and code in comments (`<https://…>` becomes `<<https://…>>`). So each comment of the descriptors
//! is taken out before generation, a mark stands in for it, and the mark's line is replaced in the finished text.
//! Must never: let a comment become a doctest or a broken link of the site's docs.

use prost_types::FileDescriptorSet;

const MARK: &str = "SteepleComment";

/// The comments taken out of a descriptor set, in the order of their marks.
pub(crate) struct Comments(Vec<String>);

impl Comments {
    /// Puts a mark in the place of every comment.
    pub fn take(set: &mut FileDescriptorSet) -> Self {
        let mut taken = vec![];
        let locations =
            set.file.iter_mut().filter_map(|file| file.source_code_info.as_mut()).flat_map(|info| &mut info.location);
        for location in locations {
            location.leading_detached_comments.clear();
            let parts = [location.leading_comments.take(), location.trailing_comments.take()];
            let text = parts.into_iter().flatten().map(|part| part.trim_end().to_owned()).collect::<Vec<_>>();
            if text.iter().any(|part| !part.is_empty()) {
                location.leading_comments = Some(format!(" {MARK}{}\n", taken.len()));
                taken.push(text.join("\n\n"));
            }
        }
        Self(taken)
    }

    /// Puts the comments back: every line that holds a mark becomes the doc lines of its comment.
    pub fn restore(&self, rust: &str) -> String {
        let mut out = String::with_capacity(rust.len());
        for line in rust.lines() {
            let Some(comment) = self.marked(line) else {
                out.push_str(line);
                out.push('\n');
                continue;
            };
            let indent = &line[..line.len() - line.trim_start().len()];
            for doc in docs(comment) {
                let space = if doc.is_empty() { "" } else { " " };
                out.extend([indent, "///", space, &doc, "\n"]);
            }
        }
        out
    }

    fn marked(&self, line: &str) -> Option<&str> {
        let number = line.trim().strip_prefix("///")?.trim().strip_prefix(MARK)?;
        self.0.get(number.parse::<usize>().ok()?).map(String::as_str)
    }
}

/// A comment's lines as rustdoc may show them.
fn docs(comment: &str) -> Vec<String> {
    let mut fenced = false;
    let mut lines = vec![];
    for raw in comment.lines() {
        let line = raw.strip_prefix(' ').unwrap_or(raw).trim_end();
        let inner = line.trim_start();
        if inner.starts_with("```") {
            // Any fence but `text` is Rust to rustdoc, and would be run by `cargo test`.
            lines.push(if fenced { inner.to_owned() } else { "```text".to_owned() });
            fenced = !fenced;
        } else if fenced {
            lines.push(line.to_owned());
        } else {
            // Four spaces make a code block, so a doctest.
            let depth = (line.len() - inner.len()).min(3);
            lines.push(format!("{}{}", &"   "[..depth], prose(inner)));
        }
    }
    if fenced {
        lines.push("```".to_owned());
    }
    lines
}

/// A line outside of code: links stay or become links, brackets and angles that mean nothing to rustdoc are escaped.
fn prose(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let taken = if first == '`' {
            code(rest)
        } else if first == '<' && url(&rest[1..]) > 0 {
            // its author says where it ends
            rest.find(|c: char| c == '>' || c.is_whitespace())
                .filter(|end| rest[*end..].starts_with('>'))
                .map(|end| end + 1)
        } else if out.ends_with("](") {
            Some(url(rest)).filter(|end| *end > 0)
        } else {
            None
        };
        if let Some(end) = taken {
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let end = url(rest);
        if end > 0 {
            out.push('<');
            out.push_str(&rest[..end]);
            out.push('>');
            rest = &rest[end..];
            continue;
        }
        match first {
            '\\' if rest.len() > 1 => {
                let end = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            '[' if link(rest) => out.push('['),
            '[' => out.push_str("\\["),
            '<' => out.push_str("\\<"),
            other => out.push(other),
        }
        rest = &rest[first.len_utf8()..];
    }
    out
}

/// The length of the code span that begins here.
fn code(text: &str) -> Option<usize> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let close = text[ticks..].find(&text[..ticks])?;
    Some(ticks + close + ticks)
}

/// The length of the URL that begins here; 0 when none does. A full stop at its end belongs to the sentence.
fn url(text: &str) -> usize {
    if !text.starts_with("https://") && !text.starts_with("http://") {
        return 0;
    }
    let end = text.find(|c: char| c.is_whitespace() || "<>)]\"'`".contains(c)).unwrap_or(text.len());
    text[..end].trim_end_matches(['.', ',', ';', ':', '!', '?']).len()
}

/// Whether `[text](…)` begins here: the one bracket form that rustdoc does not look up as a Rust name.
fn link(text: &str) -> bool {
    text.find(']').is_some_and(|close| text[close + 1..].starts_with('('))
}

#[cfg(test)]
mod tests {
    use super::{docs, prose};

    #[test]
    fn links_stay_links() {
        assert_eq!(prose("see <https://example.org>."), "see <https://example.org>.");
        assert_eq!(prose("<https://example.org/a(b)>"), "<https://example.org/a(b)>");
        assert_eq!(prose("see https://example.org/a."), "see <https://example.org/a>.");
        assert_eq!(prose("see [here](https://example.org)"), "see [here](https://example.org)");
        assert_eq!(prose("`https://example.org`"), "`https://example.org`");
    }

    #[test]
    fn what_rustdoc_would_look_up_is_escaped() {
        assert_eq!(prose("[optional] list<string> `[x]` \\[y]"), "\\[optional] list\\<string> `[x]` \\[y]");
    }

    #[test]
    fn no_comment_becomes_a_doctest() {
        let lines = docs(" Like so:\n\n     let x = 1;\n ```rust\n x\n ```\n ```");
        assert_eq!(lines, ["Like so:", "", "   let x = 1;", "```text", "x", "```", "```text", "```"]);
    }
}
