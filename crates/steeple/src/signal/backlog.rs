//! How many deliveries are still to be made.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Backlog(Arc<State>);

#[derive(Debug, Default)]
struct State {
    open: AtomicUsize,
    closed: AtomicBool,
    emptied: Notify,
}

/// One delivery, from the queue to its end.
#[derive(Debug)]
pub(super) struct Open(Arc<State>);

impl Backlog {
    /// A delivery to be made; `None` when no more are.
    pub fn open(&self) -> Option<Open> {
        // Counted first: whoever closes either sees it, or is seen here.
        self.0.open.fetch_add(1, SeqCst);
        let open = Open(Arc::clone(&self.0));
        (!self.0.closed.load(SeqCst)).then_some(open)
    }

    /// Returns once nothing is open.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.0.open.load(SeqCst) == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// No more deliveries; gives the number of those still open.
    pub fn close(&self) -> usize {
        self.0.closed.store(true, SeqCst);
        self.0.open.load(SeqCst)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, SeqCst) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}
