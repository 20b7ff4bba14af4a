//! A future of the site's, which may panic, within a task of ours, which must not.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use crate::{error::Result, interceptor::panic_error};

pin_project_lite::pin_project! {
    /// The future's result; a panic is INTERNAL, and what it said is the cause.
    pub(super) struct Caught<F> {
        #[pin]
        inner: F,
    }
}

impl<F> Caught<F> {
    pub fn new(inner: F) -> Self {
        Self { inner }
    }
}

impl<T, F: Future<Output = Result<T>>> Future for Caught<F> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let inner = self.project().inner;
        catch_unwind(AssertUnwindSafe(|| inner.poll(cx))).unwrap_or_else(|panic| Poll::Ready(Err(panic_error(&*panic))))
    }
}
