//! Recover, deadline and shutdown, around everything that may take time: the future of a call, and its body.
//!
//! tonic has a timer of its own, but it answers CANCELLED and covers the head of an answer only; this one answers
//! DEADLINE_EXCEEDED and goes on for as long as messages do. tonic polls what is inside before its own timer, and this
//! timer is never later, so this one wins.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::panic_error;
use crate::error::{Error, Result};

/// What ends a call from outside. Nothing is allocated until the call has to wait for something.
pub(crate) struct Bounds {
    deadline: Option<Instant>,
    stop: CancellationToken,
    armed: Option<Pin<Box<Armed>>>,
}

pin_project_lite::pin_project! {
    struct Armed {
        #[pin]
        sleep: Option<Sleep>,
        #[pin]
        stop: WaitForCancellationFutureOwned,
    }
}

impl Bounds {
    pub fn new(deadline: Option<Instant>, stop: CancellationToken) -> Self {
        Self { deadline, stop, armed: None }
    }

    /// Ready with the reason when the call must end now. Ask only while the call itself is pending.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        // A timer is as coarse as a millisecond; a deadline that has passed is over now.
        if let Some(error) = self.passed() {
            return Poll::Ready(error);
        }
        let (deadline, stop) = (self.deadline, &self.stop);
        let armed = self.armed.get_or_insert_with(|| {
            Box::pin(Armed {
                sleep: deadline.map(|deadline| tokio::time::sleep_until(deadline.into())),
                stop: stop.clone().cancelled_owned(),
            })
        });
        let armed = armed.as_mut().project();
        if armed.sleep.as_pin_mut().is_some_and(|sleep| sleep.poll(cx).is_ready()) {
            return Poll::Ready(Error::deadline_exceeded("the deadline has passed"));
        }
        armed.stop.poll(cx).map(|()| Error::unavailable("the server is shutting down"))
    }

    /// Whether the deadline has passed: for a stream that is never pending because its client reads fast.
    pub fn passed(&self) -> Option<Error> {
        let passed = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        passed.then(|| Error::deadline_exceeded("the deadline has passed"))
    }
}

pin_project_lite::pin_project! {
    /// A future that cannot panic, and ends at the deadline and at the server's end.
    pub(crate) struct Bounded<'a, F> {
        #[pin]
        inner: F,
        bounds: &'a mut Bounds,
    }
}

impl<'a, F> Bounded<'a, F> {
    pub fn new(inner: F, bounds: &'a mut Bounds) -> Self {
        Self { inner, bounds }
    }
}

impl<T, F: Future<Output = Result<T>>> Future for Bounded<'_, F> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let this = self.project();
        match catch_unwind(AssertUnwindSafe(|| this.inner.poll(cx))) {
            Ok(Poll::Ready(result)) => Poll::Ready(result),
            Ok(Poll::Pending) => this.bounds.poll_end(cx).map(Err),
            Err(panic) => Poll::Ready(Err(panic_error(&*panic))),
        }
    }
}
