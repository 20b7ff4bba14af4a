//! Centrifugo's HTTP API, as far as it publishes: `/api/publish`, `/api/broadcast` and `/api/batch`
//! (<https://centrifugal.dev/docs/server/server_api>).
//!
//! One publication goes by the first two, several by the last. Each carries a key by which Centrifugo (where its engine
//! keeps them) drops what it got before, so that trying again does not publish twice.
//!
//! Must never: show the key.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header::CONTENT_TYPE};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{http::Http, outbox::Publication};
use crate::auth::Secret;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Centrifugo's own trouble, and too many requests: worth trying again. Other codes are about the publication.
const TEMPORARY: [u32; 2] = [100, 111];
/// The key is wrong: about neither this publication nor this moment.
const UNAUTHORIZED: u32 = 101;

/// The API of one Centrifugo.
pub(super) struct Api {
    http: Http,
    base: String,
    key: Option<HeaderValue>,
    timeout: Duration,
}

/// What became of one publication.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Published,
    /// Centrifugo does not take it, and why.
    Refused(String),
    /// Centrifugo asks for it later.
    Again,
}

/// Why a request failed as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Try again.
    Temporary(String),
    /// The request is too large, or something in it breaks all of it.
    Unfit(String),
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Command<'p> {
    Publish { channel: &'p str, data: &'p RawValue, idempotency_key: String },
    Broadcast { channels: &'p [String], data: &'p RawValue, idempotency_key: String },
}

#[derive(Serialize)]
struct Batch<'p> {
    commands: Vec<Command<'p>>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    message: String,
}

/// The answer to one command, alone or in a batch.
#[derive(Deserialize)]
struct Answer {
    error: Option<Problem>,
    result: Option<Results>,
    broadcast: Option<Results>,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    responses: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answers {
    error: Option<Problem>,
    #[serde(default)]
    replies: Vec<Answer>,
}

impl Api {
    pub fn new(url: &str, key: Option<&Secret>, timeout: Duration) -> Result<Self, String> {
        let (base, tls) = Self::address(url).map_err(|problem| format!("centrifugo.url {problem}"))?;
        let key = key.map(Self::key).transpose().map_err(|problem| format!("centrifugo.api_key {problem}"))?;
        Ok(Self { http: Http::new(tls, timeout)?, base, key, timeout })
    }

    /// The address without its last slash, and whether it wants TLS.
    pub fn address(url: &str) -> Result<(String, bool), String> {
        let wrong = || "must be an address such as http://127.0.0.1:8000, without a user, ? or #".to_owned();
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') || authority.host().is_empty() || uri.query().is_some() || url.contains('#')
        {
            return Err(wrong());
        }
        match uri.scheme_str() {
            Some("http") => Ok((url.trim_end_matches('/').to_owned(), false)),
            Some("https") => Ok((url.trim_end_matches('/').to_owned(), true)),
            _ => Err(wrong()),
        }
    }

    /// The header's value.
    pub fn key(key: &Secret) -> Result<HeaderValue, String> {
        let wrong = || "must be printable ASCII".to_owned();
        let plain = !key.expose().is_empty() && key.expose().bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::from_str(key.expose()).ok().filter(|_| plain).ok_or_else(wrong)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Publishes; gives the fate of each, in their order.
    ///
    /// # Errors
    /// The request failed as a whole.
    pub async fn publish(&self, publications: &[&Publication]) -> Result<VecDeque<Fate>, Failure> {
        let mut commands: Vec<_> = publications.iter().copied().map(command).collect();
        let (method, body) = match (commands.len(), commands.pop()) {
            (1, Some(Command::Publish { channel, data, idempotency_key })) => (
                "publish",
                serde_json::to_vec(&Alone { channel: Some(channel), channels: None, data, idempotency_key }),
            ),
            (1, Some(Command::Broadcast { channels, data, idempotency_key })) => (
                "broadcast",
                serde_json::to_vec(&Alone { channel: None, channels: Some(channels), data, idempotency_key }),
            ),
            (_, last) => {
                commands.extend(last);
                ("batch", serde_json::to_vec(&Batch { commands }))
            }
        };
        // Strings, a key and checked JSON: it cannot fail.
        let body = body.map_err(|error| Failure::Unfit(error.to_string()))?;
        let answer = self.post(method, body).await?;
        let unreadable = |error: serde_json::Error| Failure::Temporary(format!("the answer is no JSON: {error}"));
        if method != "batch" {
            let answer: Answer = serde_json::from_slice(&answer).map_err(unreadable)?;
            return Ok([fate(answer)?].into());
        }
        let answers: Answers = serde_json::from_slice(&answer).map_err(unreadable)?;
        if let Some(problem) = answers.error {
            return Err(Failure::Temporary(said(&problem)));
        }
        if answers.replies.len() != publications.len() {
            let (replies, sent) = (answers.replies.len(), publications.len());
            return Err(Failure::Temporary(format!("{replies} replies to {sent} commands")));
        }
        answers.replies.into_iter().map(fate).collect()
    }

    async fn post(&self, method: &str, body: Vec<u8>) -> Result<Bytes, Failure> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/api/{method}", self.base))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &self.key {
            request = request.header(API_KEY, key.clone());
        }
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| Failure::Unfit(error.to_string()))?;
        let (status, answer) = self.http.send(request, self.timeout).await.map_err(Failure::Temporary)?;
        match status {
            status if status.is_success() => Ok(answer),
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Failure::Unfit(format!("it answers {status}")))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Failure::Temporary(format!("it answers {status}; is centrifugo.api_key right?")))
            }
            StatusCode::NOT_FOUND => Err(Failure::Temporary(format!("it answers {status}; is centrifugo.url right?"))),
            status => Err(Failure::Temporary(format!("it answers {status}"))),
        }
    }
}

