//! What happens on a connection, and giving it up where nothing does.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Error,
    body::{Body, Bytes, HttpBody},
};
use http::Version;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep};

/// What happens on a connection, as far as that decides how long it is kept.
#[derive(Default)]
pub(super) struct Activity {
    was_asked: AtomicBool,
    /// HTTP/2: who does not answer hyper's pings is given up by it.
    is_pinged: AtomicBool,
    in_flight: AtomicUsize,
    /// Since it was last looked at.
    has_written: AtomicBool,
}

/// A request that is not answered in full.
pub(super) struct InFlight(Arc<Activity>);

impl Activity {
    pub(super) fn asked(self: &Arc<Self>, version: Version) -> InFlight {
        self.was_asked.store(true, Relaxed);
        if version == Version::HTTP_2 {
            self.is_pinged.store(true, Relaxed);
        }
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(super) fn written(&self) {
        self.has_written.store(true, Relaxed);
    }

    /// Whether there was none since this was last asked.
    fn has_ceased(&self) -> bool {
        let has_written = self.has_written.swap(false, Relaxed);
        !self.was_asked.load(Relaxed) || !has_written && self.in_flight.load(Relaxed) == 0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl InFlight {
    pub(super) fn until_sent(self, body: Body) -> Answer {
        Answer {
            body,
            _in_flight: self,
        }
    }
}

/// The body of an answer, whose request is in flight until all of it was taken.
pub(super) struct Answer {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a connection ends with; `None` where it is given up: when nothing was asked within `patience` or until the server
/// is `stopping`, and later when `patience`, or up to twice that, passes without a request in flight or anything sent.
///
/// hyper's own timer for heads is set for each request anew, makes it read once more after each, and begins only when the
/// version of HTTP is known. And when the server stops, hyper waits for the rest of a first head.
pub(super) async fn until_given_up<C: Future>(
    connection: C,
    activity: &Activity,
    patience: Duration,
    stopping: impl Future,
) -> Option<C::Output> {
    let mut connection = pin!(connection);
    let mut stopping = pin!(stopping);
    let mut clock = pin!(sleep(patience));
    poll_fn(|context| {
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(Some(ended));
        }
        if !activity.was_asked.load(Relaxed) && stopping.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        while !activity.is_pinged.load(Relaxed) && clock.as_mut().poll(context).is_ready() {
            if activity.has_ceased() {
                return Poll::Ready(None);
            }
            clock.as_mut().reset(Instant::now() + patience);
        }
        Poll::Pending
    })
    .await
}
