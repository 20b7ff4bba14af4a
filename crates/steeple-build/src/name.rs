//! Names: what a proto calls a thing, and what Rust calls it.
//!
//! Must never: disagree with prost about a name that prost makes; those are asked of prost.

/// `CryptoService` to `crypto_service`, `HTTPGate` to `http_gate`; a keyword becomes a raw name.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, c) in chars.iter().enumerate() {
        let after_lower = at > 0 && !chars[at - 1].is_uppercase() && chars[at - 1] != '_';
        let before_lower =
            at > 0 && chars[at - 1].is_uppercase() && chars.get(at + 1).is_some_and(|c| c.is_lowercase());
        if c.is_uppercase() && (after_lower || before_lower) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    if is_rust(&out) { out } else { format!("r#{out}") }
}

/// Whether a folder or file may be a Rust module: an identifier, no keyword.
pub(crate) fn is_rust(name: &str) -> bool {
    syn::parse_str::<syn::Ident>(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::snake;

    #[test]
    fn words_are_told_apart() {
        assert_eq!(snake("CryptoService"), "crypto_service");
        assert_eq!(snake("HTTPGate"), "http_gate");
        assert_eq!(snake("V2Pings"), "v2_pings");
        assert_eq!(snake("Match"), "r#match");
    }
}
