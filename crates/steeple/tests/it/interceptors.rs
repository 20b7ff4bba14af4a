//! A site's own interceptors and layers: their order, what they see, what they may do.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, DbErr};
use steeple::{Code, Context, Error, Interceptor, Next, Replies, Request, Response, Result, Server, Site, Streaming};
use tokio_stream::{self as stream, StreamExt as _};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_client::ServerReflectionClient};
use tower::util::{MapRequestLayer, MapResponseLayer};

use crate::trial::{
    DESCRIPTORS, House,
    pb::trial::v1::{self as v1, Order, Report},
};

/// What interceptors wrote down, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// An interceptor that writes down when it is passed, each way.
    fn taker(&self, name: &'static str) -> impl Interceptor + use<> {
        let notes = self.clone();
        move |request: Request, next: Next| {
            let notes = notes.clone();
            async move {
                notes.add(format!("{name} in"));
                let answer = next.run(request).await;
                notes.add(format!("{name} out"));
                answer
            }
        }
    }
}

#[tokio::test]
async fn they_run_in_the_order_they_were_added_and_back_for_every_shape() {
    let notes = Notes::default();
    let furnish = |server: Server| server.intercept("a", notes.taker("a")).intercept("b", notes.taker("b"));
    let house = House::with(furnish, |_| ()).await;
    let mut client = house.client().await;
    let order = || Order { count: 2000, ..Order::default() };
    let many = || stream::iter((0..2000).map(|_| Order::default()));
    let once = ["a in", "b in", "b out", "a out"];

    client.unary(order()).await.unwrap();
    assert_eq!(notes.take(), once);
    assert_eq!(client.collect(many()).await.unwrap().into_inner().count, 2000);
    assert_eq!(notes.take(), once);
    assert_eq!(client.spread(order()).await.unwrap().into_inner().collect::<Vec<_>>().await.len(), 2000);
    assert_eq!(notes.take(), once, "once a call, not once a message");
    assert_eq!(client.exchange(many()).await.unwrap().into_inner().collect::<Vec<_>>().await.len(), 2000);
    assert_eq!(notes.take(), once);
    client.unary(Order { code: 5, ..Order::default() }).await.unwrap_err();
    assert_eq!(notes.take(), once, "an error takes the same way back");
}

#[tokio::test]
async fn one_may_be_for_a_service_or_for_a_method_and_keeps_its_place() {
    let notes = Notes::default();
    let furnish = |server: Server| {
        server
            .intercept_for("trial.v1.Trial/Unary", "method", notes.taker("method"))
            .intercept("all", notes.taker("all"))
            .intercept_for("trial.v1.Trial", "service", notes.taker("service"))
            .intercept_for("grpc.health.v1.Health", "other", notes.taker("other"))
    };
    let house = House::with(furnish, |_| ()).await;
    let mut client = house.client().await;
    let inward = |notes: &Notes| -> Vec<String> {
        notes.take().into_iter().filter_map(|note| Some(note.strip_suffix(" in")?.to_owned())).collect()
    };
    client.unary(Order::default()).await.unwrap();
    assert_eq!(inward(&notes), ["method", "all", "service"]);
    client.nothing(()).await.unwrap();
    assert_eq!(inward(&notes), ["all", "service"]);
    HealthClient::new(house.channel().await).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(inward(&notes), ["all", "other"]);
    let chain = |name: &str| {
        let planned = house.running.plan.methods().find(|planned| planned.method.name == name).unwrap();
        planned.chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(chain("Unary"), "record recover deadline limit authenticate authorize method all service");
    assert_eq!(chain("Nothing"), "record recover deadline limit authenticate authorize all service");
}

#[tokio::test]
async fn a_refusal_ends_the_call_before_the_method_and_is_on_record() {
    async fn tenant(request: Request, next: Next) -> Result<Response> {
        match request.metadata("x-tenant") {
            Some(_) => next.run(request).await,
            None => Err(Error::permission_denied("x-tenant is missing").because("secret-4711")),
        }
    }
    let house = House::with(|server| server.intercept("tenant", tenant), |_| ()).await;
    let mut client = house.client().await;
    // The method would panic.
    let order = || Order { panic: true, ..Order::default() };
    for status in [
        client.unary(order()).await.unwrap_err(),
        client.collect(stream::iter([order()])).await.unwrap_err(),
        client.spread(order()).await.unwrap_err(),
        client.exchange(stream::iter([order()])).await.unwrap_err(),
    ] {
        assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "x-tenant is missing"));
    }
    let mut request = tonic::Request::new(Order::default());
    request.metadata_mut().insert("x-tenant", "acme".parse().unwrap());
    client.unary(request).await.unwrap();
    let rows = house.close().await;
    let refused: Vec<_> = rows.iter().filter(|row| row.status == "error").collect();
    assert_eq!(refused.len(), 4);
    for row in refused {
        assert_eq!(row.grpc_status_code.as_deref(), Some("PERMISSION_DENIED"));
        assert_eq!(row.error_message.as_deref(), Some("x-tenant is missing: secret-4711"));
    }
}

