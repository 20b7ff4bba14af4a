//! To all clients of a service, and to those with a label.

use std::time::Duration;

use bytes::Bytes;

use super::{LONG, SERVICE, on_every_bus, peer::Peer, until};

on_every_bus! {
    async fn a_publication_reaches_every_session_of_its_audience(meeting: Meeting) {
        let local = meeting.config.is_none();
        let nodes = [meeting.node().await, meeting.node().await, meeting.node().await];
        let mut european = Peer::with(&nodes[1], "a", &["eu", "vip"], 4).await;
        let mut american = Peer::with(&nodes[2], "b", &["us"], 4).await;
        let mut vip = Peer::with(&nodes[2], "c", &["vip"], 4).await;
        let mut stranger = {
            let (into, queue) = tokio::sync::mpsc::channel(4);
            let deliver = move |delivery: steeple::bus::Delivery| into.try_send(delivery.accept()).unwrap();
            (nodes[1].serve("trial.v1.Other", "a", &["eu"], deliver).await.unwrap(), queue)
        };
        let count = if local { 1 } else { 3 };
        let publish = |bytes: &'static [u8]| nodes[0].publish_all(SERVICE, Bytes::from_static(bytes), LONG, Some(count));
        let spread = publish(b"all").await.unwrap();
        assert_eq!((spread.nodes, spread.queued, spread.refused, spread.complete), (count, 3, 0, true));
        for peer in [&mut european, &mut american, &mut vip] {
            let got = peer.next().await;
            assert!(got.bytes == "all" && got.reply.is_none());
        }
        let spread = nodes[1].publish_label(SERVICE, "vip", Bytes::from_static(b"vip"), LONG, Some(count - count / 3)).await;
        assert_eq!(spread.unwrap().queued, 2);
        assert_eq!(european.next().await.bytes, "vip");
        assert_eq!(vip.next().await.bytes, "vip");
        // Queues of four: of five, the last is refused.
        for _ in 0..4 {
            publish(b"fill").await.unwrap();
        }
        let spread = publish(b"too many").await.unwrap();
        assert_eq!((spread.queued, spread.refused), (0, 3));
        assert!(stranger.1.try_recv().is_err());
        drop((european, american, vip, stranger));
        for node in &nodes {
            until("nobody is in a group", || node.counts().groups == 0).await;
        }
    }

    async fn nobody_is_a_complete_audience(meeting: Meeting) {
        let node = meeting.node().await;
        let spread = node.publish_all(SERVICE, Bytes::new(), LONG, None).await.unwrap();
        assert_eq!((spread.nodes, spread.queued, spread.complete), (1, 0, true));
        assert_eq!(node.counts().waiting, 0);
        assert!(node.publish_label(SERVICE, "", Bytes::new(), LONG, None).await.is_err());
        assert!(node.publish_all("no service", Bytes::new(), LONG, None).await.is_err());
    }
}

#[tokio::test]
async fn what_nobody_counts_is_not_complete() {
    let Some(meeting) = super::Meeting::nats() else { return };
    let (here, there) = (meeting.node().await, meeting.node().await);
    let mut peer = Peer::at(&there, "a").await;
    let spread = here.publish_all(SERVICE, Bytes::new(), LONG, None).await.unwrap();
    assert_eq!((spread.nodes, spread.queued, spread.complete), (2, 1, false));
    peer.next().await;
    // A node that is expected and silent.
    let spread = here.publish_all(SERVICE, Bytes::new(), Duration::from_millis(100), Some(3)).await.unwrap();
    assert_eq!((spread.nodes, spread.complete), (2, false));
}
