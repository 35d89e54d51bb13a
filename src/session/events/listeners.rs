//! Who in this process hears of what. A notice wakes those it concerns and nobody else.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::Notice;

/// How many notices a listener may be behind. The room is taken as it is needed.
pub(super) const BUFFER: usize = 4_096;

/// What there is to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The sessions of one account.
    Account(Uuid),
    /// The sessions of all accounts.
    AllAccounts,
    /// That a service key was revoked.
    ServiceKey(Uuid),
}

impl Notice {
    fn topics(&self) -> Vec<Topic> {
        match *self {
            Self::Session { account_id, .. } => {
                vec![Topic::Account(account_id), Topic::AllAccounts]
            }
            Self::ServiceKeyRevoked(id) => vec![Topic::ServiceKey(id)],
        }
    }
}

/// Hears of its topics from the moment it was made.
#[derive(Debug)]
pub struct Listener {
    id: u64,
    notices: mpsc::Receiver<Notice>,
    listeners: Listeners,
}

impl Listener {
    /// The next notice; `None` once this listener has fallen so far behind that some were lost, behind those that
    /// were not.
    pub async fn recv(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }

    /// A notice that is there already.
    pub fn try_recv(&mut self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.listeners.lock().remove(self.id);
    }
}

/// All listeners of a process.
#[derive(Debug, Clone, Default)]
pub(super) struct Listeners(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    listeners: HashMap<u64, (mpsc::Sender<Notice>, Vec<Topic>)>,
    by_topic: HashMap<Topic, HashSet<u64>>,
    last_id: u64,
}

impl Listeners {
    pub(super) fn listen(&self, topics: Vec<Topic>) -> Listener {
        let (sender, notices) = mpsc::channel(BUFFER);
        let mut registry = self.lock();
        registry.last_id += 1;
        let id = registry.last_id;
        for topic in &topics {
            registry.by_topic.entry(*topic).or_default().insert(id);
        }
        registry.listeners.insert(id, (sender, topics));
        Listener {
            id,
            notices,
            listeners: self.clone(),
        }
    }

    /// Never waits: who is too far behind hears no more.
    pub(super) fn tell(&self, notice: Notice) {
        let mut registry = self.lock();
        let mut behind = Vec::new();
        for topic in notice.topics() {
            for id in registry.by_topic.get(&topic).into_iter().flatten() {
                let heard = registry.listeners.get(id);
                if heard.is_some_and(|(sender, _)| sender.try_send(notice).is_err()) {
                    behind.push(*id);
                }
            }
        }
        for id in behind {
            registry.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn remove(&mut self, id: u64) {
        let Some((_, topics)) = self.listeners.remove(&id) else {
            return;
        };
        for topic in topics {
            if let Some(ids) = self.by_topic.get_mut(&topic) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_topic.remove(&topic);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::session::SessionEventKind;

    fn notice(account: u128) -> Notice {
        Notice::Session {
            session_id: Uuid::nil(),
            account_id: Uuid::from_u128(account),
            kind: SessionEventKind::Refreshed,
            at: DateTime::UNIX_EPOCH,
            outcome: None,
        }
    }

    #[test]
    fn a_listener_hears_of_its_topics_alone() {
        let listeners = Listeners::default();
        let mut of_one = listeners.listen(vec![Topic::Account(Uuid::from_u128(1))]);
        let mut of_all = listeners.listen(vec![
            Topic::AllAccounts,
            Topic::ServiceKey(Uuid::from_u128(9)),
        ]);
        for account in [2, 1] {
            listeners.tell(notice(account));
        }
        listeners.tell(Notice::ServiceKeyRevoked(Uuid::from_u128(8)));
        listeners.tell(Notice::ServiceKeyRevoked(Uuid::from_u128(9)));
        assert_eq!(of_one.try_recv(), Some(notice(1)));
        assert_eq!(of_one.try_recv(), None);
        assert_eq!(of_all.try_recv(), Some(notice(2)));
        assert_eq!(of_all.try_recv(), Some(notice(1)));
        let revoked = Notice::ServiceKeyRevoked(Uuid::from_u128(9));
        assert_eq!(of_all.try_recv(), Some(revoked));
    }

    #[tokio::test]
    async fn a_listener_too_far_behind_hears_the_end_and_others_go_on() {
        let listeners = Listeners::default();
        let key = Topic::ServiceKey(Uuid::from_u128(9));
        let mut slow = listeners.listen(vec![Topic::AllAccounts, key]);
        let mut quick = listeners.listen(vec![Topic::AllAccounts]);
        for _ in 0..=BUFFER {
            listeners.tell(notice(1));
            assert_eq!(quick.recv().await, Some(notice(1)));
        }
        for _ in 0..BUFFER {
            assert_eq!(slow.recv().await, Some(notice(1)));
        }
        // Not on any topic: what it hears has no gap that it does not know of.
        listeners.tell(Notice::ServiceKeyRevoked(Uuid::from_u128(9)));
        assert_eq!(slow.recv().await, None);
    }

    #[test]
    fn nothing_is_kept_of_a_listener_that_has_gone() {
        let listeners = Listeners::default();
        drop(listeners.listen(vec![Topic::AllAccounts, Topic::Account(Uuid::nil())]));
        let registry = listeners.lock();
        assert!(registry.listeners.is_empty() && registry.by_topic.is_empty());
    }
}