/// Asks the database for what it does not have.
struct Broken;

async fn nonsense(cx: &Context) -> Result<()> {
    cx.db().execute_unprepared("SELECT * FROM no_such_table").await?;
    Ok(())
}

impl v1::Trial for Broken {
    async fn unary(&self, cx: Context, _: Order) -> Result<Report> {
        nonsense(&cx).await.map(|()| Report::default())
    }
    async fn collect(&self, cx: Context, _: Streaming<Order>) -> Result<Report> {
        nonsense(&cx).await.map(|()| Report::default())
    }
    async fn spread(&self, cx: Context, _: Order) -> Result<Replies<Report>> {
        nonsense(&cx).await.map(|()| Replies::new(stream::empty()))
    }
    async fn exchange(&self, cx: Context, _: Streaming<Order>) -> Result<Replies<Report>> {
        nonsense(&cx).await.map(|()| Replies::new(stream::empty()))
    }
    async fn nothing(&self, _: Context, (): ()) -> Result<()> {
        Ok(())
    }
    async fn old(&self, _: Context, _: Order) -> Result<Report> {
        Ok(Report::default())
    }
}

#[tokio::test]
async fn one_sees_an_error_with_its_cause_and_may_make_another_of_it() {
    async fn translate(request: Request, next: Next) -> Result<Response> {
        next.run(request).await.map_err(|error| match error.cause().and_then(|cause| cause.downcast_ref::<DbErr>()) {
            Some(DbErr::Exec(cause)) => Error::failed_precondition("the table is missing").because(cause.to_string()),
            _ => error,
        })
    }
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    site.service("trial.v1.Trial", |_| Ok(v1::trial(Broken)));
    let house = House::with(|_| Server::new(site).intercept("translate", translate), |_| ()).await;
    let mut client = house.client().await;
    for status in [
        client.unary(Order::default()).await.unwrap_err(),
        client.collect(stream::empty()).await.unwrap_err(),
        client.spread(Order::default()).await.unwrap_err(),
        client.exchange(stream::empty()).await.unwrap_err(),
    ] {
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "the table is missing"));
    }
    let rows = house.close().await;
    assert!(rows.iter().all(|row| row.error_message.as_deref().unwrap().contains("no_such_table")), "{rows:?}");
}

