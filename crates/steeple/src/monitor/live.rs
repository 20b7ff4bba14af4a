//! The live tail: calls as they end, as server-sent events.
//!
//! Each reader asks the log for what is new, twice a second, whatever node wrote it; without readers nothing is asked.
//! Must never: hold more than one look's rows for a reader that is slow.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse as _, Response,
    sse::{Event, KeepAlive, Sse},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Monitor,
    endpoint::Asked,
    requests::{Item, question},
};
use crate::{
    error::{Error, Result},
    record::{
        RequestLog,
        log::{News, Tail},
    },
};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// Without news something is sent after this time, so that a reader who has left is noticed.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn live(asked: Asked) -> Result<Response> {
    let Asked { monitor, query, .. } = asked;
    follow(monitor, question(&query), |item| serde_json::to_string(item).ok()).await
}

/// Follows these calls, each written as this function writes it.
///
/// # Errors
/// RESOURCE_EXHAUSTED when too many do; else the database's.
pub(crate) async fn follow(
    monitor: Arc<Monitor>,
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
        draining.run_until_cancelled(send(&monitor, tail, &written, out)).await;
        drop(place);
    });
    let events = Sse::new(ReceiverStream::new(events)).keep_alive(KeepAlive::new().interval(ALIVE));
    Ok(events.into_response())
}

type Out = mpsc::Sender<Result<Event, Infallible>>;

/// Sends what is new until the reader has left.
async fn send(monitor: &Monitor, mut tail: Tail, written: &(impl Fn(&Item) -> Option<String> + Sync), out: Out) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = out.closed() => return,
        }
        // While the database is away there is no news.
        let News { rows, gap } = tail.look(&monitor.inside.db).await.unwrap_or_default();
        if gap && out.send(Ok(Event::default().event("gap").data("{}"))).await.is_err() {
            return;
        }
        for item in Item::of(monitor, rows).await.unwrap_or_default() {
            let Some(data) = written(&item) else { continue };
            let event = Event::default().event("call").id(item.row.id.to_string()).data(data);
            if out.send(Ok(event)).await.is_err() {
                return;
            }
        }
    }
}
