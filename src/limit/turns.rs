//! Turns: of attempts that count together, one at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

type Locks = Mutex<HashMap<Vec<u8>, Arc<tokio::sync::Mutex<()>>>>;

/// Whose turn it is. An attempt is charged before anybody knows whether it fails; where many are made at once with the
/// right password, one that is under way must not look like a failure to the next.
#[derive(Debug, Default)]
pub(crate) struct Turns(Arc<Locks>);

/// A turn; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    // Dropped in this order: who looks whether anybody else waits no longer holds it.
    _held: OwnedMutexGuard<()>,
    _line: Line,
}

impl Turns {
    /// Waits for a turn. What is kept goes with the last one that waits or gives up.
    pub(crate) async fn take(&self, key: Vec<u8>) -> Turn {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(key.clone()).or_default())
        };
        let line = Line {
            key,
            lock: Arc::clone(&lock),
            locks: Arc::clone(&self.0),
        };
        Turn {
            _held: lock.lock_owned().await,
            _line: line,
        }
    }
}

/// A place in the line for a turn.
#[derive(Debug)]
struct Line {
    key: Vec<u8>,
    lock: Arc<tokio::sync::Mutex<()>>,
    locks: Arc<Locks>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and this one.
        if Arc::strong_count(&self.lock) == 2 {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use futures_util::poll;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_and_nothing_is_kept() {
        let turns = Turns::default();
        let first = turns.take(vec![1]).await;
        drop(turns.take(vec![2]).await);
        let mut second = pin!(turns.take(vec![1]));
        assert!(poll!(second.as_mut()).is_pending());
        let gave_up = tokio::time::timeout(Duration::from_secs(1), turns.take(vec![1]));
        assert!(gave_up.await.is_err());
        assert_eq!(turns.0.lock().unwrap().len(), 1);
        drop(first);
        drop(second.await);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
