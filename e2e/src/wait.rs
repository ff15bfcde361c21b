//! Waiting on conditions.

use std::time::{Duration, Instant};

/// Waits until `condition` answers something, for at most a generous time that says "broken", not "slow".
///
/// # Panics
/// When it never does; the message says what was waited for.
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_mins(1), what, condition)
}

/// Waits until `condition` answers something within a time that was promised to users.
///
/// # Panics
/// When it does not.
pub fn within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begun.elapsed() < limit, "{what}: not within {} s", limit.as_secs());
        #[expect(clippy::disallowed_methods, reason = "this is the one place that waits on conditions")]
        std::thread::sleep(Duration::from_millis(50));
    }
}
