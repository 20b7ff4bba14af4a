//! The one tower service around everything: finds the method, makes the context, runs the rooms in order.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{self, Poll},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::Full;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes, transport::server::TcpConnectInfo};

use super::{
    Config, Entry, Next, Proxies, Request, Response,
    body::{RequestBody, ResponseBody, close_by},
    bounded::{Bounded, Bounds},
    refuse,
    ticket::{Place, Ticket},
    timeout,
};
use crate::{
    Context,
    auth::{Authenticator, Principal},
    context::Lent,
    error::{Error, Result},
    record::{Call, RequestId, recorder::Recorder, shortened},
};

/// Who asked for a call that one of the server's own doors makes, in the extensions of its request, where nothing comes
/// from the wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker {
    /// Takes the place of a credential, and is held to the rules like the owner of one.
    pub caller: Option<Principal>,
    /// The client's address, which no header of the call changes.
    pub from: Option<SocketAddr>,
}

/// What all calls of a server share.
pub(crate) struct Shared {
    /// Path to entry: every method whose descriptors are known.
    pub catalog: HashMap<String, Arc<Entry>>,
    /// Service to entry: stock services whose descriptors are not known.
    pub stock: HashMap<String, Arc<Entry>>,
    /// For a path that nobody serves.
    pub unknown: Arc<Entry>,
    pub authenticator: Authenticator,
    pub recorder: Option<Arc<Recorder>>,
    pub config: Config,
    pub proxies: Proxies,
    lent: Arc<Lent>,
    stop: CancellationToken,
    in_flight: AtomicUsize,
}

impl Shared {
    pub fn new(
        catalog: HashMap<String, Arc<Entry>>,
        stock: HashMap<String, Arc<Entry>>,
        unknown: Arc<Entry>,
        authenticator: Authenticator,
        recorder: Option<Arc<Recorder>>,
        lent: Lent,
        (config, proxies): (Config, Proxies),
    ) -> Self {
        let (lent, stop, in_flight) = (Arc::new(lent), CancellationToken::new(), AtomicUsize::new(0));
        Self { catalog, stock, unknown, authenticator, recorder, config, proxies, lent, stop, in_flight }
    }

    /// Says that the server drains: health watchers and reflection streams end now, methods hear of it in their context.
    pub fn drain(&self) {
        self.lent.draining.cancel();
    }

    /// Ends every call that still runs: UNAVAILABLE.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn enter(&self) -> usize {
        self.in_flight.fetch_add(1, Relaxed)
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    fn find(&self, path: &str) -> &Arc<Entry> {
        self.catalog.get(path).unwrap_or_else(|| {
            let service = path.strip_prefix('/').and_then(|path| path.rsplit_once('/')).map(|(service, _)| service);
            service.and_then(|service| self.stock.get(service)).unwrap_or(&self.unknown)
        })
    }
}

/// The tower service that the transport calls for each HTTP/2 request.
#[derive(Clone)]
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    routes: Routes,
}

impl Pipeline {
    pub fn new(shared: Arc<Shared>, routes: Routes) -> Self {
        Self { shared, routes }
    }
}

impl tower::Service<http::Request<Body>> for Pipeline {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, http: http::Request<Body>) -> Self::Future {
        if let Some(refusal) = not_grpc(&http) {
            return Box::pin(std::future::ready(Ok(refusal)));
        }
        let shared = self.shared.clone();
        let entry = shared.find(http.uri().path()).clone();
        let routes = entry.handler.is_none().then(|| self.routes.clone());
        // Now, and not when the future is first polled: tonic's own timer, which would answer CANCELLED, starts next.
        let arrived = Instant::now();
        Box::pin(async move { Ok(answer(shared, entry, routes, http, arrived).await) })
    }
}

