//! The replicas that scenarios are done with.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::Duration,
};

use chrono::{DateTime, Utc};
use sessiongraph::clock::ManualClock;

use super::MAX_TTL;
use crate::support::{database::TestDatabase, engine::Engine};

/// Two replicas over one database; a second pair does without recovery.
pub(super) struct Service {
    pub(super) recovering: [Engine; 2],
    pub(super) strict: [Engine; 2],
    pub(super) cases: Cell<u32>,
    /// How often there was which answer.
    pub(super) answers: RefCell<BTreeMap<String, u32>>,
}

impl Service {
    pub(super) async fn start(database: &TestDatabase) -> Self {
        let replica = |recovery| {
            Engine::with(database, ManualClock::at(start()), move |policy| {
                policy.refresh_recovery = recovery;
                policy.session_max_ttl = MAX_TTL;
            })
        };
        Self {
            recovering: [replica(true).await, replica(true).await],
            strict: [replica(false).await, replica(false).await],
            cases: Cell::new(0),
            answers: RefCell::default(),
        }
    }
}

/// Not at the beginning of a second: what is cut to whole ones is to show.
pub(super) fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_millis(1_796_000_000_250)
}
