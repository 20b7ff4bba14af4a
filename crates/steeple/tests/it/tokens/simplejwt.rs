//! Real djangorestframework-simplejwt: its tokens are accepted here, and ours there.
//!
//! Runs when `STEEPLE_TEST_DJANGO_PYTHON` names a Python that has Django 5 and djangorestframework-simplejwt.

use std::{
    env,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use steeple::{
    Code,
    auth::{Config, Secret},
};

use super::{P256, Pem, RSA, SECRET, Site, signs_with, user};
use crate::databases::{Database, skipped};

/// Asks the script: one JSON object in, one out. `None`, and a line saying so, without a Python.
fn ask(question: &Value) -> Option<Value> {
    const PYTHON: &str = "STEEPLE_TEST_DJANGO_PYTHON";
    let Ok(python) = env::var(PYTHON) else {
        skipped(PYTHON);
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/clients/django/simplejwt.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("STEEPLE_TEST_DJANGO_PYTHON is a Python");
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the script failed, see above");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What the two sides agree on.
struct Agreed {
    algorithm: &'static str,
    pem: Option<Pem>,
    issuer: Option<&'static str>,
    audience: Option<&'static str>,
}

impl Agreed {
    fn all() -> [Self; 5] {
        let plain = |algorithm, pem| Self { algorithm, pem, issuer: None, audience: None };
        [
            plain("HS256", None),
            plain("HS512", None),
            plain("RS256", Some(RSA)),
            plain("ES256", Some(P256)),
            Self { algorithm: "HS256", pem: None, issuer: Some("https://id.example.org"), audience: Some("orders") },
        ]
    }

    fn configure(&self, config: &mut Config) {
        self.algorithm.clone_into(&mut config.jwt_algorithm);
        if let Some(pem) = &self.pem {
            signs_with(self.algorithm, pem)(config);
        }
        config.jwt_issuer = self.issuer.map(str::to_owned);
        config.jwt_audience = self.audience.map(str::to_owned);
    }

    /// A question to the script.
    fn question(&self, tokens: &[&str]) -> Value {
        let (signing, verifying) = self.pem.as_ref().map_or((SECRET, ""), |pem| (pem.private, pem.public));
        json!({
            "algorithm": self.algorithm,
            "signing_key": signing,
            "verifying_key": verifying,
            "issuer": self.issuer,
            "audience": self.audience,
            "user_id": 7,
            "tokens": tokens,
        })
    }
}

#[tokio::test]
async fn tokens_of_simplejwt_are_accepted_here() {
    for agreed in Agreed::all() {
        let Some(answer) = ask(&agreed.question(&[])) else { return };
        let site = Site::new(|config| agreed.configure(config)).await;
        let text =
            |name: &str| answer["made"][name].as_str().unwrap_or_else(|| panic!("{name} in {answer}")).to_owned();
        for access in ["access", "access_of_refresh"] {
            let claims = site.verify(&text(access)).unwrap_or_else(|error| panic!("{}", error.for_log()));
            assert_eq!(claims.user_id, 7, "{}", agreed.algorithm);
        }
        assert_eq!(site.refused("expired", &text("expired")), "the token has expired");
        for refused in ["refresh", "sliding", "other_secret"] {
            site.refused(refused, &text(refused));
        }
        // Its refresh tokens are its own: whether one was used before, only simplejwt's tables know.
        assert_eq!(site.tokens.verify_refresh(&text("refresh")).unwrap_err().code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn our_tokens_are_accepted_by_simplejwt() {
    let database = Database::sqlite().await.unwrap();
    for agreed in Agreed::all() {
        let mut config = Config::default();
        agreed.configure(&mut config);
        let tokens = super::families::tokens(&database, &config).await;
        let pair = tokens.issue(&user(7)).await.unwrap();
        let nobody = tokens.issue(&user(8)).await.unwrap();
        let asked = [pair.access.expose(), pair.refresh.expose(), nobody.access.expose(), "nonsense"];
        let Some(answer) = ask(&agreed.question(&asked)) else { return };
        let read: Vec<_> =
            answer["read"].as_array().unwrap().iter().map(|read| (&read["access"], &read["refresh"])).collect();
        let (ada, no) = (json!("ada"), Value::Null);
        assert_eq!(read, [(&ada, &no), (&no, &json!(7)), (&no, &no), (&no, &no)], "{}: {answer}", agreed.algorithm);
    }
}

#[tokio::test]
async fn another_secret_is_refused_on_both_sides() {
    let agreed = &Agreed::all()[0];
    let database = Database::sqlite().await.unwrap();
    let tokens = super::families::tokens(&database, &Config::default()).await;
    let pair = tokens.issue(&user(7)).await.unwrap();
    let mut question = agreed.question(&[pair.access.expose()]);
    question["signing_key"] = json!("quite another secret, which is long as well");
    let Some(answer) = ask(&question) else { return };
    assert_eq!(answer["read"][0]["access"], Value::Null);
    let site = Site::new(|config| config.secret_key = Some(Secret::new(SECRET))).await;
    site.refused("another secret", answer["made"]["access"].as_str().unwrap());
}
