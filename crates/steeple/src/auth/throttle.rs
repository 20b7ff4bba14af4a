//! Failed logins are counted, per user and address and per address, and too many of them end in a pause.
//!
//! A count begins with the first attempt and is forgotten after the window. An attempt holds its place in the count
//! until it is decided, so that a thousand attempts at once try no more passwords than as many one after the other: the
//! surplus waits, in a line of bounded size for each address. An attempt that its caller leaves counts as failed; else leaving early would
//! make the most expensive call of all free. Success forgets the count of its user and address, not that of the address:
//! otherwise one's own password would buy new attempts on those of others.
//!
//! An address is an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber has.
//!
//! Must never: grow without bound, keep a username, or lock a user out for others than the one who fails.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::Config;
use crate::error::{DOMAIN, Error, Result};

/// Counts kept at once; the one unused for longest makes room.
const MOST_COUNTS: u64 = 100_000;
/// Attempts under way at once. Those that wait for a place are not among them: one user's line must not be another's.
const MOST_ATTEMPTS: usize = 1024;
/// Attempts that wait in one line, of a user at an address or of all at an address: more than people at one address are, and
/// few enough for the memory of a server that many addresses try.
const MOST_WAITING: u32 = 64;
/// How long one waits for a place: longer than checks of the places before it take, shorter than people do.
const PATIENCE: Duration = Duration::from_secs(20);
/// One address may fail this many times as often as one user from it: there may be many users behind it.
const USERS_PER_ADDRESS: u32 = 10;

#[derive(Debug)]
pub(super) struct Throttle {
    attempts: u32,
    window: Duration,
    /// By a hash with a key of this process, so that long names cost no memory and nobody can aim at another's count.
    counts: Cache<u64, Arc<Count>>,
    keys: RandomState,
    room: Arc<Semaphore>,
}

/// The failures that are left, one permit each.
#[derive(Debug)]
struct Count {
    since: Instant,
    left: AtomicU32,
    places: Arc<Semaphore>,
    /// How many wait for a place.
    waiting: AtomicU32,
}

/// A login under way. Dropped, it has failed.
#[derive(Debug)]
pub(super) struct Attempt {
    /// With what forgets it, in case of success.
    user: Option<(Place, Cache<u64, Arc<Count>>, u64)>,
    address: Option<Place>,
    _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Place {
    count: Arc<Count>,
    permit: OwnedSemaphorePermit,
}

impl Throttle {
    pub fn new(config: &Config) -> Self {
        Self {
            attempts: config.login_attempts,
            window: config.login_window,
            counts: Cache::builder()
                .max_capacity(MOST_COUNTS)
                .time_to_live(config.login_window.max(Duration::from_millis(1)))
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            keys: RandomState::new(),
            room: Arc::new(Semaphore::new(MOST_ATTEMPTS)),
        }
    }

    /// Lets an attempt begin, once its outcome can count.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED with the time to wait.
    pub async fn begin(&self, username: &str, address: Option<IpAddr>) -> Result<Attempt> {
        if self.attempts == 0 {
            return Ok(Attempt { user: None, address: None, _room: self.room()? });
        }
        let network = address.map(network);
        let of_address = self.keys.hash_one(network);
        let of_user = self.keys.hash_one((network, username));
        let address = self.place(of_address, self.attempts.saturating_mul(USERS_PER_ADDRESS)).await?;
        let user = self.place(of_user, self.attempts).await?;
        let room = self.room()?;
        Ok(Attempt { user: Some((user, self.counts.clone(), of_user)), address: Some(address), _room: room })
    }

    fn room(&self) -> Result<OwnedSemaphorePermit> {
        self.room.clone().try_acquire_owned().map_err(|_| busy())
    }

    /// A place in a count: at once, or when an attempt that holds one ends well.
    async fn place(&self, key: u64, limit: u32) -> Result<Place> {
        let count = self.counts.get_with(key, || Arc::new(Count::new(limit)));
        match count.places.clone().try_acquire_owned() {
            Ok(permit) => return Ok(Place { count, permit }),
            Err(TryAcquireError::Closed) => {}
            Err(TryAcquireError::NoPermits) => {
                let line = Line::join(&count)?;
                let waited = tokio::time::timeout(PATIENCE, count.places.clone().acquire_owned()).await;
                drop(line);
                match waited {
                    Ok(Ok(permit)) => return Ok(Place { count, permit }),
                    Ok(Err(_)) => {}
                    Err(_) => return Err(busy()),
                }
            }
        }
        let wait = self.window.saturating_sub(count.since.elapsed()).max(Duration::from_secs(1));
        Err(Error::resource_exhausted("too many failed logins, try again later")
            .reason("TOO_MANY_FAILED_LOGINS", DOMAIN)
            .retry_after(wait))
    }
}

impl Count {
    fn new(limit: u32) -> Self {
        let places = Arc::new(Semaphore::new((limit as usize).min(Semaphore::MAX_PERMITS)));
        Self { since: Instant::now(), left: AtomicU32::new(limit), places, waiting: AtomicU32::new(0) }
    }
}

/// One who waits for a place, until dropped.
struct Line<'a>(&'a Count);

