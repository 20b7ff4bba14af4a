//! `grpc`, `http`, `max_workers`, `reflection`, `health`.

use steeple::{Code, Server, server::StartError};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_client::ServerReflectionClient};

use crate::trial::{self, House, pb::trial::v1::Order};

#[tokio::test]
async fn port_0_takes_a_free_port_and_off_opens_none() {
    let house = House::configured(|config| config.server.http = "off".to_owned()).await;
    assert_ne!(house.running.grpc.port(), 0);
    assert_eq!(house.running.http, None);
    house.client().await.nothing(()).await.unwrap();

    let both = House::open().await;
    let http = both.running.http.unwrap();
    assert!(http.port() != 0 && http.port() != both.running.grpc.port());
}

#[tokio::test]
async fn the_address_is_the_one_that_was_asked_for() {
    let house = House::configured(|config| config.server.grpc = "[::1]:0".to_owned()).await;
    assert!(house.running.grpc.ip().is_ipv6() && house.running.grpc.ip().is_loopback());
    house.client().await.nothing(()).await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_stops_the_start_and_says_what_to_do() {
    let house = House::open().await;
    for key in ["grpc", "http"] {
        let folder = tempfile::tempdir().unwrap();
        let taken = if key == "grpc" { house.running.grpc } else { house.running.http.unwrap() };
        let config = trial::config(&folder, |config| {
            let address = if key == "grpc" { &mut config.server.grpc } else { &mut config.server.http };
            *address = taken.to_string();
        });
        let error = Server::new(trial::site()).start(config).await.unwrap_err();
        assert!(matches!(error, StartError::Listen(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("port {}", taken.port())) && text.contains("is in use"), "{text}");
        assert!(text.contains(&format!("server.{key}")), "{text}");
    }
}

#[tokio::test]
async fn max_workers_is_the_number_of_threads_and_0_one_per_core() {
    let mut config = steeple::server::Config { max_workers: 3, ..steeple::server::Config::default() };
    assert_eq!(config.workers(), 3);
    config.max_workers = 0;
    assert_eq!(config.workers(), std::thread::available_parallelism().unwrap().get());
}

#[tokio::test]
async fn reflection_and_health_can_be_left_out() {
    let house = House::configured(|config| {
        config.server.reflection = false;
        config.server.health = false;
    })
    .await;
    let channel = house.channel().await;
    let status = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let asked = tokio_stream::once(ServerReflectionRequest::default());
    let status = ServerReflectionClient::new(channel).server_reflection_info(asked).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let names: Vec<_> = house.running.plan.services.iter().map(|service| service.found.name).collect();
    assert_eq!(names, ["trial.v1.Trial", "steeple.auth.v1.AuthService"]);
    house.client().await.unary(Order::default()).await.unwrap();
}
