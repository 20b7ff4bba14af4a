//! One POST after another over kept connections: hyper's client, with TLS where the URL says so.
//!
//! Must never: wait longer than the timeout, or read an answer without end.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

/// Longest answer that is read.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(30);

/// Either kind of client: a machine without certificates can still speak plain HTTP.
pub(super) enum Http {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Http {
    pub fn new(tls: bool, timeout: Duration) -> Result<Self, String> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        connector.enforce_http(false);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
        if !tls {
            return Ok(Self::Plain(builder.build(connector)));
        }
        let roots = HttpsConnectorBuilder::new().with_native_roots();
        let roots = roots.map_err(|error| format!("this machine has no certificates to trust: {error}"))?;
        Ok(Self::Tls(builder.build(roots.https_only().enable_http1().wrap_connector(connector))))
    }

    /// Sends a request; gives the status and body of the answer.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn send(&self, request: Request<Full<Bytes>>, within: Duration) -> Result<(StatusCode, Bytes), String> {
        let exchange = async {
            let response = match self {
                Self::Plain(client) => client.request(request).await,
                Self::Tls(client) => client.request(request).await,
            };
            let (parts, body) = response.map(Response::into_parts).map_err(|error| chain(&error))?;
            let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| chain(&*error))?;
            Ok((parts.status, body.to_bytes()))
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {within:?}")),
        }
    }
}

/// An error with its causes: hyper's own text says little.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