async fn answer(
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    routes: Option<Routes>,
    mut http: http::Request<Body>,
    arrived: Instant,
) -> Response {
    // The context, and the call's record in it.
    let serves = entry.handler.is_some() || !Arc::ptr_eq(&entry, &shared.unknown);
    let metadata = take_metadata(&mut http, &entry);
    let Asker { caller, from } = http.extensions_mut().remove().unwrap_or_default();
    let given = metadata.get("x-request-id");
    let echo = given.cloned();
    let peer = from.or_else(|| {
        let peer = http.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
        peer.map(|peer| shared.proxies.client(peer, &metadata))
    });
    let user_agent = metadata.get(header::USER_AGENT).cloned();
    let call = Call::open_at(arrived, RequestId::of(given), entry.method.clone(), peer, user_agent);
    let deadline = timeout::deadline(&metadata, arrived, &shared.config);

    let until = deadline.as_ref().ok().copied().flatten();
    let cx = Context::new(Arc::new(call), metadata, until, shared.lent.clone());
    let limit = entry.wire.max_receive;
    let http = http.map(|body| Body::new(RequestBody::new(body, cx.clone(), limit)));
    let stop = if entry.lingers { &shared.lent.draining } else { &shared.stop };
    // Recover and deadline: `bounds` goes around all that may take time from here on, and on into the answer's body.
    let mut bounds = Bounds::new(until, stop.clone());

    // Record: the call is counted and among the running ones; the ticket's end is the call's end.
    let (place, in_flight) = Place::take(shared.clone());
    // A call that gets no row needs no room for one. One that waits in vain gets its row all the same, or is counted;
    // a client that leaves while it waits here was never answered and leaves no trace.
    let room = match shared.recorder.as_deref().filter(|_| entry.recorded) {
        Some(recorder) => {
            let room = async {
                recorder.room().await;
                Ok(())
            };
            Bounded::new(room, &mut bounds).await
        }
        None => Ok(()),
    };
    let ticket = Ticket::new(cx.clone(), entry.clone(), place);

    // A malformed deadline, no room for the row, too many calls (limit): the first of them ends the call here, before
    // it costs a look at its credential.
    let admitted = deadline.and(room).and_then(|()| {
        // Connected clients have a limit of their own.
        admit(in_flight.saturating_sub(shared.lent.settled.load(Relaxed)), &shared.config)
    });
    let admitted = match admitted {
        Ok(()) if serves => identify(&shared, &entry, &cx, caller, &mut bounds).await,
        other => other,
    };
    let result = match admitted {
        Ok(()) if serves => {
            // The site's interceptors, and innermost the method.
            let next = Next { entry, at: 0, routes };
            Bounded::new(next.run(Request::new(cx.clone(), http)), &mut bounds).await
        }
        Ok(()) => Err(Error::unimplemented(format!("there is no method {}", shortened(http.uri().path(), 200)))),
        Err(refused) => Err(refused),
    };
    // On the way out: an error becomes a status, once.
    let mut response = result.unwrap_or_else(|error| refuse(&cx, error).into_http());
    if let (RequestId::Given(_), Some(id)) = (cx.request_id(), echo) {
        response.headers_mut().insert("x-request-id", id);
    }
    // What interceptors said around the method, or around a stock service, which knows nothing of it.
    response.headers_mut().extend(cx.take_metadata());
    // An answer that carries its status in its headers has no more to say, and needs no one to watch its body.
    if close_by(&cx, response.headers()) {
        response.headers_mut().extend(cx.take_trailers());
        return response;
    }
    response.map(|body| Body::new(ResponseBody::new(body, ticket, bounds)))
}

/// Rooms "authenticate" and "authorize": who calls, and whether that one may call this method.
async fn identify(
    shared: &Shared,
    entry: &Entry,
    cx: &Context,
    caller: Option<Principal>,
    bounds: &mut Bounds,
) -> Result<()> {
    let authenticator = &shared.authenticator;
    let principal = match caller.map(Ok).or_else(|| authenticator.at_once(cx.headers())) {
        Some(known) => known?,
        // Rare: what the caches do not know costs a query, and the call an allocation.
        None => Bounded::new(Box::pin(authenticator.authenticate(cx.headers())), bounds).await?,
    };
    let authorized = principal.allows(&entry.method, &entry.access).and_then(|()| entry.access.check(&principal));
    cx.identified(principal);
    authorized
}

/// Room "limit": no more calls at once than the site wants.
fn admit(in_flight: usize, config: &Config) -> Result<()> {
    if config.max_in_flight > 0 && in_flight >= config.max_in_flight {
        return Err(Error::resource_exhausted("the server has too many calls in flight, try again")
            .retry_after(Duration::from_millis(100)));
    }
    Ok(())
}

/// The call's metadata. Our own methods read them from the context: tonic needs only the two about compression back, and
/// the second only where an answer may be compressed.
fn take_metadata(http: &mut http::Request<Body>, entry: &Entry) -> HeaderMap {
    if entry.handler.is_none() {
        return http.headers().clone();
    }
    let metadata = std::mem::take(http.headers_mut());
    let mut give_back = |key: &'static str| {
        if let Some(value) = metadata.get(key) {
            http.headers_mut().insert(key, value.clone());
        }
    };
    give_back("grpc-encoding");
    if !entry.wire.compression.is_empty() {
        give_back("grpc-accept-encoding");
    }
    metadata
}

/// A plain HTTP answer for what is no gRPC call (gRPC over HTTP/2, "Requests"): 405 for another method than POST, 415 for
/// another content type.
fn not_grpc(http: &http::Request<Body>) -> Option<Response> {
    if http.method() != http::Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "this port speaks gRPC: call a method with POST\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    let content_type = http.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let grpc = content_type.strip_prefix(b"application/grpc").is_some_and(|rest| {
        let rest = rest.strip_prefix(b"+proto").unwrap_or(rest);
        rest.is_empty() || matches!(rest[0], b';' | b' ')
    });
    (!grpc).then(|| {
        plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this port speaks gRPC: the content type is application/grpc\n")
    })
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::new(Full::new(bytes::Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
