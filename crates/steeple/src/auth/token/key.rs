//! One key that verifies, read from the text in the configuration, and bound to the algorithms of its kind.
//!
//! A text with PEM lines is a public key, any other is an HMAC secret. Which algorithms a key verifies is decided here,
//! once: the allowed ones of its family that it fits (a P-384 key is for ES384 alone). So a token cannot choose HMAC
//! for a text that is a public key.
//!
//! Must never: show anything of a key.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation, crypto,
    jwk::{AlgorithmParameters, Jwk},
};

use crate::auth::config::SECRET_BYTES;

/// Fewest bits of an RSA key (RFC 7518 section 3.3).
const RSA_BITS: usize = 2048;
const ED25519_BYTES: usize = 32;

/// A key and the algorithms it is for.
pub(super) struct VerifyingKey {
    pub key: DecodingKey,
    /// Says only which algorithms; the claims are judged by `claims.rs`.
    pub validation: Validation,
}

impl VerifyingKey {
    /// Reads a public key in PEM, or takes the text as an HMAC secret.
    ///
    /// # Errors
    /// What is wrong with the text, to be put behind the name of its key in the configuration.
    pub fn read(text: &str, allowed: &[Algorithm]) -> Result<Self, String> {
        if text.contains("-----BEGIN") {
            return Self::new(public(text)?, allowed);
        }
        if looks_public(text) {
            return Err("is a public key, but not in PEM: keep its BEGIN and END lines".to_owned());
        }
        if text.len() < SECRET_BYTES {
            return Err(format!("is neither PEM nor an HMAC secret of at least {SECRET_BYTES} bytes"));
        }
        Self::new(DecodingKey::from_secret(text.as_bytes()), allowed)
    }

    /// Binds a key to those of the allowed algorithms that it is for.
    ///
    /// # Errors
    /// It is for none of them, or too weak.
    pub fn new(key: DecodingKey, allowed: &[Algorithm]) -> Result<Self, String> {
        let family = key.family();
        let fitting: Vec<_> = allowed.iter().copied().filter(|algorithm| fits(&key, *algorithm)).collect();
        if family == AlgorithmFamily::Rsa {
            let bits = rsa_bits(&key).ok_or("holds an RSA key that cannot be read, or of more than 4096 bits")?;
            if bits < RSA_BITS {
                return Err(format!("is an RSA key of {bits} bits; it must have at least {RSA_BITS}"));
            }
        }
        let Some(first) = fitting.first() else {
            let kind = match family {
                AlgorithmFamily::Hmac => "an HMAC secret",
                AlgorithmFamily::Rsa => "an RSA key",
                AlgorithmFamily::Ec => "an EC key",
                AlgorithmFamily::Ed => "an Ed25519 key",
            };
            let names: Vec<_> = allowed.iter().map(|algorithm| format!("{algorithm:?}")).collect();
            return Err(format!("is {kind} that fits none of the allowed algorithms ({})", names.join(", ")));
        };
        let mut validation = Validation::new(*first);
        validation.algorithms = fitting;
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        Ok(Self { key, validation })
    }
}

/// A public key in PEM.
fn public(pem: &str) -> Result<DecodingKey, String> {
    if pem.contains("PRIVATE KEY-----") {
        return Err("is a private key; give its public half (`openssl pkey -pubout`)".to_owned());
    }
    if pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err("is a certificate; give its public key (`openssl x509 -pubkey -noout`)".to_owned());
    }
    let pem = pem.as_bytes();
    let read = DecodingKey::from_ec_pem(pem).or_else(|_| DecodingKey::from_ed_pem(pem));
    let read = read.or_else(|_| DecodingKey::from_rsa_pem(pem));
    let key = read.map_err(|_| "is not the PEM of an RSA, EC (P-256, P-384) or Ed25519 public key".to_owned())?;
    // The library looks at the first 32 bytes, whether they are there or not.
    let short = |key: &DecodingKey| key.try_get_as_bytes().is_ok_and(|bytes| bytes.len() != ED25519_BYTES);
    if key.family() == AlgorithmFamily::Ed && short(&key) {
        return Err("is no Ed25519 key: it does not have 32 bytes".to_owned());
    }
    Ok(key)
}

/// Whether a text without PEM lines is a public key all the same: as an HMAC secret it would be one that the world knows.
fn looks_public(text: &str) -> bool {
    let text = text.trim_start();
    if text.starts_with("ssh-") || text.starts_with('{') {
        return true;
    }
    let Ok(der) = STANDARD.decode(text.split_whitespace().collect::<String>()) else { return false };
    let armoured = |label: &str| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(&der));
    let rsa = || public(&armoured("RSA PUBLIC KEY")).is_ok_and(|key| rsa_bits(&key).is_some());
    public(&armoured("PUBLIC KEY")).is_ok() || rsa()
}

/// Whether signatures of this algorithm can be checked with the key.
fn fits(key: &DecodingKey, algorithm: Algorithm) -> bool {
    algorithm.family() == key.family() && crypto::verify("", b"", key, algorithm).is_ok()
}

/// The size of an RSA key, if it is one.
fn rsa_bits(key: &DecodingKey) -> Option<usize> {
    let jwk = Jwk::from_decoding_key(key, None).ok()?;
    let AlgorithmParameters::RSA(parameters) = jwk.algorithm else { return None };
    let modulus = URL_SAFE_NO_PAD.decode(parameters.n).ok()?;
    let leading = modulus.first()?.leading_zeros() as usize;
    Some(modulus.len() * 8 - leading)
}
