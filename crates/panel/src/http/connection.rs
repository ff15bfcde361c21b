//! One connection, from its first byte to its last: nothing that the other side does or leaves undone holds it for ever.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{Request, header};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::auth::Peer;
use super::connections::{Ages, Begun, Connection, RequestPlace, Shown, StreamPlace};
use crate::core::{Core, Timing};

/// How long the head of a request may take over HTTP/1.1, and how long such a connection may stay idle.
const HEAD: Duration = Duration::from_secs(30);
/// How long a connection may take to say anything at all.
const FIRST_WORDS: Duration = Duration::from_secs(10);
/// How often it is looked whether a connection is of use still, and no less often than the limits ask for.
const LOOK: Duration = Duration::from_secs(5);

/// The length of what every HTTP/2 connection begins with, in bytes; a shorter HTTP/1 head is covered by its own limit.
const PREFACE: u64 = 24;
/// Requests at the same time on one connection.
const HTTP2_STREAMS: u32 = 100;
/// Requests one after the other on one connection; a connection on which nothing good was shown ends earlier.
const REQUESTS: u64 = 10_000;
const REQUESTS_OF_A_STRANGER: u64 = 1000;
/// The largest head of a request, in bytes.
const LARGEST_HEAD: u32 = 16 * 1024;
/// How much of a request's body, and of those of one connection, may arrive before anybody reads it, in bytes.
const WINDOW: u32 = 64 * 1024 - 1;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// How much of an answer is kept that its caller has not read, in bytes.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that were reset and whose end is not yet known to both sides.
const RESETS: usize = 20;
const ERRORS: usize = 256;
/// What a connection may send without a request, with each request (its head and its body), and for what it is sent, in bytes: frames
/// that belong to no request cost nobody but us.
const WITHOUT_REQUEST: u64 = 256 * 1024;
const WITH_A_REQUEST: u64 = 1280 * 1024;

/// What every connection of a Panel shares.
#[derive(Clone)]
pub(super) struct Served {
    router: Router,
    closing: CancellationToken,
    timing: Timing,
}

impl Served {
    pub(super) fn new(core: &Core, router: &Router, closing: &CancellationToken) -> Self {
        Self { router: router.clone(), closing: closing.clone(), timing: core.seams.timing.clone() }
    }
}

/// The connection that a request came on, as the layers around its handler know it.
#[derive(Debug, Clone)]
pub(super) struct Visit(Arc<Connection>);

impl Visit {
    /// Whoever sent the request has shown who they are.
    pub(super) fn is_good(&self, shown: Shown) {
        self.0.is_good(shown, Instant::now());
    }

    /// The place of a stream of events; nothing if there are too many.
    pub(super) fn stream(&self) -> Option<StreamPlace> {
        self.0.stream()
    }
}

/// There are too many requests: this one is to be refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowded;

/// What is known of the answers of a connection.
#[derive(Debug, Default)]
struct Watch {
    requests: AtomicU64,
    /// By request: since when there has been something for its caller to read.
    unread: Mutex<std::collections::HashMap<u64, Instant>>,
}

impl Watch {
    fn there_is_something(&self, request: u64) {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).insert(request, Instant::now());
    }

    fn there_is_nothing(&self, request: u64) {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).remove(&request);
    }

    fn is_left_unread(&self, longest: Duration, now: Instant) -> bool {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).values().any(|since| now.saturating_duration_since(*since) >= longest)
    }
}

