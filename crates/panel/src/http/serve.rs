//! Listens: TLS for everybody, the Unix socket for root on this machine.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::Instant;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::auth::Peer;
use super::connection::{Served, connection};
use super::connections::Connection;
use crate::core::Core;
use crate::tasks::{Failure, Name, Next, Task, run_supervised};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long running requests get when the Panel stops.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// The name of the task that takes connections over TLS.
pub(crate) const LISTENING: &str = "listening over TLS";

/// Where a Panel listens.
#[derive(Debug, Default)]
pub struct Listeners {
    tls: Vec<TcpListener>,
    unix: Vec<UnixListener>,
}

impl Listeners {
    /// The sockets that systemd handed over, TLS and Unix told apart by their family. Takes them out of the environment.
    pub fn from_environment() -> io::Result<Self> {
        let mut sockets = listenfd::ListenFd::from_env();
        let mut listeners = Self::default();
        for at in 0..sockets.len() {
            if let Ok(Some(tcp)) = sockets.take_tcp_listener(at) {
                tcp.set_nonblocking(true)?;
                listeners.tls.push(TcpListener::from_std(tcp)?);
            } else if let Some(unix) = sockets.take_unix_listener(at)? {
                unix.set_nonblocking(true)?;
                listeners.unix.push(UnixListener::from_std(unix)?);
            }
        }
        Ok(listeners)
    }

    /// Also listens on `address` with TLS; returns the address, with the port that was chosen if it was 0.
    pub async fn add_tls(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        self.tls.push(listener);
        Ok(address)
    }

    /// Also listens on a Unix socket at `path`, which only its owner can open. A socket that nobody listens on any more is replaced.
    pub fn add_unix(&mut self, path: &Path) -> io::Result<()> {
        if std::os::unix::net::UnixStream::connect(path).is_err() && path.exists() {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        self.unix.push(listener);
        Ok(())
    }

    /// Whether there is anything to listen on.
    pub fn is_empty(&self) -> bool {
        self.tls.is_empty() && self.unix.is_empty()
    }

    /// The port on which browsers are listened to, if there is one.
    pub(crate) fn port(&self) -> Option<u16> {
        self.tls.first()?.local_addr().ok().map(|address| address.port())
    }

    pub(crate) fn has_tls(&self) -> bool {
        !self.tls.is_empty()
    }
}

/// Serves `router` until `stop`.
pub(crate) async fn serve(
    core: &Arc<Core>,
    router: Router,
    listeners: Listeners,
    tls: Option<Arc<rustls::ServerConfig>>,
    closing: CancellationToken,
    stop: impl Future<Output = ()>,
) {
    let tracker = TaskTracker::new();
    for (number, listener) in listeners.tls.into_iter().enumerate() {
        let Some(tls) = tls.clone() else { continue };
        let accept = AcceptTls { listener, tls, served: Served::new(core, &router, &closing), tracker: tracker.clone() };
        let (core, closing, name) = (core.clone(), closing.clone(), Name { nth: number, ..Name::of(LISTENING) });
        tracker.spawn(async move { closing.run_until_cancelled(run_supervised(&core, name, accept)).await });
    }
    for (number, listener) in listeners.unix.into_iter().enumerate() {
        let accept = AcceptUnix { listener, served: Served::new(core, &router, &closing), tracker: tracker.clone() };
        let (core, closing, name) = (core.clone(), closing.clone(), Name { nth: number, ..Name::of("listening on the Unix socket") });
        tracker.spawn(async move { closing.run_until_cancelled(run_supervised(&core, name, accept)).await });
    }
    stop.await;
    closing.cancel();
    tracker.close();
    if tokio::time::timeout(LAST_REQUESTS, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "some requests did not end in time; what they began goes on after the start");
    }
}

/// Takes connections over TLS: one a turn, so that whatever goes wrong with one is told, and the next is taken. None waits in the kernel's
/// queue for others to end: what there is no place for is closed.
struct AcceptTls {
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    served: Served,
    tracker: TaskTracker,
}

impl Task for AcceptTls {
    // Nobody may come for long.
    const LIMIT: Option<Duration> = None;

    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let (stream, address) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return Ok(not_accepted(&error)),
        };
        let Some(held) = core.connections.arrive(address.ip(), Instant::now()) else { return Ok(Next::After(Duration::ZERO)) };
        let _ = stream.set_nodelay(true);
        let (tls, served) = (self.tls.clone(), self.served.clone());
        // The handshake in a task of its own: one slow caller must not keep the others waiting.
        self.tracker.spawn(async move {
            let held = Arc::new(held);
            let work = async {
                let Ok(Some(stream)) = tokio::time::timeout(HANDSHAKE, shake_hands(stream, tls, &held)).await else { return };
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                connection(stream, http2, served, Peer::Tls(address), Some(held.clone())).await;
            };
            tokio::select! {
                () = work => {}
                () = held.ended() => {}
            }
        });
        Ok(Next::After(Duration::ZERO))
    }
}

/// A TLS handshake; nothing if it comes to nothing.
async fn shake_hands(stream: TcpStream, tls: Arc<rustls::ServerConfig>, held: &Connection) -> Option<TlsStream<TcpStream>> {
    // Nothing is computed before all of the first message is there; computing the answer to it is what costs, and happens in one step.
    let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await.ok()?;
    let turn = held.handshake().await?;
    let mut handshake = std::pin::pin!(begun.into_stream(tls));
    let first = futures::poll!(handshake.as_mut());
    drop(turn);
    match first {
        std::task::Poll::Ready(done) => done.ok(),
        std::task::Poll::Pending => handshake.await.ok(),
    }
}

fn not_accepted(error: &io::Error) -> Next {
    tracing::warn!(%error, "could not accept a connection");
    // Out of descriptors, most likely; asking again at once would only burn the processor.
    Next::After(Duration::from_millis(100))
}

/// Takes connections over the Unix socket.
struct AcceptUnix {
    listener: UnixListener,
    served: Served,
    tracker: TaskTracker,
}

impl Task for AcceptUnix {
    const LIMIT: Option<Duration> = None;

    async fn turn(&mut self, _: &Arc<Core>) -> Result<Next, Failure> {
        let stream = match self.listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => return Ok(not_accepted(&error)),
        };
        // Without a uid there is nobody to be let in.
        if let Ok(peer) = stream.peer_cred() {
            self.tracker.spawn(connection(stream, false, self.served.clone(), Peer::Local { uid: peer.uid() }, None));
        }
        Ok(Next::After(Duration::ZERO))
    }
}
