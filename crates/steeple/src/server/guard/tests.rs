use std::{
    net::SocketAddr,
    pin::{Pin, pin},
};

use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    net::TcpStream,
    time::timeout,
};
use tokio_stream::StreamExt as _;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::*;
use crate::server::Config;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
/// Long enough for a test to be awake in, short enough to wait for.
const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_mins(1);

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

fn handshake() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, &[])].concat()
}

// === frames ===

fn after(bytes: &[&[u8]]) -> Waiting {
    let mut frames = Frames::default();
    for bytes in bytes {
        frames.pass(bytes);
    }
    frames.waiting()
}

#[test]
fn the_handshake_ends_with_the_first_frame() {
    assert_eq!(after(&[]), Waiting::Handshake);
    assert_eq!(after(&[&PREFACE[..10]]), Waiting::Handshake);
    assert_eq!(after(&[PREFACE]), Waiting::Handshake);
    assert_eq!(after(&[PREFACE, &frame(SETTINGS, 0, &[0; 6])[..14]]), Waiting::Handshake);
    assert_eq!(after(&[PREFACE, &frame(SETTINGS, 0, &[0; 6])]), Waiting::Nothing);
    assert_eq!(after(&[PREFACE, &frame(SETTINGS, 0, &[])]), Waiting::Nothing);
}

#[test]
fn the_rest_of_a_frame_is_waited_for_unless_it_is_data() {
    let (ping, data) = (frame(PING, 0, &[0; 8]), frame(0, 0, &[0; 100]));
    for part in 1..ping.len() {
        assert!(matches!(after(&[&handshake(), &ping[..part]]), Waiting::Rest(_)), "{part} bytes of a PING");
    }
    for part in 4..=data.len() {
        assert_eq!(after(&[&handshake(), &data[..part]]), Waiting::Nothing, "{part} bytes of DATA");
    }
    assert!(matches!(after(&[&handshake(), &data[..3]]), Waiting::Rest(_)), "the type is not known yet");
}

