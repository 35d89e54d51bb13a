//! Who waits for a password's hash: in a bounded queue, of which one client network holds a quarter at most.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::{
    error::{Error, Result},
    metrics::{self, PasswordRefusal},
    network::client_network,
};

/// Who waits for a hash: whose share of the queue it takes, and how it learns that nobody waits any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// Cancelled when the client has gone away.
    pub client_gone: CancellationToken,
}

impl Waiting {
    /// Waits for a turn, but not for a client that is gone.
    pub(crate) async fn unless_gone<T>(&self, turn: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.client_gone.cancelled() => Err(Error::unavailable()),
            turn = turn => turn,
        }
    }
}

/// A queue.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    /// How many one client network may hold.
    share: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) total: usize,
    pub(super) by_network: HashMap<IpAddr, usize>,
}

impl Queue {
    /// One in which so many may wait.
    pub(super) fn of(length: usize) -> Self {
        Self {
            share: length.div_ceil(4),
            taken: Arc::default(),
        }
    }

    /// A place, where fewer than `limit` are taken.
    pub(super) fn enter(&self, waiting: &Waiting, limit: usize, is_new: bool) -> Result<Place> {
        let network = waiting.ip.map(client_network);
        let mut taken = self.taken();
        let of_network = network.map_or(0, |network| {
            taken.by_network.get(&network).copied().unwrap_or(0)
        });
        let refusal = if taken.total >= limit {
            Some(PasswordRefusal::QueueFull)
        } else {
            (of_network >= self.share).then_some(PasswordRefusal::NetworkShare)
        };
        if let Some(refusal) = refusal {
            metrics::password_refused(refusal);
            return Err(Error::unavailable());
        }
        taken.total += 1;
        if let Some(network) = network {
            *taken.by_network.entry(network).or_default() += 1;
        }
        Ok(Place {
            waiting: waiting.clone(),
            is_new,
            network,
            queue: self.clone(),
        })
    }

    pub(super) fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue, given back when dropped.
pub(crate) struct Place {
    pub(super) waiting: Waiting,
    pub(super) is_new: bool,
    network: Option<IpAddr>,
    queue: Queue,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.queue.taken();
        taken.total -= 1;
        if let Some(network) = self.network
            && let Some(count) = taken.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&network);
            }
        }
    }
}
