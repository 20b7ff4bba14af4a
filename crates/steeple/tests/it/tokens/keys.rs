//! The keys of a site: which it takes, which it refuses to start with, and how they are rotated.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use steeple::auth::{ALGORITHMS, Config, Secret};

use super::{
    CERTIFICATE, ED25519, P256, P256_SEC1, P384, RSA, RSA_OTHER, RSA_WEAK, SECRET, Site, claims, hmac, key_of, signed,
    signs_with, token, user,
};
use crate::databases::Database;

const OLD: &str = "a secret that signed until last year, also long";

#[tokio::test]
async fn every_algorithm_signs_and_verifies() {
    let database = Database::sqlite().await.unwrap();
    for name in ALGORITHMS {
        let mut config = Config::default();
        match &name[..2] {
            "HS" => config.jwt_algorithm = name.to_owned(),
            "ES" => signs_with(name, if name == "ES256" { &P256 } else { &P384 })(&mut config),
            "Ed" => signs_with(name, &ED25519)(&mut config),
            _ => signs_with(name, &RSA)(&mut config),
        }
        config.jwt_key_id = Some("2026".to_owned());
        let tokens = super::families::tokens(&database, &config).await;
        let pair = tokens.issue(&user(7)).await.unwrap();
        let header = jsonwebtoken::decode_header(pair.access.expose()).unwrap();
        assert_eq!((format!("{:?}", header.alg).as_str(), header.kid.as_deref()), (name, Some("2026")));
        assert_eq!(tokens.verify_access(pair.access.expose()).unwrap().user_id, 7, "{name}");
        tokens.verify_refresh(pair.refresh.expose()).unwrap();
    }
}

#[tokio::test]
async fn a_token_is_checked_with_the_key_its_kid_names_and_no_other() {
    let own = signs_with("RS256", &RSA);
    let site = Site::new(|config| {
        own(config);
        config.jwt_key_id = Some("2026".to_owned());
        config.jwt_algorithms = ["RS256", "ES256", "ES384", "EdDSA", "HS256"].map(str::to_owned).into();
        for (kid, text) in [
            ("rsa", RSA_OTHER.public),
            ("p256", P256.public),
            ("p384", P384.public),
            ("ed", ED25519.public),
            ("old", OLD),
        ] {
            config.jwt_verifying_keys.insert(kid.to_owned(), Secret::new(text));
        }
    })
    .await;
    let keys = [
        ("2026", Algorithm::RS256, key_of(Algorithm::RS256, &RSA)),
        ("rsa", Algorithm::RS256, key_of(Algorithm::RS256, &RSA_OTHER)),
        ("p256", Algorithm::ES256, key_of(Algorithm::ES256, &P256)),
        ("p384", Algorithm::ES384, key_of(Algorithm::ES384, &P384)),
        ("ed", Algorithm::EdDSA, key_of(Algorithm::EdDSA, &ED25519)),
        ("old", Algorithm::HS256, EncodingKey::from_secret(OLD.as_bytes())),
    ];
    let claims = claims().to_string();
    for (signer, algorithm, key) in &keys {
        for (kid, ..) in &keys {
            let header = json!({ "alg": format!("{algorithm:?}"), "kid": kid }).to_string();
            let token = signed(&header, &claims, *algorithm, key);
            if kid == signer {
                site.verify(&token).unwrap_or_else(|error| panic!("{kid}: {}", error.for_log()));
            } else {
                site.refused(&format!("signed with {signer}, named {kid}"), &token);
            }
        }
        let bare = json!({ "alg": format!("{algorithm:?}") }).to_string();
        let token = signed(&bare, &claims, *algorithm, key);
        assert_eq!(
            site.verify(&token).is_ok(),
            *signer == "2026",
            "without a kid it is the site's own key, not {signer}"
        );
    }
}

#[tokio::test]
async fn keys_change_without_logging_anybody_out() {
    let database = Database::sqlite().await.unwrap();
    let mut before = Config { jwt_key_id: Some("2025".to_owned()), ..Config::default() };
    signs_with("EdDSA", &ED25519)(&mut before);
    let old = super::families::tokens(&database, &before).await;
    let pair = old.issue(&user(7)).await.unwrap();

    let mut after = Config { jwt_key_id: Some("2026".to_owned()), ..Config::default() };
    signs_with("ES256", &P256)(&mut after);
    after.jwt_algorithms = ["ES256", "EdDSA"].map(str::to_owned).into();
    after.jwt_verifying_keys.insert("2025".to_owned(), Secret::new(ED25519.public));
    let new = super::families::tokens(&database, &after).await;
    assert_eq!(new.verify_access(pair.access.expose()).unwrap().user_id, 7);
    let next = new.rotate(new.verify_refresh(pair.refresh.expose()).unwrap()).await.unwrap();
    new.verify_access(next.access.expose()).unwrap();
    old.verify_access(next.access.expose()).unwrap_err();

    after.jwt_verifying_keys.clear();
    let later = super::families::tokens(&database, &after).await;
    later.verify_access(pair.access.expose()).unwrap_err();
    later.verify_access(next.access.expose()).unwrap();
}

/// Why a site does not start.
async fn problem(configure: impl FnOnce(&mut Config)) -> String {
    match Site::tried(configure).await {
        Ok(_) => panic!("it starts"),
        Err(problem) => {
            assert!(!problem.contains("BEGIN PUBLIC") && !problem.contains(OLD), "{problem}");
            problem
        }
    }
}

