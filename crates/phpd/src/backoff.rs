//! When to try again after a PHP that did not stay up.

use std::time::Duration;

use opterius_protocol::{Micros, phpd::PoolFailure};
use tokio::time::Instant;

/// A PHP that ends by itself before it has lived as long counts as a failed start.
pub const SOON: Duration = Duration::from_secs(10);

/// So many failed starts in a row are tried again at once: the request that woke the pool is still waiting.
const AT_ONCE: u32 = 2;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// The failed starts of one pool since the last one that worked.
#[derive(Debug, Default)]
pub struct Backoff(Option<Box<Failures>>);

#[derive(Debug)]
struct Failures {
    last: PoolFailure,
    retry: Instant,
}

impl Backoff {
    /// Counts a failed start.
    pub fn failed(&mut self, detail: String, now: Instant) {
        let count = self.count().saturating_add(1);
        let wait = delay(count);
        let at = Micros::now();
        self.0 = Some(Box::new(Failures { last: PoolFailure { at, count, retry_at: at.plus(wait), detail }, retry: now + wait }));
    }

    /// Forgets the failures; how many there were.
    pub fn worked(&mut self) -> u32 {
        let count = self.count();
        self.0 = None;
        count
    }

    /// The failed starts in a row.
    pub fn count(&self) -> u32 {
        self.0.as_ref().map_or(0, |failures| failures.last.count)
    }

    /// Whether the pool is in a crash loop. It stays in it until a start works.
    pub fn backing_off(&self) -> bool {
        self.count() > AT_ONCE
    }

    /// Whether it is too early to try again.
    pub fn must_wait(&self, now: Instant) -> bool {
        self.0.as_ref().is_some_and(|failures| now < failures.retry)
    }

    /// The last failure.
    pub fn last(&self) -> Option<PoolFailure> {
        self.0.as_ref().map(|failures| failures.last.clone())
    }
}

/// The wait after `count` failures in a row.
fn delay(count: u32) -> Duration {
    match count.checked_sub(AT_ONCE + 1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST.saturating_mul(1 << doublings.min(6)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_a_second_to_a_minute() {
        let seconds: Vec<u64> = (1..=11).map(|count| delay(count).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn no_number_of_failures_overflows() {
        assert_eq!(delay(u32::MAX), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_backs_off_after_the_third_failure_until_a_start_works() {
        let mut backoff = Backoff::default();
        backoff.failed("first".to_owned(), Instant::now());
        backoff.failed("second".to_owned(), Instant::now());
        assert!(!backoff.backing_off() && !backoff.must_wait(Instant::now()));
        backoff.failed("third".to_owned(), Instant::now());
        assert!(backoff.backing_off() && backoff.must_wait(Instant::now()));
        tokio::time::advance(FIRST).await;
        assert!(backoff.backing_off() && !backoff.must_wait(Instant::now()));
        assert_eq!(backoff.worked(), 3);
        assert!(!backoff.backing_off() && backoff.last().is_none());
    }
}
