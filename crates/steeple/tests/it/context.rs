//! What a call's context tells and takes: peer, metadata of every kind, the end of the call, the drain, transactions.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use sea_orm::ConnectionTrait as _;
use steeple::{Code, Context, Error, Next, Replies, Request, Response, Result, Server, Service, Site, Streaming};
use tonic::metadata::MetadataValue;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    frames::{DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Tcp, headers},
    trial::{
        DESCRIPTORS, House,
        pb::trial::v1::{Order, Report},
    },
    wire::order,
};

/// A site whose Unary and Spread are these, and whose other methods nobody calls.
fn site<U, W, S, V>(unary: U, spread: S) -> Site
where
    U: Fn(Context, Order) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Result<Report>> + Send + 'static,
    S: Fn(Context, Order) -> V + Clone + Send + Sync + 'static,
    V: Future<Output = Result<Replies<Report>>> + Send + 'static,
{
    collecting(unary, spread, async |_: Context, _: Streaming<Order>| unused())
}

/// The same with Collect.
fn collecting<U, W, S, V, C, X>(unary: U, spread: S, collect: C) -> Site
where
    C: Fn(Context, Streaming<Order>) -> X + Clone + Send + Sync + 'static,
    X: Future<Output = Result<Report>> + Send + 'static,
    U: Fn(Context, Order) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Result<Report>> + Send + 'static,
    S: Fn(Context, Order) -> V + Clone + Send + Sync + 'static,
    V: Future<Output = Result<Replies<Report>>> + Send + 'static,
{
    let mut site = Site::new("trial", "0.0.0", DESCRIPTORS);
    site.service("trial.v1.Trial", move |_| Ok(service(unary.clone(), spread.clone(), collect.clone())));
    site
}

/// The service whose Unary is this, and whose other methods nobody calls.
pub fn unary_only<U, W>(unary: U) -> Service
where
    U: Fn(Context, Order) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Result<Report>> + Send + 'static,
{
    service(unary, no_spread, async |_: Context, _: Streaming<Order>| unused())
}

fn service<U, W, S, V, C, X>(unary: U, spread: S, collect: C) -> Service
where
    C: Fn(Context, Streaming<Order>) -> X + Clone + Send + Sync + 'static,
    X: Future<Output = Result<Report>> + Send + 'static,
    U: Fn(Context, Order) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Result<Report>> + Send + 'static,
    S: Fn(Context, Order) -> V + Clone + Send + Sync + 'static,
    V: Future<Output = Result<Replies<Report>>> + Send + 'static,
{
    Service::new("trial.v1.Trial")
        .unary("/trial.v1.Trial/Unary", unary)
        .server_streaming("/trial.v1.Trial/Spread", spread)
        .client_streaming("/trial.v1.Trial/Collect", collect)
        .bidirectional("/trial.v1.Trial/Exchange", async |_: Context, _: Streaming<Order>| unused::<Replies<Report>>())
        .unary("/trial.v1.Trial/Nothing", async |_: Context, (): ()| unused::<()>())
        .unary("/trial.v1.Trial/Old", async |_: Context, _: Order| unused::<Report>())
}

fn unused<T>() -> Result<T> {
    Err(Error::unimplemented("nobody calls this"))
}

async fn no_unary(_: Context, _: Order) -> Result<Report> {
    unused()
}

async fn no_spread(_: Context, _: Order) -> Result<Replies<Report>> {
    unused()
}