#[tokio::test]
async fn a_bad_verifying_key_keeps_the_site_from_starting() {
    let der: String = RSA.public.lines().filter(|line| !line.starts_with('-')).collect();
    let broken = RSA.public.replace("MII", "MIJ");
    for (text, says) in [
        ("too short", "neither PEM nor an HMAC secret of at least 32 bytes"),
        ("", "neither PEM nor"),
        (RSA.private, "is a private key; give its public half"),
        (P256_SEC1, "is a private key"),
        (CERTIFICATE, "is a certificate"),
        (RSA_WEAK.public, "an RSA key of 1024 bits"),
        (&broken, "is not the PEM of an RSA, EC (P-256, P-384) or Ed25519 public key"),
        ("-----BEGIN PUBLIC KEY-----", "is not the PEM"),
        (&der, "is a public key, but not in PEM"),
        ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7", "is a public key, but not in PEM"),
        (r#"{"kty":"RSA","n":"sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri","e":"AQAB"}"#, "not in PEM"),
        (P256.public, "is an EC key that fits none of the allowed algorithms (HS256, RS256, ES384)"),
        (ED25519.public, "is an Ed25519 key that fits none"),
        // 31 bytes where 32 belong: the library would look past their end.
        (
            "-----BEGIN PUBLIC KEY-----\nMCkwBQYDK2VwAyAAsXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsuQ==\n-----END PUBLIC KEY-----",
            "",
        ),
    ] {
        let problem = problem(|config| {
            config.jwt_algorithms = ["HS256", "RS256", "ES384"].map(str::to_owned).into();
            config.jwt_verifying_keys.insert("partner".to_owned(), Secret::new(text));
        })
        .await;
        assert!(problem.starts_with("auth.jwt_verifying_keys.partner: "), "{problem}");
        assert!(problem.contains(says), "{problem}");
    }
    let hmac = |config: &mut Config| {
        signs_with("RS256", &RSA)(config);
        config.jwt_verifying_keys.insert("partner".to_owned(), Secret::new(OLD));
    };
    let hmac = problem(hmac).await;
    assert_eq!(
        hmac,
        "auth.jwt_verifying_keys.partner: is an HMAC secret that fits none of the allowed algorithms (RS256)"
    );
    let twice = problem(|config| {
        config.jwt_key_id = Some("2026".to_owned());
        config.jwt_verifying_keys.insert("2026".to_owned(), Secret::new(OLD));
    })
    .await;
    assert!(twice.starts_with("auth.jwt_verifying_keys.2026: is the name of this site's own key"), "{twice}");
}

#[tokio::test]
async fn a_bad_signing_key_keeps_the_site_from_starting() {
    for (algorithm, text, says) in [
        ("RS256", RSA.public, "is no private key in PEM that RS256 can use"),
        ("RS256", P256.private, "rsa_keygen_bits:3072"),
        ("RS256", CERTIFICATE, "is no private key"),
        ("RS256", SECRET, "is no private key"),
        ("RS256", "", "is no private key"),
        ("PS512", RSA_WEAK.private, "is an RSA key of 1024 bits"),
        ("ES256", P384.private, "ec_paramgen_curve:P-256"),
        ("ES384", P256.private, "ec_paramgen_curve:P-384"),
        ("ES256", P256_SEC1, "it is in SEC1 form; convert it with `openssl pkcs8 -topk8 -nocrypt`"),
        ("EdDSA", P256.private, "ed25519"),
        ("EdDSA", ED25519.public, "is no private key"),
    ] {
        let problem = problem(|config| {
            config.jwt_algorithm = algorithm.to_owned();
            config.jwt_signing_key = Some(Secret::new(text));
        })
        .await;
        assert!(problem.starts_with("auth.jwt_signing_key: ") && problem.contains(says), "{algorithm}: {problem}");
    }
    let none = problem(|config| config.jwt_algorithm = "ES256".to_owned()).await;
    assert_eq!(none, "auth.jwt_signing_key: is needed to sign with ES256: a private key in PEM");
    let strange = problem(|config| config.jwt_algorithm = "none".to_owned()).await;
    assert_eq!(strange, r#"auth.jwt_algorithm: there is no algorithm "none""#);
    let strange = problem(|config| config.jwt_algorithms = vec!["HS256".to_owned(), "ES512".to_owned()]).await;
    assert_eq!(strange, r#"auth.jwt_algorithms: there is no algorithm "ES512""#);
    let others = problem(|config| config.jwt_algorithms = vec!["RS256".to_owned()]).await;
    assert_eq!(others, "auth.secret_key: is an HMAC secret that fits none of the allowed algorithms (RS256)");
}

#[tokio::test]
async fn a_longer_hash_is_accepted_only_where_it_is_allowed() {
    let site = Site::new(|config| config.jwt_algorithms = vec!["HS256".to_owned(), "HS512".to_owned()]).await;
    for (name, algorithm, good) in
        [("HS256", Algorithm::HS256, true), ("HS384", Algorithm::HS384, false), ("HS512", Algorithm::HS512, true)]
    {
        let header = json!({ "alg": name }).to_string();
        let token = signed(&header, &claims().to_string(), algorithm, &hmac());
        assert_eq!(site.verify(&token).is_ok(), good, "{name}");
    }
    site.verify(&token(&claims())).unwrap();
}
