//! What a method knows of the call it answers, and what it may do about it.
//!
//! One [`Context`] is made per call, before anything else; it is cheap to clone. It lends the caller's metadata, the
//! deadline, the database (or the current transaction), and takes the metadata of the answer.
//!
//! Must never: be made by anyone but the pipeline (tests use [`Context::detached`]), or hold a lock across an await.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, alphabet, engine};
use http::{HeaderMap, HeaderName, HeaderValue};
use sea_orm::DbErr;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{Access, Principal, User},
    cache::Cache,
    db::Db,
    error::{Error, Result},
    method::Method,
    record::{Call, RequestId},
    signal::Signals,
};

/// Values of `-bin` metadata are base64, with or without padding (gRPC over HTTP/2, "Custom-Metadata").
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// One call, as the method that answers it sees it.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
    transaction: Option<Db>,
}

struct Inner {
    call: Arc<Call>,
    metadata: HeaderMap,
    deadline: Option<Instant>,
    lent: Arc<Lent>,
    answer: Mutex<Answer>,
    /// Who calls; set once, by authentication.
    principal: OnceLock<Principal>,
    cancelled: OnceLock<CancellationToken>,
    /// The client broke off its half of the call. tonic tells that like an orderly end.
    broken_off: AtomicBool,
}

/// What the server lends to every call.
#[derive(Debug)]
pub(crate) struct Lent {
    pub db: Db,
    pub cache: Cache,
    pub signals: Signals,
    /// Cancelled when the server begins to drain.
    pub draining: CancellationToken,
    /// Calls that are sessions of connected clients. They have a limit of their own, and count for nothing in that of calls.
    pub settled: AtomicUsize,
}

/// A call that has become a session, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Settled(Arc<Lent>);

impl Drop for Settled {
    fn drop(&mut self) {
        self.0.settled.fetch_sub(1, Relaxed);
    }
}

impl Lent {
    pub fn new(db: Db, cache: Cache, signals: Signals) -> Self {
        let (draining, settled) = (CancellationToken::new(), AtomicUsize::new(0));
        Self { db, cache, signals, draining, settled }
    }
}

/// What the method says besides its messages.
#[derive(Default)]
struct Answer {
    metadata: HeaderMap,
    trailers: HeaderMap,
    /// The handler's own error, carried past tonic so that interceptors see it as `Err`, with its cause.
    failure: Option<Error>,
}

impl Context {
    pub(crate) fn new(call: Arc<Call>, metadata: HeaderMap, deadline: Option<Instant>, lent: Arc<Lent>) -> Self {
        let (answer, cancelled, broken_off) = (Mutex::default(), OnceLock::new(), AtomicBool::new(false));
        let principal = OnceLock::new();
        let inner = Inner { call, metadata, deadline, lent, answer, principal, cancelled, broken_off };
        Self { inner: Arc::new(inner), transaction: None }
    }

    /// The same for this caller; for tests of services. Of no effect on a context that knows its caller.
    pub fn of(self, principal: Principal) -> Self {
        self.identified(principal);
        self
    }

    /// A context outside any call, for tests of services: no peer, no deadline, these metadata, a cache of its own,
    /// nobody who receives signals.
    pub fn detached(method: Method, metadata: HeaderMap, db: Db) -> Self {
        let id = RequestId::of(metadata.get("x-request-id"));
        let lent = Lent::new(db, Cache::in_memory(), Signals::unheard());
        Self::new(Arc::new(Call::open(id, Arc::new(method), None, None)), metadata, None, Arc::new(lent))
    }

    // === the call ===

    /// The call's id: the caller's `x-request-id`, or a new one. The same id is in the log row and in each error.
    pub fn request_id(&self) -> &RequestId {
        self.inner.call.id()
    }

    /// The method that was called.
    pub fn method(&self) -> &Method {
        self.inner.call.method()
    }

