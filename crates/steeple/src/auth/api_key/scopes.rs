//! What a key may be used for.
//!
//! | scope | opens |
//! |---|---|
//! | `*` | everything its user may do |
//! | `crypto.*` | the services of a package |
//! | `crypto.CryptoService`, `crypto.CryptoService/*` | one service |
//! | `crypto.CryptoService/GetCoin` | one method |
//! | `orders:write` | what asks for this name: methods with `Access::scope("orders:write")`, and code that calls `has_scope` |
//!
//! Scopes only narrow: what the key's user may not do, no scope opens.
//!
//! Must never: read a scope that it does not understand as one that opens more.

use std::fmt;

use crate::{auth::pattern::Pattern, method::Method};

/// Scopes of one key at most.
const MOST: usize = 100;
/// Bytes of one scope at most.
const LONGEST: usize = 200;

/// The scopes of one key.
#[derive(Clone, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

#[derive(Clone, PartialEq, Eq)]
struct Scope {
    text: String,
    /// The methods it is about; `None` for a plain name.
    methods: Option<Pattern>,
}

impl Scopes {
    /// `*`: everything the key's user may do.
    pub fn all() -> Self {
        Self(vec![Scope { text: "*".to_owned(), methods: Some(Pattern::All) }])
    }

    /// Nothing at all.
    pub(super) fn none() -> Self {
        Self(vec![])
    }

    /// Reads scopes; none given means `*`.
    ///
    /// # Errors
    /// The first that cannot be read, or that they are too many.
    pub fn read<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let mut scopes = Vec::<Scope>::new();
        for text in texts {
            let scope = Scope::read(text.as_ref())?;
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        match scopes.len() {
            0 => Ok(Self::all()),
            1..=MOST => Ok(Self(scopes)),
            many => Err(format!("{many} scopes are too many: a key has at most {MOST}")),
        }
    }

    /// As the database has them. An empty list there opens nothing.
    pub(super) fn from_json(json: &str) -> Result<Self, String> {
        let texts: Vec<String> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if texts.is_empty() { Ok(Self::none()) } else { Self::read(texts) }
    }

    /// As the database has them: a JSON array of texts.
    pub(super) fn to_json(&self) -> String {
        self.iter().collect::<serde_json::Value>().to_string()
    }

    /// Whether they open this method.
    pub fn allow(&self, method: &Method) -> bool {
        self.0.iter().any(|scope| scope.opens(method))
    }

    /// Whether this one is among them, or `*` is.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|scope| scope.text == name || scope.methods == Some(Pattern::All))
    }

    /// The scopes, as they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|scope| scope.text.as_str())
    }

    /// Those that are about methods and open none of these: slips of the pen.
    pub(crate) fn about_nothing<'a>(&'a self, methods: &[&Method]) -> impl Iterator<Item = &'a str> {
        let idle = |scope: &&Scope| {
            let limits = scope.methods.as_ref().is_some_and(|pattern| *pattern != Pattern::All);
            limits && !methods.iter().any(|method| scope.opens(method))
        };
        self.0.iter().filter(idle).map(|scope| scope.text.as_str())
    }
}

impl Scope {
    fn read(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a scope has at most {LONGEST} bytes"));
        }
        let methods = if text.contains(['/', '*']) {
            Some(Pattern::read(text).map_err(|_| wrong(text))?)
        } else {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | ':' | '-');
            if text.is_empty() || !text.chars().all(plain) {
                return Err(wrong(text));
            }
            // A name with a dot may be a service; one without is never taken for a service outside any package.
            Pattern::read(text).ok().filter(|_| text.contains('.'))
        };
        Ok(Self { text: text.to_owned(), methods })
    }

    fn opens(&self, method: &Method) -> bool {
        self.methods.as_ref().is_some_and(|pattern| pattern.fits(&method.service, &method.name))
    }
}

