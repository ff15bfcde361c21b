//! The end of a sandbox that takes no new requests, aside from its pool, which goes on without it.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::launch::Sandbox;
use crate::sockets::Socket;
use crate::watch;

/// The sandboxes of one pool that are ending.
#[derive(Default)]
pub struct Retiring {
    tasks: JoinSet<()>,
    sandboxes: Vec<Arc<dyn Sandbox>>,
}

impl Retiring {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sandboxes.is_empty()
    }

    /// Tells a sandbox to end, and kills it if it has not after `grace`. `old` is its socket if that is no longer the pool's: connections
    /// that wait there are carried to the pool's own. `then` gets how it ended.
    pub fn add(&mut self, sandbox: Arc<dyn Sandbox>, old: Option<Socket>, grace: Duration, then: impl FnOnce(String) + Send + 'static) {
        sandbox.retire();
        self.sandboxes.push(Arc::clone(&sandbox));
        self.tasks.spawn(async move {
            let leftovers = old.and_then(Leftovers::new);
            let ended = async {
                if let Ok(how) = tokio::time::timeout(grace, sandbox.ended()).await {
                    return how;
                }
                sandbox.kill();
                format!("it did not end within {} seconds and was killed: {}", grace.as_secs(), sandbox.ended().await)
            };
            let how = match leftovers {
                None => ended.await,
                Some(leftovers) => {
                    let how = tokio::select! {
                        how = ended => how,
                        never = leftovers.carry_all() => match never {},
                    };
                    leftovers.close().await;
                    how
                }
            };
            then(how);
        });
    }

    /// Waits until one more has ended; for ever if there is none.
    pub async fn one_ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
        if self.tasks.is_empty() {
            self.sandboxes.clear();
        }
    }

    /// Ends all of them at once and waits until they are gone.
    pub async fn kill(&mut self) {
        for sandbox in self.sandboxes.drain(..) {
            sandbox.kill();
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

/// A socket that was replaced, with the connections that were already waiting on it.
struct Leftovers {
    socket: AsyncFd<Socket>,
}

impl Leftovers {
    fn new(socket: Socket) -> Option<Self> {
        watch::readable(socket).ok().map(|socket| Self { socket })
    }

    /// Carries every connection that waits, now and later.
    async fn carry_all(&self) -> Infallible {
        loop {
            let Ok(mut ready) = self.socket.readable().await else { return std::future::pending().await };
            if self.carry_waiting().await {
                continue;
            }
            if self.socket.get_ref().is_dead() {
                return std::future::pending().await;
            }
            ready.clear_ready();
        }
    }

    /// Carries the connections that wait now, in their order; whether there were any.
    async fn carry_waiting(&self) -> bool {
        let socket = self.socket.get_ref();
        let mut any = false;
        while let Some(connection) = socket.accept_now() {
            any = true;
            match begin(connection, socket.path()).await {
                Ok((mut from, mut to)) => {
                    // An error is the end of one of the two, which the other one hears of.
                    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
                }
                Err(error) => tracing::warn!("a request that waited while {} was replaced was lost: {error}", socket.path().display()),
            }
        }
        any
    }

    async fn close(self) {
        self.carry_waiting().await;
        self.socket.into_inner().close();
    }
}

/// A connection, and one to where it would be made now. That one waits if the queue there is full, and so do those behind it.
async fn begin(from: OwnedFd, to: &Path) -> std::io::Result<(UnixStream, UnixStream)> {
    let from = std::os::unix::net::UnixStream::from(from);
    from.set_nonblocking(true)?;
    Ok((UnixStream::from_std(from)?, UnixStream::connect(to).await?))
}
