//! The end of a sandbox that takes no new requests, aside from its pool, which goes on without it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::SocketFlags;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::launch::Sandbox;
use crate::panics::Panics;
use crate::sockets::{self, Socket};
use crate::watch;

/// How long accepting what waits may take. It takes microseconds, unless somebody who holds the socket too makes it wait.
const ACCEPTING: Duration = Duration::from_secs(2);

/// So many threads accept at a time, of all pools. One that is made to wait holds its place for [`ACCEPTING`].
static ACCEPTERS: Semaphore = Semaphore::const_new(64);

/// So many connections are carried from one socket; a tenant can make many wait. What comes after them is turned away.
const MOST_CARRIED: usize = 512;

/// So many are carried at a time, of all pools: each takes two descriptors.
static CARRIED: Semaphore = Semaphore::const_new(8192);

/// How long carried connections wait for a place in the queue of the new socket.
const BEGINNING: Duration = Duration::from_secs(10);
const BEGIN_AGAIN: Duration = Duration::from_millis(20);

/// How long a socket that was replaced is kept for connections that were on their way to it.
const LATE: Duration = Duration::from_secs(1);

/// How often an ending sandbox's log is looked at.
const TIDY: Duration = Duration::from_secs(1);

/// The sandboxes of one pool that are ending.
#[derive(Default)]
pub struct Retiring {
    panics: Panics,
    tasks: JoinSet<()>,
    sandboxes: HashMap<Id, Arc<dyn Sandbox>>,
}