impl<'a> Line<'a> {
    fn join(count: &'a Count) -> Result<Self> {
        let line = Self(count);
        if count.waiting.fetch_add(1, Relaxed) < MOST_WAITING { Ok(line) } else { Err(busy()) }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

fn busy() -> Error {
    Error::resource_exhausted("too many logins at once, try again").retry_after(Duration::from_secs(1))
}

impl Place {
    /// It stays taken; after the last one, those who wait are refused.
    fn failed(self) {
        self.permit.forget();
        if self.count.left.fetch_sub(1, Relaxed) == 1 {
            self.count.places.close();
        }
    }
}

impl Attempt {
    /// The password was right.
    pub fn succeeded(mut self) {
        if let Some((_, counts, key)) = self.user.take() {
            counts.invalidate(&key);
        }
        self.address.take();
    }

    /// It could not be decided, which is nobody's failure.
    pub fn undecided(mut self) {
        self.user.take();
        self.address.take();
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some((place, ..)) = self.user.take() {
            place.failed();
        }
        if let Some(place) = self.address.take() {
            place.failed();
        }
    }
}

/// What stands for one caller on the network.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits() & (u128::MAX << 64),
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll};

    use super::*;
    use crate::error::Code;

    fn throttle(attempts: u32) -> Throttle {
        Throttle::new(&Config { login_attempts: attempts, ..Config::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn one_caller_is_paused_and_others_are_not() {
        let throttle = throttle(2);
        for _ in 0..2 {
            drop(throttle.begin("ada", Some(ip("192.0.2.1"))).await.unwrap());
        }
        let refused = throttle.begin("ada", Some(ip("192.0.2.1"))).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.retry_delay().unwrap() > Duration::from_secs(290), "the rest of the window");
        throttle.begin("ada", Some(ip("192.0.2.2"))).await.unwrap().succeeded();
        throttle.begin("bob", Some(ip("192.0.2.1"))).await.unwrap().succeeded();
    }

    #[tokio::test]
    async fn one_address_is_paused_whatever_names_it_tries() {
        let throttle = throttle(1);
        for name in 0..USERS_PER_ADDRESS {
            drop(throttle.begin(&name.to_string(), Some(ip("2001:db8::1"))).await.unwrap());
        }
        throttle.begin("ada", Some(ip("2001:db8::1"))).await.unwrap_err();
        throttle.begin("ada", Some(ip("2001:db8::2:3:4:5"))).await.unwrap_err();
        throttle.begin("ada", Some(ip("2001:db8:0:1::1"))).await.unwrap().undecided();
    }

    #[tokio::test]
    async fn success_forgets_the_user_and_not_the_address() {
        let throttle = throttle(2);
        for round in 0..2 * USERS_PER_ADDRESS {
            drop(throttle.begin("ada", Some(ip("192.0.2.1"))).await.unwrap());
            if round + 1 < 2 * USERS_PER_ADDRESS {
                throttle.begin("ada", Some(ip("192.0.2.1"))).await.unwrap().succeeded();
            }
        }
        throttle.begin("ada", Some(ip("192.0.2.1"))).await.unwrap_err();
    }

    #[tokio::test]
    async fn what_was_not_decided_counts_for_nothing() {
        let throttle = throttle(1);
        for _ in 0..3 * USERS_PER_ADDRESS {
            throttle.begin("ada", None).await.unwrap().undecided();
        }
    }

    #[tokio::test]
    async fn the_line_of_one_is_bounded_and_no_others() {
        let throttle = throttle(1);
        let here = Some(ip("192.0.2.1"));
        let held = throttle.begin("ada", here).await.unwrap();
        let mut line: Vec<_> = (0..2000).map(|_| Box::pin(throttle.begin("ada", here))).collect();
        let turned_away = poll_fn(|cx| {
            let refused = line.iter_mut().map(|one| matches!(one.as_mut().poll(cx), Poll::Ready(Err(_))));
            Poll::Ready(refused.filter(|refused| *refused).count())
        })
        .await;
        // Some wait for the place of the user, some for one of the address.
        assert!(turned_away >= 2000 - 2 * MOST_WAITING as usize, "{turned_away}");
        throttle.begin("bob", Some(ip("192.0.2.2"))).await.expect("another address is not concerned").succeeded();
        held.succeeded();
    }

    #[tokio::test]
    async fn the_surplus_waits_until_its_turn_is_known() {
        let throttle = throttle(1);
        let first = throttle.begin("ada", None).await.unwrap();
        let mut second = pin!(throttle.begin("ada", None));
        let mut third = pin!(throttle.begin("ada", None));
        poll_fn(|cx| {
            assert!(second.as_mut().poll(cx).is_pending() && third.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        first.undecided();
        drop(second.await.unwrap());
        assert_eq!(third.await.unwrap_err().code(), Code::ResourceExhausted, "the second one failed");
    }

    #[tokio::test]
    async fn no_more_wait_than_there_is_room_for() {
        let throttle = throttle(0);
        let mut held = vec![];
        for _ in 0..MOST_ATTEMPTS {
            held.push(throttle.begin("ada", None).await.unwrap());
        }
        assert_eq!(throttle.begin("ada", None).await.unwrap_err().code(), Code::ResourceExhausted);
        held.pop();
        throttle.begin("ada", None).await.unwrap().succeeded();
    }
}