#[tokio::test]
async fn it_tells_who_calls_and_what_came_along() {
    async fn unary(cx: Context, _: Order) -> Result<Report> {
        assert_eq!(cx.method().path, "/trial.v1.Trial/Unary");
        assert!(cx.peer().is_some_and(|peer| peer.ip().is_loopback() && peer.port() != 0));
        assert_eq!(cx.metadata("x-one"), Some("first"), "the first of several");
        assert_eq!(cx.metadata_all("x-one").collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(cx.metadata_bin("x-raw-bin"), Some(vec![0, 255, 10]));
        assert_eq!((cx.metadata("x-raw-bin"), cx.metadata_bin("x-one")), (None, None), "each kind has its own door");
        assert_eq!((cx.metadata("x-none"), cx.metadata_bin("x-none-bin")), (None, None));
        assert_eq!((cx.deadline(), cx.remaining()), (None, None));
        cx.set_metadata("x-raw-bin", [0, 255, 10])?;
        cx.set_metadata("x-one", "first")?;
        cx.set_metadata("x-one", "second")?;
        cx.set_trailer("x-tail-bin", [7; 5])?;
        Ok(Report::default())
    }
    let house = House::of(site(unary, no_spread), |_| ()).await;
    let mut request = tonic::Request::new(Order::default());
    request.metadata_mut().append("x-one", "first".parse().unwrap());
    request.metadata_mut().append("x-one", "second".parse().unwrap());
    request.metadata_mut().insert_bin("x-raw-bin", MetadataValue::from_bytes(&[0, 255, 10]));
    let answer = house.client().await.unary(request).await.unwrap();
    let metadata = answer.metadata();
    assert_eq!(metadata.get_bin("x-raw-bin").unwrap().to_bytes().unwrap()[..], [0, 255, 10]);
    assert_eq!(metadata.get_all("x-one").iter().collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(metadata.get_bin("x-tail-bin").unwrap().to_bytes().unwrap()[..], [7; 5]);
}

#[tokio::test]
async fn metadata_that_cannot_go_out_are_a_fault_of_the_method() {
    async fn unary(cx: Context, order: Order) -> Result<Report> {
        let (key, value) = order.text.split_once('=').expect("key=value");
        cx.set_metadata(key, value)?;
        Ok(Report::default())
    }
    let house = House::of(site(unary, no_spread), |_| ()).await;
    let mut client = house.client().await;
    for text in ["grpc-status=0", "content-type=text/html", "te=x", "with space=x", "x-ok=new\nline", "=x"] {
        let status = client.unary(Order { text: text.into(), ..Order::default() }).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"), "{text}");
    }
    client.unary(Order { text: "x-ok=yes".into(), ..Order::default() }).await.unwrap();
}

#[tokio::test]
async fn an_interceptor_may_set_metadata_before_and_after_for_every_service() {
    async fn stamp(request: Request, next: Next) -> Result<Response> {
        let cx = request.context().clone();
        cx.set_metadata("x-before", "1")?;
        let response = next.run(request).await?;
        cx.set_metadata("x-after", "2")?;
        cx.set_trailer("x-tail", "3")?;
        Ok(response)
    }
    let house = House::with(|server| server.intercept("stamp", stamp), |_| ()).await;
    let unary = house.client().await.unary(Order::default()).await.unwrap();
    let mut health = HealthClient::new(house.channel().await);
    let stock = health.check(HealthCheckRequest::default()).await.unwrap();
    for metadata in [unary.metadata(), stock.metadata()] {
        for (key, value) in [("x-before", "1"), ("x-after", "2"), ("x-tail", "3")] {
            assert_eq!(metadata.get(key).unwrap(), value, "{key}");
        }
    }
    let refused = health.check(HealthCheckRequest { service: "no.Such".into() }).await.unwrap_err();
    assert_eq!(refused.metadata().get("x-before").unwrap(), "1");
    assert_eq!(refused.metadata().get("x-tail").unwrap(), "3");
}

#[tokio::test]
async fn a_task_of_a_method_learns_that_the_call_has_ended_however_it_did() {
    let ended = Arc::new(tokio::sync::Notify::new());
    let unary = {
        let ended = ended.clone();
        move |cx: Context, order: Order| {
            let (ended, waiting) = (ended.clone(), cx.clone());
            tokio::spawn(async move {
                waiting.cancelled().await;
                ended.notify_one();
            });
            async move {
                if order.hang {
                    std::future::pending::<()>().await;
                }
                if order.code == 0 { Ok(Report::default()) } else { unused() }
            }
        }
    };
    let house = House::of(site(unary, no_spread), |_| ()).await;
    let mut client = house.client().await;
    client.unary(Order::default()).await.unwrap();
    ended.notified().await;
    client.unary(Order { code: 1, ..Order::default() }).await.unwrap_err();
    ended.notified().await;
    let leaving = tokio::spawn(async move { client.unary(Order { hang: true, ..Order::default() }).await });
    house.rows(1, |row| row.status == "pending").await;
    leaving.abort();
    ended.notified().await;
}

#[tokio::test]
async fn a_stream_that_listens_for_the_drain_ends_without_an_error() {
    async fn spread(cx: Context, _: Order) -> Result<Replies<Report>> {
        Ok(Replies::produce(move |out| async move {
            out.send(Report::default()).await?;
            cx.draining().await;
            out.send(Report { text: "come back elsewhere".into(), ..Report::default() }).await
        }))
    }
    let house = House::of(site(no_unary, spread), |_| ()).await;
    let mut reports = house.client().await.spread(Order::default()).await.unwrap().into_inner();
    reports.message().await.unwrap().unwrap();
    let closing = tokio::spawn(house.close());
    assert_eq!(reports.message().await.unwrap().unwrap().text, "come back elsewhere");
    assert!(reports.message().await.unwrap().is_none());
    assert_eq!(closing.await.unwrap()[0].status, "success");
}

#[tokio::test]
async fn a_transaction_is_rolled_back_by_an_error_a_panic_a_deadline_and_a_client_that_leaves() {
    let inside = Arc::new(tokio::sync::Notify::new());
    let unary = {
        let inside = inside.clone();
        move |cx: Context, order: Order| {
            let inside = inside.clone();
            async move {
                cx.transaction(async |cx| {
                    cx.db().execute_unprepared(&format!("INSERT INTO kept VALUES ('{}')", order.text)).await?;
                    if order.hang {
                        inside.notify_one();
                        std::future::pending::<()>().await;
                    }
                    assert!(!order.panic, "told to panic");
                    if order.code == 0 { Ok(Report::default()) } else { unused() }
                })
                .await
            }
        }
    };
    let configure =
        |config: &mut steeple::Config| config.calls.default_deadline = Some(std::time::Duration::from_secs(1));
    let house = House::with(|_| Server::new(site(unary, no_spread)), configure).await;
    house.running.db().execute_unprepared("CREATE TABLE kept (name TEXT)").await.unwrap();
    let mut client = house.client().await;
    let named = |text: &str| Order { text: text.into(), ..Order::default() };
    client.unary(named("first")).await.unwrap();
    client.unary(Order { code: 1, ..named("error") }).await.unwrap_err();
    client.unary(Order { panic: true, ..named("panic") }).await.unwrap_err();
    let status = client.unary(Order { hang: true, ..named("deadline") }).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    inside.notified().await;
    let mut other = client.clone();
    let leaving = tokio::spawn(async move { other.unary(Order { hang: true, ..named("left") }).await });
    inside.notified().await;
    leaving.abort();
    house.rows(1, |row| row.status == "cancelled").await;
    client.unary(Order { text: "last".into(), ..Order::default() }).await.expect("the connection is free again");
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "SELECT name FROM kept ORDER BY rowid");
    let rows = house.running.db().query_all_raw(statement).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.try_get("", "name").unwrap()).collect();
    assert_eq!(names, ["first", "last"]);
}

