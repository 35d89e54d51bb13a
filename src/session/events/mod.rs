//! What happens to sessions, as it happens.
//!
//! The rows are the truth; a [`Notice`] only wakes. Each process has one [`Events`]: what it commits itself is noticed at
//! once, what other replicas commit when they say so ([`relay`]), and CREATED and INVALIDATED in any case when the rows are
//! read again, every few seconds: whoever crashed, they are not lost. REFRESHED may be. That a service key was revoked is
//! noticed only when the rows are read.

mod delivery;
#[cfg(feature = "postgres")]
mod listen;
mod listeners;
mod relay;

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use self::listeners::{BUFFER, Listeners};
pub use self::{
    delivery::{SessionEvent, Subscriber},
    listeners::{Listener, Topic},
    relay::Relay,
};
use super::{RefreshOutcome, Sessions};
use crate::{entity::session, metrics};

/// How many notices are remembered, so that none is given twice; twice as many at most.
const REMEMBERED: usize = 100_000;

/// What happened to a session. One that simply runs out makes no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionEventKind {
    /// It was opened.
    Created,
    /// Its tokens were exchanged.
    Refreshed,
    /// It was ended.
    Invalidated,
}

/// That something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// To a session.
    Session {
        /// Which.
        session_id: Uuid,
        /// Whose.
        account_id: Uuid,
        /// What.
        kind: SessionEventKind,
        /// When.
        at: DateTime<Utc>,
        /// With `Refreshed`: how.
        outcome: Option<RefreshOutcome>,
    },
    /// A service key was revoked.
    ServiceKeyRevoked(Uuid),
}

/// The notices of one process.
#[derive(Debug, Default)]
pub struct Events {
    listeners: Listeners,
    remembered: Mutex<Remembered>,
    /// What other replicas have not been told.
    outbox: Mutex<Vec<Notice>>,
}

/// In two halves: when the newer one is full, the older one is forgotten.
#[derive(Debug, Default)]
struct Remembered {
    newer: HashSet<(Uuid, SessionEventKind)>,
    older: HashSet<(Uuid, SessionEventKind)>,
}

impl Remembered {
    /// Whether it is new.
    fn insert(&mut self, key: (Uuid, SessionEventKind)) -> bool {
        if self.older.contains(&key) || !self.newer.insert(key) {
            return false;
        }
        if self.newer.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        true
    }
}

impl Events {
    /// Hears of what concerns the topics, from now on. One that falls thousands of notices behind hears no more.
    pub fn listen(&self, topics: impl IntoIterator<Item = Topic>) -> Listener {
        self.listeners.listen(topics.into_iter().collect())
    }

    /// Passes on what was heard, unless it was before.
    fn publish(&self, notice: Notice) -> bool {
        let is_new = self.remember(&notice);
        if is_new {
            self.listeners.tell(notice);
        }
        is_new
    }

    /// Whether it is new. A refresh happens again and again.
    fn remember(&self, notice: &Notice) -> bool {
        let key = match *notice {
            Notice::Session {
                kind: SessionEventKind::Refreshed,
                ..
            } => return true,
            Notice::Session {
                session_id, kind, ..
            } => (session_id, kind),
            Notice::ServiceKeyRevoked(id) => (id, SessionEventKind::Invalidated),
        };
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key)
    }

    /// Passes on what this process has committed, here and to other replicas.
    fn announce(&self, notice: Notice) {
        if self.publish(notice) {
            let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
            // What does not fit is found in the rows, refreshes apart.
            if outbox.len() < BUFFER {
                outbox.push(notice);
            }
        }
    }

    fn take_outbox(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sessions {
    /// The notices of this process.
    #[must_use]
    #[doc(hidden)]
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    pub(super) fn announce(
        &self,
        session: &session::Model,
        kind: SessionEventKind,
        outcome: Option<RefreshOutcome>,
    ) {
        let at = match kind {
            SessionEventKind::Created => {
                metrics::opened();
                session.created_at
            }
            SessionEventKind::Refreshed => session.refreshed_at,
            SessionEventKind::Invalidated => {
                metrics::ended(session.invalidation_reason);
                session.invalidated_at.unwrap_or(session.refreshed_at)
            }
        };
        let (session_id, account_id) = (session.id, session.account_id);
        self.0.events.announce(Notice::Session {
            session_id,
            account_id,
            kind,
            at,
            outcome,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(session: u128, kind: SessionEventKind) -> Notice {
        let (session_id, account_id) = (Uuid::from_u128(session), Uuid::nil());
        Notice::Session {
            session_id,
            account_id,
            kind,
            at: DateTime::UNIX_EPOCH,
            outcome: None,
        }
    }

    #[test]
    fn what_was_heard_twice_is_passed_on_once_refreshes_apart() {
        let events = Events::default();
        let mut heard = events.listen([Topic::AllAccounts]);
        for kind in [
            SessionEventKind::Created,
            SessionEventKind::Refreshed,
            SessionEventKind::Invalidated,
        ] {
            events.publish(notice(1, kind));
            events.publish(notice(1, kind));
        }
        let mut kinds = Vec::new();
        while let Some(Notice::Session { kind, .. }) = heard.try_recv() {
            kinds.push(kind);
        }
        let expected = [
            SessionEventKind::Created,
            SessionEventKind::Refreshed,
            SessionEventKind::Refreshed,
            SessionEventKind::Invalidated,
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut remembered = Remembered::default();
        for n in 0..5 * REMEMBERED as u128 {
            assert!(remembered.insert((Uuid::from_u128(n), SessionEventKind::Created)));
        }
        assert!(remembered.newer.len() + remembered.older.len() <= 2 * REMEMBERED);
        assert!(!remembered.insert((
            Uuid::from_u128(5 * REMEMBERED as u128 - 1),
            SessionEventKind::Created
        )));
    }
}
