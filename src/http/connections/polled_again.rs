//! Polling a task again at once where it has woken itself.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// A future that is polled again at once where it was woken while it was polled.
///
/// hyper hands a request's body over by a channel within the connection's task, which so wakes itself. tokio queues a task
/// that is woken while it runs, and wakes a sleeping worker for what is queued: for each request one that finds nothing to
/// do, or takes the connection to another core.
pub(super) struct PolledAgain<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

/// So many times in turn; then others have theirs.
const MAX_POLLS: usize = 4;

/// Who is told of a wake: the task, or, while it is polled, whoever polls it.
#[derive(Default)]
struct Wakes {
    state: AtomicU8,
    task: AtomicWaker,
}

/// It is being polled.
const POLLED: u8 = 1;
/// It was woken since.
const WOKEN: u8 = 2;

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) & POLLED == 0 {
            self.task.wake();
        }
    }
}

impl<F> PolledAgain<F> {
    pub(super) fn new(future: F) -> Self {
        let wakes = Arc::<Wakes>::default();
        Self {
            future: Box::pin(future),
            waker: Arc::clone(&wakes).into(),
            wakes,
        }
    }
}

impl<F: Future> Future for PolledAgain<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.wakes.task.register(context.waker());
        for _ in 0..MAX_POLLS {
            this.wakes.state.swap(POLLED, Ordering::AcqRel);
            let polled = this
                .future
                .as_mut()
                .poll(&mut Context::from_waker(&this.waker));
            let state = this.wakes.state.swap(0, Ordering::AcqRel);
            if polled.is_ready() || state & WOKEN == 0 {
                return polled;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::atomic::AtomicUsize,
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Task {
        fn wakes(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn poll<F: Future>(future: &mut PolledAgain<F>, task: &Arc<Task>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(task));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    /// A future that wakes itself while it is polled, so many times.
    fn wakes_itself(times: usize) -> impl Future<Output = ()> {
        let mut polls = 0;
        poll_fn(move |context| {
            polls += 1;
            if polls > times {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[test]
    fn who_wakes_itself_is_polled_again_and_nobody_hears_of_it() {
        let (mut future, task) = (PolledAgain::new(wakes_itself(2)), Arc::default());
        assert!(poll(&mut future, &task).is_ready());
        assert_eq!(task.wakes(), 0);
    }

    #[test]
    fn who_wakes_itself_without_end_gives_way_to_others() {
        let (mut future, task) = (PolledAgain::new(wakes_itself(MAX_POLLS)), Arc::default());
        assert!(poll(&mut future, &task).is_pending());
        assert_eq!(task.wakes(), 1);
        assert!(poll(&mut future, &task).is_ready());
    }

    #[test]
    fn who_is_woken_by_others_wakes_its_task() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (mut future, task) = (PolledAgain::new(receiver), Arc::default());
        assert!(poll(&mut future, &task).is_pending());
        assert_eq!(task.wakes(), 0);
        sender.send(7).unwrap();
        assert_eq!(task.wakes(), 1);
        assert_eq!(poll(&mut future, &task), Poll::Ready(Ok(7)));
    }

    #[test]
    fn a_later_task_is_the_one_that_is_woken() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut future = PolledAgain::new(receiver);
        let (first, second) = (Arc::default(), Arc::default());
        assert!(poll(&mut future, &first).is_pending());
        assert!(poll(&mut future, &second).is_pending());
        sender.send(7).unwrap();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    }

    /// Whenever a wake comes, before, while or after it is polled: it is not lost.
    #[test]
    fn no_wake_of_another_thread_is_lost() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let sum = runtime.spawn(PolledAgain::new(async move {
            let mut total = 0_u64;
            while let Some(number) = receiver.recv().await {
                total += number;
            }
            total
        }));
        let sending = thread::spawn(move || {
            for number in 1..=20_000 {
                sender.blocking_send(number).unwrap();
            }
        });
        let begun = Instant::now();
        while !sum.is_finished() && begun.elapsed() < Duration::from_mins(1) {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(sum.is_finished(), "a wake was lost");
        assert_eq!(runtime.block_on(sum).unwrap(), 200_010_000);
        sending.join().unwrap();
    }
}
