//! The keys of a site: the one that signs, its own public half, and those of others by `kid`.
//!
//! A token without a `kid` is checked with the site's own key; one with a `kid` with that key or not at all. Rotation:
//! make the next key under its own `jwt_key_id`, and leave the public half of the former one in `jwt_verifying_keys`
//! until its last tokens have expired.

use std::{collections::BTreeMap, fmt, str::FromStr as _};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, decode, encode,
    errors::{Error, ErrorKind},
    jwk::Jwk,
};
use serde::Serialize;

use super::key::VerifyingKey;
use crate::auth::{Config, Secret};

pub(super) struct Keys {
    header: Header,
    signing: EncodingKey,
    own: VerifyingKey,
    others: BTreeMap<String, VerifyingKey>,
}

impl Keys {
    /// # Errors
    /// A sentence that begins with the key of the configuration that cannot be used.
    pub fn new(config: &Config, secret: &Secret) -> Result<Self, String> {
        let algorithm = |key: &str, name: &str| {
            Algorithm::from_str(name).map_err(|_| format!("auth.{key}: there is no algorithm {name:?}"))
        };
        let signs = algorithm("jwt_algorithm", &config.jwt_algorithm)?;
        let allowed = config.algorithms().into_iter().map(|name| algorithm("jwt_algorithms", name));
        let allowed = allowed.collect::<Result<Vec<_>, _>>()?;
        let (signing, own) = own(signs, &allowed, config, secret)?;
        let mut others = BTreeMap::new();
        for (kid, text) in &config.jwt_verifying_keys {
            let about = |wrong: String| format!("auth.jwt_verifying_keys.{kid}: {wrong}");
            if config.jwt_key_id.as_deref() == Some(kid) {
                let wrong = "is the name of this site's own key (auth.jwt_key_id), which verifies without being listed";
                return Err(about(wrong.to_owned()));
            }
            others.insert(kid.clone(), VerifyingKey::read(text.expose(), &allowed).map_err(about)?);
        }
        let mut header = Header::new(signs);
        header.kid.clone_from(&config.jwt_key_id);
        Ok(Self { header, signing, own, others })
    }

    /// The key that tokens with this `kid` must be signed with.
    pub fn verifying(&self, kid: Option<&str>) -> Option<&VerifyingKey> {
        match kid {
            None => Some(&self.own),
            kid if kid == self.header.kid.as_deref() => Some(&self.own),
            Some(kid) => self.others.get(kid),
        }
    }

    pub fn sign(&self, claims: &impl Serialize) -> Result<String, Error> {
        encode(&self.header, claims, &self.signing)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.header.kid.iter().chain(self.others.keys()).collect();
        f.debug_struct("Keys").field("alg", &self.header.alg).field("kids", &kids).finish_non_exhaustive()
    }
}

/// The key that signs, and the one that verifies what it signed.
fn own(
    signs: Algorithm,
    allowed: &[Algorithm],
    config: &Config,
    secret: &Secret,
) -> Result<(EncodingKey, VerifyingKey), String> {
    if signs.family() == AlgorithmFamily::Hmac {
        let secret = secret.expose().as_bytes();
        let verifying = VerifyingKey::new(DecodingKey::from_secret(secret), allowed);
        let verifying = verifying.map_err(|wrong| format!("auth.secret_key: {wrong}"))?;
        return Ok((EncodingKey::from_secret(secret), verifying));
    }
    let about = |wrong: String| format!("auth.jwt_signing_key: {wrong}");
    let pem = config.jwt_signing_key.as_ref().map(Secret::expose);
    let pem = pem.ok_or_else(|| about(format!("is needed to sign with {signs:?}: a private key in PEM")))?;
    let unfit = || {
        let more = match signs.family() {
            _ if pem.contains("ENCRYPTED") => "it is encrypted; decrypt it with `openssl pkey`",
            AlgorithmFamily::Ec if pem.contains("BEGIN EC PRIVATE KEY") => {
                "it is in SEC1 form; convert it with `openssl pkcs8 -topk8 -nocrypt`"
            }
            AlgorithmFamily::Ec if signs == Algorithm::ES256 => {
                "`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one"
            }
            AlgorithmFamily::Ec => "`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384` makes one",
            AlgorithmFamily::Ed => "`openssl genpkey -algorithm ed25519` makes one",
            _ => "`openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072` makes one",
        };
        about(format!("is no private key in PEM that {signs:?} can use; {more}"))
    };
    let bytes = pem.as_bytes();
    let read = match signs.family() {
        AlgorithmFamily::Ec => EncodingKey::from_ec_pem(bytes),
        AlgorithmFamily::Ed => EncodingKey::from_ed_pem(bytes),
        _ => EncodingKey::from_rsa_pem(bytes),
    };
    let signing = read.map_err(|_| unfit())?;
    let public = Jwk::from_encoding_key(&signing, signs).and_then(|jwk| DecodingKey::from_jwk(&jwk));
    let verifying = VerifyingKey::new(public.map_err(|_| unfit())?, allowed).map_err(about)?;
    // A key that reads well and signs badly is found now, and not at the first login.
    let trial = encode(&Header::new(signs), &BTreeMap::<&str, &str>::new(), &signing);
    let trial =
        trial.and_then(|token| decode::<BTreeMap<String, String>>(token, &verifying.key, &verifying.validation));
    if trial.is_err() { Err(unfit()) } else { Ok((signing, verifying)) }
}

/// Why a token was refused, for the log: what the library says, without what it found, which came from outside.
pub(super) fn because(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => "its signature does not fit",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => "its key is not for the algorithm it names",
        ErrorKind::Base64(_) | ErrorKind::InvalidToken | ErrorKind::Utf8(_) => "it is not in the form of a token",
        ErrorKind::Json(_) => "a claim is missing, given twice or of the wrong type",
        _ => "it could not be checked",
    }
}
