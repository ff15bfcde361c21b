//! The body of a request: one bound on its size and one on its time for every route, whoever reads it. What nobody has read is read and thrown
//! away before the answer goes out, since a caller who is answered while it still sends sees a broken connection and not the answer:
//! over HTTP/2 the rest of the body is refused with a reset of the stream, which curl takes for an error.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http::header;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::app::{Code, Refusal};

/// The largest body there is, in bytes.
pub(crate) const LARGEST: usize = 64 * 1024;

/// How much of a body is read at most, in bytes, with what is thrown away.
const TAKEN_IN: usize = 1024 * 1024;

/// How long the rest of a body may still take to arrive after the answer is known, if the time for the whole body is over by then.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// Why a body cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("the body is larger than {LARGEST} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    TooSlow,
}

/// What whoever reads a body has not read of it.
struct Unread {
    body: Body,
    taken: usize,
}

/// A body as a handler gets it. When it is dropped, its rest is given back.
struct Arriving {
    unread: Option<Unread>,
    late: Pin<Box<Sleep>>,
    within: Duration,
    given_back: Arc<Mutex<Option<Unread>>>,
    asked: bool,
    waits_to_be_asked: bool,
}

/// Where the rest of a body is given back.
pub(crate) struct Rest {
    given_back: Arc<Mutex<Option<Unread>>>,
    until: Instant,
    announced: u64,
}

/// Puts the bounds around the body of a request. It may take as long as `within` to arrive.
pub(crate) fn bound(request: Request, within: Duration) -> (Request, Option<Rest>) {
    if request.body().is_end_stream() {
        return (request, None);
    }
    let (parts, body) = request.into_parts();
    let waits_to_be_asked = parts.headers.contains_key(header::EXPECT);
    let (given_back, until) = (Arc::new(Mutex::new(None)), Instant::now() + within);
    let announced = body.size_hint().lower();
    let arriving = Arriving {
        unread: Some(Unread { body, taken: 0 }),
        late: Box::pin(tokio::time::sleep_until(until)),
        within,
        given_back: given_back.clone(),
        asked: false,
        waits_to_be_asked,
    };
    (Request::from_parts(parts, Body::new(arriving)), Some(Rest { given_back, until, announced }))
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        this.asked = true;
        let Some(unread) = &mut this.unread else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(&mut unread.body).poll_frame(cx) else {
            return this.late.as_mut().poll(cx).map(|()| Some(Err(Unusable::TooSlow.into())));
        };
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame.map(|frame| frame.map_err(Into::into))) };
        // One byte after the other is no reason to wait for ever.
        if this.late.is_elapsed() || this.late.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(Unusable::TooSlow.into())));
        }
        unread.taken = unread.taken.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if unread.taken > LARGEST {
            return Poll::Ready(Some(Err(Unusable::TooLarge.into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.unread.as_ref().is_none_or(|unread| unread.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.unread.as_ref().map_or_else(SizeHint::default, |unread| unread.body.size_hint())
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        // Who was not asked yet to send its body (`Expect: 100-continue`) is not asked in order to throw it away.
        if self.waits_to_be_asked && !self.asked {
            return;
        }
        *self.given_back.lock().unwrap_or_else(PoisonError::into_inner) = self.unread.take().filter(|unread| !unread.body.is_end_stream());
    }
}

impl std::fmt::Debug for Arriving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arriving").field("within", &self.within).finish_non_exhaustive()
    }
}

impl Rest {
    /// Reads what nobody has read, and throws it away, within the bounds.
    pub(crate) async fn throw_away(self) {
        let unread = self.given_back.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Unread { mut body, mut taken }) = unread else { return };
        if self.announced > TAKEN_IN as u64 {
            return;
        }
        let until = self.until.max(Instant::now() + LAST_MOMENT);
        let _ = tokio::time::timeout_at(until, async {
            while taken <= TAKEN_IN
                && let Some(Ok(frame)) = body.frame().await
            {
                taken = taken.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            }
        })
        .await;
    }
}

/// A body, whole. It is wiped when it is dropped: it may hold a password.
pub(crate) async fn whole(mut body: Body) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > LARGEST {
        return Err(too_large());
    }
    let mut read = Zeroizing::new(Vec::with_capacity(announced.max(1024)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.into_inner().downcast_ref::<Unusable>() {
            Some(Unusable::TooLarge) => too_large(),
            Some(Unusable::TooSlow) => Problem::from(Refusal::new(Code::BodyTooSlow, "The body did not arrive in time.")),
            None => Problem::from(Refusal::invalid_field("", "invalid", "the body did not arrive whole")),
        })?;
        if let Some(data) = frame.data_ref() {
            // The bound is around the body of every request; a reader without one reads no more all the same.
            if read.len() + data.len() > LARGEST {
                return Err(too_large());
            }
            read.extend_from_slice(data);
        }
    }
    Ok(read)
}

fn too_large() -> Problem {
    Refusal::new(Code::BodyTooLarge, format!("The body is larger than {LARGEST} bytes.")).into()
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn pieces(number: usize, length: usize) -> Body {
        Body::from_stream(stream::iter((0..number).map(move |_| Ok::<_, std::io::Error>(vec![b'x'; length]))))
    }

    fn endless(every: Duration) -> Body {
        Body::from_stream(stream::unfold((), move |()| async move {
            tokio::time::sleep(every).await;
            Some((Ok::<_, std::io::Error>("x"), ()))
        }))
    }

    fn bounded(body: Body) -> (Body, Rest) {
        bounded_within(body, Duration::from_secs(10))
    }

    fn bounded_within(body: Body, within: Duration) -> (Body, Rest) {
        let (request, rest) = bound(Request::new(body), within);
        (request.into_body(), rest.expect("it has a body"))
    }

    fn code(read: Result<Zeroizing<Vec<u8>>, Problem>) -> Code {
        read.expect_err("it was refused").0.code
    }

    #[tokio::test]
    async fn a_body_has_one_bound_on_its_size() {
        assert_eq!(whole(bounded(pieces(64, 1024)).0).await.unwrap().len(), LARGEST);
        assert_eq!(code(whole(bounded(pieces(65, 1024)).0).await), Code::BodyTooLarge);
        assert_eq!(code(whole(bounded(Body::from(vec![0; LARGEST + 1])).0).await), Code::BodyTooLarge);
    }

    #[tokio::test]
    async fn a_byte_now_and_then_is_no_progress() {
        for every in [Duration::from_millis(1), Duration::from_hours(1)] {
            let (body, _) = bounded_within(endless(every), Duration::from_millis(100));
            assert_eq!(code(whole(body).await), Code::BodyTooSlow);
        }
    }

    #[tokio::test]
    async fn what_nobody_has_read_is_read_before_the_answer() {
        for read_before in [false, true] {
            let left = Arc::new(Mutex::new(100));
            let counted = left.clone();
            let piece = move |_| {
                *counted.lock().unwrap() -= 1;
                Ok::<_, std::io::Error>(vec![0; 1024])
            };
            let source = stream::iter((0..100).map(piece));
            let (mut body, rest) = bounded(Body::from_stream(source));
            if read_before {
                body.frame().await.unwrap().unwrap();
            }
            drop(body);
            rest.throw_away().await;
            assert_eq!(*left.lock().unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn what_has_no_end_is_not_read_to_its_end() {
        let by_its_size = Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0; 1024])));
        for endless in [endless(Duration::from_millis(1)), endless(Duration::from_hours(1)), by_its_size] {
            let (body, rest) = bounded_within(endless, Duration::from_millis(100));
            drop(body);
            rest.throw_away().await;
        }
    }
}
