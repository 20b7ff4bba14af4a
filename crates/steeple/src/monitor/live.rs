//! The live tail: calls as they end, as server-sent events.
//!
//! Each reader asks the log for what is new, twice a second, whatever node wrote it; without readers nothing is asked.
//! Who reads is asked anew as often as the identity's caches forget: a session that was ended, a user who is not of staff
//! any more, a key that was revoked or a token that has expired ends the stream; whoever may still read connects again.
//!
//! Must never: hold more than one look's rows for a reader that is slow, or go on for somebody who could not begin.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    http::HeaderMap,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Monitor,
    endpoint::Asked,
    requests::{Item, question},
    taken,
};
use crate::{
    auth,
    error::{Code, Error, Result},
    login::Staff,
    record::{
        RequestLog,
        log::{News, Tail},
    },
};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// Without news something is sent after this time, so that a reader who has left is noticed.
const ALIVE: Duration = Duration::from_secs(15);
/// Longest and shortest time between two looks at who reads.
const AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_millis(100));

pub(super) async fn live(asked: Asked) -> Result<Response> {
    let Asked { monitor, query, headers, .. } = asked;
    let log = question(&monitor, &query);
    follow(monitor, headers, log, |item| serde_json::to_string(item).ok()).await
}

/// Follows these calls, each written as this function writes it, as long as whoever sent these headers may.
///
/// # Errors
/// RESOURCE_EXHAUSTED when too many do; else the database's.
pub(crate) async fn follow(
    monitor: Arc<Monitor>,
    headers: HeaderMap,
    log: RequestLog,
    written: impl Fn(&Item) -> Option<String> + Send + Sync + 'static,
) -> Result<Response> {
    let place = monitor.viewers.clone().try_acquire_owned();
    let place = place.map_err(|_| Error::resource_exhausted("too many look at the live tail, try again later"))?;
    let mut tail = log.follow();
    tail.look(&monitor.inside.db).await?;
    let (out, events) = mpsc::channel(1);
    let draining = monitor.inside.draining.clone();
    tokio::spawn(async move {
        draining.run_until_cancelled(send(&monitor, &headers, tail, &written, out)).await;
        drop(place);
    });
    let events = Sse::new(ReceiverStream::new(events)).keep_alive(KeepAlive::new().interval(ALIVE));
    Ok(events.into_response())
}

type Out = mpsc::Sender<Result<Event, Infallible>>;

/// Sends what is new until the reader has left, takes nothing, or may not read any more.
async fn send(
    monitor: &Monitor,
    headers: &HeaderMap,
    mut tail: Tail,
    written: &(impl Fn(&Item) -> Option<String> + Sync),
    out: Out,
) {
    let again = between(&monitor.inside.config.auth);
    let mut asked = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY.min(again)) => {}
            () = out.closed() => return,
        }
        if asked.elapsed() >= again {
            match Staff::still(&monitor.inside.identity, headers).await {
                Err(error) if matches!(error.code(), Code::Unauthenticated | Code::PermissionDenied) => return,
                // While the database is away nobody is sent away.
                Ok(()) | Err(_) => asked = Instant::now(),
            }
        }
        // While the database is away there is no news.
        let News { rows, gap } = tail.look(&monitor.inside.db).await.unwrap_or_default();
        if gap && !taken(&out, Ok(Event::default().event("gap").data("{}"))).await {
            return;
        }
        for item in Item::of(monitor, rows).await.unwrap_or_default() {
            let Some(data) = written(&item) else { continue };
            let event = Event::default().event("call").id(item.row.id.to_string()).data(data);
            if !taken(&out, Ok(event)).await {
                return;
            }
        }
    }
}

/// Between two looks at who reads: what is remembered of users and keys is good for so long.
fn between(config: &auth::Config) -> Duration {
    config.user_cache.max(config.api_key_cache).clamp(AGAIN.1, AGAIN.0)
}
