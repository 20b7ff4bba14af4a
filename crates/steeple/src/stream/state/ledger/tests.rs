use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::*;
use crate::{db, stream::EventKind};

struct Nobody;

impl Source for Nobody {
    fn rows(&self) -> Vec<Connection> {
        vec![]
    }
}

/// A ledger whose database has no tables, and takes nothing; and what it dropped.
async fn ledger() -> (Ledger, Arc<AtomicU64>) {
    let database = db::Config { url: "sqlite::memory:".to_owned(), ..db::Config::default() };
    let db = Db::connect(&database, 1).await.unwrap();
    let dropped = Arc::<AtomicU64>::default();
    let nobody: Weak<dyn Source> = Weak::<Nobody>::new();
    (Ledger::start(db, &Config::default(), nobody, Counter::from_arc(dropped.clone())), dropped)
}

fn event() -> Event {
    Event {
        id: 0,
        service: "fleet".to_owned(),
        client_id: "ada".to_owned(),
        session: String::new(),
        node: String::new(),
        kind: EventKind::Connected.as_str().to_owned(),
        cause: None,
        detail: None,
        created_at: clock::now(),
    }
}

#[tokio::test]
async fn what_the_end_leaves_over_is_counted() {
    let (ledger, dropped) = ledger().await;
    for _ in 0..3 {
        ledger.event(event());
    }
    ledger.finish(Duration::from_secs(60)).await;
    let counted = async {
        while dropped.load(Relaxed) != 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), counted).await.unwrap();
    ledger.event(event());
    assert_eq!(dropped.load(Relaxed), 4, "what comes behind the end");
}

#[tokio::test]
async fn events_that_are_too_many_are_counted() {
    let (ledger, dropped) = ledger().await;
    let handed_in = 80_000;
    for _ in 0..2 {
        for _ in 0..handed_in / 2 {
            ledger.event(event());
        }
        ledger.flush().await;
    }
    let left = ledger.flush().await;
    assert!(left < QUEUE + CHUNK, "{left}");
    assert_eq!(left as u64 + dropped.load(Relaxed), handed_in);
}

#[tokio::test]
async fn a_row_is_believed_until_its_grace_is_over() {
    let (ledger, _) = ledger().await;
    let (open, grace) = (ledger.valid_until(Duration::ZERO), Duration::from_hours(1));
    assert!(ledger.valid_until(grace) >= open + grace);
    assert!(ledger.valid_until(Duration::MAX) > open);
}
