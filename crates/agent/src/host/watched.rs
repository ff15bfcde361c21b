//! A host whose every call a test can fail, stop or follow.

use std::sync::Arc;

use super::{HostError, Moment};

/// What a test wants to happen at a call.
#[async_trait::async_trait]
pub trait Hook: Send + Sync + 'static {
    /// Is asked before and after each call; an error is what the caller gets. Not returning stops the Agent there.
    async fn reach(&self, call: &str, changes: bool, moment: Moment) -> Result<(), HostError>;
}

/// A host with a hook around every call. The implementation of [`super::Host`] is made from the list of calls itself.
pub struct Watched<H> {
    pub(super) inner: H,
    hook: Arc<dyn Hook>,
}

impl<H> Watched<H> {
    /// Puts `hook` around every call of `inner`.
    pub fn new(inner: H, hook: Arc<dyn Hook>) -> Self {
        Self { inner, hook }
    }

    pub(super) async fn reach(&self, call: &str, changes: bool, moment: Moment) -> Result<(), HostError> {
        self.hook.reach(call, changes, moment).await
    }
}

/// Stops, fails or kills the Agent where the environment variable `FAILPOINTS` or the file `/run/opterius/failpoints` says, at
/// `<call>.before`, `<call>.after`, `step.<forward|back>.<step>.before` and `….after`, and at the steps of whoever writes the files of users
/// (`users.write.passwd`, `users.flush.all`, `users.replace.passwd`, `users.flush.directory`, `users.done.all`). The file is heeded at once, without
/// a restart, also by what pauses at a point that it no longer names; beside the actions of the crate `fail` it takes `kill`, which removes the file
/// and ends the process as `kill -9` does.
#[cfg(feature = "failpoints")]
pub fn with_failpoints<H>(inner: H) -> Watched<H> {
    #[derive(Default)]
    struct Configured {
        from_file: std::sync::Mutex<String>,
    }

    const FILE: &str = "/run/opterius/failpoints";

    impl Configured {
        fn heed_the_file(&self) {
            let text = opterius_protocol::bounded::text(FILE, opterius_protocol::bounded::MIB).unwrap_or_default();
            let mut heeded = self.from_file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if *heeded == text {
                return;
            }
            let points = |text: &str| -> Vec<(String, String)> {
                let pairs = text.split([';', '\n']).filter_map(|point| point.split_once('='));
                pairs.map(|(name, action)| (name.trim().to_owned(), action.trim().to_owned())).collect()
            };
            for (name, _) in points(&heeded) {
                fail::remove(name);
            }
            for (name, action) in points(&text) {
                let configured = if action == "kill" { fail::cfg_callback(&name, end_at_once) } else { fail::cfg(&name, &action) };
                if let Err(error) = configured {
                    tracing::error!("the failpoint {name}={action} cannot be: {error}");
                }
            }
            *heeded = text;
        }
    }

    fn end_at_once() {
        let _ = std::fs::remove_file(FILE);
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    }

    #[async_trait::async_trait]
    impl Hook for Configured {
        async fn reach(&self, call: &str, _: bool, moment: Moment) -> Result<(), HostError> {
            let name = format!("{call}.{}", if moment == Moment::Before { "before" } else { "after" });
            self.heed_the_file();
            // A pause blocks its thread until its point is gone, so it gets a thread of its own.
            let passed = tokio::task::spawn_blocking(move || {
                fail::fail_point!(&name, |_| Err(HostError::failed(format!("pass the failpoint {name}"))("it says so")));
                Ok(())
            });
            // A panic is the caller's, as if the call itself had panicked.
            passed.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
        }
    }

    // The failpoints stay as configured for as long as the process lives.
    std::mem::forget(fail::FailScenario::setup());
    let configured = Arc::new(Configured::default());
    let watching = configured.clone();
    // Where everything pauses, no call comes that would look at the file.
    std::thread::spawn(move || {
        loop {
            watching.heed_the_file();
            #[expect(clippy::disallowed_methods, reason = "a thread of its own, in the build for fault tests")]
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    Watched::new(inner, configured)
}