#[tokio::test]
async fn a_stream_is_dropped_when_its_client_leaves() {
    struct Guard(Arc<AtomicBool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let spread = {
        let dropped = dropped.clone();
        move |_: Context, _: Order| {
            let guard = Guard(dropped.clone());
            async move {
                Ok(Replies::produce(move |out| async move {
                    let _guard = guard;
                    out.send(Report::default()).await?;
                    std::future::pending().await
                }))
            }
        }
    };
    let house = House::of(site(no_unary, spread), |_| ()).await;
    let mut reports = house.client().await.spread(Order::default()).await.unwrap().into_inner();
    reports.message().await.unwrap().unwrap();
    drop(reports);
    house.rows(1, |row| row.status == "cancelled").await;
    assert!(dropped.load(SeqCst), "what the method held is free before the call is over");
}

#[tokio::test]
async fn a_client_that_breaks_off_its_messages_is_not_one_that_has_finished() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let collect = move |_: Context, mut orders: Streaming<Order>| {
        let told = told.clone();
        async move {
            let mut count = 0;
            let end = loop {
                match orders.next().await {
                    Ok(Some(_)) => count += 1,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            told.send((count, end.as_ref().err().map(Error::code))).unwrap();
            end.map(|()| Report { count, ..Report::default() })
        }
    };
    let house = House::of(collecting(no_unary, no_spread, collect), |_| ()).await;
    let mut tcp = Tcp::handshake(house.running.grpc).await;
    tcp.send(HEADERS, END_HEADERS, 1, &headers("/trial.v1.Trial/Collect")).await;
    tcp.send(DATA, 0, 1, &order(&Order::default())).await;
    // RFC 9113 section 7: CANCEL.
    tcp.send(RST_STREAM, 0, 1, &[0, 0, 0, 8]).await;
    assert_eq!(heard.recv().await, Some((1, Some(Code::Cancelled))));
    tcp.send(HEADERS, END_HEADERS, 3, &headers("/trial.v1.Trial/Collect")).await;
    tcp.send(DATA, END_STREAM, 3, &order(&Order::default())).await;
    assert_eq!(heard.recv().await, Some((1, None)));
    // A unary call whose one message never came.
    tcp.send(HEADERS, END_HEADERS, 5, &headers("/trial.v1.Trial/Unary")).await;
    tcp.send(DATA, 0, 5, &[0, 0]).await;
    tcp.send(RST_STREAM, 0, 5, &[0, 0, 0, 8]).await;
    house.rows(2, |row| row.status == "cancelled").await;
    house.rows(1, |row| row.status == "success").await;
}
