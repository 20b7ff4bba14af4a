//! Tokens that must be refused, whatever else changes: what attackers send.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use steeple::auth::Secret;

use super::{
    ED25519, P256, P384, RSA, RSA_OTHER, SECRET, Site, claims, hmac, key_of, now, signed, signs_with, token, with,
};

fn b64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Correctly signed with the secret of the site, with another header.
fn headed(header: &Value) -> String {
    signed(&header.to_string(), &claims().to_string(), Algorithm::HS256, &hmac())
}

/// Correctly signed, with claims that are no plain JSON value.
fn saying(claims: &str) -> String {
    signed(r#"{"alg":"HS256","typ":"JWT"}"#, claims, Algorithm::HS256, &hmac())
}

fn unsigned() -> Vec<(String, String)> {
    let mut all = vec![];
    for alg in ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", "HS256\0", "hs256", "HS257", "ES512"] {
        let front = format!("{}.{}", b64(&json!({ "alg": alg, "typ": "JWT" }).to_string()), b64(&claims().to_string()));
        let right = headed(&json!({ "alg": alg, "typ": "JWT" }));
        all.push((format!("alg {alg:?} without a signature"), format!("{front}.")));
        all.push((format!("alg {alg:?} without a second dot"), front.clone()));
        all.push((format!("alg {alg:?} with an empty text signed"), format!("{front}.{}", b64(""))));
        all.push((format!("alg {alg:?} with a signature"), right));
    }
    for alg in [json!(null), json!(0), json!(["HS256"]), json!({ "HS256": 1 }), json!(true)] {
        all.push((format!("alg {alg}"), headed(&json!({ "alg": alg }))));
    }
    all.push(("no alg".to_owned(), headed(&json!({ "typ": "JWT" }))));
    let twice = [r#"{"alg":"none","alg":"HS256"}"#, r#"{"alg":"HS256","alg":"none"}"#];
    let twice = twice.map(|header| signed(header, &claims().to_string(), Algorithm::HS256, &hmac()));
    all.extend(twice.map(|token| ("alg twice".to_owned(), token)));
    all
}

fn misheaded() -> Vec<(String, String)> {
    let headers = [
        json!({ "alg": "HS256", "kid": "unknown" }),
        json!({ "alg": "HS256", "kid": "" }),
        json!({ "alg": "HS256", "kid": "../../../../dev/null" }),
        json!({ "alg": "HS256", "kid": "' or 1=1 --" }),
        json!({ "alg": "HS256", "kid": 7 }),
        json!({ "alg": "HS256", "crit": ["exp"] }),
        json!({ "alg": "HS256", "crit": [] }),
        json!({ "alg": "HS256", "crit": ["b64"], "b64": false }),
        json!({ "alg": "HS256", "crit": "exp" }),
        json!({ "alg": "HS256", "cty": "JWT" }),
        json!({ "alg": "HS256", "typ": "JWE" }),
        json!({ "alg": "HS256", "typ": "dpop+jwt" }),
        json!({ "alg": "HS256", "zip": "DEF" }),
        json!({ "alg": "HS256", "enc": "A256GCM" }),
        json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }),
        json!({ "alg": "dir", "enc": "A128CBC-HS256" }),
        json!([]),
        json!("HS256"),
        json!(null),
    ];
    headers.into_iter().map(|header| (header.to_string(), headed(&header))).collect()
}

