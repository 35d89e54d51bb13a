//! When a batch starts: once everything that can ask for more has asked.
//!
//! A loader that waits a millisecond makes a lone request wait, and still splits a list in two when the machine is busy.
//! Here a batch that a resolver begins starts as soon as the execution has nothing left to do without it: by then every
//! sibling has put its key in. What other requests ask for until then joins the same statement.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use async_graphql::dataloader::DataLoader;
use futures_util::future::BoxFuture;

tokio::task_local! {
    static BEGUN: Arc<Begun>;
}

/// Batches that one execution has begun and that have not started.
#[derive(Default)]
struct Begun(Mutex<Vec<BoxFuture<'static, ()>>>);

impl Begun {
    fn start(&self) {
        let begun = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for batch in begun {
            tokio::spawn(batch);
        }
    }
}

/// Other requests may wait for a batch that a failed execution has begun.
impl Drop for Begun {
    fn drop(&mut self) {
        self.start();
    }
}

/// A loader whose batches start as [`execution`] says.
pub(super) fn loader<L: Send + Sync + 'static>(loader: L) -> DataLoader<L> {
    let spawn = |batch: BoxFuture<'static, ()>| match BEGUN.try_with(Arc::clone) {
        Ok(begun) => begun
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(batch),
        Err(_) => drop(tokio::spawn(batch)),
    };
    DataLoader::new(loader, spawn).delay(Duration::ZERO)
}

/// Runs an execution, and starts the batches that its resolvers begin whenever it has nothing else to do.
///
/// A large list is polled in portions: between two of them the execution wakes itself, and is not waiting yet.
pub(super) async fn execution<T>(execution: impl Future<Output = T>) -> T {
    let begun = Arc::new(Begun::default());
    let mut execution = pin!(BEGUN.scope(Arc::clone(&begun), execution));
    let mut last: Option<Arc<Attentive>> = None;
    poll_fn(|context| {
        let attentive = match last.take() {
            Some(known) if known.waker.will_wake(context.waker()) => known,
            _ => Arc::new(Attentive {
                waker: context.waker().clone(),
                woken: AtomicBool::new(false),
            }),
        };
        attentive.woken.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&attentive));
        let polled = execution.as_mut().poll(&mut Context::from_waker(&waker));
        if !attentive.woken.load(Ordering::Relaxed) {
            begun.start();
        }
        last = Some(attentive);
        polled
    })
    .await
}

/// A waker that notes whether it was called.
struct Attentive {
    waker: Waker,
    woken: AtomicBool,
}

impl Wake for Attentive {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        self.waker.wake_by_ref();
    }
}
