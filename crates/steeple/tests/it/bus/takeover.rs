//! The newest session of a name has it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use steeple::{Code, bus::reason};

use super::{
    LONG, SERVICE, on_every_bus,
    peer::{Echo, Peer},
    said,
};

on_every_bus! {
    async fn the_newer_session_gets_what_is_sent(meeting: Meeting) {
        let (one, two) = (meeting.node().await, meeting.node().await);
        let older = Peer::at(&one, "moving").await;
        let mut newer = Peer::at(&two, "moving").await;
        tokio::time::timeout(LONG, older.registration.superseded()).await.unwrap();
        assert!(older.registration.is_superseded() && !newer.registration.is_superseded());
        for bus in [&one, &two] {
            bus.send(SERVICE, "moving", Bytes::from_static(b"hello"), LONG).await.unwrap();
            assert_eq!(newer.next().await.bytes, "hello");
        }
        // That it is dropped now takes nothing from the newer one.
        drop(older);
        one.send(SERVICE, "moving", Bytes::from_static(b"again"), LONG).await.unwrap();
        assert_eq!(newer.next().await.bytes, "again");
    }

    async fn of_many_at_once_exactly_one_stays(meeting: Meeting) {
        let nodes = [meeting.node().await, meeting.node().await, meeting.node().await];
        for round in 0..20 {
            let id = format!("crowd-{round}");
            let serve = |bus: &steeple::bus::Bus| {
                let (bus, id) = (bus.clone(), id.clone());
                tokio::spawn(async move {
                    // The loser may hear of it while it registers, or after.
                    bus.serve(SERVICE, &id, &[], |delivery| drop(delivery.accept())).await
                })
            };
            let mut registered = vec![];
            for attempt in nodes.iter().map(serve).collect::<Vec<_>>() {
                match attempt.await.unwrap() {
                    Ok(registration) => registered.push(registration),
                    Err(error) => assert_eq!(said(error), (Code::Aborted, reason::SUPERSEDED.to_owned())),
                }
            }
            let one = async {
                while registered.iter().filter(|registration| !registration.is_superseded()).count() != 1 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            tokio::time::timeout(LONG, one).await.unwrap();
            nodes[0].send(SERVICE, &id, Bytes::new(), LONG).await.unwrap();
        }
    }

    async fn nothing_is_lost_or_run_twice_while_a_session_moves(meeting: Meeting) {
        let (caller, nodes) = (meeting.node().await, [meeting.node().await, meeting.node().await]);
        let done = Arc::new(AtomicBool::new(false));
        let mut echoes = vec![Echo::at(&nodes[0], "moving").await];
        let callers: Vec<_> = (0..4)
            .map(|number| {
                let (caller, done) = (caller.clone(), done.clone());
                tokio::spawn(async move {
                    let mut sent = 0;
                    while !done.load(Relaxed) {
                        let command = Bytes::from(format!("{number}-{sent}"));
                        let answer = caller.request(SERVICE, "moving", command.clone(), LONG).await;
                        assert_eq!(answer.unwrap(), command);
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        for round in 1..30 {
            echoes.push(Echo::at(&nodes[round % 2], "moving").await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        done.store(true, Relaxed);
        let mut sent = 0;
        for caller in callers {
            sent += caller.await.unwrap();
        }
        let mut ran = HashMap::<Bytes, usize>::new();
        for echo in &echoes {
            for command in echo.ran.lock().unwrap().iter() {
                *ran.entry(command.clone()).or_default() += 1;
            }
        }
        assert_eq!(ran.len(), sent);
        assert!(ran.values().all(|times| *times == 1), "some ran twice");
        assert!(echoes[..29].iter().all(|echo| echo.registration.is_superseded()));
    }
}
