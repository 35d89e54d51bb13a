//! What is counted, for whoever collects it: [`metrics`](https://docs.rs/metrics) hands it to the recorder that the program
//! has installed, and to nobody where there is none. The server's is a Prometheus endpoint, `/metrics`.
//!
//! | metric | labels | counts |
//! | --- | --- | --- |
//! | `sessiongraph_refreshes_total` | `outcome`: `ROTATED`, `CONVERGED`, `RECOVERED`, or the code of the error | presentations of genuine refresh tokens |
//! | `sessiongraph_sessions_opened_total` | | sessions opened by this process |
//! | `sessiongraph_sessions_ended_total` | `reason`, as in the schema | sessions ended by this process |
//! | `sessiongraph_sessions_pruned_total` | | rows of sessions deleted by this process |
//! | `sessiongraph_password_hashes_total` | | runs of Argon2, for passwords that are set or verified, right or wrong |
//! | `sessiongraph_password_refusals_total` | `reason`: `QUEUE_FULL`, `NETWORK_SHARE` | passwords that were given no place in the queue |
//! | `sessiongraph_graphql_requests_total` | `operation`, `field`, `code` | GraphQL requests that are done |
//!
//! | metric | labels | measures |
//! | --- | --- | --- |
//! | `sessiongraph_graphql_request_duration_seconds` | `operation`, `field` | how long executions took, subscriptions apart |
//! | `sessiongraph_password_wait_seconds` | | how long passwords waited for their turn |
//! | `sessiongraph_event_lag_seconds` | | from what happened to a session until a subscriber was given it |
//! | `sessiongraph_sessions_active` | | active sessions, as the last pruning run of this process counted them |
//! | `sessiongraph_database_connections` | `state`: `in_use`, `idle` | connections of the pool, when asked |
//! | `sessiongraph_database_connections_max` | | how many there may be |

#[cfg(feature = "server")]
mod requests;

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use sea_orm::{ActiveEnum, Iterable};
#[cfg(feature = "server")]
use sea_orm::{DatabaseConnection, DbBackend, sqlx};

#[cfg(feature = "server")]
pub(crate) use self::requests::{Requests, Running};
use crate::{
    entity::session::InvalidationReason,
    error::Result,
    session::{LoginResult, RefreshOutcome},
};

/// Upper bounds for all that is measured in seconds: from a read on an idle server to the longest that a request may take.
#[cfg(feature = "server")]
pub(crate) const SECONDS: [f64; 15] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// How the names of all that is measured in seconds end.
#[cfg(feature = "server")]
pub(crate) const SECONDS_SUFFIX: &str = "_seconds";

const REFRESHES: &str = "sessiongraph_refreshes_total";
const OPENED: &str = "sessiongraph_sessions_opened_total";
const ENDED: &str = "sessiongraph_sessions_ended_total";
const PRUNED: &str = "sessiongraph_sessions_pruned_total";
const HASHES: &str = "sessiongraph_password_hashes_total";
const PASSWORD_REFUSALS: &str = "sessiongraph_password_refusals_total";
const PASSWORD_WAIT: &str = "sessiongraph_password_wait_seconds";
const REQUESTS: &str = "sessiongraph_graphql_requests_total";
const REQUEST_DURATION: &str = "sessiongraph_graphql_request_duration_seconds";
const EVENT_LAG: &str = "sessiongraph_event_lag_seconds";
const ACTIVE: &str = "sessiongraph_sessions_active";
const CONNECTIONS: &str = "sessiongraph_database_connections";
const MAX_CONNECTIONS: &str = "sessiongraph_database_connections_max";

/// Why a password was given no place in the queue.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PasswordRefusal {
    QueueFull,
    NetworkShare,
}

impl PasswordRefusal {
    fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "QUEUE_FULL",
            Self::NetworkShare => "NETWORK_SHARE",
        }
    }
}