#[test]
fn a_list_of_headers_is_one_thing_until_it_ends() {
    let open = frame(1, 0, b"abc");
    let more = frame(9, 0, b"def");
    let waiting = after(&[&handshake(), &open[..5]]);
    assert!(matches!(waiting, Waiting::Rest(_)));
    assert_eq!(after(&[&handshake(), &open]), waiting);
    assert_eq!(after(&[&handshake(), &open, &more, &more, &more[..4]]), waiting);
    assert_eq!(after(&[&handshake(), &open, &more, &frame(9, 4, b"")]), Waiting::Nothing);
    assert_eq!(after(&[&handshake(), &frame(1, 4, b"abc")]), Waiting::Nothing);
    assert_ne!(after(&[&handshake(), &frame(PING, 0, &[0; 8]), &open]), waiting, "the next thing is another");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn how_bytes_are_cut_makes_no_difference(
        frames in prop::collection::vec((0u8..12, any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        cuts in prop::collection::vec(1usize..20, 1..30),
        dropped in 0usize..40,
    ) {
        let mut bytes = handshake();
        for (kind, flags, payload) in &frames {
            bytes.extend(frame(*kind, *flags, payload));
        }
        bytes.truncate(bytes.len().saturating_sub(dropped));
        let mut cut = Frames::default();
        let mut rest = &bytes[..];
        for length in cuts.iter().cycle() {
            let (part, left) = rest.split_at((*length).min(rest.len()));
            cut.pass(part);
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(cut.waiting(), after(&[&bytes]));
    }
}

// === a guarded connection ===

fn guarded(handshake: Duration, header: Duration) -> (DuplexStream, Guarded<DuplexStream>) {
    let (client, server) = duplex(64 * 1024);
    (client, Guarded::new(server, Patience { handshake, header, life: None }, None))
}

/// Reads until the connection fails, as a server does.
async fn failure(mut guarded: Guarded<DuplexStream>) -> io::Error {
    loop {
        match guarded.read(&mut [0; 1024]).await {
            Ok(0) => panic!("the client does not close"),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let (_client, server) = guarded(SHORT, LONG);
    let error = failure(server).await;
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("server.handshake_timeout"), "{error}");
}

#[tokio::test]
async fn a_connection_that_drips_its_preface_is_closed() {
    let (mut client, server) = guarded(SHORT, LONG);
    let drip = async {
        for byte in PREFACE.iter().cycle() {
            client.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(SHORT / 2).await;
        }
    };
    // 24 bytes of preface and 9 of SETTINGS would take longer than the test allows.
    tokio::select! {
        error = failure(server) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
        () = drip => unreachable!("dripping does not end"),
    }
}

#[tokio::test]
async fn a_list_of_headers_that_drips_is_closed_though_frames_arrive() {
    let (mut client, server) = guarded(LONG, SHORT);
    let drip = async {
        client.write_all(&handshake()).await.unwrap();
        client.write_all(&frame(1, 0, b"abc")).await.unwrap();
        loop {
            client.write_all(&frame(9, 0, b"d")).await.unwrap();
            tokio::time::sleep(SHORT / 2).await;
        }
    };
    tokio::select! {
        error = failure(server) => {
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(error.to_string().contains("server.header_timeout"), "{error}");
        }
        () = drip => unreachable!("dripping does not end"),
    }
}

#[tokio::test]
async fn silence_between_frames_and_within_data_is_no_stall() {
    let (mut client, mut server) = guarded(SHORT, SHORT);
    let mut buffer = vec![0; 1024];
    client.write_all(&handshake()).await.unwrap();
    let mut read = server.read(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..read], handshake());
    timeout(SHORT * 3, server.read(&mut buffer)).await.expect_err("nothing to read, and nothing wrong");

    let data = frame(0, 0, &[7; 100]);
    client.write_all(&data[..50]).await.unwrap();
    read = server.read(&mut buffer).await.unwrap();
    assert_eq!(read, 50);
    timeout(SHORT * 3, server.read(&mut buffer)).await.expect_err("nothing to read, and nothing wrong");
    client.write_all(&data[50..]).await.unwrap();
    assert_eq!(server.read(&mut buffer).await.unwrap(), data.len() - 50);

    client.write_all(&frame(PING, 0, &[0; 8])[..12]).await.unwrap();
    assert_eq!(failure(server).await.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn bytes_that_arrived_in_time_are_taken_before_the_clock_is_asked() {
    let (mut client, mut server) = guarded(SHORT, LONG);
    client.write_all(&handshake()).await.unwrap();
    // The server was busy elsewhere for longer than the handshake may take.
    tokio::time::sleep(SHORT * 3).await;
    assert_eq!(server.read(&mut [0; 1024]).await.unwrap(), handshake().len());
    timeout(SHORT, server.read(&mut [0; 1024])).await.expect_err("nothing to read, and nothing wrong");
}

// === the listener ===

fn limits(max_connections: usize) -> Config {
    Config { max_connections, handshake_timeout: LONG, header_timeout: LONG, ..Config::default() }
}

async fn accepted(incoming: &mut Pin<&mut Incoming>) -> Guarded<TcpStream> {
    incoming.next().await.expect("never ends").expect("never fails")
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_places_come_back() {
    let mut incoming = pin!(Incoming::bind("127.0.0.1:0", &limits(1)).unwrap());
    let address = incoming.local_addr();
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut server_side = accepted(&mut incoming).await;
    let mut second = TcpStream::connect(address).await.unwrap();
    let mut byte = [0];
    tokio::select! {
        _ = accepted(&mut incoming) => panic!("there is one place"),
        read = second.read(&mut byte) => assert_eq!(read.unwrap_or(0), 0, "closed"),
    }

    first.write_all(b"x").await.unwrap();
    assert_eq!(server_side.read(&mut [0; 8]).await.unwrap(), 1, "the first is unharmed");
    assert_eq!(server_side.connect_info().remote_addr(), Some(first.local_addr().unwrap()));
    drop(server_side);
    let third = TcpStream::connect(address).await.unwrap();
    let server_side = accepted(&mut incoming).await;
    assert_eq!(server_side.connect_info().remote_addr(), Some(third.local_addr().unwrap()), "the place came back");
}

#[tokio::test]
async fn a_failing_accept_is_survived() {
    const EMFILE: i32 = 24;
    let mut incoming = pin!(Incoming::bind("127.0.0.1:0", &limits(10)).unwrap());
    incoming.recover(&io::Error::from_raw_os_error(EMFILE));
    incoming.recover(&io::Error::from(io::ErrorKind::ConnectionAborted));
    let _client = TcpStream::connect(incoming.local_addr()).await.unwrap();
    incoming.next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let taken = Incoming::bind("127.0.0.1:0", &Config::default()).unwrap();
    let address = taken.local_addr().to_string();
    let error = Incoming::bind(&address, &Config::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "port {} ({address}) is in use: stop the program that has it, or set server.grpc in steeple.toml or \
             STEEPLE_SERVER__GRPC to another address",
            taken.local_addr().port()
        )
    );
    let error = Incoming::bind("name.invalid:1", &Config::default()).unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on name.invalid:1 ("), "{error}");
}

// === with a real server behind ===

/// A tonic server behind the guard, with the health service.
fn serve(config: &Config) -> SocketAddr {
    let incoming = Incoming::bind("127.0.0.1:0", config).unwrap();
    let address = incoming.local_addr();
    let (_, health) = tonic_health::server::health_reporter();
    tokio::spawn(tonic::transport::Server::builder().add_service(health).serve_with_incoming(incoming));
    address
}

/// Waits until the server has closed the connection, over whatever it still says.
async fn closed(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await.unwrap_or(0) > 0 {}
}

#[tokio::test]
async fn slow_connections_are_closed_and_others_are_served_meanwhile() {
    let config = Config { handshake_timeout: SHORT * 20, header_timeout: SHORT * 20, ..Config::default() };
    let address = serve(&config);
    let channel =
        tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);

    let mut slow = vec![];
    for said in [vec![], PREFACE[..5].to_vec(), PREFACE.to_vec(), [handshake(), frame(1, 0, &[0x82])].concat()] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&said).await.unwrap();
        slow.push(tokio::spawn(closed(stream)));
    }
    for stream in slow {
        health.check(HealthCheckRequest::default()).await.unwrap();
        stream.await.unwrap();
    }
    health.check(HealthCheckRequest::default()).await.expect("the connection outlives both timeouts");
}
