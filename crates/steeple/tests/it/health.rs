//! Health over gRPC and over HTTP, fed by the database.

use std::{net::SocketAddr, time::Duration};

use sqlx::{Connection as _, Executor as _, PgConnection};
use steeple::Code;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    databases::Database,
    trial::{House, pb::trial::v1::Order},
};

const OFTEN: Duration = Duration::from_millis(20);

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

/// The head and the body of the answer to a GET.
async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

pub async fn status(address: SocketAddr, path: &str) -> (u16, String) {
    let (head, body) = get(address, path).await;
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

async fn next(watch: &mut tonic::Streaming<HealthCheckResponse>) -> ServingStatus {
    watch.message().await.unwrap().expect("a watch goes on").status()
}

#[tokio::test]
async fn check_knows_the_server_and_each_service() {
    let house = House::open().await;
    let mut health = HealthClient::new(house.channel().await);
    for service in ["", "trial.v1.Trial", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        let answer = health.check(of(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    assert_eq!(health.check(of("no.Such")).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(health.watch(of("no.Such")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_watch_hears_when_the_database_goes() {
    let house = House::with(|server| server.check_health_every(OFTEN), |_| ()).await;
    let mut health = HealthClient::new(house.channel().await);
    let mut all = health.watch(of("")).await.unwrap().into_inner();
    let mut one = health.watch(of("trial.v1.Trial")).await.unwrap().into_inner();
    assert_eq!((next(&mut all).await, next(&mut one).await), (ServingStatus::Serving, ServingStatus::Serving));
    house.running.db().close().await;
    assert_eq!((next(&mut all).await, next(&mut one).await), (ServingStatus::NotServing, ServingStatus::NotServing));
    let (code, body) = status(house.running.http.unwrap(), "/readyz").await;
    assert_eq!(code, 503);
    assert!(body.starts_with("not ready: the database does not answer"), "{body}");
    assert_eq!(status(house.running.http.unwrap(), "/healthz").await, (200, "ok\n".to_owned()), "the process runs");
}

#[tokio::test]
async fn a_watch_hears_when_the_database_goes_and_when_it_comes_back() {
    let Some(database) = Database::postgres().await else { return };
    let url = database.url().to_owned();
    let furnish = |server: steeple::Server| server.check_health_every(OFTEN);
    let house = House::with(furnish, |config| config.database.url.clone_from(&url)).await;
    let http = house.running.http.unwrap();
    let mut watch = HealthClient::new(house.channel().await).watch(of("")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, ServingStatus::Serving);

    let server = std::env::var("STEEPLE_TEST_POSTGRES_URL").unwrap();
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let name = url.rsplit_once('/').unwrap().1;
    let mut order = async |statement: String| {
        admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    };
    order(format!("alter database {name} allow_connections false")).await;
    order(format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")).await;
    assert_eq!(next(&mut watch).await, ServingStatus::NotServing);
    assert_eq!(status(http, "/readyz").await.0, 503);
    house.client().await.unary(Order::default()).await.expect("calls that need no database are served");
    order(format!("alter database {name} allow_connections true")).await;
    assert_eq!(next(&mut watch).await, ServingStatus::Serving);
    assert_eq!(status(http, "/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(house.close().await.len(), 1, "and the row of that call waited for it");
}

#[tokio::test]
async fn http_tells_life_readiness_and_metrics() {
    let house = House::open().await;
    let http = house.running.http.unwrap();
    assert_eq!(status(http, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(status(http, "/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(status(http, "/nowhere").await.0, 404);
    house.client().await.unary(Order::default()).await.unwrap();
    let (head, body) = get(http, "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(body.lines().any(|line| line.contains("Unary") && line.ends_with(" 1")), "{body}");
}

#[tokio::test]
async fn readyz_says_so_while_the_server_drains() {
    let house = House::open().await;
    let http = house.running.http.unwrap();
    let (orders, order) = tokio::sync::mpsc::channel::<Order>(1);
    let mut client = house.client().await;
    let reports = client.exchange(tokio_stream::wrappers::ReceiverStream::new(order)).await.unwrap();
    let closing = tokio::spawn(house.close());
    while status(http, "/readyz").await.0 == 200 {
        tokio::time::sleep(OFTEN).await;
    }
    assert_eq!(status(http, "/readyz").await, (503, "not ready: draining\n".to_owned()));
    assert_eq!(status(http, "/healthz").await.0, 200);
    drop((orders, reports));
    closing.await.unwrap();
}
