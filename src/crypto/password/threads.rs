//! The threads that hash passwords: apart from all others, which go before them.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, Result};

/// By how much their nice value is above that of the process. A hash that keeps a core busy for tens of milliseconds then
/// makes way for what the process has to do in a fraction of one: answers, and SQLite's statements. Beside one thread that
/// is always busy it still gets a quarter of a core.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// As many as may work at once. They end when they have had nothing to do for ten seconds.
pub(super) struct HashingThreads {
    handle: Handle,
    /// Nobody drives it: only what blocks runs on it, a task that was spawned there never would. `None` when this is dropped.
    runtime: Option<Runtime>,
}

impl HashingThreads {
    /// No more than so many at a time.
    pub(super) fn new(count: usize) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(count)
            .thread_name("passwords")
            .on_thread_start(go_behind)
            .build()
            .map_err(Error::internal)?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let running = self.handle.spawn_blocking(work);
        running.await.map_err(Error::internal)
    }
}

/// Nobody waits here for a hash that is being made: nobody asks for it any more.
impl Drop for HashingThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where the system refuses, they are threads like all others.
fn go_behind() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICE);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn they_go_behind_the_threads_that_answer() {
        use rustix::process::getpriority_process;

        let threads = HashingThreads::new(1).unwrap();
        let theirs = threads.run(|| getpriority_process(None)).await.unwrap();
        let mine = getpriority_process(None).unwrap();
        assert_eq!(theirs.unwrap(), (mine + NICE).min(19));
    }

    #[tokio::test]
    async fn dropping_them_does_not_wait_for_their_work() {
        let threads = HashingThreads::new(1).unwrap();
        let (started, has_started) = mpsc::channel();
        let (may_end, ends) = mpsc::channel::<()>();
        let work = threads.handle.spawn_blocking(move || {
            started.send(()).unwrap();
            ends.recv().unwrap();
        });
        has_started.recv().unwrap();
        drop(threads);
        may_end.send(()).unwrap();
        work.await.unwrap();
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_others_go_on() {
        let threads = HashingThreads::new(1).unwrap();
        let panicked = threads.run(|| panic!("in a test")).await;
        assert!(matches!(panicked, Err::<(), _>(error) if error.code() == "INTERNAL_SERVER_ERROR"));
        assert_eq!(threads.run(|| 1).await.unwrap(), 1);
    }
}
