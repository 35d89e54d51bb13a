//! Work that is not cancelled with its caller.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::runtime::Handle;

use crate::error::{Error, Result};

/// Work that is done as part of its caller, and goes on in a task of its own when the caller is dropped in the middle. So
/// it costs no task, and no switch to one, where the caller stays. A panic is an error of the work, as it is with a task.
///
/// It belongs to the runtime that it was made in.
pub(crate) struct ToTheEnd<T: Send + 'static> {
    work: Option<BoxFuture<'static, Result<T>>>,
    runtime: Handle,
}

impl<T: Send + 'static> ToTheEnd<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        // What has panicked is not touched again but to be dropped.
        let work = AssertUnwindSafe(work).catch_unwind();
        Self {
            work: Some(Box::pin(work.map(|done| done.map_err(|_| panicked())))),
            runtime: Handle::current(),
        }
    }
}

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let done = match &mut self.work {
            Some(work) => ready!(work.as_mut().poll(context)),
            None => Err(Error::internal("work was asked for its result twice")),
        };
        self.work = None;
        Poll::Ready(done)
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.runtime.spawn(work.map(drop));
        }
    }
}

fn panicked() -> Error {
    Error::internal("work has panicked")
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use tokio::{
        sync::Notify,
        task::yield_now,
        time::{sleep, timeout},
    };

    use super::*;

    /// Work that counts its steps, with something to wait for between them.
    fn steps(done: &Arc<AtomicUsize>, go: &Arc<Notify>) -> ToTheEnd<usize> {
        let (done, go) = (Arc::clone(done), Arc::clone(go));
        ToTheEnd::new(async move {
            done.fetch_add(1, Ordering::SeqCst);
            go.notified().await;
            done.fetch_add(1, Ordering::SeqCst) + 1
        })
    }

    async fn done_to_the_end(done: &AtomicUsize) {
        timeout(Duration::from_secs(5), async {
            while done.load(Ordering::SeqCst) < 2 {
                yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn what_a_caller_leaves_in_the_middle_goes_on() {
        let (done, go) = <(Arc<AtomicUsize>, Arc<Notify>)>::default();
        let mut work = steps(&done, &go);
        assert!(futures_util::poll!(&mut work).is_pending());
        drop(work);
        assert_eq!(done.load(Ordering::SeqCst), 1);
        go.notify_one();
        done_to_the_end(&done).await;
    }

    #[tokio::test]
    async fn who_stays_gets_the_result_and_nothing_is_done_twice() {
        let (done, go) = <(Arc<AtomicUsize>, Arc<Notify>)>::default();
        go.notify_one();
        assert_eq!(steps(&done, &go).await.unwrap(), 2);
        sleep(Duration::from_millis(10)).await;
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_the_work_alone() {
        let work = ToTheEnd::new(async {
            yield_now().await;
            assert!(std::env::args().count() == 0, "a panic");
        });
        assert_eq!(work.await.unwrap_err().code(), "INTERNAL_SERVER_ERROR");
    }

    #[tokio::test]
    async fn work_goes_on_where_it_is_dropped_outside_of_the_runtime() {
        let (done, go) = <(Arc<AtomicUsize>, Arc<Notify>)>::default();
        let mut work = steps(&done, &go);
        assert!(futures_util::poll!(&mut work).is_pending());
        std::thread::spawn(move || drop(work)).join().unwrap();
        go.notify_one();
        done_to_the_end(&done).await;
    }
}
