//! Holding an operation's loads back while its resolvers run, so that all that they want by then is one batch.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use tokio::sync::watch;

/// Says whether an operation's resolvers are running, or all wait for loads.
///
/// # Why
///
/// A loader by itself waits for a fixed time, a millisecond. The resolvers of a long list need more than that on a busy
/// machine, so that their batch falls into several; those of a short list wait for nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// Runs an operation with its loads held back.
    pub(super) async fn hold<T>(&self, operation: impl Future<Output = T>) -> T {
        let mut operation = pin!(operation);
        poll_fn(|context| {
            self.0.send_replace(true);
            let relay = Arc::new(Relay {
                to: context.waker().clone(),
                woken: AtomicBool::new(false),
            });
            let waker = Waker::from(Arc::clone(&relay));
            let polled = operation.as_mut().poll(&mut Context::from_waker(&waker));
            // The library's executor pauses after a few items of a list, and has itself woken before: then not all have
            // said yet what they want.
            if polled.is_ready() || !relay.woken.load(Ordering::Acquire) {
                self.0.send_replace(false);
            }
            polled
        })
        .await
    }

    /// A load that begins when the operation waits.
    pub(super) fn when_idle<L>(&self, load: L) -> impl Future<Output = ()> + Send + use<L>
    where
        L: Future<Output = ()> + Send,
    {
        let mut running = self.0.subscribe();
        async move {
            // An error says that the operation is gone; then nobody minds.
            let _ = running.wait_for(|running| !running).await;
            load.await;
        }
    }
}

/// Passes wake-ups on, and remembers that there was one.
struct Relay {
    to: Waker,
    woken: AtomicBool,
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.to.wake_by_ref();
    }
}
