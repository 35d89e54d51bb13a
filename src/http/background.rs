//! What a running server does by itself.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    clock::SystemClock,
    config::Config,
    error::Result,
    lease::Leases,
    metrics,
    random::{self, SystemRandom},
    services::Services,
    session::{Relay, Sessions},
};

/// How often what has been seen of sessions is written: at most a minute late.
const FLUSH_INTERVAL: Duration = Duration::from_secs(30);
/// How long after a panic a task begins again.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// The lease on pruning.
const PRUNING: &str = "prune";

/// What runs; it ends when it is dropped.
pub(super) struct Background {
    relay: Relay,
    tasks: JoinSet<()>,
}

impl Background {
    /// Ends it, after what is still to be written and told.
    pub(super) async fn end(mut self, sessions: &Sessions) -> Result<()> {
        self.tasks.shutdown().await;
        self.relay.announce_outbox().await;
        sessions.flush_activity().await
    }
}

/// Begins all of it.
pub(super) async fn begin(config: &Config, services: &Services) -> Result<Background> {
    let mut tasks = JoinSet::new();
    let sessions = services.sessions.clone();
    let holder = random::new_id(crate::clock::Clock::now(&SystemClock), &SystemRandom)?;
    let relay = Relay::new(sessions.clone(), holder);
    relay.remember_the_past().await?;
    let leases = Leases::new(services.db.clone(), Arc::new(SystemClock), holder);

    let keyring = Arc::clone(&services.keyring);
    tasks.spawn(restarted("signing keys", move || {
        let keyring = Arc::clone(&keyring);
        async move { keyring.watch().await }
    }));
    let seen = sessions.clone();
    tasks.spawn(restarted("activity", move || flush_activity(seen.clone())));
    let announcing = relay.clone();
    tasks.spawn(restarted("announcing events", move || {
        let relay = announcing.clone();
        async move { relay.announce().await }
    }));
    if config.uses_postgres() {
        let (listening, url) = (relay.clone(), config.database_url.clone());
        tasks.spawn(restarted("listening for events", move || {
            let (relay, url) = (listening.clone(), url.clone());
            async move { relay.listen(&url).await }
        }));
    }
    let reading = relay.clone();
    tasks.spawn(restarted("reading events", move || {
        let relay = reading.clone();
        async move { relay.read().await }
    }));
    let (retention, every) = (config.retention, config.prune_interval);
    tasks.spawn(restarted("pruning", move || {
        prune(sessions.clone(), leases.clone(), retention, every)
    }));
    Ok(Background { relay, tasks })
}

/// A task that panics is begun again: a server must not go on without it, and nobody would notice.
async fn restarted<F: Future<Output = ()>>(name: &'static str, task: impl Fn() -> F) {
    while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
        tracing::error!(task = name, "a background task panicked; it begins again");
        sleep(RESTART_DELAY).await;
    }
}

async fn flush_activity(sessions: Sessions) {
    let mut ticks = interval(FLUSH_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = sessions.flush_activity().await {
            tracing::warn!(error = ?error, "what has been seen of sessions could not be written; it is kept");
        }
    }
}

/// Whichever replica comes first prunes for all; it keeps the lease until its next turn, with time to spare.
async fn prune(sessions: Sessions, leases: Leases, retention: Duration, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let pruned: Result<u64> = async {
            if !leases.acquire(PRUNING, every + every / 2).await? {
                metrics::active_sessions(0);
                return Ok(0);
            }
            let pruned = sessions.prune(retention).await?;
            metrics::active_sessions(sessions.count_active().await?);
            Ok(pruned)
        }
        .await;
        match pruned {
            Ok(0) => {}
            Ok(pruned) => tracing::info!(pruned, "sessions that ended long ago were deleted"),
            Err(error) => tracing::warn!(error = ?error, "pruning failed; it is tried again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_again() {
        let begun = AtomicUsize::new(0);
        restarted("test", || async {
            assert!(begun.fetch_add(1, Ordering::Relaxed) == 2, "a panic");
        })
        .await;
        assert_eq!(begun.into_inner(), 3);
    }
}
