//! Centrifugo refuses, is slow, is dead: nobody waits for it, and each lost publication is counted.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use serde_json::json;
use steeple::centrifugo::{Config, Lost};

use super::{LONG, Mood, StandIn, config, open, until};

/// An address where nobody listens.
fn nobody() -> std::net::SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn what_it_refuses_for_now_comes_again() {
    let stand_in = StandIn::start().await;
    let answers = [
        Mood::Status(500),
        Mood::Status(429),
        Mood::Status(401),
        Mood::Status(404),
        Mood::Body("no json".to_owned()),
        Mood::Body(json!({ "error": { "code": 100, "message": "internal server error" } }).to_string()),
        Mood::Body(json!({ "error": { "code": 101, "message": "unauthorized" } }).to_string()),
        Mood::Body("x".repeat(5 * 1024 * 1024)),
    ];
    stand_in.next(answers.clone());
    let centrifugo = open(&Config { breaker_failures: 100, ..stand_in.config() });
    centrifugo.publish("a", &1);
    let counts = until(&centrifugo, |counts| counts.published == 1).await;
    // One of them was about the publication, and not about the request.
    assert_eq!((counts.failed_requests as usize, counts.all_lost()), (answers.len() - 1, 0));
    let asked = stand_in.asked();
    assert_eq!(asked.len(), answers.len() + 1);
    assert!(asked.iter().all(|one| one.body == asked[0].body), "the key tells that it is the same");
}

#[tokio::test]
async fn a_batch_with_too_few_replies_comes_again() {
    let stand_in = StandIn::start().await;
    stand_in.next([Mood::Status(500), Mood::Body(json!({ "replies": [{ "publish": {} }] }).to_string())]);
    let centrifugo = open(&stand_in.config());
    for number in 0..3 {
        centrifugo.publish("a", &number);
    }
    let counts = until(&centrifugo, |counts| counts.published == 3).await;
    assert_eq!((counts.failed_requests, counts.all_lost()), (2, 0));
}

#[tokio::test]
async fn it_is_left_alone_when_it_keeps_failing() {
    let stand_in = StandIn::start().await;
    stand_in.then(Mood::Status(502));
    let rest = Duration::from_millis(400);
    let centrifugo = open(&Config { breaker_failures: 3, breaker_rest: rest, ..stand_in.config() });
    centrifugo.publish("a", &1);
    until(&centrifugo, |counts| counts.circuit_open).await;
    assert_eq!(stand_in.asked().len(), 3);
    // One tries after the rest, and another rest follows.
    until(&centrifugo, |_| stand_in.asked().len() == 5).await;
    assert!(centrifugo.counts().circuit_open);
    stand_in.then(Mood::Well);
    let counts = until(&centrifugo, |counts| counts.published == 1).await;
    assert!(!counts.circuit_open && counts.all_lost() == 0);
    centrifugo.publish("a", &2);
    until(&centrifugo, |counts| counts.published == 2).await;
}

#[tokio::test]
async fn a_full_outbox_drops_the_oldest_and_nobody_waits() {
    let address = nobody();
    let centrifugo = open(&Config { queue: 50, batch: 10, breaker_rest: Duration::from_millis(50), ..config(address) });
    // Ten are taken for the first request, and come back to nowhere else.
    centrifugo.publish("a", &0);
    until(&centrifugo, |counts| counts.failed_requests > 0).await;
    for number in 1..1000 {
        centrifugo.publish("a", &number);
    }
    let counts = centrifugo.counts();
    assert_eq!((counts.waiting, counts.lost(Lost::Full)), (50, 949));
    let stand_in = StandIn::at(address.port()).await;
    until(&centrifugo, |counts| counts.published == 51).await;
    let newest: Vec<_> = stand_in.published().into_iter().map(|(_, data)| data).collect();
    assert_eq!(newest[1..], (950..1000).map(|number| json!(number)).collect::<Vec<_>>());
}

#[tokio::test]
async fn bytes_are_bounded_too() {
    let centrifugo = open(&Config { queue_bytes: 100_000, breaker_rest: LONG, ..config(nobody()) });
    centrifugo.publish("a", "first");
    until(&centrifugo, |counts| counts.failed_requests > 0).await;
    for _ in 0..100 {
        centrifugo.publish("a", &"x".repeat(10_000));
    }
    centrifugo.publish("a", &"x".repeat(100_001));
    let counts = centrifugo.counts();
    assert_eq!((counts.waiting, counts.lost(Lost::Full)), (9, 92));
}

#[tokio::test]
async fn what_is_too_old_is_dropped() {
    let stand_in = StandIn::start().await;
    stand_in.then(Mood::Status(503));
    let centrifugo = open(&Config { max_age: Duration::from_millis(300), breaker_failures: 1000, ..stand_in.config() });
    for number in 0..5 {
        centrifugo.publish("a", &number);
    }
    until(&centrifugo, |counts| counts.lost(Lost::Late) == 5).await;
    stand_in.then(Mood::Well);
    centrifugo.publish("a", "fresh");
    let counts = until(&centrifugo, |counts| counts.published == 1).await;
    assert_eq!(counts.all_lost(), 5);
}

#[tokio::test]
async fn a_request_that_is_never_answered_ends_and_comes_again() {
    let stand_in = StandIn::start().await;
    stand_in.next([Mood::Never, Mood::Never]);
    let centrifugo = open(&Config { timeout: Duration::from_millis(100), ..stand_in.config() });
    centrifugo.publish("a", &1);
    let counts = until(&centrifugo, |counts| counts.published == 1).await;
    assert_eq!((counts.failed_requests, counts.all_lost()), (2, 0));
}

#[tokio::test]
async fn one_that_does_not_fit_takes_no_other_with_it() {
    let stand_in = StandIn::start().await;
    stand_in.next([Mood::Status(500)]);
    stand_in.then(Mood::Narrow(2_000));
    let centrifugo = open(&Config { breaker_failures: 1000, ..stand_in.config() });
    for number in 0..60 {
        if number == 17 { centrifugo.publish("a", "poison") } else { centrifugo.publish("a", &number) }
    }
    let counts = until(&centrifugo, |counts| counts.published == 59).await;
    assert_eq!((counts.lost(Lost::Refused), counts.all_lost()), (1, 1));
}

#[tokio::test]
async fn draining_gives_up_in_time_and_counts() {
    let stand_in = StandIn::start().await;
    stand_in.then(Mood::Never);
    let centrifugo = open(&Config { batch: 10, ..stand_in.config() });
    for number in 0..30 {
        centrifugo.publish("a", &number);
    }
    until(&centrifugo, |_| !stand_in.asked().is_empty()).await;
    assert_eq!(centrifugo.drain(Duration::from_millis(200)).await, 30);
    // An open circuit does not keep the end from trying.
    let stand_in = StandIn::start().await;
    stand_in.then(Mood::Status(500));
    let centrifugo = open(&Config { breaker_failures: 1, breaker_rest: Duration::from_secs(600), ..stand_in.config() });
    centrifugo.publish("a", &1);
    until(&centrifugo, |counts| counts.circuit_open).await;
    stand_in.then(Mood::Well);
    assert_eq!(centrifugo.drain(LONG).await, 0);
    assert_eq!(centrifugo.counts().published, 1);
}
