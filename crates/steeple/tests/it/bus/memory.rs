//! Requests that time out leave nothing behind: a process of its own counts its memory.

use std::{
    collections::VecDeque,
    env,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use steeple::bus::Delivery;
use tokio::sync::Semaphore;

use super::{LONG, Meeting, SERVICE, peer::Peer};

const REQUESTS: usize = 100_000;
const KEPT: usize = 20_000;
/// Marks the process.
const CHILD: &str = "STEEPLE_TEST_BUS_CHILD";

#[test]
fn a_hundred_thousand_timeouts_leave_memory_flat() {
    if Meeting::nats().is_none() {
        return;
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "bus::memory::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("grew by"), "{said}{}", String::from_utf8_lossy(&child.stderr));
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
#[ignore = "the test above runs it"]
fn child() {
    if env::var(CHILD).is_err() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let meeting = Meeting::nats().unwrap();
        let (here, there) = (meeting.node().await, meeting.node().await);
        // Keeps what it was asked until nobody waits for it any more.
        let kept = Mutex::new(VecDeque::new());
        let keep = move |delivery: Delivery| {
            let mut kept = kept.lock().unwrap();
            kept.push_back(delivery.accept());
            if kept.len() > KEPT {
                kept.pop_front();
            }
        };
        let silent = there.serve(SERVICE, "silent", &[], keep).await.unwrap();
        let mut answering = Peer::at(&there, "answering").await;
        let ask = async |count: usize| {
            let places = Arc::new(Semaphore::new(1000));
            for _ in 0..count {
                let place = places.clone().acquire_owned().await.unwrap();
                let here = here.clone();
                tokio::spawn(async move {
                    let asked = here.request(SERVICE, "silent", Bytes::from_static(b"x"), Duration::from_millis(10));
                    assert!(asked.await.is_err());
                    drop(place);
                });
            }
            let _all = places.acquire_many(1000).await.unwrap();
        };
        ask(2 * KEPT).await;
        let before = resident();
        ask(REQUESTS).await;
        let after = resident();
        assert_eq!(here.counts().waiting, 0);
        let grown = after.saturating_sub(before) / 1024;
        println!("grew by {grown} KiB");
        // The client's own requests would keep 346 bytes of each: 34 MB.
        assert!(grown < 10 * 1024, "{grown} KiB");
        here.send(SERVICE, "answering", Bytes::new(), LONG).await.unwrap();
        answering.next().await;
        drop(silent);
    });
}