/// Tells the recorder what there is, so that its answer explains itself and is complete from the start.
pub fn describe() {
    describe_counter!(REFRESHES, "Presentations of genuine refresh tokens");
    describe_counter!(OPENED, "Sessions opened");
    describe_counter!(ENDED, "Sessions ended");
    describe_counter!(PRUNED, "Sessions deleted after their retention");
    describe_counter!(HASHES, "Passwords hashed, to be set or verified");
    describe_counter!(
        PASSWORD_REFUSALS,
        "Passwords that were given no place in the queue"
    );
    describe_counter!(REQUESTS, "GraphQL requests that are done");
    let seconds = Unit::Seconds;
    describe_histogram!(REQUEST_DURATION, seconds, "How long executions took");
    describe_histogram!(
        PASSWORD_WAIT,
        seconds,
        "How long passwords waited for their turn"
    );
    describe_histogram!(
        EVENT_LAG,
        seconds,
        "From what happened to a session until a subscriber was given it"
    );
    describe_gauge!(ACTIVE, "Active sessions, counted by one replica");
    describe_gauge!(CONNECTIONS, "Connections to the database");
    describe_gauge!(
        MAX_CONNECTIONS,
        "How many connections to the database there may be"
    );
    for outcome in [
        RefreshOutcome::Rotated,
        RefreshOutcome::Converged,
        RefreshOutcome::Recovered,
    ] {
        counter!(REFRESHES, "outcome" => outcome_name(outcome)).absolute(0);
    }
    for reason in InvalidationReason::iter() {
        counter!(ENDED, "reason" => reason.to_value()).absolute(0);
    }
    counter!(OPENED).absolute(0);
    counter!(PRUNED).absolute(0);
    counter!(HASHES).absolute(0);
    for reason in [PasswordRefusal::QueueFull, PasswordRefusal::NetworkShare] {
        counter!(PASSWORD_REFUSALS, "reason" => reason.as_str()).absolute(0);
    }
    // One without a measurement is there, and empty.
    drop((histogram!(PASSWORD_WAIT), histogram!(EVENT_LAG)));
    gauge!(ACTIVE).set(0);
}

pub(crate) fn refreshed(result: &Result<LoginResult>) {
    let outcome = match result {
        Ok(login) => login.outcome.map_or("ROTATED", outcome_name),
        Err(error) => error.code(),
    };
    counter!(REFRESHES, "outcome" => outcome.to_owned()).increment(1);
}

pub(crate) fn opened() {
    counter!(OPENED).increment(1);
}

pub(crate) fn ended(reason: Option<InvalidationReason>) {
    let reason = reason.map(|reason| reason.to_value()).unwrap_or_default();
    counter!(ENDED, "reason" => reason).increment(1);
}

pub(crate) fn pruned(rows: u64) {
    counter!(PRUNED).increment(rows);
}

pub(crate) fn password_hashed() {
    counter!(HASHES).increment(1);
}

pub(crate) fn password_refused(reason: PasswordRefusal) {
    counter!(PASSWORD_REFUSALS, "reason" => reason.as_str()).increment(1);
}

pub(crate) fn password_waited(waited: Duration) {
    histogram!(PASSWORD_WAIT).record(waited);
}

/// Clocks of replicas differ: what comes from the future has no lag.
pub(crate) fn event_delivered(lag: chrono::TimeDelta) {
    histogram!(EVENT_LAG).record(lag.to_std().unwrap_or_default());
}

/// How many sessions are active, or 0 where another replica counts them.
pub(crate) fn active_sessions(count: u64) {
    gauge!(ACTIVE).set(u32::try_from(count).unwrap_or(u32::MAX));
}

/// The connections of a pool, as they are now.
#[cfg(feature = "server")]
pub(crate) fn database_pool(db: &DatabaseConnection) {
    fn set<D: sqlx::Database>(pool: &sqlx::Pool<D>) {
        // sqlx counts below zero for a moment when one is taken as it comes back: then there is none.
        let idle = u32::try_from(pool.num_idle()).unwrap_or_default();
        gauge!(CONNECTIONS, "state" => "in_use").set(pool.size().saturating_sub(idle));
        gauge!(CONNECTIONS, "state" => "idle").set(idle);
        gauge!(MAX_CONNECTIONS).set(pool.options().get_max_connections());
    }
    match db.get_database_backend() {
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => set(db.get_postgres_connection_pool()),
        #[cfg(feature = "sqlite")]
        DbBackend::Sqlite => set(db.get_sqlite_connection_pool()),
        _ => {}
    }
}

fn outcome_name(outcome: RefreshOutcome) -> &'static str {
    match outcome {
        RefreshOutcome::Rotated => "ROTATED",
        RefreshOutcome::Converged => "CONVERGED",
        RefreshOutcome::Recovered => "RECOVERED",
    }
}
