//! What Centrifugo gets.

use std::{collections::HashMap, time::Duration};

use serde_json::json;
use steeple::{
    centrifugo::{Centrifugo, Config, Lost},
    record::Metrics,
};

use super::{KEY, LONG, Mood, StandIn, open, until};

#[tokio::test]
async fn one_publication_is_one_publish() {
    let stand_in = StandIn::start().await;
    let centrifugo = open(&stand_in.config());
    centrifugo.publish("crypto:wallet-7:updates", &json!({ "balance": "1.5", "note": "ü" }));
    until(&centrifugo, |counts| counts.published == 1).await;
    let asked = &stand_in.asked()[0];
    assert_eq!(asked.path, "/api/publish");
    assert_eq!(asked.headers["x-api-key"], KEY);
    assert_eq!(asked.headers["content-type"], "application/json");
    let key = asked.body["idempotency_key"].as_str().unwrap();
    assert_eq!(key.len(), 36);
    let body = json!({ "channel": "crypto:wallet-7:updates", "data": { "balance": "1.5", "note": "ü" }, "idempotency_key": key });
    assert_eq!(asked.body, body);
}

#[tokio::test]
async fn several_channels_are_one_broadcast() {
    let stand_in = StandIn::start().await;
    let centrifugo = open(&stand_in.config());
    centrifugo.broadcast(vec!["crypto:a:updates".to_owned(), "crypto:all".to_owned()], &json!([1, 2]));
    until(&centrifugo, |counts| counts.published == 1).await;
    let asked = &stand_in.asked()[0];
    assert_eq!(asked.path, "/api/broadcast");
    assert_eq!(asked.body["channels"], json!(["crypto:a:updates", "crypto:all"]));
    assert_eq!(asked.body["data"], json!([1, 2]));
}

#[tokio::test]
async fn many_go_in_batches_and_in_order() {
    let stand_in = StandIn::start().await;
    // The first request takes its time, so that the others pile up.
    stand_in.next([Mood::Never]);
    let centrifugo = open(&Config { timeout: Duration::from_millis(300), ..stand_in.config() });
    for number in 0..250 {
        if number % 10 == 0 {
            centrifugo.broadcast(vec!["a".to_owned(), "b".to_owned()], &number);
        } else {
            centrifugo.publish("a", &number);
        }
    }
    let counts = until(&centrifugo, |counts| counts.published == 250).await;
    assert_eq!((counts.failed_requests, counts.all_lost(), counts.waiting), (1, 0, 0));
    let asked = stand_in.asked();
    assert!(asked.len() <= 6, "{} requests", asked.len());
    for asked in asked.iter().filter(|asked| asked.path == "/api/batch") {
        assert!((2..=100).contains(&asked.body["commands"].as_array().unwrap().len()));
        assert_eq!(asked.headers["x-api-key"], KEY);
    }
    let delivered: Vec<_> = asked[1..].iter().flat_map(|asked| super::publications(&asked.body)).collect();
    let on_a: Vec<_> = delivered.iter().filter(|(channel, _)| channel == "a").map(|(_, data)| data.clone()).collect();
    assert_eq!(on_a, (0..250).map(|number| json!(number)).collect::<Vec<_>>());
    assert_eq!(delivered.len(), 275);
}

#[tokio::test]
async fn replies_of_a_batch_are_judged_one_by_one() {
    let stand_in = StandIn::start().await;
    let replies = json!({ "replies": [
        { "publish": {} },
        { "error": { "code": 102, "message": "unknown channel" } },
        { "error": { "code": 100, "message": "internal server error" } },
        { "broadcast": { "responses": [{ "result": {} }, { "error": { "code": 111, "message": "too many requests" } }] } },
        { "broadcast": { "responses": [{ "result": {} }, { "error": { "code": 107, "message": "bad request" } }] } },
        { "publish": { "offset": 3 } },
    ] });
    stand_in.next([Mood::Status(503), Mood::Body(replies.to_string())]);
    let centrifugo = open(&stand_in.config());
    let two = || vec!["a".to_owned(), "b".to_owned()];
    for number in 0..6 {
        if number == 3 || number == 4 { centrifugo.broadcast(two(), &number) } else { centrifugo.publish("a", &number) }
    }
    let counts = until(&centrifugo, |counts| counts.published == 4).await;
    assert_eq!((counts.lost(Lost::Refused), counts.all_lost()), (2, 2));
    // Those that were asked for again came again, with the keys they had.
    let asked = stand_in.asked();
    let (batch, again) = (&asked[asked.len() - 2].body["commands"], &asked[asked.len() - 1].body["commands"]);
    assert_eq!(again.as_array().unwrap().len(), 2);
    assert_eq!((&again[0], &again[1]), (&batch[2], &batch[3]));
}

#[tokio::test]
async fn what_can_be_no_publication_is_counted() {
    let stand_in = StandIn::start().await;
    let metrics = Metrics::new();
    let centrifugo = Centrifugo::start(&stand_in.config(), &metrics).unwrap().unwrap();
    centrifugo.publish("", &1);
    centrifugo.publish("x".repeat(256), &1);
    centrifugo.broadcast(vec![], &1);
    // JSON has text for keys, and nothing else.
    centrifugo.publish("a", &HashMap::from([(vec![1], 1)]));
    centrifugo.publish("a", "good");
    let counts = until(&centrifugo, |counts| counts.published == 1).await;
    assert_eq!(counts.lost(Lost::Refused), 4);
    assert_eq!(stand_in.published(), [("a".to_owned(), json!("good"))]);
    let text = metrics.render();
    for line in [
        "steeple_centrifugo_published_total 1",
        "steeple_centrifugo_lost_total{cause=\"refused\"} 4",
        "steeple_centrifugo_lost_total{cause=\"full\"} 0",
        "steeple_centrifugo_failed_requests_total 0",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn without_an_address_there_is_none() {
    assert!(Centrifugo::start(&Config::default(), &Metrics::new()).unwrap().is_none());
}

#[tokio::test]
async fn draining_delivers_what_waits_and_takes_nothing_more() {
    let stand_in = StandIn::start().await;
    stand_in.next([Mood::Status(500), Mood::Status(500)]);
    let centrifugo = open(&stand_in.config());
    for number in 0..150 {
        centrifugo.publish("a", &number);
    }
    assert_eq!(centrifugo.drain(LONG).await, 0);
    assert_eq!(centrifugo.counts().published, 150);
    centrifugo.publish("a", "too late");
    assert_eq!(centrifugo.counts().lost(Lost::AtTheEnd), 1);
    assert!(stand_in.published().iter().all(|(_, data)| data != "too late"));
}