#[tokio::test]
async fn one_may_add_metadata_to_the_answer_and_answer_in_place_of_an_error() {
    async fn stamp(request: Request, next: Next) -> Result<Response> {
        request.context().set_metadata("x-from-context", "1")?;
        let mut response = next.run(request).await?;
        response.headers_mut().insert("x-from-response", http::HeaderValue::from_static("2"));
        Ok(response)
    }
    let house = House::with(|server| server.intercept("stamp", stamp), |_| ()).await;
    let mut client = house.client().await;
    let answer = client.unary(Order::default()).await.unwrap();
    assert_eq!(answer.metadata().get("x-from-context").unwrap(), "1");
    assert_eq!(answer.metadata().get("x-from-response").unwrap(), "2");
    let refused = client.unary(Order { code: 5, ..Order::default() }).await.unwrap_err();
    assert_eq!(refused.metadata().get("x-from-context").unwrap(), "1");
}

#[tokio::test]
async fn a_panic_in_one_is_internal_and_on_record() {
    async fn clumsy(request: Request, next: Next) -> Result<Response> {
        let text = request.metadata("x-when").unwrap_or_default().to_owned();
        assert!(text != "before", "dropped before: secret-4711");
        let answer = next.run(request).await;
        assert!(text != "after", "dropped after: secret-4711");
        answer
    }
    let house = House::with(|server| server.intercept("clumsy", clumsy), |_| ()).await;
    let mut client = house.client().await;
    for when in ["before", "after"] {
        let mut request = tonic::Request::new(Order { count: 3, ..Order::default() });
        request.metadata_mut().insert("x-when", when.parse().unwrap());
        let status = client.spread(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    }
    client.unary(Order::default()).await.unwrap();
    let rows = house.close().await;
    assert_eq!(rows[2].error_message.as_deref(), Some("internal error: panicked: dropped before: secret-4711"));
    assert_eq!(rows[1].error_message.as_deref(), Some("internal error: panicked: dropped after: secret-4711"));
}

#[tokio::test]
async fn the_deadline_is_around_them() {
    async fn stuck(_: Request, _: Next) -> Result<Response> {
        pending().await
    }
    let configure = |config: &mut steeple::Config| config.calls.default_deadline = Some(Duration::from_millis(100));
    let house = House::with(|server| server.intercept("stuck", stuck), configure).await;
    assert_eq!(house.client().await.unary(Order::default()).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(house.close().await[0].status, "timeout");
}

#[tokio::test]
async fn health_and_reflection_go_through_them_too() {
    let notes = Notes::default();
    let seen = notes.clone();
    let look = move |request: Request, next: Next| {
        seen.add(request.method().path.clone());
        next.run(request)
    };
    let house = House::with(|server| server.intercept("look", look), |_| ()).await;
    let channel = house.channel().await;
    HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
    let asked = tokio_stream::once(ServerReflectionRequest::default());
    ServerReflectionClient::new(channel).server_reflection_info(asked).await.unwrap();
    let paths = ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"];
    assert_eq!(notes.take(), paths);
}

#[tokio::test]
async fn layers_go_around_everything_the_last_one_outermost() {
    async fn stamps(request: Request, next: Next) -> Result<Response> {
        let all: Vec<_> = request.context().metadata_all("x-stamp").collect();
        request.context().set_metadata("x-stamps", all.join(" "))?;
        next.run(request).await
    }
    let stamp = |value: &'static str| {
        MapRequestLayer::new(move |mut request: http::Request<tonic::body::Body>| {
            request.headers_mut().append("x-stamp", http::HeaderValue::from_static(value));
            request
        })
    };
    let furnish = |server: Server| {
        let seal = MapResponseLayer::new(|mut response: http::Response<tonic::body::Body>| {
            response.headers_mut().insert("x-seal", http::HeaderValue::from_static("yes"));
            response
        });
        server.layer(stamp("inner")).layer(stamp("outer")).layer(seal).intercept("stamps", stamps)
    };
    let house = House::with(furnish, |_| ()).await;
    let answer = house.client().await.unary(Order::default()).await.unwrap();
    assert_eq!(answer.metadata().get("x-stamps").unwrap(), "outer inner");
    assert_eq!(answer.metadata().get("x-seal").unwrap(), "yes");
}
