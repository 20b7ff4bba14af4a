//! Nothing that differs from a token that was signed is one.

use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::json;

use super::{ED25519, P256, Site, claims, key_of, signed, signs_with, token, with};

/// A site and a valid token for each algorithm that is fast enough to try often.
async fn sites() -> Vec<(Site, String)> {
    let mut sites = vec![(Site::new(|_| ()).await, token(&claims()))];
    for (name, algorithm, pem) in [("ES256", Algorithm::ES256, &P256), ("EdDSA", Algorithm::EdDSA, &ED25519)] {
        let header = json!({ "alg": name, "typ": "JWT" }).to_string();
        let token = signed(&header, &claims().to_string(), algorithm, &key_of(algorithm, pem));
        sites.push((Site::new(signs_with(name, pem)).await, token));
    }
    for (site, token) in &sites {
        site.verify(token).unwrap();
    }
    sites
}

#[tokio::test]
async fn one_other_byte_and_it_is_refused() {
    let sites = sites().await;
    proptest!(ProptestConfig::with_cases(400), |(at in any::<prop::sample::Index>(), byte in 0_u8..128)| {
        for (site, token) in &sites {
            let mut changed = token.clone().into_bytes();
            let at = at.index(changed.len());
            prop_assume!(changed[at] != byte);
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            prop_assert!(site.verify(&changed).is_err(), "byte {} is {} and not {}", at, byte, token.as_bytes()[at]);
        }
    });
}

/// The bits of the last letter of each part that mean nothing must be zero: there is one spelling of each token.
#[tokio::test]
async fn every_letter_counts_also_the_last_one_of_each_part() {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/.~";
    for (site, token) in sites().await {
        let dots = token.match_indices('.').map(|(at, _)| at);
        for end in dots.chain([token.len()]) {
            for letter in LETTERS.iter().filter(|letter| **letter != token.as_bytes()[end - 1]) {
                let mut changed = token.clone().into_bytes();
                changed[end - 1] = *letter;
                site.refused("another last letter", &String::from_utf8(changed).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn pieces_of_two_tokens_make_none() {
    let site = Site::new(|_| ()).await;
    let (one, other) = (token(&claims()), token(&with("user_id", json!(1))));
    proptest!(|(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>())| {
        let mixed = format!("{}{}", &one[..from.index(one.len())], &other[to.index(other.len())..]);
        prop_assume!(mixed != one && mixed != other);
        prop_assert!(site.verify(&mixed).is_err());
    });
}

#[tokio::test]
async fn any_text_is_refused_and_none_panics() {
    let site = Site::new(|_| ()).await;
    proptest!(|(text in any::<String>(), parts in prop::collection::vec("[A-Za-z0-9_-]{0,40}", 1..5))| {
        prop_assert!(site.verify(&text).is_err());
        prop_assert!(site.verify(&parts.join(".")).is_err());
    });
    // Correctly signed nonsense, too.
    proptest!(|(header in "\\PC{0,40}", claims in "\\PC{0,80}")| {
        let token = signed(&header, &claims, Algorithm::HS256, &super::hmac());
        prop_assert!(site.verify(&token).is_err());
    });
}
