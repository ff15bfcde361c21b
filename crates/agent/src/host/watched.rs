//! A host whose every call a test can fail, stop or follow.

use std::sync::Arc;

use super::HostError;

/// Before or after a call did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of the call has happened.
    Before,
    /// Some of it has happened. Only the fake host has this moment.
    During,
    /// All of it has happened, and the caller does not know yet.
    After,
}

/// What a test wants to happen at a call.
#[async_trait::async_trait]
pub trait Hook: Send + Sync + 'static {
    /// Is asked before and after each call; an error is what the caller gets. Not returning stops the Agent there.
    async fn reach(&self, call: &'static str, changes: bool, moment: Moment) -> Result<(), HostError>;
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

    pub(super) async fn before(&self, call: &'static str, changes: bool) -> Result<(), HostError> {
        self.hook.reach(call, changes, Moment::Before).await
    }

    pub(super) async fn after(&self, call: &'static str, changes: bool) -> Result<(), HostError> {
        self.hook.reach(call, changes, Moment::After).await
    }
}

/// Stops or fails the Agent where the environment variable `FAILPOINTS` says, at `<call>.before` and `<call>.after`.
#[cfg(feature = "failpoints")]
pub fn with_failpoints<H>(inner: H) -> Watched<H> {
    struct FromEnvironment;

    #[async_trait::async_trait]
    impl Hook for FromEnvironment {
        async fn reach(&self, call: &'static str, _: bool, moment: Moment) -> Result<(), HostError> {
            let name = format!("{call}.{}", if moment == Moment::Before { "before" } else { "after" });
            // A pause blocks its thread until the process is killed, so it gets a thread of its own.
            super::linux::blocking(move || {
                fail::fail_point!(&name, |_| Err(HostError::failed(format!("pass the failpoint {name}"))("it says so")));
                Ok(())
            })
            .await
        }
    }

    // The failpoints stay as configured for as long as the process lives.
    std::mem::forget(fail::FailScenario::setup());
    Watched::new(inner, Arc::new(FromEnvironment))
}
