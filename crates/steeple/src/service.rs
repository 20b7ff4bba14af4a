//! A service: its methods, with their handlers erased.
//!
//! Takes an implementation of a trait that `steeple-build` generated (`pb::crypto::crypto_service(CryptoService)`),
//! gives the catalog one handler per method. All machinery is in the four adaptors here, so that generated text stays
//! small and names nothing but `steeple`.
//!
//! Must never: make a status itself; a method's error leaves as `Err`.

mod codec;
mod read_only;

use std::{borrow::Cow, fmt, future::Future, sync::Arc};

use http::HeaderMap;
use prost::Message;
use tonic::{Status, body::Body, codec::EnabledCompressionEncodings, metadata::MetadataMap, server::Grpc};
use tower::service_fn;

use self::codec::Protobuf;
pub use self::read_only::ReadOnlyService;

use crate::{
    Context,
    error::{Error, Result},
    interceptor::{BoxFuture, Response},
    stream::{Outgoing, Replies, Streaming},
};

/// A method with its types erased.
pub(crate) type Handler = Arc<dyn Fn(Context, http::Request<Body>, Wire) -> BoxFuture<Result<Response>> + Send + Sync>;

/// What the site's configuration says about messages on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire {
    /// Largest message that is read, in bytes, compressed or not.
    pub max_receive: usize,
    /// Largest message that is sent, in bytes before compression.
    pub max_send: usize,
    /// Encodings that may come in, and go out to who accepts them.
    pub compression: EnabledCompressionEncodings,
}

impl Wire {
    fn grpc<Req, Res>(self) -> Grpc<Protobuf<Res, Req>>
    where
        Req: Message + Default + 'static,
        Res: Message + Default + 'static,
    {
        Grpc::new(Protobuf::new())
            .apply_compression_config(self.compression, self.compression)
            .apply_max_message_size_config(Some(self.max_receive), None)
    }
}

pub(crate) struct ServiceMethod {
    pub path: Cow<'static, str>,
    pub handler: Handler,
}

/// One service with its handlers; made by the generated `pb::…` function, or by hand with the four builders.
pub struct Service {
    name: &'static str,
    pub(crate) methods: Vec<ServiceMethod>,
}

impl Service {
    /// A service without methods yet, by its full name: `Service::new("crypto.CryptoService")`.
    pub fn new(name: &'static str) -> Self {
        Self { name, methods: Vec::new() }
    }

