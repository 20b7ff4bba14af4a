//! What a caller asks for in words: `filter` (AIP-160) and `order_by` (AIP-132).
//!
//! Of AIP-160 there is what a list of conditions needs: `price > 10 AND symbol : "BT" AND note = null`. The operators are
//! `=`, `!=`, `<`, `<=`, `>`, `>=`, and `:` (has: a part of a text, letter case aside; `note:*` for one that is not
//! empty). `OR`, `NOT`, parentheses and functions are refused, not ignored.
//!
//! Must never: panic, or take what it does not understand for nothing.

use serde_json::Value as Json;

use crate::{
    error::{Error, Result},
    model::{Op, Order},
};

/// Bytes of a filter or an order at most, and conditions of a filter.
const LONGEST: usize = 2_000;
const MOST: usize = 20;

/// One condition: the field as the caller calls it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub field: String,
    pub op: Op,
    pub value: Json,
}

/// Reads a filter.
///
/// # Errors
/// INVALID_ARGUMENT.
pub(super) fn terms(text: &str) -> Result<Vec<Term>> {
    if text.len() > LONGEST {
        return Err(wrong(format!("must have at most {LONGEST} bytes")));
    }
    let mut rest = Words { text };
    let mut terms = vec![];
    while let Some(field) = rest.next()? {
        let field = match field {
            Word::Bare("OR" | "NOT" | "AND") => return Err(wrong("conditions are joined by AND, and by nothing else")),
            Word::Bare(name) if name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_') => {
                name.to_owned()
            }
            other => return Err(wrong(format!("there must be a field where {} is", other.shown()))),
        };
        let Some(Word::Operator(op)) = rest.next()? else {
            return Err(wrong(format!("{field} must be followed by one of = != < <= > >= :")));
        };
        let value = match rest.next()? {
            Some(Word::Quoted(text)) => Value::Text(text),
            Some(Word::Bare(word)) => Value::Word(word),
            _ => return Err(wrong(format!("{field} must be compared with a value"))),
        };
        terms.push(term(field, op, value)?);
        match rest.next()? {
            None => return Ok(terms),
            Some(Word::Bare("AND")) if terms.len() < MOST && !rest.text.trim_start().is_empty() => {}
            Some(Word::Bare("AND")) if terms.len() >= MOST => {
                return Err(wrong(format!("must have at most {MOST} conditions")));
            }
            Some(_) => return Err(wrong("conditions are joined by AND, and by nothing else")),
        }
    }
    Ok(terms)
}

enum Value<'a> {
    Text(String),
    Word(&'a str),
}

fn term(field: String, op: &str, value: Value<'_>) -> Result<Term> {
    let (op, value) = match (op, value) {
        ("=", Value::Word("null")) => (Op::IsNull, true.into()),
        ("!=", Value::Word("null")) | (":", Value::Word("*")) => (Op::IsNull, false.into()),
        (_, Value::Word("null" | "*")) => return Err(wrong(format!("{field} {op} cannot be asked of null and *"))),
        (":", Value::Word(word)) => (Op::Contains, word.into()),
        (":", Value::Text(text)) => (Op::Contains, text.into()),
        (op, value) => {
            let op = match op {
                "=" => Op::Eq,
                "!=" => Op::Ne,
                "<" => Op::Lt,
                "<=" => Op::Lte,
                ">" => Op::Gt,
                _ => Op::Gte,
            };
            let value = match value {
                Value::Text(text) => text.into(),
                Value::Word("true") => true.into(),
                Value::Word("false") => false.into(),
                Value::Word(word) => word.into(),
            };
            (op, value)
        }
    };
    Ok(Term { field, op, value })
}

/// Reads an order: `price desc, symbol`.
///
/// # Errors
/// INVALID_ARGUMENT.
pub(super) fn order(text: &str) -> Result<Vec<Order>> {
    let wrong = || Error::invalid("order_by", "must be fields, each with desc behind it or not: price desc, symbol");
    if text.len() > LONGEST {
        return Err(wrong());
    }
    if text.trim().is_empty() {
        return Ok(vec![]);
    }
    let mut order = Vec::<Order>::new();
    for part in text.split(',') {
        let words: Vec<_> = part.split_whitespace().collect();
        let (field, descending) = match words[..] {
            [field] | [field, "asc"] => (field, false),
            [field, "desc"] => (field, true),
            _ => return Err(wrong()),
        };
        if order.iter().any(|by| by.field == field) {
            return Err(Error::invalid("order_by", format!("{field} is there twice")));
        }
        order.push(Order { field: field.to_owned(), descending });
    }
    Ok(order)
}

fn wrong(problem: impl Into<String>) -> Error {
    Error::invalid("filter", problem)
}

#[derive(Debug, PartialEq)]
enum Word<'a> {
    Bare(&'a str),
    Quoted(String),
    Operator(&'a str),
}

impl Word<'_> {
    fn shown(&self) -> String {
        match self {
            Self::Bare(text) | Self::Operator(text) => (*text).to_owned(),
            Self::Quoted(text) => format!("{text:?}"),
        }
    }
}

