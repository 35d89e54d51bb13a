//! What a process that keeps sessions does by itself: it writes when they were last seen, tells other replicas and hears
//! them, deletes what ended long ago, and rotates signing keys.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use secrecy::SecretString;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    error::Result,
    keys::Keyring,
    lease::Leases,
    metrics, random,
    session::{Relay, Sessions},
};

/// How often what has been seen of sessions is written: at most a minute late.
const FLUSH_INTERVAL: Duration = Duration::from_secs(30);
/// How long after a panic a task begins again.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// The lease on pruning.
const PRUNING: &str = "prune";

/// What the upkeep is about, beside the engine.
#[derive(Debug, Clone)]
pub struct UpkeepOptions {
    /// The keyring to watch and rotate, where the engine has one.
    pub keyring: Option<Arc<Keyring>>,
    /// Where other replicas are heard: the URL of the PostgreSQL database. `None` where there are none: then, and on
    /// SQLite, only the rows are read.
    pub listen: Option<SecretString>,
    /// How often sessions that ended longer ago than [`Policy::retention`](crate::session::Policy::retention) are deleted,
    /// and records older than [`Policy::audit_retention`](crate::session::Policy::audit_retention).
    pub prune_interval: Duration,
}

impl Default for UpkeepOptions {
    /// For one process with keys of its own: nothing to listen to, and pruning every ten minutes.
    fn default() -> Self {
        Self {
            keyring: None,
            listen: None,
            prune_interval: Duration::from_mins(10),
        }
    }
}

/// The work of an engine beside its requests. Begin it once in each process, beside the engine; it stops when it is
/// dropped.
///
/// ```
/// use sessiongraph::upkeep::{Upkeep, UpkeepOptions};
///
/// # async fn serve(sessions: sessiongraph::session::Sessions) -> sessiongraph::error::Result<()> {
/// let upkeep = Upkeep::begin(&sessions, UpkeepOptions::default()).await?;
/// // … serve …
/// upkeep.end().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it stops when it is dropped"]
pub struct Upkeep {
    sessions: Sessions,
    relay: Relay,
    tasks: JoinSet<()>,
}

impl Upkeep {
    /// Begins all of it.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn begin(sessions: &Sessions, options: UpkeepOptions) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let holder = random::new_id(sessions.clock().now(), sessions.random())?;
        let relay = Relay::new(sessions.clone(), holder);
        relay.remember_the_past().await?;
        let leases = Leases::new(sessions.db().clone(), sessions.shared_clock(), holder);

        if let Some(keyring) = options.keyring {
            tasks.spawn(restarted("signing keys", move || {
                let keyring = Arc::clone(&keyring);
                async move { keyring.watch().await }
            }));
        }
        let seen = sessions.clone();
        tasks.spawn(restarted("activity", move || flush_activity(seen.clone())));
        let announcing = relay.clone();
        tasks.spawn(restarted("announcing events", move || {
            let relay = announcing.clone();
            async move { relay.announce().await }
        }));
        #[cfg(feature = "postgres")]
        if let Some(url) = options.listen
            && sessions.db().get_database_backend() == sea_orm::DbBackend::Postgres
        {
            let listening = relay.clone();
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
        let pruning = sessions.clone();
        tasks.spawn(restarted("pruning", move || {
            prune(pruning.clone(), leases.clone(), options.prune_interval)
        }));
        Ok(Self {
            sessions: sessions.clone(),
            relay,
            tasks,
        })
    }

    /// Ends it, after what is still to be written and told.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn end(mut self) -> Result<()> {
        self.tasks.shutdown().await;
        self.relay.announce_outbox().await;
        self.sessions.flush_activity().await
    }
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
async fn prune(sessions: Sessions, leases: Leases, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match leases.acquire(PRUNING, every + every / 2).await {
            Ok(true) => prune_once(&sessions).await,
            Ok(false) => metrics::active_sessions(0),
            Err(error) => {
                tracing::warn!(error = ?error, "pruning failed; it is tried again");
            }
        }
    }
}

/// Each part by itself: where one fails, the others are done.
async fn prune_once(sessions: &Sessions) {
    let policy = sessions.policy();
    match sessions.prune(policy.retention).await {
        Ok(0) => {}
        Ok(pruned) => tracing::info!(pruned, "sessions that ended long ago were deleted"),
        Err(error) => tracing::warn!(error = ?error, "pruning failed; it is tried again"),
    }
    match sessions.prune_records(policy.audit_retention).await {
        Ok(0) => {}
        Ok(pruned) => tracing::info!(pruned, "old records of sessions were deleted"),
        Err(error) => {
            tracing::warn!(error = ?error, "pruning the records of sessions failed; it is tried again");
        }
    }
    match sessions.count_active().await {
        Ok(active) => metrics::active_sessions(active),
        Err(error) => {
            tracing::warn!(error = ?error, "the active sessions could not be counted; it is tried again");
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
