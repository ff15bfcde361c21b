//! Listens: TLS for everybody, the Unix socket for root on this machine.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::auth::Peer;
use crate::core::Core;
use crate::tasks::{Failure, Name, Next, Task, run_supervised};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long the head of a request may take, and how long a connection may stay idle.
const HEAD: Duration = Duration::from_secs(30);
/// How long a connection may take to say anything at all.
const FIRST_WORDS: Duration = Duration::from_secs(10);
/// Connections at the same time, over TLS; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;
/// How long running requests get when the Panel stops.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

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
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    for (number, listener) in listeners.tls.into_iter().enumerate() {
        let Some(tls) = tls.clone() else { continue };
        let accept = AcceptTls {
            listener,
            acceptor: TlsAcceptor::from(tls),
            router: router.clone(),
            places: places.clone(),
            closing: closing.clone(),
            tracker: tracker.clone(),
        };
        let (core, closing, name) = (core.clone(), closing.clone(), Name { nth: number, ..Name::of("listening over TLS") });
        tracker.spawn(async move { closing.run_until_cancelled(run_supervised(&core, name, accept)).await });
    }
    for (number, listener) in listeners.unix.into_iter().enumerate() {
        let accept = AcceptUnix { listener, router: router.clone(), closing: closing.clone(), tracker: tracker.clone() };
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

/// Takes connections over TLS: one a turn, so that whatever goes wrong with one is told, and the next is taken.
struct AcceptTls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    places: Arc<Semaphore>,
    closing: CancellationToken,
    tracker: TaskTracker,
}

impl Task for AcceptTls {
    // Nobody may come for long.
    const LIMIT: Option<Duration> = None;

    async fn turn(&mut self, _: &Arc<Core>) -> Result<Next, Failure> {
        let place = self.places.clone().acquire_owned().await?;
        let (stream, address) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return Ok(not_accepted(&error)),
        };
        let _ = stream.set_nodelay(true);
        let (acceptor, router, closing) = (self.acceptor.clone(), self.router.clone(), self.closing.clone());
        // The handshake in a task of its own: one slow caller must not keep the others waiting.
        self.tracker.spawn(async move {
            let _place = place;
            let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            connection(stream, http2, router, Peer::Tls(address), closing).await;
        });
        Ok(Next::After(Duration::ZERO))
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
    router: Router,
    closing: CancellationToken,
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
            self.tracker.spawn(connection(stream, false, self.router.clone(), Peer::Local { uid: peer.uid() }, self.closing.clone()));
        }
        Ok(Next::After(Duration::ZERO))
    }
}

async fn connection<S>(stream: S, http2: bool, router: Router, peer: Peer, closing: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20)).max_concurrent_streams(100);
    let builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection = builder.serve_connection(TokioIo::new(Awaited::new(stream)), service);
    tokio::pin!(connection);
    // How a connection ends is the caller's business: what it began is carried on whatever happens here.
    let ended = tokio::select! {
        result = connection.as_mut() => Some(result),
        () = closing.cancelled() => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// A connection whose other side must say something soon: HTTP/2 begins without a time limit of its own.
struct Awaited<S> {
    stream: S,
    until: Option<Pin<Box<Sleep>>>,
    heard: usize,
}

/// The length of what every HTTP/2 connection begins with; a shorter HTTP/1 head is covered by its own limit.
const PREFACE: usize = 24;

impl<S> Awaited<S> {
    fn new(stream: S) -> Self {
        Self { stream, until: Some(Box::pin(tokio::time::sleep(FIRST_WORDS))), heard: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Awaited<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            self.heard += buffer.filled().len() - before;
            if self.heard >= PREFACE {
                self.until = None;
            }
            return Poll::Ready(result);
        }
        let Some(until) = &mut self.until else { return Poll::Pending };
        ready!(until.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Awaited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
