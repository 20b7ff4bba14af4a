//! A site's own interceptors: what one is, and the list that runs them.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tonic::{body::Body, service::Routes};
use tower::Service as _;

use crate::{
    Context,
    auth::Access,
    centrifugo::CallEvents,
    error::{Error, Result},
    method::Method,
    record::{metrics::MethodMetrics, shortened},
    service::{Handler, Wire},
};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call's answer on its way out: headers, and a body that ends in trailers.
pub type Response = http::Response<Body>;

/// A call on its way in: its context, and the HTTP request that is not yet decoded.
#[derive(Debug)]
pub struct Request {
    cx: Context,
    pub(crate) http: http::Request<Body>,
}

impl Request {
    pub(crate) fn new(cx: Context, http: http::Request<Body>) -> Self {
        Self { cx, http }
    }

    /// The context that the method will be given.
    pub fn context(&self) -> &Context {
        &self.cx
    }

    /// The first value of this ASCII metadata key.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.cx.metadata(key)
    }

    /// The method that is called.
    pub fn method(&self) -> &Method {
        self.cx.method()
    }
}

/// Code around a call. A function is one:
///
/// ```
/// use steeple::{Error, Next, Request, Response, Result};
///
/// async fn tenant(request: Request, next: Next) -> Result<Response> {
///     if request.metadata("x-tenant").is_none() {
///         return Err(Error::invalid_argument("x-tenant is missing from the metadata"));
///     }
///     next.run(request).await
/// }
/// ```
///
/// So is a struct, when it keeps something between calls:
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use steeple::{Interceptor, Next, Request, Response, Result};
///
/// struct Counted(AtomicU64);
///
/// impl Interceptor for Counted {
///     async fn intercept(&self, request: Request, next: Next) -> Result<Response> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         next.run(request).await
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an interceptor",
    note = "write `async fn name(request: Request, next: Next) -> steeple::Result<Response>`, or implement `steeple::Interceptor`"
)]
pub trait Interceptor: Send + Sync + 'static {
    /// Does its work, then `next.run(request).await`, then the rest of its work; or refuses with an `Err`.
    ///
    /// For a stream the answer is back when its first headers are; messages flow after that.
    fn intercept(&self, request: Request, next: Next) -> impl Future<Output = Result<Response>> + Send;
}

impl<F, W> Interceptor for F
where
    F: Fn(Request, Next) -> W + Send + Sync + 'static,
    W: Future<Output = Result<Response>> + Send,
{
    fn intercept(&self, request: Request, next: Next) -> impl Future<Output = Result<Response>> + Send {
        self(request, next)
    }
}

/// The same with its type erased: one allocation a hop.
pub(crate) trait Erased: Send + Sync {
    fn call(self: Arc<Self>, request: Request, next: Next) -> BoxFuture<Result<Response>>;
}

impl<T: Interceptor> Erased for T {
    fn call(self: Arc<Self>, request: Request, next: Next) -> BoxFuture<Result<Response>> {
        Box::pin(async move { self.intercept(request, next).await })
    }
}

/// One interceptor in a method's list, by the name it was given.
#[derive(Clone)]
pub(crate) struct Link {
    pub name: Arc<str>,
    pub interceptor: Arc<dyn Erased>,
}

/// All that a call to one method needs, made at start.
pub(crate) struct Entry {
    pub method: Arc<Method>,
    pub metrics: Arc<MethodMetrics>,
    /// What a caller must be.
    pub access: Access,
    pub chain: Box<[Link]>,
    pub wire: Wire,
    /// `None`: the method belongs to a stock tonic service behind [`Routes`], or to nobody.
    pub handler: Option<Handler>,
    /// Where its calls are published, if they are.
    pub events: Option<Arc<CallEvents>>,
    /// Whether its calls get a row and a console line.
    pub recorded: bool,
    /// A stream that has no work of its own to finish (health, reflection): it ends when the server begins to drain.
    pub lingers: bool,
}

/// The rest of the way.
pub struct Next {
    pub(crate) entry: Arc<Entry>,
    pub(crate) at: usize,
    pub(crate) routes: Option<Routes>,
}

impl Next {
    /// Goes on with the next interceptor, or with the method itself.
    ///
    /// # Errors
    /// What an interceptor further in, or the method, refused with.
    pub fn run(mut self, request: Request) -> impl Future<Output = Result<Response>> + Send {
        match self.entry.chain.get(self.at).map(|link| link.interceptor.clone()) {
            Some(interceptor) => {
                self.at += 1;
                interceptor.call(request, self)
            }
            None => self.reach(request),
        }
    }

    fn reach(self, request: Request) -> BoxFuture<Result<Response>> {
        let Request { cx, mut http } = request;
        match (&self.entry.handler, self.routes) {
            (Some(handler), _) => handler(cx, http, self.entry.wire),
            (None, Some(mut routes)) => Box::pin(async move {
                http.extensions_mut().insert(cx);
                match routes.call(http).await {
                    Ok(response) => Ok(response),
                    Err(never) => match never {},
                }
            }),
            (None, None) => Box::pin(async move {
                Err(Error::unimplemented(format!("there is no method {}", shortened(http.uri().path(), 200))))
            }),
        }
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next")
            .field("method", &self.entry.method.path)
            .field("left", &(self.entry.chain.len() - self.at))
            .finish_non_exhaustive()
    }
}
