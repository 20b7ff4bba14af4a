//! Usernames, addresses and names, spelled and checked as Django does.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::error::{Error, Result};

/// Characters of a username, a first and a last name, and the name of a group, at most.
pub const LONGEST: usize = 150;
/// Characters of an email address, at most.
pub const LONGEST_EMAIL: usize = 254;

/// A username in the one spelling that is kept: Unicode's form NFKC, so that what looks alike is alike.
pub fn normal(username: &str) -> String {
    username.nfkc().collect()
}

/// The username to look for; `None` when nobody can have it. Names that the rules for new ones refuse are looked for too:
/// Django makes users without asking them.
pub(super) fn sought(text: &str) -> Option<String> {
    // PostgreSQL refuses text with a NUL, and three letters at most become one.
    let can_be = text.len() <= 3 * 4 * LONGEST && !text.contains('\0');
    can_be.then(|| normal(text)).filter(|name| name.chars().count() <= LONGEST)
}

/// A new username, in its normal form.
///
/// # Errors
/// INVALID_ARGUMENT: it is empty, longer than [`LONGEST`], or has other characters than letters, digits and `@.+-_`.
pub fn username(text: &str) -> Result<String> {
    let name = normal(text);
    let wrong = |problem: String| Err(Error::invalid("username", problem));
    if name.is_empty() {
        return wrong("may not be empty".to_owned());
    }
    if name.chars().count() > LONGEST {
        return wrong(format!("must have at most {LONGEST} characters"));
    }
    if !name.chars().all(is_fit) {
        return wrong("may have letters, digits and @ . + - _ only".to_owned());
    }
    Ok(name)
}

/// Python's `[\w.@+-]`: Rust calls a few more signs alphabetic, combining marks and enclosed letters.
fn is_fit(letter: char) -> bool {
    let enclosed = matches!(letter, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    (letter.is_alphanumeric() && !enclosed && !is_combining_mark(letter)) || "@.+-_".contains(letter)
}

/// An address with its domain in lower case; empty stays empty.
///
/// # Errors
/// INVALID_ARGUMENT: it is longer than [`LONGEST_EMAIL`], or not of the form `name@domain`.
pub fn email(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    let fit = |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.rsplit_once('@').filter(|(name, domain)| fit(name) && fit(domain));
    let Some((name, domain)) = parts else {
        return Err(Error::invalid("email", "must be an address such as ada@example.org"));
    };
    let email = format!("{name}@{}", domain.to_lowercase());
    if email.chars().count() > LONGEST_EMAIL {
        return Err(Error::invalid("email", format!("must have at most {LONGEST_EMAIL} characters")));
    }
    Ok(email)
}

/// Any other name; may be empty.
///
/// # Errors
/// INVALID_ARGUMENT: it is longer than [`LONGEST`], or has control characters.
pub fn plain<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    if text.chars().count() > LONGEST {
        return Err(Error::invalid(field, format!("must have at most {LONGEST} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "may not have control characters"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usernames_are_as_django_has_them() {
        for (text, name) in [
            ("ada", "ada"),
            ("Ada.Lovelace+test@example-org_1", "Ada.Lovelace+test@example-org_1"),
            ("ﬁona", "fiona"),
            ("Ｊürgen", "Jürgen"),
            ("Ⅷ", "VIII"),
            ("Å", "Å"),
            ("Ⓐda", "Ada"),
            ("жизнь", "жизнь"),
            ("北京", "北京"),
        ] {
            assert_eq!(username(text).unwrap(), name, "{text}");
        }
        for text in [
            "",
            " ada",
            "ada lovelace",
            "a/b",
            "a\nb",
            "a\0",
            "ada!",
            "🅰da",
            "a\u{301}\u{301}",
            "a\u{200d}b",
            "ada\u{202e}",
        ] {
            assert!(username(text).is_err(), "{text:?}");
        }
        assert!(username(&"ä".repeat(LONGEST)).is_ok());
        assert!(username(&"ä".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn the_domain_of_an_address_is_in_lower_case() {
        for (text, address) in [("", ""), ("  ", ""), ("Ada@Example.ORG", "Ada@example.org"), (" a@b@C ", "a@b@c")] {
            assert_eq!(email(text).unwrap(), address);
        }
        let long = format!("{}@example.org", "x".repeat(LONGEST_EMAIL));
        for text in ["ada", "@", "ada@", "@example.org", "a b@example.org", "a@b\nc", "a\0@b", &long] {
            assert!(email(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_username_stays_itself(text in "\\PC{0,40}") {
            if let Ok(name) = username(&text) {
                prop_assert_eq!(username(&name).unwrap(), name.clone());
                prop_assert_eq!(normal(&name), name);
            }
        }
    }
}
