//! Which methods a rule is about: `crypto.CryptoService/GetCoin`, `crypto.CryptoService`, `crypto.*`, `*`.

use std::{borrow::Cow, fmt};

/// Methods by name. The more it says, the more it weighs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Every method.
    All,
    /// Every service whose full name begins so; ends in a dot: `crypto.`.
    Package(Cow<'static, str>),
    /// One service.
    Service(Cow<'static, str>),
    /// One method.
    Method(Cow<'static, str>, Cow<'static, str>),
}

impl Pattern {
    /// Reads a pattern; the path of a method as on the wire is one too.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} names no methods; write package.Service/Method, package.Service, package.* or *");
        let bare = text.strip_prefix('/').unwrap_or(text);
        let is_name = |name: &str| {
            !name.is_empty()
                && name.split('.').all(|part| {
                    !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
                })
        };
        let own = |text: &str| Cow::Owned(text.to_owned());
        match bare.split_once('/') {
            _ if bare == "*" => Ok(Self::All),
            None if bare.strip_suffix(".*").is_some_and(is_name) => Ok(Self::Package(own(&bare[..bare.len() - 1]))),
            None | Some((_, "*")) => {
                let service = bare.strip_suffix("/*").unwrap_or(bare);
                if is_name(service) { Ok(Self::Service(own(service))) } else { Err(wrong()) }
            }
            Some((service, method)) if is_name(service) && is_name(method) => {
                Ok(Self::Method(own(service), own(method)))
            }
            Some(_) => Err(wrong()),
        }
    }

    /// Whether it is about this method.
    pub fn fits(&self, service: &str, method: &str) -> bool {
        match self {
            Self::All => true,
            Self::Package(prefix) => service.starts_with(prefix.as_ref()),
            Self::Service(own) => own == service,
            Self::Method(own, name) => own == service && name == method,
        }
    }

    /// How much it says: of two that fit, the heavier one counts.
    pub fn weight(&self) -> (u8, usize) {
        match self {
            Self::All => (0, 0),
            Self::Package(prefix) => (1, prefix.len()),
            Self::Service(_) => (2, 0),
            Self::Method(..) => (3, 0),
        }
    }

    /// Names one service or one method, not a group of them.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Method(..))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Package(prefix) => write!(f, "{prefix}*"),
            Self::Service(service) => f.write_str(service),
            Self::Method(service, method) => write!(f, "{service}/{method}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_pattern_reads_as_it_shows() {
        for text in ["*", "crypto.*", "a.b.*", "crypto.CryptoService", "Bare", "crypto.CryptoService/GetCoin"] {
            assert_eq!(Pattern::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Pattern::read("/crypto.CryptoService/GetCoin"), Pattern::read("crypto.CryptoService/GetCoin"));
        assert_eq!(Pattern::read("crypto.CryptoService/*"), Pattern::read("crypto.CryptoService"));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "/", "**", "a.*.b", "*.a", "a/", "/a/", "a/b/c", "a.Service/Get*", "a b", ".a", "a..b", "ä"] {
            assert!(Pattern::read(text).is_err(), "{text:?}");
        }
    }
}
