//! A service made by tonic's own generator, beside Steeple's: the same pipeline.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{self, Poll},
};

use http_body_util::StreamBody;
use steeple::{Code, Context, Server, Site};
use tokio_stream::StreamExt as _;
use tonic::{Request, Status, body::Body, server::NamedService};

use crate::trial::{
    DESCRIPTORS, House,
    pb::trial::v1::{Order, Report},
};

/// What tonic's generator writes for `service Stock { rpc Say(Order) returns (Report); rpc Count(Order) returns (stream Report); }`.
#[derive(Clone)]
struct Stock;

impl NamedService for Stock {
    const NAME: &'static str = "stock.Stock";
}

/// Does what the order says; the context of the call is where tonic keeps what belongs to a request.
fn say(request: Request<Order>) -> Result<tonic::Response<Report>, Status> {
    let cx = request.extensions().get::<Context>().expect("the pipeline puts it there").clone();
    let order = request.into_inner();
    assert!(!order.panic, "told to panic: secret-4711");
    if order.code != 0 {
        return Err(Status::new(Code::from_i32(order.code), "told to fail"));
    }
    cx.set_trailer("x-tail", "set by the stock service").unwrap();
    Ok(tonic::Response::new(Report { text: cx.request_id().to_string(), ..Report::default() }))
}

impl tower::Service<http::Request<Body>> for Stock {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<Report, Order>::default();
            let mut grpc = tonic::server::Grpc::new(codec);
            Ok(match request.uri().path() {
                "/stock.Stock/Say" => {
                    let service = tower::service_fn(|request| async move { say(request) });
                    grpc.unary(service, request).await
                }
                "/stock.Stock/Count" => {
                    let service = tower::service_fn(|request: Request<Order>| async move {
                        let order = request.into_inner();
                        let reports =
                            (0..order.count).map(|count| Ok(Report { count: count.into(), ..Report::default() }));
                        let end = tokio_stream::iter(Some(order).filter(|order| order.panic));
                        let end = end.map(|_| -> Result<Report, Status> { panic!("told to panic: secret-4711") });
                        Ok::<_, Status>(tonic::Response::new(
                            tokio_stream::iter(reports.collect::<Vec<_>>()).chain(end),
                        ))
                    });
                    grpc.server_streaming(service, request).await
                }
                // A body that ends without a status, as a broken service's would.
                _ => {
                    let frames = tokio_stream::empty::<Result<http_body::Frame<bytes::Bytes>, Status>>();
                    let mut response = http::Response::new(Body::new(StreamBody::new(frames)));
                    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
                    response
                }
            })
        })
    }
}

fn site() -> Site {
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    site.tonic_service(Stock);
    site
}

type Grpc = tonic::client::Grpc<tonic::transport::Channel>;

async fn grpc(house: &House) -> Grpc {
    let mut grpc = Grpc::new(house.channel().await);
    grpc.ready().await.unwrap();
    grpc
}

async fn call(grpc: &mut Grpc, method: &'static str, order: Order) -> Result<tonic::Response<Report>, Status> {
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(method);
    grpc.unary(Request::new(order), path, tonic_prost::ProstCodec::<Order, Report>::default()).await
}

#[tokio::test]
async fn it_has_a_context_and_a_row() {
    let house = House::of(site(), |_| ()).await;
    let answer = call(&mut grpc(&house).await, "/stock.Stock/Say", Order::default()).await.unwrap();
    assert_eq!(answer.metadata().get("x-tail").unwrap(), "set by the stock service");
    let id = answer.into_inner().text;
    let rows = house.close().await;
    assert_eq!((rows.len(), rows[0].request_id.as_str()), (1, id.as_str()));
    assert_eq!((rows[0].service_name.as_str(), rows[0].status.as_str()), ("stock.Stock", "success"));
    assert_eq!((rows[0].request_messages, rows[0].response_messages), (1, 1));
}

