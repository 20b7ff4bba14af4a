//! Each receiver gets what it should, whatever the others do.

use std::{sync::Arc, time::Duration};

use steeple::{App, Code, Error, Setup};
use tokio::sync::{Semaphore, mpsc};

use super::{Heard, Placed, Shipped, listening, site, unused};
use crate::{
    caches::{counter, until},
    lines::Lines,
    trial::House,
};

fn deliveries(house: &House, receiver: &str, outcome: &str) -> u64 {
    let text = house.running.metrics().render();
    let lines = text.lines().filter(|line| line.starts_with("steeple_signal_deliveries_total{"));
    let of_it = lines.filter(|line| line.contains(receiver) && line.contains(&format!("outcome=\"{outcome}\"")));
    of_it.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

fn sent(house: &House, event: &str) -> u64 {
    counter(house.running.metrics(), &format!("steeple_signals_sent_total{{event=\"it::signals::{event}\"}}"))
}

/// An app whose receiver says what it hears, and then waits for a permit.
fn slow(label: &'static str, go: &Arc<Semaphore>) -> (App, Heard) {
    let (say, heard) = mpsc::unbounded_channel();
    let go = go.clone();
    let receive = move |event: Arc<Placed>, _: Setup| {
        let (say, go) = (say.clone(), go.clone());
        async move {
            say.send(event.0).ok();
            go.acquire().await.unwrap().forget();
            Ok(())
        }
    };
    (App::new(label).receive(receive), heard)
}

#[tokio::test]
async fn everybody_gets_every_event_in_order() {
    let go = Arc::new(Semaphore::new(0));
    let ((first, mut heard), (second, mut heard_too), (third, mut heard_late)) =
        (listening("first"), listening("second"), slow("third", &go));
    let (house, setup) = site(vec![first, second, third], unused, |_| ()).await;
    for n in 0..1000 {
        setup.signals().send(setup.db(), Placed(n));
    }
    for n in 0..1000 {
        assert_eq!((heard.recv().await, heard_too.recv().await), (Some(n), Some(n)));
    }
    assert_eq!(heard_late.recv().await, Some(0));
    assert!(heard_late.try_recv().is_err(), "nobody waits for the slow one");
    go.add_permits(1000);
    for n in 1..1000 {
        assert_eq!(heard_late.recv().await, Some(n));
    }
    assert_eq!(sent(&house, "Placed"), 1000);
    until("the counters", async || deliveries(&house, "", "delivered") == 3000).await;
    assert_eq!(deliveries(&house, "", "failed") + deliveries(&house, "", "dropped"), 0);
    house.close().await;
}

async fn fails(_: Arc<Placed>, _: Setup) -> steeple::Result<()> {
    Err(Error::new(Code::Aborted, "on purpose"))
}

async fn panics(event: Arc<Placed>, _: Setup) -> steeple::Result<()> {
    assert_eq!(event.0, 0, "on purpose");
    Ok(())
}

/// In the call itself, before there is anything to await.
fn panics_at_once(event: Arc<Placed>, _: Setup) -> std::future::Ready<steeple::Result<()>> {
    assert_eq!(event.0, 0, "on purpose");
    std::future::ready(Ok(()))
}

#[tokio::test]
async fn a_receiver_that_fails_harms_nobody() {
    let (app, mut heard) = listening("well");
    let lines = Lines::default();
    let caught = lines.catch();
    let ill = App::new("ill").receive(fails).receive(panics).receive(panics_at_once);
    let (house, setup) = site(vec![ill, app], unused, |_| ()).await;
    for n in [1, 0, 2, 0] {
        setup.signals().send(setup.db(), Placed(n));
    }
    for n in [1, 0, 2, 0] {
        assert_eq!(heard.recv().await, Some(n));
    }
    let count = |receiver| ["delivered", "failed", "dropped"].map(|outcome| deliveries(&house, receiver, outcome));
    until("all deliveries", async || {
        ["::fails", "::panics\"", "::panics_at_once"].iter().all(|name| count(name).iter().sum::<u64>() == 4)
    })
    .await;
    assert_eq!(count("::fails"), [0, 4, 0]);
    assert_eq!(count("::panics\""), [2, 2, 0]);
    assert_eq!(count("::panics_at_once"), [2, 2, 0]);
    drop(caught);
    assert_eq!(lines.count("a receiver failed"), 8);
    house.close().await;
}

#[tokio::test]
async fn a_full_queue_drops_what_is_new() {
    let go = Arc::new(Semaphore::new(0));
    let (app, mut heard) = slow("slow", &go);
    let (quick, mut heard_quickly) = listening("quick");
    let (house, setup) = site(vec![app, quick], unused, |_| ()).await;
    let lines = Lines::default();
    let caught = lines.catch();
    setup.signals().send(setup.db(), Placed(-1));
    assert_eq!((heard.recv().await, heard_quickly.recv().await), (Some(-1), Some(-1)));
    // One is with the receiver, and 4096 have room.
    for n in 0..5000 {
        setup.signals().send(setup.db(), Placed(n));
        // Room for the quick one.
        assert_eq!(heard_quickly.recv().await, Some(n));
    }
    drop(caught);
    assert_eq!(lines.count("queue is full"), 1);
    assert_eq!(deliveries(&house, "", "dropped"), 904);
    go.add_permits(5000);
    for n in 0..4096 {
        assert_eq!(heard.recv().await, Some(n), "the oldest are kept");
    }
    // There is room again.
    setup.signals().send(setup.db(), Placed(7000));
    assert_eq!(heard.recv().await, Some(7000));
    assert_eq!(deliveries(&house, "", "dropped"), 904);
    house.close().await;
}

#[tokio::test]
async fn what_was_sent_is_delivered_before_the_end() {
    let (say, mut heard) = mpsc::unbounded_channel();
    let forward = async |event: Arc<Placed>, setup: Setup| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        setup.signals().send(setup.db(), Shipped(event.0));
        Ok(())
    };
    let receive = move |event: Arc<Shipped>, _: Setup| {
        let say = say.clone();
        async move {
            say.send(event.0).ok();
            Ok(())
        }
    };
    let (house, setup) =
        site(vec![App::new("a").receive(forward), App::new("b").receive(receive)], unused, |_| ()).await;
    for n in 0..200 {
        setup.signals().send(setup.db(), Placed(n));
    }
    let House { running, .. } = house;
    let metrics = running.metrics().clone();
    let stopped = running.stop().await;
    assert_eq!(stopped.undelivered, 0);
    for n in 0..200 {
        assert_eq!(heard.try_recv().ok(), Some(n));
    }
    // Whoever comes later is not heard, and not held up.
    setup.signals().send(setup.db(), Placed(1000));
    let text = metrics.render();
    let dropped = text.lines().find(|line| line.contains("outcome=\"dropped\"") && line.contains("Placed")).unwrap();
    assert!(dropped.ends_with(" 1"), "{dropped}");
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let go = Arc::new(Semaphore::new(0));
    let (app, mut heard) = slow("stuck", &go);
    let (house, setup) = site(vec![app], unused, |config| config.server.drain = Duration::ZERO).await;
    for n in 0..3 {
        setup.signals().send(setup.db(), Placed(n));
    }
    let House { running, .. } = house;
    assert_eq!(running.stop().await.undelivered, 3);
    drop(setup);
    assert_eq!(heard.recv().await, Some(0));
    // The delivery that was under way has ended as well: nobody holds the other end any more.
    assert_eq!(heard.recv().await, None);
}

#[tokio::test]
async fn apps_that_are_off_receive_nothing() {
    let ((on, mut heard), (off, mut heard_off)) = (listening("on"), listening("off"));
    let nobody = App::new("nobody").receive(async |_: Arc<Shipped>, _: Setup| Ok(()));
    let enabled = ["on", "nobody", "trial"].map(str::to_owned);
    let (house, setup) =
        site(vec![on, off, nobody], unused, |config| config.apps.enabled_apps = Some(enabled.to_vec())).await;
    setup.signals().send(setup.db(), Placed(1));
    // An event that nobody receives is no mistake.
    setup.signals().send(setup.db(), "hello");
    assert_eq!(heard.recv().await, Some(1));
    assert_eq!(counter(house.running.metrics(), "steeple_signals_sent_total{event=\"&str\"}"), 1);
    let listed: Vec<_> = house.running.plan.receivers.iter().map(|listed| (listed.app, listed.event)).collect();
    assert_eq!(listed, [("on", "it::signals::Placed"), ("nobody", "it::signals::Shipped")]);
    house.close().await;
    assert_eq!(heard_off.recv().await, None);
}
