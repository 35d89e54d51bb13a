//! What a running server does by itself.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{
    clock::SystemClock,
    config::Config,
    error::Result,
    lease::Leases,
    random::{self, SystemRandom},
    services::Services,
    session::{Relay, Sessions},
};

/// How often what has been seen of sessions is written: at most a minute late.
const FLUSH_INTERVAL: Duration = Duration::from_secs(30);
/// The lease on pruning.
const PRUNING: &str = "prune";

/// Begins all of it; it ends when the set is dropped.
pub(super) fn begin(config: &Config, services: &Services) -> Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    let keyring = Arc::clone(&services.keyring);
    tasks.spawn(async move { keyring.watch().await });
    tasks.spawn(flush_activity(services.sessions.clone()));
    let clock = Arc::new(SystemClock);
    let holder = random::new_id(crate::clock::Clock::now(&SystemClock), &SystemRandom)?;
    let relay = Relay::new(services.sessions.clone(), holder);
    let (announcing, reading) = (relay.clone(), relay.clone());
    tasks.spawn(async move { announcing.announce().await });
    tasks.spawn(async move { reading.read().await });
    if config.uses_postgres() {
        let url = config.database_url.clone();
        tasks.spawn(async move { relay.listen(&url).await });
    }
    let leases = Leases::new(services.db.clone(), clock, holder);
    tasks.spawn(prune(
        services.sessions.clone(),
        leases,
        config.retention,
        config.prune_interval,
    ));
    Ok(tasks)
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
        let pruned = async {
            if !leases.acquire(PRUNING, every + every / 2).await? {
                return Ok(0);
            }
            sessions.prune(retention).await
        };
        match pruned.await {
            Ok(0) => {}
            Ok(pruned) => tracing::info!(pruned, "sessions that ended long ago were deleted"),
            Err(error) => tracing::warn!(error = ?error, "pruning failed; it is tried again"),
        }
    }
}
