//! Panics: a mistake of ours. One is logged, counted and told in the health, and what it happened in goes on, after a pause that grows.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;

/// The pause after one panic, and the longest after many in a row.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// How many characters of a panic's message are told.
const LONGEST_MESSAGE: usize = 300;

/// All panics of this process, since it began.
#[derive(Debug, Clone, Default)]
pub struct Panics(Arc<Mutex<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    count: u64,
    last: Option<String>,
}

impl Panics {
    /// How many there were, and the last one in a sentence.
    pub fn told(&self) -> (u64, Option<String>) {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (counted.count, counted.last.clone())
    }

    /// Counts one, with what went wrong: "pool main of alice".
    pub fn note(&self, what: &str, payload: &(dyn Any + Send)) {
        let said = opterius_model::clean(opterius_protocol::panic_message(payload).as_bytes(), LONGEST_MESSAGE);
        tracing::error!("a panic in {what}, a mistake in phpd: {said}");
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.count = counted.count.saturating_add(1);
        counted.last = Some(format!("{what}: {said}"));
    }

    /// What `work` answers; nothing if it panics, which is counted.
    pub async fn guard<T>(&self, what: &str, work: impl Future<Output = T>) -> Option<T> {
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(answer) => Some(answer),
            Err(payload) => {
                self.note(what, &*payload);
                None
            }
        }
    }

    /// The same for work that blocks.
    pub fn guard_blocking<T>(&self, what: &str, work: impl FnOnce() -> T) -> Option<T> {
        match std::panic::catch_unwind(AssertUnwindSafe(work)) {
            Ok(answer) => Some(answer),
            Err(payload) => {
                self.note(what, &*payload);
                None
            }
        }
    }
}

impl Panics {
    /// What work that blocks answers, done on a thread of its own. A panic is counted, and is an error to the caller.
    ///
    /// The work begins at once, and is done also if nobody waits for the answer.
    pub fn on_a_thread<T, W>(&self, what: &'static str, work: W) -> impl Future<Output = std::io::Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let panics = self.clone();
        let thread = tokio::task::spawn_blocking(move || panics.guard_blocking(what, work));
        async { thread.await.map_err(std::io::Error::other)?.ok_or_else(|| std::io::Error::other("phpd made a mistake")) }
    }
}

/// The pause after `count` panics in a row: a second, doubled up to a minute.
pub fn pause(count: u32) -> Duration {
    FIRST.saturating_mul(1 << count.saturating_sub(1).min(6)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_counted_and_told_and_nothing_else_is() {
        let panics = Panics::default();
        assert_eq!(panics.guard("a test", async { 7 }).await, Some(7));
        assert_eq!(panics.told(), (0, None));
        assert_eq!(panics.guard("a test", async { panic!("number {}\u{1b}[31m", 8) }).await, None::<()>);
        assert_eq!(panics.guard_blocking("another", || panic!("nine")), None::<()>);
        assert_eq!(panics.told(), (2, Some("another: nine".to_owned())));
        assert_eq!(panics.on_a_thread("a thread", || 7).await.expect("it answers"), 7);
        assert!(panics.on_a_thread("a thread", || panic!("ten")).await.is_err());
        assert_eq!(panics.told(), (3, Some("a thread: ten".to_owned())));
    }

    #[test]
    fn the_pause_grows_to_a_minute() {
        assert_eq!([0, 1, 2, 3, 7, 100].map(|count| pause(count).as_secs()), [1, 1, 2, 4, 60, 60]);
    }
}
