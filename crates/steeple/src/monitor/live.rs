//! The live tail: calls as they end, as server-sent events.
//!
//! Each reader asks the log for what is new, twice a second, whatever node wrote it; without readers nothing is asked.
//! Must never: hold more than one look's rows for a reader that is slow.

use std::{convert::Infallible, time::Duration};

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
    record::log::{News, Tail},
};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// Without news something is sent after this time, so that a reader who has left is noticed.
const ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn live(asked: Asked) -> Result<Response> {
    let Asked { monitor, query, .. } = asked;
    let place = monitor.viewers.clone().try_acquire_owned();
    let place = place.map_err(|_| Error::resource_exhausted("too many look at the live tail, try again later"))?;
    let mut tail = question(&query).follow();
    tail.look(&monitor.inside.db).await?;
    let (out, events) = mpsc::channel(1);
    let draining = monitor.inside.draining.clone();
    tokio::spawn(async move {
        draining.run_until_cancelled(follow(&monitor, tail, out)).await;
        drop(place);
    });
    let events = Sse::new(ReceiverStream::new(events)).keep_alive(KeepAlive::new().interval(ALIVE));
    Ok(events.into_response())
}

type Out = mpsc::Sender<Result<Event, Infallible>>;

/// Sends what is new until the reader has left.
async fn follow(monitor: &Monitor, mut tail: Tail, out: Out) {
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
            let Ok(event) = Event::default().event("call").id(item.row.id.to_string()).json_data(&item) else {
                continue;
            };
            if out.send(Ok(event)).await.is_err() {
                return;
            }
        }
    }
}