#[tokio::test]
async fn its_status_and_its_panics_are_on_record() {
    let house = House::of(site(), |_| ()).await;
    let mut grpc = grpc(&house).await;
    let failed = call(&mut grpc, "/stock.Stock/Say", Order { code: 9, ..Order::default() }).await.unwrap_err();
    assert_eq!((failed.code(), failed.message()), (Code::FailedPrecondition, "told to fail"));
    let panicked = call(&mut grpc, "/stock.Stock/Say", Order { panic: true, ..Order::default() }).await.unwrap_err();
    assert_eq!((panicked.code(), panicked.message()), (Code::Internal, "internal error"));
    let rows = house.close().await;
    assert_eq!(rows[1].error_message.as_deref(), Some("told to fail"));
    assert_eq!(rows[0].error_message.as_deref(), Some("internal error: panicked: told to panic: secret-4711"));
}

#[tokio::test]
async fn a_panic_in_its_stream_is_internal_and_the_connection_lives_on() {
    let house = House::of(site(), |_| ()).await;
    let mut grpc = grpc(&house).await;
    let path = http::uri::PathAndQuery::from_static("/stock.Stock/Count");
    let codec = tonic_prost::ProstCodec::<Order, Report>::default();
    let order = Order { count: 3, panic: true, ..Order::default() };
    let status = match grpc.server_streaming(Request::new(order), path, codec).await {
        Ok(reports) => {
            let mut reports = reports.into_inner();
            loop {
                // What tonic had encoded and not yet sent is lost with its encoder.
                match reports.message().await {
                    Ok(message) => assert!(message.is_some(), "a status is due"),
                    Err(status) => break status,
                }
            }
        }
        Err(status) => status,
    };
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    call(&mut grpc, "/stock.Stock/Say", Order::default()).await.unwrap();
    assert_eq!(house.close().await[1].status, "error");
}

#[tokio::test]
async fn an_answer_without_a_status_is_unknown() {
    let house = House::of(site(), |_| ()).await;
    call(&mut grpc(&house).await, "/stock.Stock/Broken", Order::default()).await.unwrap_err();
    let rows = house.rows(1, |row| row.status == "error").await;
    assert_eq!(rows[0].grpc_status_code.as_deref(), Some("UNKNOWN"));
    assert_eq!(rows[0].error_message.as_deref(), Some("the answer ended without a status"));
}

#[tokio::test]
async fn limits_and_deadlines_hold_for_it() {
    let house = House::with(|_| Server::new(site()), |config| config.server.max_receive_message_bytes = 100).await;
    let large = Order { text: "x".repeat(200), ..Order::default() };
    let status = call(&mut grpc(&house).await, "/stock.Stock/Say", large).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn tonics_own_health_service_can_take_the_place_of_ours() {
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("mine", tonic_health::ServingStatus::NotServing).await;
    let mut site = crate::trial::site();
    site.tonic_service(health);
    let house = House::of(site, |config| config.log.skip.clear()).await;
    let mut client = HealthClient::new(house.channel().await);
    let request = HealthCheckRequest { service: "mine".to_owned() };
    assert_eq!(client.check(request).await.unwrap().into_inner().status(), ServingStatus::NotServing);
    let rows = house.close().await;
    assert_eq!((rows[0].service_name.as_str(), rows[0].method_name.as_str()), ("grpc.health.v1.Health", "Check"));
}

#[tokio::test]
async fn one_version_of_reflection_can_be_replaced_and_the_other_stays() {
    use tonic_reflection::{pb::v1alpha, server::Builder};
    let mut site = crate::trial::site();
    site.tonic_service(Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS).build_v1alpha().unwrap());
    let house = House::of(site, |_| ()).await;
    let channel = house.channel().await;
    let asked = tokio_stream::once(v1alpha::ServerReflectionRequest::default());
    let mut theirs = v1alpha::server_reflection_client::ServerReflectionClient::new(channel.clone());
    theirs.server_reflection_info(asked).await.unwrap();
    assert_eq!(crate::reflection::v1::services(channel).await.len(), 5);
}