fn wrong(text: &str) -> String {
    format!(
        "{text:?} is no scope; write *, package.*, package.Service/*, package.Service/Method, or a name such as orders:write"
    )
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.iter().collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn method(service: &str, name: &str) -> Method {
        Method::other(&format!("/{service}/{name}"))
    }

    fn scopes(texts: &[&str]) -> Scopes {
        Scopes::read(texts).unwrap()
    }

    #[test]
    fn each_kind_opens_what_it_says_and_no_more() {
        let get = method("crypto.CryptoService", "GetCoin");
        for (scope, opens) in [
            ("*", true),
            ("crypto.*", true),
            ("crypto.CryptoService", true),
            ("crypto.CryptoService/*", true),
            ("crypto.CryptoService/GetCoin", true),
            ("crypto.CryptoService/GetCoins", false),
            ("crypto.CryptoService/getcoin", false),
            ("crypto.Crypto", false),
            ("crypto.CryptoService.More/*", false),
            ("crypt.*", false),
            ("crypto.CryptoService.*", false),
            ("orders:write", false),
            ("crypto", false),
        ] {
            assert_eq!(scopes(&[scope]).allow(&get), opens, "{scope}");
        }
        assert!(!scopes(&["crypto.*"]).allow(&method("cryptography.Service", "Get")));
        assert!(!scopes(&["Greeter"]).allow(&method("Greeter", "Hello")), "a plain name");
        assert!(scopes(&["Greeter/*"]).allow(&method("Greeter", "Hello")));
    }

    #[test]
    fn a_name_is_held_when_it_is_there_or_all_is() {
        let some = scopes(&["orders:write", "crypto.*"]);
        assert!(some.has("orders:write"));
        for other in ["orders:read", "orders", "orders:writer", "", "*", "crypto.Service"] {
            assert!(!some.has(other), "{other}");
        }
        assert!(Scopes::all().has("anything"));
    }

    #[test]
    fn none_given_is_all_and_none_kept_is_nothing() {
        let any = method("a.B", "C");
        assert_eq!(Scopes::read::<&str>([]), Ok(Scopes::all()));
        let nothing = Scopes::from_json("[]").unwrap();
        assert!(!nothing.allow(&any) && !nothing.has("x"));
        for wrong in ["", "{}", "null", "[1]", "[\"a b\"]", "\"*\""] {
            assert!(Scopes::from_json(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        let long = "a".repeat(201);
        for text in ["", " ", "a b", "**", "orders:*", "a.*.b", "crypto.CryptoService/Get*", "ä", "a\0", "a/b/c", &long]
        {
            assert!(Scopes::read([text]).is_err(), "{text}");
        }
        assert!(Scopes::read((0..101).map(|at| format!("scope{at}"))).is_err());
        assert_eq!(Scopes::read((0..101).map(|_| "same")), Scopes::read(["same"]));
    }

    #[test]
    fn a_scope_about_nothing_that_is_served_is_told() {
        let get = method("crypto.CryptoService", "GetCoin");
        let given = scopes(&["crypto.*", "*", "orders:write", "crypto.CrytoService/*", "crypto.CryptoService/Got"]);
        let idle: Vec<_> = given.about_nothing(&[&get]).collect();
        assert_eq!(idle, ["crypto.CrytoService/*", "crypto.CryptoService/Got"]);
    }

    /// Few names, so that they meet.
    fn service() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]{1,2}", 1..4).prop_map(|parts| parts.join("."))
    }

    proptest! {
        #[test]
        fn a_method_is_open_exactly_if_one_scope_spells_it(
            service in service(),
            name in "[AB]",
            given in prop::collection::vec((service(), "[AB]", 0..5_u8), 0..4),
        ) {
            let texts: Vec<_> = given.iter().map(|(service, name, kind)| match kind {
                0 => format!("{service}.*"),
                1 => format!("{service}/*"),
                2 => format!("{service}/{name}"),
                3 => format!("{service}:{name}"),
                _ => format!("/{service}/{name}"),
            }).collect();
            let spelled = given.iter().any(|(other, method, kind)| match kind {
                0 => service.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('.')),
                1 => service == *other,
                3 => false,
                _ => service == *other && name == *method,
            });
            let scopes = Scopes::read(&texts).unwrap();
            prop_assert_eq!(scopes.allow(&method(&service, &name)), spelled || texts.is_empty());
            prop_assert_eq!(Scopes::from_json(&scopes.to_json()), Ok(scopes));
        }

        #[test]
        fn more_scopes_never_open_less(
            service in service(), texts in prop::collection::vec("[ab]{1,2}(\\.\\*|/[AB]|/\\*)", 1..5),
        ) {
            let method = method(&service, "A");
            let fewer = Scopes::read(&texts[..1]).unwrap();
            let more = Scopes::read(&texts).unwrap();
            prop_assert!(!fewer.allow(&method) || more.allow(&method));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Ok(scopes) = Scopes::read([&text]) {
                prop_assert_eq!(scopes.iter().collect::<Vec<_>>(), [&text]);
            }
        }
    }
}