    /// The address at the other end of the connection.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.inner.call.peer
    }

    /// When the call must be answered: the caller's `grpc-timeout`, or the site's limit if that is earlier.
    pub fn deadline(&self) -> Option<Instant> {
        self.inner.deadline
    }

    /// The time left until the deadline, zero when it has passed; `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.inner.deadline?.saturating_duration_since(Instant::now()))
    }

    /// Ends when the call has ended, however it did: for tasks that a method started and that must not outlive it.
    pub async fn cancelled(&self) {
        let token = self.inner.cancelled.get_or_init(CancellationToken::new).clone();
        if self.inner.call.outcome().is_none() {
            token.cancelled().await;
        }
    }

    /// Ends when the server begins to drain: for streams that would otherwise go on until the time to drain is over.
    /// A stream that ends itself now lets its client reconnect elsewhere without an error.
    pub async fn draining(&self) {
        self.inner.lent.draining.cancelled().await;
    }

    // === who calls ===

    /// Who calls. What the method's access rule asks for has been checked by then.
    pub fn principal(&self) -> &Principal {
        self.inner.principal.get().unwrap_or(&Principal::Anonymous)
    }

    /// The user who calls, or on whose behalf an API key does; `None` for an anonymous call (seed: `get_user`).
    pub fn user(&self) -> Option<&User> {
        self.principal().user().map(AsRef::as_ref)
    }

    /// The user who calls.
    ///
    /// # Errors
    /// UNAUTHENTICATED for an anonymous call.
    pub fn require_user(&self) -> Result<&User> {
        Access::Authenticated.check(self.principal())?;
        self.user().ok_or_else(|| Error::unauthenticated("this method needs a caller who is logged in"))
    }

    /// Whether the caller is staff, or a superuser.
    pub fn check_staff(&self) -> bool {
        Access::Staff.check(self.principal()).is_ok()
    }

    /// The user who calls, if staff or superuser.
    ///
    /// # Errors
    /// UNAUTHENTICATED for an anonymous call, PERMISSION_DENIED for another user.
    pub fn require_staff(&self) -> Result<&User> {
        Access::Staff.check(self.principal())?;
        self.require_user()
    }

    /// Whether the caller is a superuser.
    pub fn check_superuser(&self) -> bool {
        Access::Superuser.check(self.principal()).is_ok()
    }

    /// The user who calls, if superuser.
    ///
    /// # Errors
    /// As [`Context::require_staff`].
    pub fn require_superuser(&self) -> Result<&User> {
        Access::Superuser.check(self.principal())?;
        self.require_user()
    }

    /// Whether the caller has this permission: `crypto.add_coin`.
    pub fn check_permission(&self, permission: &str) -> bool {
        self.user().is_some_and(|user| user.has_permission(permission))
    }

    /// The user who calls, if they have this permission: `crypto.add_coin`.
    ///
    /// # Errors
    /// As [`Context::require_staff`].
    pub fn require_permission(&self, permission: &str) -> Result<&User> {
        let user = self.require_user()?;
        if user.has_permission(permission) {
            return Ok(user);
        }
        Err(Error::permission_denied(format!("this needs the permission {permission}")))
    }

    // === metadata ===

    /// The first value of this ASCII metadata key; `None` if absent, not ASCII, or a `-bin` key.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        if key.ends_with("-bin") {
            return None;
        }
        self.inner.metadata.get(key)?.to_str().ok()
    }

    /// Every value of this ASCII metadata key, in the order they came.
    pub fn metadata_all<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        self.inner.metadata.get_all(key).into_iter().filter_map(|value| value.to_str().ok())
    }

    /// The first value of this binary metadata key (its name ends in `-bin`), decoded; `None` if absent or not base64.
    pub fn metadata_bin(&self, key: &str) -> Option<Vec<u8>> {
        if !key.ends_with("-bin") {
            return None;
        }
        BASE64.decode(self.inner.metadata.get(key)?.as_bytes()).ok()
    }

    /// All metadata of the request, as they came over the wire.
    pub fn headers(&self) -> &HeaderMap {
        &self.inner.metadata
    }

    /// Adds to the initial metadata of the answer (headers). Values of `-bin` keys are given as they are and encoded here.
    /// Of no effect once the first message of a stream is out.
    ///
    /// # Errors
    /// INTERNAL when the key or value cannot be metadata, or the key belongs to gRPC itself.
    pub fn set_metadata(&self, key: &str, value: impl AsRef<[u8]>) -> Result<()> {
        let (key, value) = entry(key, value.as_ref())?;
        self.answer(|answer| answer.metadata.append(key, value));
        Ok(())
    }

    /// Adds to the trailing metadata of the answer (trailers), which go out after the last message.
    ///
    /// # Errors
    /// As [`Context::set_metadata`].
    pub fn set_trailer(&self, key: &str, value: impl AsRef<[u8]>) -> Result<()> {
        let (key, value) = entry(key, value.as_ref())?;
        self.answer(|answer| answer.trailers.append(key, value));
        Ok(())
    }

    // === data ===

    /// The database: the site's pool, or inside [`Context::transaction`] that transaction. Give it to SeaORM as it is.
    pub fn db(&self) -> &Db {
        self.transaction.as_ref().unwrap_or(&self.inner.lent.db)
    }

    /// Runs `work` in one database transaction: committed on `Ok`, rolled back on `Err`, on a panic, and when the call
    /// ends early. Inside, use the context that `work` is given. Nested calls are savepoints.
    ///
    /// ```
    /// # use steeple::{Context, Result};
    /// # async fn withdraw(cx: &Context) -> Result<()> { Ok(()) }
    /// # async fn deposit(cx: &Context) -> Result<()> { Ok(()) }
    /// async fn transfer(cx: Context) -> Result<()> {
    ///     cx.transaction(async |cx| {
    ///         withdraw(&cx).await?;
    ///         deposit(&cx).await
    ///     })
    ///     .await
    /// }
    /// ```
    ///
    /// # Errors
    /// What `work` returned, or what the database said to begin or commit. A context kept past the end of `work` is an
    /// error too, and rolls back.
    pub async fn transaction<T, E, W>(&self, work: impl FnOnce(Self) -> W) -> Result<T, E>
    where
        W: Future<Output = Result<T, E>>,
        E: From<DbErr>,
    {
        let inner = self.inner.clone();
        self.db().transaction(move |db| work(Self { inner, transaction: Some(db) })).await
    }

    /// The site's cache.
    pub fn cache(&self) -> &Cache {
        &self.inner.lent.cache
    }

    /// Tells everybody who receives events of this type, see [`App::receive`](crate::App::receive): at once, or within
    /// [`Context::transaction`] after the commit. Never waits, and never fails.
    pub fn signal<E: Send + Sync + 'static>(&self, event: E) {
        self.inner.lent.signals.send(self.db(), event);
    }

    // === for the pipeline ===

    /// Authentication says who calls. Only the first one counts.
    pub(crate) fn identified(&self, principal: Principal) {
        if let Some(caller) = principal.caller() {
            self.call().authenticated(caller);
        }
        // Set once by the pipeline; a test's own context may be told again, and stays with the first.
        let _ = self.inner.principal.set(principal);
    }

    /// The call is a session from now on.
    pub(crate) fn settle(&self) -> Settled {
        self.inner.lent.settled.fetch_add(1, Relaxed);
        Settled(self.inner.lent.clone())
    }

    pub(crate) fn call(&self) -> &Arc<Call> {
        &self.inner.call
    }

    pub(crate) fn take_metadata(&self) -> HeaderMap {
        self.answer(|answer| std::mem::take(&mut answer.metadata))
    }

    pub(crate) fn take_trailers(&self) -> HeaderMap {
        self.answer(|answer| std::mem::take(&mut answer.trailers))
    }

    pub(crate) fn fail(&self, error: Error) {
        self.answer(|answer| answer.failure = Some(error));
    }

    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.answer(|answer| answer.failure.take())
    }

    pub(crate) fn break_off(&self) {
        self.inner.broken_off.store(true, Relaxed);
    }

    pub(crate) fn is_broken_off(&self) -> bool {
        self.inner.broken_off.load(Relaxed)
    }

    /// Tells whoever waits in [`Context::cancelled`] that the call is over.
    pub(crate) fn ended(&self) {
        if let Some(token) = self.inner.cancelled.get() {
            token.cancel();
        }
    }

    fn answer<T>(&self, with: impl FnOnce(&mut Answer) -> T) -> T {
        with(&mut self.inner.answer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Context {
    /// Names the call; metadata may hold secrets and stay out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("request_id", self.request_id())
            .field("method", &self.method().path)
            .field("peer", &self.peer())
            .finish_non_exhaustive()
    }
}

/// A metadata entry that may go out, or why not.
fn entry(key: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue)> {
    let reserved = key.starts_with("grpc-") || matches!(key, "content-type" | "te" | "user-agent" | "connection");
    if reserved {
        return Err(Error::internal("internal error").because(format!("metadata key {key} belongs to grpc itself")));
    }
    let name =
        HeaderName::from_bytes(key.as_bytes()).map_err(|error| Error::internal("internal error").because(error))?;
    let value = if key.ends_with("-bin") {
        HeaderValue::try_from(BASE64.encode(value))
    } else {
        HeaderValue::from_bytes(value)
    };
    let value = value.map_err(|error| Error::internal("internal error").because(error))?;
    Ok((name, value))
}
