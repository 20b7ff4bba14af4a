//! Room for password checks: a few at once, on blocking threads, and a line of those who wait.
//!
//! Must never: let the line grow without bound, or give a place away while its work still runs.

use std::{
    fmt,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// How many wait for each check that runs, at most: some seconds of work. Who came later would have left by then.
const LINE: usize = 32;

/// Runs checks.
pub(in crate::auth) struct Checks {
    room: Arc<Semaphore>,
    waiting: AtomicUsize,
    line: usize,
}

impl Checks {
    /// Room for so many at once; 0: one for each core.
    pub fn new(at_once: usize) -> Self {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let at_once = if at_once == 0 { cores() } else { at_once };
        Self { room: Arc::new(Semaphore::new(at_once)), waiting: AtomicUsize::new(0), line: at_once * LINE }
    }

    /// Runs the work on a blocking thread, once there is room. Work that has begun ends, also when its caller has left.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when too many wait already; what the work says.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let permit = if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
            permit
        } else {
            let _place = self.place()?;
            Arc::clone(&self.room).acquire_owned().await.map_err(|error| gone().because(error))?
        };
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|error| gone().because(error))?
    }

    fn place(&self) -> Result<Place<'_>> {
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.line {
            return Ok(place);
        }
        Err(Error::resource_exhausted("too many logins at once, try again").retry_after(Duration::from_secs(1)))
    }
}

/// A place in the line, given up when dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The work panicked, or the runtime ends.
fn gone() -> Error {
    Error::internal("internal error")
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks")
            .field("free", &self.room.available_permits())
            .field("waiting", &self.waiting)
            .field("line", &self.line)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::error::Code;

    /// A check that runs until told to end.
    fn hold(checks: &Arc<Checks>) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
        let (end, told) = mpsc::channel::<()>();
        let checks = Arc::clone(checks);
        let work = async move {
            let wait = move || {
                told.recv().ok();
                Ok(())
            };
            checks.run(wait).await
        };
        (end, tokio::spawn(work))
    }

    async fn until(condition: impl Fn() -> bool) {
        while !condition() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_line_is_bounded_and_a_place_is_free_again_when_its_caller_leaves() {
        let checks = Arc::new(Checks::new(1));
        let (end, first) = hold(&checks);
        until(|| checks.room.available_permits() == 0).await;
        let mut line: Vec<_> = (0..LINE).map(|_| hold(&checks)).collect();
        until(|| checks.waiting.load(Ordering::Relaxed) == LINE).await;

        let error = checks.run(|| Ok(())).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
        assert_eq!(checks.waiting.load(Ordering::Relaxed), LINE, "the refused one holds no place");

        let (_, left) = line.pop().unwrap();
        left.abort();
        until(|| checks.waiting.load(Ordering::Relaxed) == LINE - 1).await;

        end.send(()).unwrap();
        first.await.unwrap().unwrap();
        for (end, waiting) in line {
            end.send(()).unwrap();
            waiting.await.unwrap().unwrap();
        }
        checks.run(|| Ok(())).await.unwrap();
        assert_eq!(checks.room.available_permits(), 1);
    }

    #[tokio::test]
    async fn work_keeps_its_room_when_its_caller_leaves() {
        let checks = Arc::new(Checks::new(1));
        let (end, first) = hold(&checks);
        until(|| checks.room.available_permits() == 0).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(checks.room.available_permits(), 0, "the work still runs");
        end.send(()).unwrap();
        checks.run(|| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_the_room_back() {
        let checks = Checks::new(1);
        let error = checks.run(|| -> Result<()> { panic!("told to") }).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        checks.run(|| Ok(())).await.unwrap();
    }
}