    /// The full name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Adds a method: one message in, one out. `path` is the wire's: `/crypto.CryptoService/GetCoin`.
    pub fn unary<Req, Res, F, W>(self, path: impl Into<Cow<'static, str>>, method: F) -> Self
    where
        Req: Message + Default + 'static,
        Res: Message + Default + 'static,
        F: Fn(Context, Req) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = Result<Res>> + Send + 'static,
    {
        self.method(path, move |cx, http, wire| {
            let method = method.clone();
            async move {
                let service = service_fn(|request: tonic::Request<Req>| {
                    let work = method(cx.clone(), request.into_inner());
                    reply(&cx, wire, work)
                });
                let response = wire.grpc::<Req, Res>().unary(service, http).await;
                settle(&cx, response)
            }
        })
    }

    /// Adds a method: many messages in, one out.
    pub fn client_streaming<Req, Res, F, W>(self, path: impl Into<Cow<'static, str>>, method: F) -> Self
    where
        Req: Message + Default + 'static,
        Res: Message + Default + 'static,
        F: Fn(Context, Streaming<Req>) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = Result<Res>> + Send + 'static,
    {
        self.method(path, move |cx, http, wire| {
            let method = method.clone();
            async move {
                let service = service_fn(|request: tonic::Request<tonic::Streaming<Req>>| {
                    let work = method(cx.clone(), Streaming::new(request.into_inner(), cx.clone()));
                    reply(&cx, wire, work)
                });
                let response = wire.grpc::<Req, Res>().client_streaming(service, http).await;
                settle(&cx, response)
            }
        })
    }

    /// Adds a method: one message in, many out.
    pub fn server_streaming<Req, Res, F, W>(self, path: impl Into<Cow<'static, str>>, method: F) -> Self
    where
        Req: Message + Default + 'static,
        Res: Message + Default + 'static,
        F: Fn(Context, Req) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = Result<Replies<Res>>> + Send + 'static,
    {
        self.method(path, move |cx, http, wire| {
            let method = method.clone();
            async move {
                let service = service_fn(|request: tonic::Request<Req>| {
                    let work = method(cx.clone(), request.into_inner());
                    replies(&cx, wire, work)
                });
                let response = wire.grpc::<Req, Res>().server_streaming(service, http).await;
                settle(&cx, response)
            }
        })
    }

    /// Adds a method: many messages in, many out.
    pub fn bidirectional<Req, Res, F, W>(self, path: impl Into<Cow<'static, str>>, method: F) -> Self
    where
        Req: Message + Default + 'static,
        Res: Message + Default + 'static,
        F: Fn(Context, Streaming<Req>) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = Result<Replies<Res>>> + Send + 'static,
    {
        self.method(path, move |cx, http, wire| {
            let method = method.clone();
            async move {
                let service = service_fn(|request: tonic::Request<tonic::Streaming<Req>>| {
                    let work = method(cx.clone(), Streaming::new(request.into_inner(), cx.clone()));
                    replies(&cx, wire, work)
                });
                let response = wire.grpc::<Req, Res>().streaming(service, http).await;
                settle(&cx, response)
            }
        })
    }

    fn method<W>(
        mut self,
        path: impl Into<Cow<'static, str>>,
        handler: impl Fn(Context, http::Request<Body>, Wire) -> W + Send + Sync + 'static,
    ) -> Self
    where
        W: Future<Output = Result<Response>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |cx, http, wire| Box::pin(handler(cx, http, wire)));
        self.methods.push(ServiceMethod { path: path.into(), handler });
        self
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<_> = self.methods.iter().map(|method| &method.path).collect();
        f.debug_struct("Service").field("name", &self.name).field("methods", &methods).finish()
    }
}

/// One message out, with the metadata the method had set; or the method's error, parked in the context.
async fn reply<Res: Message>(
    cx: &Context,
    wire: Wire,
    work: impl Future<Output = Result<Res>>,
) -> Result<tonic::Response<Res>, Status> {
    match work.await.and_then(|message| fits(message, wire)) {
        Ok(message) => Ok(with_metadata(cx, message)),
        Err(error) => Err(park(cx, error)),
    }
}

/// Many messages out, likewise.
async fn replies<Res: Message + Send + 'static>(
    cx: &Context,
    wire: Wire,
    work: impl Future<Output = Result<Replies<Res>>>,
) -> Result<tonic::Response<Outgoing<Res>>, Status> {
    match work.await {
        Ok(replies) => Ok(with_metadata(cx, Outgoing::new(replies, cx.clone(), wire))),
        Err(error) => Err(park(cx, error)),
    }
}

fn with_metadata<T>(cx: &Context, message: T) -> tonic::Response<T> {
    let mut response = tonic::Response::new(message);
    let metadata = cx.take_metadata();
    if !metadata.is_empty() {
        *response.metadata_mut() = MetadataMap::from_headers(metadata);
    }
    response
}

/// The message, unless it is larger than this server sends.
pub(crate) fn fits<Res: Message>(message: Res, wire: Wire) -> Result<Res> {
    let size = message.encoded_len();
    if size > wire.max_send {
        let most = wire.max_send;
        return Err(Error::resource_exhausted(format!(
            "the answer of {size} bytes is larger than the {most} bytes this server sends"
        )));
    }
    Ok(message)
}

/// tonic would make a response of an error at once; it waits in the context until tonic is done.
fn park(cx: &Context, error: Error) -> Status {
    cx.fail(error);
    Status::unknown("")
}

/// The method's error, or tonic's own refusal (a message that does not decode, an unknown encoding), as `Err`.
fn settle(cx: &Context, response: Response) -> Result<Response> {
    if let Some(error) = cx.take_failure() {
        return Err(error);
    }
    match refusal(response.headers()) {
        Some(_) if cx.is_broken_off() => Err(Error::cancelled("the client left before the end")),
        Some(status) => Err(Error::from(status)),
        None => Ok(response),
    }
}

fn refusal(headers: &HeaderMap) -> Option<Status> {
    headers.contains_key("grpc-status").then(|| Status::from_header_map(headers)).flatten()
}