/// The words of a filter, from its beginning.
struct Words<'a> {
    text: &'a str,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<Option<Word<'a>>> {
        self.text = self.text.trim_start();
        let Some(first) = self.text.chars().next() else { return Ok(None) };
        if matches!(first, '"' | '\'') {
            return self.quoted(first).map(Some);
        }
        let operator = ["!=", "<=", ">=", "=", "<", ">", ":"].into_iter().find(|op| self.text.starts_with(op));
        if let Some(operator) = operator {
            return Ok(Some(Word::Operator(self.take(operator.len()))));
        }
        let ends = |letter: char| {
            letter.is_whitespace() || matches!(letter, '"' | '\'' | '=' | '!' | '<' | '>' | '(' | ')' | ',')
        };
        // A moment has colons in it, and stands behind an operator; a field has none.
        let length = self.text.find(ends).unwrap_or(self.text.len());
        let length = match self.text[..length].find(':') {
            Some(colon) if self.text.starts_with(|letter: char| letter.is_ascii_alphabetic()) => colon,
            _ => length,
        };
        if length == 0 {
            return Err(wrong(format!("{first} has no meaning here")));
        }
        Ok(Some(Word::Bare(self.take(length))))
    }

    fn quoted(&mut self, quote: char) -> Result<Word<'a>> {
        let mut text = String::new();
        let mut letters = self.text.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.text = &self.text[at + 1..];
                return Ok(Word::Quoted(text));
            }
            match (letter, letter == '\\') {
                (_, false) => text.push(letter),
                _ => text.extend(letters.next().map(|(_, escaped)| escaped)),
            }
        }
        Err(wrong(format!("a text that begins with {quote} must end with it")))
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (word, rest) = self.text.split_at(length);
        self.text = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Term {
        let mut terms = terms(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(terms.len(), 1, "{text}");
        terms.pop().unwrap()
    }

    #[test]
    fn each_operator_means_its_comparison() {
        for (text, op, value) in [
            ("price = 1.5", Op::Eq, Json::from("1.5")),
            ("price=1.5", Op::Eq, "1.5".into()),
            ("price != -1", Op::Ne, "-1".into()),
            ("price<1", Op::Lt, "1".into()),
            ("price <= 1", Op::Lte, "1".into()),
            ("price > 1e3", Op::Gt, "1e3".into()),
            ("price>=1", Op::Gte, "1".into()),
            ("price : 1", Op::Contains, "1".into()),
            ("price:\"b c\"", Op::Contains, "b c".into()),
            ("price:*", Op::IsNull, false.into()),
            ("price = null", Op::IsNull, true.into()),
            ("price != null", Op::IsNull, false.into()),
            ("price = 'null'", Op::Eq, "null".into()),
            ("price = true", Op::Eq, true.into()),
            ("price = \"true\"", Op::Eq, "true".into()),
            ("price > 2026-11-20T18:23:03.911776Z", Op::Gt, "2026-11-20T18:23:03.911776Z".into()),
            (r#"price = "a \"b\" \\ 'c'""#, Op::Eq, r#"a "b" \ 'c'"#.into()),
        ] {
            assert_eq!(one(text), Term { field: "price".to_owned(), op, value }, "{text}");
        }
    }

    #[test]
    fn conditions_are_joined_by_and() {
        assert_eq!(terms("  ").unwrap(), []);
        assert_eq!(terms("a = 1 AND b:'x y' AND c >= 2").unwrap().len(), 3);
        for text in [
            "a",
            "a =",
            "= 1",
            "a = 1 AND",
            "AND a = 1",
            "a = 1 b = 2",
            "a = 1 OR b = 2",
            "NOT a = 1",
            "-a = 1",
            "(a = 1)",
            "a = (1)",
            "f(a) = 1",
            "a = \"x",
            "a == 1",
            "a = = 1",
            "a ! 1",
            "a = 1 AND AND b = 2",
            "'a' = 1",
            "a < null",
            "a > *",
            "a = 1, b = 2",
            "a and b",
            "a ~ 1",
        ] {
            assert!(terms(text).is_err(), "{text}");
        }
        assert!(terms(&"a = 1 AND ".repeat(19)).is_err(), "ends in AND");
        let many = |count| vec!["a = 1"; count].join(" AND ");
        assert_eq!(terms(&many(20)).unwrap().len(), 20);
        assert!(terms(&many(21)).is_err());
        assert!(terms(&format!("a = '{}'", "x".repeat(2_000))).is_err());
    }

    #[test]
    fn an_order_is_fields_and_directions() {
        let by = |field: &str, descending| Order { field: field.to_owned(), descending };
        assert_eq!(order("").unwrap(), []);
        assert_eq!(
            order(" price desc ,symbol, name asc").unwrap(),
            [by("price", true), by("symbol", false), by("name", false)]
        );
        for text in [",", "a,", "a b", "a desc desc", "a, a desc", "desc a b", &"a".repeat(2_001)] {
            assert!(order(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}", near in "[ab =!<>:'\"()AND]{0,30}") {
            let _ = (terms(&text), order(&text), terms(&near), order(&near));
        }

        #[test]
        fn a_quoted_text_is_the_text(text in ".{0,40}") {
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(one(&format!("a = \"{quoted}\"")).value, Json::from(text));
        }
    }
}
