//! What is wrong with a new password: Django's default validators.
//!
//! Django's list of common passwords has 20,000; this one has those of eight letters and more that lists of stolen
//! passwords begin with.

use std::{collections::HashMap, fmt};

/// Fewest characters.
const SHORTEST: usize = 8;
/// How alike a password and a name may be, from 0 to 1.
const ALIKE: f64 = 0.7;

/// Why a new password is easily guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// Fewer than eight characters.
    Short,
    /// Digits only.
    Numeric,
    /// On the list of those that are tried first.
    Common,
    /// Much like the user's own name or address; says which.
    Similar(&'static str),
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "it is too short: it needs at least {SHORTEST} characters"),
            Self::Numeric => f.write_str("it has digits only"),
            Self::Common => f.write_str("it is one of those that are guessed first"),
            Self::Similar(what) => write!(f, "it is too similar to the {what}"),
        }
    }
}

/// All weaknesses of a new password. `about` is what is known of its user, named: `("username", "ada")`.
pub fn weaknesses(password: &str, about: &[(&'static str, &str)]) -> Vec<Weakness> {
    let lower = password.to_lowercase();
    let similar = |(_, value): &&(&'static str, &str)| is_similar(&lower, &value.to_lowercase());
    let found = [
        (password.chars().count() < SHORTEST).then_some(Weakness::Short),
        about.iter().find(similar).map(|(what, _)| Weakness::Similar(what)),
        COMMON.contains(&lower.trim()).then_some(Weakness::Common),
        (!password.is_empty() && password.chars().all(char::is_numeric)).then_some(Weakness::Numeric),
    ];
    found.into_iter().flatten().collect()
}

/// Like all of it, or like one of its words.
fn is_similar(password: &str, value: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let words = value.split(|letter| !is_word(letter));
    words.chain([value]).any(|word| !word.is_empty() && alike(password, word) >= ALIKE)
}

/// The letters two texts share, whatever their order, against all they have: `difflib.SequenceMatcher.quick_ratio`.
fn alike(one: &str, other: &str) -> f64 {
    let mut counts: HashMap<char, i64> = HashMap::new();
    for letter in other.chars() {
        *counts.entry(letter).or_default() += 1;
    }
    let shared = one.chars().filter(|letter| {
        counts.get_mut(letter).is_some_and(|count| {
            *count -= 1;
            *count >= 0
        })
    });
    let shared = shared.count();
    2.0 * shared as f64 / (one.chars().count() + other.chars().count()) as f64
}

const COMMON: &[&str] = &[
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "1qaz@wsx",
    "1qazxsw2",
    "aa123456",
    "abc12345",
    "abcd1234",
    "abcdefgh",
    "access14",
    "admin123",
    "admin1234",
    "adminadmin",
    "administrator",
    "alexander",
    "asdf1234",
    "asdfasdf",
    "asdfghjk",
    "asdfghjkl",
    "baseball",
    "basketball",
    "benjamin",
    "bigdaddy",
    "butterfly",
    "caroline",
    "changeme",
    "charlie1",
    "charlotte",
    "chocolate",
    "christian",
    "christopher",
    "computer",
    "consumer",
    "corvette",
    "courtney",
    "danielle",
    "december",
    "default1",
    "diamonds",
    "dolphins",
    "dragon12",
    "einstein",
    "elephant",
    "elizabeth",
    "fernando",
    "firebird",
    "florence",
    "football",
    "football1",
    "freedom1",
    "friendly",
    "garfield",
    "hardcore",
    "harrypotter",
    "hello123",
    "hello1234",
    "helloworld",
    "iloveyou",
    "iloveyou1",
    "iloveyou2",
    "infinity",
    "internet",
    "jennifer",
    "jonathan",
    "jordan23",
    "kimberly",
    "letmein1",
    "letmein!",
    "letmein123",
    "liverpool",
    "liverpool1",
    "lovelove",
    "maradona",
    "marlboro",
    "master12",
    "mercedes",
    "metallica",
    "michael1",
    "michelle",
    "midnight",
    "monkey12",
    "mustang1",
    "mypassword",
    "nicholas",
    "november",
    "p@ssw0rd",
    "p@ssword",
    "pa$$w0rd",
    "pa55word",
    "panthers",
    "pass1234",
    "passpass",
    "passw0rd",
    "password",
    "password!",
    "password1",
    "password12",
    "password123",
    "password1234",
    "password2",
    "patricia",
    "personal",
    "platinum",
    "pokemon1",
    "porsche9",
    "princess",
    "princess1",
    "q1w2e3r4",
    "q1w2e3r4t5",
    "qazwsxedc",
    "qwer1234",
    "qwerasdf",
    "qwerty12",
    "qwerty123",
    "qwerty1234",
    "qwertyui",
    "qwertyuiop",
    "rangers1",
    "redskins",
    "rush2112",
    "samantha",
    "scorpion",
    "secret12",
    "secret123",
    "september",
    "sergeant",
    "snowball",
    "spiderman",
    "starwars",
    "steelers",
    "stephanie",
    "sunshine",
    "sunshine1",
    "superman",
    "superman1",
    "superuser",
    "swordfish",
    "test1234",
    "testtest",
    "thunder1",
    "trustno1",
    "univers1",
    "valentina",
    "veronica",
    "victoria",
    "vladimir",
    "welcome1",
    "welcome123",
    "whatever",
    "william1",
    "yankees1",
    "zaq12wsx",
    "zaq1zaq1",
    "zxcvbnm1",
    "zxcvbnm123",
    "zxcvbnmm",
];

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: [(&str, &str); 2] = [("username", "ada.lovelace"), ("email address", "countess@example.org")];

    #[test]
    fn a_password_is_weak_where_django_says_so() {
        // Each said by Django 5.2 itself (`validate_password`, with the default validators), but for the longer list.
        for (password, expected) in [
            ("korrekt-pferd", vec![]),
            ("short1", vec![Weakness::Short]),
            ("4711081542", vec![Weakness::Numeric]),
            ("٤٧١١٠٨١٥٤٢", vec![Weakness::Numeric]),
            ("1234", vec![Weakness::Short, Weakness::Numeric]),
            ("Password123", vec![Weakness::Common]),
            ("lovelace1", vec![Weakness::Similar("username")]),
            ("Lovelace.Ada", vec![Weakness::Similar("username")]),
            ("xcountess", vec![Weakness::Similar("email address")]),
            ("lovelace-and-much-more-of-it", vec![]),
        ] {
            assert_eq!(weaknesses(password, &ADA), expected, "{password}");
        }
    }

    #[test]
    fn empty_values_are_like_nothing() {
        assert_eq!(weaknesses("korrekt-pferd", &[("username", ""), ("email address", "@")]), []);
    }

    #[test]
    fn the_list_is_in_lower_case_and_holds_what_the_other_rules_let_pass() {
        for password in COMMON {
            assert_eq!(weaknesses(password, &[]), [Weakness::Common], "{password}");
            assert_eq!(**password, password.to_lowercase());
        }
    }
}