impl Retiring {
    /// None yet.
    pub fn new(panics: Panics) -> Self {
        Self { panics, ..Self::default() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Tells a sandbox to end, and kills it if it has not after `grace`. `old` is its socket if that is no longer the pool's: connections
    /// that wait there are carried to the pool's own. `then` gets how it ended.
    pub fn add(&mut self, sandbox: Arc<dyn Sandbox>, old: Option<Socket>, grace: Duration, then: impl FnOnce(String) + Send + 'static) {
        sandbox.retire();
        let (panics, ending) = (self.panics.clone(), Arc::clone(&sandbox));
        let task = self.tasks.spawn(async move {
            let leftovers = old.and_then(|old| Leftovers::new(old, grace, panics));
            let ended = async {
                if let Ok(how) = tokio::time::timeout(grace, ending.ended()).await {
                    return how;
                }
                ending.kill();
                format!("it did not end within {} seconds and was killed: {}", grace.as_secs(), ending.ended().await)
            };
            let ended = async {
                tokio::select! {
                    how = ended => how,
                    never = tidy_up(&*ending) => match never {},
                }
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
        self.sandboxes.insert(task.id(), sandbox);
    }

    /// Carries what waits on a socket that was replaced to the pool's own, and closes it. No sandbox runs on it any more. A connection that is
    /// carried may take `longest`.
    pub fn carry(&mut self, old: Socket, longest: Duration) {
        let panics = self.panics.clone();
        self.tasks.spawn(async move {
            if let Some(leftovers) = Leftovers::new(old, longest, panics) {
                drop(tokio::time::timeout(LATE, leftovers.carry_all()).await);
                leftovers.close().await;
            }
        });
    }

    /// Closes a socket that no sandbox runs on any more, after what waits on it was turned away.
    pub fn close(&mut self, old: Socket) {
        if !old.has_connection() {
            return old.close();
        }
        let panics = self.panics.clone();
        self.tasks.spawn(async move {
            drop(accept_what_waits(&old, MOST_CARRIED, &panics).await);
            old.close();
        });
    }

    /// Waits until one more has ended; for ever if there is none.
    pub async fn one_ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((id, ()))) => drop(self.sandboxes.remove(&id)),
            Some(Err(error)) => {
                let sandbox = self.sandboxes.remove(&error.id());
                if error.is_panic() {
                    self.panics.note("the end of a sandbox", &*error.into_panic());
                }
                // Nobody waits for it any more.
                if let Some(sandbox) = sandbox {
                    sandbox.kill();
                }
            }
        }
    }

    /// Ends all of them at once and waits until they are gone, for as long as it takes. May be dropped and asked again.
    pub async fn kill(&mut self) {
        for sandbox in self.sandboxes.values() {
            sandbox.kill();
        }
        while !self.tasks.is_empty() {
            self.one_ended().await;
        }
    }
}

async fn tidy_up(sandbox: &dyn Sandbox) -> Infallible {
    loop {
        tokio::time::sleep(TIDY).await;
        sandbox.tidy();
    }
}

/// A socket that was replaced, with the connections that were already waiting on it.
struct Leftovers {
    socket: AsyncFd<Socket>,
    /// How long one of them may take.
    longest: Duration,
    panics: Panics,
}

impl Leftovers {
    fn new(socket: Socket, longest: Duration, panics: Panics) -> Option<Self> {
        match watch::readable(socket) {
            Ok(socket) => Some(Self { socket, longest, panics }),
            Err(refused) => {
                let (socket, error) = refused.into_parts();
                tracing::error!("could not watch {}: {error}", socket.bound().display());
                socket.close();
                None
            }
        }
    }

    /// Carries every connection that waits, now and later.
    async fn carry_all(&self) -> Infallible {
        let mut carried = 0;
        loop {
            let Ok(mut ready) = self.socket.readable().await else { return std::future::pending().await };
            let count = self.carry_waiting(carried).await;
            carried += count;
            if self.socket.get_ref().is_dead() || carried >= MOST_CARRIED {
                return std::future::pending().await;
            }
            if count == 0 {
                ready.clear_ready();
            }
        }
    }

    /// Carries the connections that wait now, in their order, after so many before; how many there were.
    async fn carry_waiting(&self, before: usize) -> usize {
        let socket = self.socket.get_ref();
        let accepted = accept_what_waits(socket, MOST_CARRIED.saturating_sub(before), &self.panics).await;
        let (count, path) = (accepted.len(), socket.path());
        let until = Instant::now() + BEGINNING;
        let (mut lost, mut why) = (0_usize, String::new());
        for connection in accepted {
            // Once the time is over, all that are left are lost at once.
            let Ok(Ok(place)) = tokio::time::timeout_at(until, CARRIED.acquire()).await else {
                (lost, why) = (lost + 1, "too many are carried already".to_owned());
                continue;
            };
            match begin(connection, &path, until).await {
                Ok((mut from, mut to)) => {
                    let (longest, panics) = (self.longest, self.panics.clone());
                    tokio::spawn(async move {
                        // An error is the end of one of the two, which the other one hears of.
                        let copy = tokio::time::timeout(longest, tokio::io::copy_bidirectional(&mut from, &mut to));
                        panics.guard("a connection that is carried to another socket", copy).await;
                        drop(place);
                    });
                }
                Err(error) => (lost, why) = (lost + 1, error.to_string()),
            }
        }
        if lost > 0 {
            tracing::warn!("{lost} requests that waited while {} was replaced were lost: {why}", path.display());
        }
        count
    }

    async fn close(self) {
        self.carry_waiting(0).await;
        self.socket.into_inner().close();
    }
}

/// Accepts at most `most` of the connections that wait on a socket that a tenant holds too.
///
/// Accepting can be made to wait whatever we do, so it is done on a thread that may. When that takes too long, the socket is shut down for
/// everybody, which ends the thread's wait for good, and the pool goes on with its other one.
async fn accept_what_waits(socket: &Socket, most: usize, panics: &Panics) -> Vec<OwnedFd> {
    let mut accepted = Vec::new();
    if most == 0 || !socket.has_connection() {
        return accepted;
    }
    let Ok(place) = ACCEPTERS.acquire().await else { return accepted };
    let (sender, mut received) = mpsc::channel(most);
    let (fd, panics) = (socket.shared(), panics.clone());
    let thread = tokio::task::spawn_blocking(move || {
        panics.guard_blocking("a thread that accepts", || accept_in_a_row(&fd, most, &sender));
        drop(place);
    });
    let all = async {
        while let Some(connection) = received.recv().await {
            accepted.push(connection);
        }
    };
    if tokio::time::timeout(ACCEPTING, all).await.is_err() {
        tracing::warn!("accepting on {} was made to wait, so it was shut down", socket.bound().display());
        // That wakes the thread, which finds nobody to give anything to.
        socket.shut_down();
    }
    drop(thread);
    accepted
}

/// What may wait.
fn accept_in_a_row(fd: &OwnedFd, most: usize, accepted: &mpsc::Sender<OwnedFd>) {
    // Nobody waits here unless a tenant wants it so.
    sockets::set_blocking(fd, false);
    for _ in 0..most {
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        let waits = matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1..)) && fds[0].revents().contains(PollFlags::IN);
        if !waits {
            break;
        }
        let Ok(connection) = rustix::net::accept_with(fd, SocketFlags::CLOEXEC) else { break };
        // There is room for as many as there can be.
        if accepted.try_send(connection).is_err() {
            break;
        }
    }
    // The sandbox may still run, and FPM needs it so.
    sockets::set_blocking(fd, true);
}

/// A connection, and one to where it would be made now. It waits for a place in the queue there until then, and so do those behind it.
async fn begin(from: OwnedFd, to: &Path, until: Instant) -> std::io::Result<(UnixStream, UnixStream)> {
    let from = std::os::unix::net::UnixStream::from(from);
    from.set_nonblocking(true)?;
    let from = UnixStream::from_std(from)?;
    loop {
        match UnixStream::connect(to).await {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && Instant::now() < until => {
                tokio::time::sleep(BEGIN_AGAIN).await;
            }
            done => return Ok((from, done?)),
        }
    }
}
