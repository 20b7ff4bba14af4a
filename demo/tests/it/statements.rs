//! Counts the statements that go to a database.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use steeple::Db;

/// How many statements went to a database since the last time it was asked.
pub struct Statements(Arc<AtomicUsize>);

impl Statements {
    pub fn of(db: &mut Db) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let Db::Pool(pool) = db else { panic!("a pool") };
        pool.set_metric_callback(move |_| {
            counted.fetch_add(1, Relaxed);
        });
        Self(count)
    }

    pub async fn during<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        self.0.store(0, Relaxed);
        let done = work.await;
        (done, self.0.load(Relaxed))
    }
}