/// What `/api/publish` and `/api/broadcast` take.
#[derive(Serialize)]
struct Alone<'p> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<&'p [String]>,
    data: &'p RawValue,
    idempotency_key: String,
}

fn command(publication: &Publication) -> Command<'_> {
    let (data, idempotency_key) = (&*publication.data, publication.key.to_string());
    match publication.channels.as_slice() {
        [channel] => Command::Publish { channel, data, idempotency_key },
        channels => Command::Broadcast { channels, data, idempotency_key },
    }
}

/// One publication's fate. Of a broadcast, the worst of its channels: what was published to the others is known by its key.
fn fate(answer: Answer) -> Result<Fate, Failure> {
    let problems = answer.error.into_iter().chain(
        [answer.result, answer.broadcast]
            .into_iter()
            .flatten()
            .flat_map(|results| results.responses)
            .filter_map(|one| one.error),
    );
    let mut fate = Fate::Published;
    for problem in problems {
        match problem.code {
            UNAUTHORIZED => return Err(Failure::Temporary(said(&problem))),
            code if TEMPORARY.contains(&code) => return Ok(Fate::Again),
            _ => fate = Fate::Refused(said(&problem)),
        }
    }
    Ok(fate)
}

fn said(problem: &Problem) -> String {
    format!("it says {}: {}", problem.code, crate::record::shortened(&problem.message, 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate_of(answer: &str) -> Result<Fate, Failure> {
        fate(serde_json::from_str(answer).unwrap())
    }

    #[test]
    fn answers_become_fates() {
        for good in [
            r#"{"result":{}}"#,
            r#"{"result":{"offset":1,"epoch":"x"}}"#,
            r#"{"publish":{"offset":7}}"#,
            r#"{"result":{"responses":[{"result":{}},{"result":{"offset":2}}]}}"#,
            r#"{"broadcast":{"responses":[{"result":{}}]}}"#,
            "{}",
        ] {
            assert_eq!(fate_of(good), Ok(Fate::Published), "{good}");
        }
        let refused = Fate::Refused("it says 102: unknown channel".to_owned());
        assert_eq!(fate_of(r#"{"error":{"code":102,"message":"unknown channel"}}"#), Ok(refused));
        assert_eq!(fate_of(r#"{"error":{"code":100,"message":"internal server error"}}"#), Ok(Fate::Again));
        let mixed = r#"{"broadcast":{"responses":[{"error":{"code":107}},{"error":{"code":100}},{"result":{}}]}}"#;
        assert_eq!(fate_of(mixed), Ok(Fate::Again));
        let mixed = r#"{"result":{"responses":[{"result":{}},{"error":{"code":107,"message":"bad request"}}]}}"#;
        assert_eq!(fate_of(mixed), Ok(Fate::Refused("it says 107: bad request".to_owned())));
        assert!(matches!(fate_of(r#"{"error":{"code":101}}"#), Err(Failure::Temporary(_))));
    }
}