/// Serves one connection to its end. One that is not counted is root's, over the Unix socket.
pub(super) async fn connection<S>(stream: S, http2: bool, served: Served, peer: Peer, connection: Option<Arc<Connection>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Served { router, closing, timing } = served;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(4 * LARGEST_HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(LARGEST_HEAD)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(ERRORS);
    let builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    let watch = Arc::new(Watch::default());
    let flood = CancellationToken::new();
    let service = {
        let (watch, connection, flood) = (watch.clone(), connection.clone(), flood.clone());
        service_fn(move |request| answer(router.clone(), request, peer, connection.clone(), watch.clone(), &flood))
    };
    let stream = Bounded::new(stream, watch.clone(), timing.unread);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    // How a connection ends is the caller's business: what it began is carried on whatever happens here.
    let asked_to_end = tokio::select! {
        _ = serving.as_mut() => return,
        () = flood.cancelled() => return,
        () = closing.cancelled() => None,
        () = of_no_use(connection.as_deref(), &watch, &timing) => Some(timing.farewell),
    };
    serving.as_mut().graceful_shutdown();
    // The stop of the Panel has a limit of its own.
    match asked_to_end {
        Some(longest) => {
            let _ = tokio::time::timeout(longest, serving).await;
        }
        None => {
            let _ = serving.await;
        }
    }
}

/// Done when the connection is to end: it is idle, its caller does not read, or is a stranger for too long.
async fn of_no_use(connection: Option<&Connection>, watch: &Watch, timing: &Timing) {
    let Some(connection) = connection else { return std::future::pending().await };
    let ages = Ages { idle: timing.idle, stranger: timing.stranger_age };
    let every = LOOK.min(timing.idle / 2).min(timing.stranger_age / 2).min(timing.unread / 2);
    loop {
        tokio::time::sleep(every).await;
        let now = Instant::now();
        let requests = watch.requests.load(Ordering::Relaxed);
        let many = requests >= REQUESTS || requests >= REQUESTS_OF_A_STRANGER && !connection.has_shown_good();
        if many || connection.is_over(&ages, now) || watch.is_left_unread(timing.unread, now) {
            return;
        }
    }
}

fn answer(
    mut router: Router,
    mut request: Request<Incoming>,
    peer: Peer,
    connection: Option<Arc<Connection>>,
    watch: Arc<Watch>,
    flood: &CancellationToken,
) -> impl Future<Output = Result<Response, Infallible>> + use<> {
    let number = watch.requests.fetch_add(1, Ordering::Relaxed);
    request.extensions_mut().insert(peer);
    let begun = connection.as_ref().map(|connection| connection.begin(Instant::now()));
    let held = match begun {
        None => None,
        Some(Begun::Taken(held)) => Some(held),
        Some(Begun::Refused(held)) => {
            request.extensions_mut().insert(Crowded);
            Some(held)
        }
        Some(Begun::Flood) => {
            request.extensions_mut().insert(Crowded);
            flood.cancel();
            None
        }
    };
    if let Some(connection) = connection {
        request.extensions_mut().insert(Visit(connection));
    }
    async move {
        let Ok(response) = router.call(request).await;
        watch.there_is_something(number);
        Ok(response.map(|body| Body::new(Answered { body, _held: held, watch, number })))
    }
}

/// The body of an answer, with the place of its request.
struct Answered {
    body: Body,
    _held: Option<RequestPlace>,
    watch: Arc<Watch>,
    number: u64,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    /// Asked for only when there is room for more: the caller has read what there was before.
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Pending => self.watch.there_is_nothing(self.number),
            Poll::Ready(_) => self.watch.there_is_something(self.number),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.watch.there_is_nothing(self.number);
    }
}

/// Whether an answer is a stream of events.
pub(super) fn is_stream(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// A stream of events, which has its place until it ends.
pub(super) fn with_place(stream: Response, place: StreamPlace) -> Response {
    stream.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &place;
            frame
        }))
    })
}

/// A stream whose other side must say something soon, reads what it is sent, and sends no more than its requests need.
struct Bounded<S> {
    stream: S,
    watch: Arc<Watch>,
    /// Until when the first words must be there.
    until: Option<Pin<Box<Sleep>>>,
    /// Until when something of what is to be sent must be taken, while it is not.
    unread: Option<Pin<Box<Sleep>>>,
    longest_unread: Duration,
    heard: u64,
    said: u64,
}

impl<S> Bounded<S> {
    fn new(stream: S, watch: Arc<Watch>, longest_unread: Duration) -> Self {
        let until = Some(Box::pin(tokio::time::sleep(FIRST_WORDS)));
        Self { stream, watch, until, unread: None, longest_unread, heard: 0, said: 0 }
    }

    /// What may be heard by now, in bytes.
    fn allowance(&self) -> u64 {
        let requests = self.watch.requests.load(Ordering::Relaxed);
        // A caller that reads a long answer sends acknowledgements again and again.
        requests.saturating_mul(WITH_A_REQUEST).saturating_add(self.said / 4).saturating_add(WITHOUT_REQUEST)
    }

    /// Fails what could not be written for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.unread = None;
            return polled;
        }
        let longest = self.longest_unread;
        let unread = self.unread.get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        ready!(unread.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn wrote(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(length)) = &polled {
            self.said = self.said.saturating_add(*length as u64);
        }
        self.written(cx, polled)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.heard > self.allowance() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            self.heard += (buffer.filled().len() - before) as u64;
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(cx, polled)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