fn misclaimed() -> Vec<(String, String)> {
    let changes = [
        ("token_type", json!("refresh")),
        ("token_type", json!("Access")),
        ("token_type", json!("sliding")),
        ("token_type", json!("")),
        ("token_type", json!(null)),
        ("token_type", json!(["access"])),
        ("exp", json!(now() - 1)),
        ("exp", json!(now())),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(-1e300)),
        ("exp", json!(1e300)),
        ("exp", json!(now() as f64 + 300.5)),
        ("exp", json!(253_402_300_800_i64)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("exp", json!((now() + 300).to_string())),
        ("exp", json!(true)),
        ("exp", json!([now() + 300])),
        ("exp", json!(null)),
        ("nbf", json!(now() + 60)),
        ("nbf", json!(i64::MAX)),
        ("nbf", json!("now")),
        ("nbf", json!(1.5)),
        ("iat", json!("now")),
        ("user_id", json!(null)),
        ("user_id", json!(0)),
        ("user_id", json!(-7)),
        ("user_id", json!(7.0)),
        ("user_id", json!(true)),
        ("user_id", json!("")),
        ("user_id", json!("+7")),
        ("user_id", json!("07")),
        ("user_id", json!(" 7")),
        ("user_id", json!("7 or 1=1")),
        ("user_id", json!(u64::MAX)),
        ("user_id", json!("9223372036854775808")),
        ("user_id", json!([7])),
        ("user_id", json!({ "id": 7 })),
        ("jti", json!(null)),
        ("jti", json!("")),
        ("jti", json!(7)),
        ("jti", json!("\u{0}")),
        ("jti", json!("x".repeat(256))),
        ("iss", json!(["x"])),
        ("aud", json!("someone else")),
        ("aud", json!([])),
    ];
    let mut all: Vec<_> =
        changes.into_iter().map(|(name, value)| (format!("{name} {value}"), token(&with(name, value)))).collect();
    let right = claims().to_string();
    let inner = right.trim_start_matches('{').trim_end_matches('}');
    for text in [
        format!(r#"{{"user_id":1,{inner}}}"#),
        format!(r#"{{{inner},"user_id":1}}"#),
        format!(r#"{{{inner},"exp":{}}}"#, now() + 9000),
        format!(r#"{{"token_type":"refresh",{inner}}}"#),
        format!(r#"{{{inner},"jti":"2"}}"#),
        format!("{right}{right}"),
        format!("{right},"),
        format!("[{right}]"),
        format!("{{{inner}"),
        format!(r#"{{"exp":1e999,{inner}}}"#),
        // The same claims as a list, in the order of ours.
        json!(["access", now() + 300, null, now(), "51f7c8a1", 7, null, null, null]).to_string(),
        "{}".to_owned(),
        "null".to_owned(),
        String::new(),
        "\u{feff}{}".to_owned(),
        "[".repeat(4000),
        // Nested: a token as the claims of a token.
        token(&claims()),
        json!(token(&claims())).to_string(),
    ] {
        all.push((format!("claims {}", &text[..text.len().min(60)]), saying(&text)));
    }
    all
}

fn malformed() -> Vec<(String, String)> {
    let right = token(&claims());
    let parts: Vec<&str> = right.split('.').collect();
    let [header, body, signature] = parts[..] else { panic!("three parts") };
    let other = token(&with("user_id", json!(1)));
    let others: Vec<&str> = other.split('.').collect();
    let padded = |text: &str| format!("{text}=");
    let mut all = vec![
        ("nothing", String::new()),
        ("a dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("words", "not a token".to_owned()),
        ("its front", format!("{header}.{body}")),
        ("a fourth part", format!("{right}.{signature}")),
        ("five parts, as JWE has", format!("{header}.{header}.{body}.{body}.{signature}")),
        ("no header", format!(".{body}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("no signature", format!("{header}.{body}.")),
        ("the signature of another", format!("{header}.{body}.{}", others[2])),
        ("the claims of another", format!("{header}.{}.{signature}", others[1])),
        ("half a signature", format!("{header}.{body}.{}", &signature[..20])),
        ("more signature", format!("{header}.{body}.{signature}AAAA")),
        ("padding", format!("{header}.{body}.{}", padded(signature))),
        ("padding of the header", format!("{}.{body}.{signature}", padded(header))),
        ("a space before", format!(" {right}")),
        ("a space after", format!("{right} ")),
        ("a line after", format!("{right}\n")),
        ("a NUL after", format!("{right}\0")),
        ("the scheme", format!("Bearer {right}")),
        ("quotes", format!("{right:?}")),
        ("other letters", right.replace('e', "é")),
        ("the other alphabet", format!("{header}.{body}.{}", "+/".repeat(21) + "A")),
        ("in JSON", json!({ "token": right }).to_string()),
        ("upper case", right.to_uppercase()),
        (
            "another secret",
            signed(
                r#"{"alg":"HS256"}"#,
                &claims().to_string(),
                Algorithm::HS256,
                &EncodingKey::from_secret(format!("{SECRET}.").as_bytes()),
            ),
        ),
        (
            "an empty secret",
            signed(r#"{"alg":"HS256"}"#, &claims().to_string(), Algorithm::HS256, &EncodingKey::from_secret(b"")),
        ),
        ("more than 8 KiB", token(&with("padding", json!("x".repeat(6 * 1024))))),
        ("a megabyte", "a".repeat(1 << 20)),
        ("dots", ".".repeat(8000)),
    ];
    for (name, text) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
        let header = json!({ "alg": name }).to_string();
        all.push(("an algorithm that is not allowed", signed(&header, &claims().to_string(), text, &hmac())));
    }
    all.into_iter().map(|(what, token)| (what.to_owned(), token)).collect()
}

/// What each is, and the token: none is valid where [`SECRET`] signs with HS256.
pub fn all() -> Vec<(String, String)> {
    [unsigned(), misheaded(), misclaimed(), malformed()].concat()
}

#[tokio::test]
async fn none_of_it_is_accepted() {
    let site = Site::new(|_| ()).await;
    site.verify(&token(&claims())).expect("what the others are made from is right");
    for (what, token) in all() {
        let log = site.refused(&what, &token);
        assert!(token.len() < 8 || !log.contains(&token), "{what}: the log has the token");
    }
}

#[tokio::test]
async fn just_below_8_kib_is_still_looked_at() {
    let site = Site::new(|_| ()).await;
    let long = token(&with("padding", json!("x".repeat(5900))));
    assert!((7900..8192).contains(&long.len()), "{}", long.len());
    site.verify(&long).unwrap();
}

/// The classic: a site that verifies with a public key is sent a token signed by HMAC with the text of that key.
#[tokio::test]
async fn a_public_key_is_no_hmac_secret() {
    for (name, algorithm, pem) in [
        ("RS256", Algorithm::RS256, &RSA),
        ("PS256", Algorithm::PS256, &RSA),
        ("ES256", Algorithm::ES256, &P256),
        ("ES384", Algorithm::ES384, &P384),
        ("EdDSA", Algorithm::EdDSA, &ED25519),
    ] {
        let own = signs_with(name, pem);
        // Even a site that allows HMAC for another key.
        let site = Site::new(|config| {
            own(config);
            config.jwt_algorithms = [name, "HS256", "HS384", "HS512"].map(str::to_owned).into();
            config.jwt_verifying_keys.insert("public".to_owned(), Secret::new(pem.public));
            config.jwt_verifying_keys.insert("hmac".to_owned(), Secret::new(SECRET));
        })
        .await;
        let right = json!({ "alg": name }).to_string();
        let claims = claims().to_string();
        site.verify(&signed(&right, &claims, algorithm, &key_of(algorithm, pem))).unwrap();
        let der: String = pem.public.lines().filter(|line| !line.starts_with('-')).collect();
        let texts = [pem.public, pem.public.trim(), &pem.public.replace('\n', "\r\n"), &der, pem.private, SECRET, ""];
        for secret in texts {
            for hmac in ["HS256", "HS384", "HS512", name] {
                for kid in [None, Some("public")] {
                    let mut header = json!({ "alg": hmac });
                    if let Some(kid) = kid {
                        header["kid"] = json!(kid);
                    }
                    let algorithm = hmac.parse().ok().filter(|found| *found != algorithm).unwrap_or(Algorithm::HS256);
                    let secret = EncodingKey::from_secret(secret.as_bytes());
                    let forged = signed(&header.to_string(), &claims, algorithm, &secret);
                    site.refused(&format!("{name} as {hmac}, kid {kid:?}"), &forged);
                }
            }
        }
        let other = signed(&right, &claims, Algorithm::RS256, &key_of(Algorithm::RS256, &RSA_OTHER));
        site.refused("signed with the key of somebody else", &other);
        // A key that the token brings along is not used.
        let jwk =
            json!({ "alg": "RS256", "jwk": { "kty": "RSA", "n": "AQAB", "e": "AQAB" }, "jku": "http://127.0.0.1/" });
        let brought = signed(&jwk.to_string(), &claims, Algorithm::RS256, &key_of(Algorithm::RS256, &RSA_OTHER));
        site.refused("brings its own key", &brought);
    }
}
