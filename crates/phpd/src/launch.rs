//! What a pool needs of whatever runs its PHP: [`crate::bubblewrap`], or a stand-in in tests.

use std::sync::Arc;

use futures::future::BoxFuture;
use opterius_model::{AccountId, PoolName};
use opterius_protocol::phpd::{CgroupLevel, PoolSpec};

use crate::phps::Php;
use crate::sockets::Socket;

/// Starts sandboxes.
pub trait Launcher: Send + Sync + 'static {
    /// Starts a sandbox with FPM on the socket and waits until it takes connections. The PHP is the one that is to be had now. The error is a sentence. When this is dropped, what it began
    /// is a leftover.
    fn launch<'a>(&'a self, spec: &'a PoolSpec, socket: &'a Socket) -> BoxFuture<'a, Result<Arc<dyn Sandbox>, String>>;

    /// Ends at once every process of a pool that nobody holds a [`Sandbox`] of, and waits until they are gone, for as long as it takes. May be
    /// dropped and asked again.
    fn kill_leftovers<'a>(&'a self, account: AccountId, pool: &'a PoolName) -> BoxFuture<'a, ()>;

    /// What cgroups can do here, and whether and where sandboxes get them, in a sentence.
    fn cgroups(&self) -> (CgroupLevel, String);
}

/// One FPM in its sandbox.
pub trait Sandbox: Send + Sync {
    /// FPM's master as the server sees it.
    fn master_pid(&self) -> u32;

    /// The PHP that it runs; nothing if an earlier phpd started it and did not say.
    fn php(&self) -> Option<Php>;

    /// Whether it has workers. A worker outlives its last request by a while, so none means that there was no request in that while, and
    /// that none is running.
    fn has_workers(&self) -> bool;

    /// Lets it end when its requests are done. It takes no new ones.
    fn retire(&self);

    /// Ends every process in it at once.
    fn kill(&self);

    /// Waits until no process of it is left; how it ended, in a sentence. May be dropped and asked again.
    fn ended(&self) -> BoxFuture<'_, String>;

    /// Has what it wrote since taken into its log. Returns at once.
    fn tidy(&self);
}
