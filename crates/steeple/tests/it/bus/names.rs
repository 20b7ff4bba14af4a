//! Names that would be patterns, levels or floods on the broker.

use bytes::Bytes;
use steeple::Code;

use super::{LONG, SERVICE, on_every_bus, peer::Peer};

on_every_bus! {
    async fn a_strange_name_is_a_name_and_nothing_more(meeting: Meeting) {
        let (here, there) = (meeting.node().await, meeting.node().await);
        let long = "x".repeat(64);
        let names = ["*", ">", "a.b", "a*b", "$SYS.>", "_INBOX.>", "..", " ", "\t", "\r\nPUB x 0\r\n", "ü", "\0", "%2A", &long];
        let mut victim = Peer::at(&there, "victim").await;
        let mut peers = vec![];
        for name in names {
            peers.push((name, Peer::at(&there, name).await));
        }
        for (name, peer) in &mut peers {
            here.send(SERVICE, name, Bytes::from(name.to_string()), LONG).await.unwrap();
            assert_eq!(peer.next().await.bytes, name.as_bytes());
        }
        here.send(SERVICE, "victim", Bytes::from_static(b"secret"), LONG).await.unwrap();
        assert_eq!(victim.next().await.bytes, "secret");
        for (name, peer) in &mut peers {
            assert!(peer.queue.try_recv().is_err(), "{name:?} heard what was not for it");
            assert!(!peer.registration.is_superseded(), "{name:?} is not what another name is");
        }
    }

    async fn what_cannot_be_a_name_is_refused_before_anything_is_done(meeting: Meeting) {
        let bus = meeting.node().await;
        let (too_long, flood) = ("x".repeat(65), "x".repeat(5_000));
        for id in ["", &too_long, &flood] {
            let refused = bus.serve(SERVICE, id, &[], drop).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(!refused.message().contains("xxx"));
            assert_eq!(bus.send(SERVICE, id, Bytes::new(), LONG).await.unwrap_err().code(), Code::InvalidArgument);
            assert_eq!(bus.request(SERVICE, id, Bytes::new(), LONG).await.unwrap_err().code(), Code::InvalidArgument);
            assert!(bus.serve(SERVICE, "a", &[id], drop).await.is_err());
            assert!(bus.publish_label(SERVICE, id, Bytes::new(), LONG, None).await.is_err());
        }
        for service in ["", "*", ">", "a.>", "a b", &flood] {
            assert!(bus.serve(service, "a", &[], drop).await.is_err(), "{service}");
            assert!(bus.send(service, "a", Bytes::new(), LONG).await.is_err(), "{service}");
        }
        assert_eq!(bus.counts().sessions, 0);
        // The node is still on the bus.
        let mut peer = Peer::at(&bus, "a").await;
        meeting.node().await.send(SERVICE, "a", Bytes::new(), LONG).await.unwrap();
        peer.next().await;
    }
}
