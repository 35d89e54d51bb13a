//! Connections to PostgreSQL that the statements of the hot paths keep for each other.
//!
//! sqlx asks the server for a sign of life each time that a connection goes back to its pool, in a task of its own: to a
//! statement of a tenth of a millisecond that adds a round trip, a task and two switches to other processes. A connection
//! that has just done what it should is kept here for the next such statement instead. It goes back to the pool when it has
//! not been used for a second, every minute in any case (there its age is looked at), and when the pool is closed; one whose
//! statement failed or was given up goes back at once, and is tried there.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sea_orm::{
    ConnAcquireErr, DbErr, QueryResult, RuntimeErr, Statement,
    sea_query::Values,
    sqlx::{self, AssertSqlSafe, PgPool, Postgres, pool::PoolConnection},
};
use sea_query_sqlx::SqlxValues;
use tokio::{
    runtime::Handle,
    select,
    time::{Instant, sleep},
};

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(1);
/// How long a connection is kept that is used all the time.
const KEPT: Duration = Duration::from_mins(1);
/// So many are kept: two statements of each kind are under way at a time.
const MAX_KEPT: usize = 4;
/// Of a smaller pool none are kept: others would wait for them.
const MIN_POOL: u32 = 16;

/// Connections between two statements.
#[derive(Clone)]
pub(crate) struct KeptConnections {
    pool: PgPool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    idle: Vec<Kept>,
    looked_after: bool,
}

/// A connection, since when it is kept and when it was last used.
struct Kept {
    connection: Option<PoolConnection<Postgres>>,
    since: Instant,
    used: Instant,
}

impl Kept {
    fn is_over(&self, now: Instant) -> bool {
        now - self.used >= IDLE || now - self.since >= KEPT
    }
}

/// A pool's connection is given back by a task; where there can be none it is closed.
impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && Handle::try_current().is_err()
        {
            drop(connection.detach());
        }
    }
}

impl KeptConnections {
    /// Of a pool; `None` where it is too small.
    pub(crate) fn of(pool: &PgPool) -> Option<Self> {
        (pool.options().get_max_connections() >= MIN_POOL).then(|| Self {
            pool: pool.clone(),
            state: Arc::default(),
        })
    }

    /// Runs a statement that is a transaction by itself.
    pub(crate) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut kept = self.take().await?;
        let Some(connection) = kept.connection.as_mut() else {
            return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
        };
        let values = statement.values.unwrap_or(Values(Vec::new()));
        let query = sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values));
        let rows = query.fetch_all(&mut **connection).await;
        let rows = rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))?;
        self.keep(kept);
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }

    async fn take(&self) -> Result<Kept, DbErr> {
        let now = Instant::now();
        // The one that was used last: the others may become idle.
        loop {
            let Some(kept) = self.state().idle.pop() else {
                break;
            };
            if !kept.is_over(now) && !self.pool.is_closed() {
                return Ok(kept);
            }
        }
        // Boxed: each statement's future would have room for what only one in a thousand does.
        let connection = Box::pin(self.pool.acquire())
            .await
            .map_err(|error| match error {
                sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
                sqlx::Error::PoolClosed => {
                    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
                }
                error => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))),
            })?;
        Ok(Kept {
            connection: Some(connection),
            since: now,
            used: now,
        })
    }

    fn keep(&self, mut kept: Kept) {
        kept.used = Instant::now();
        let mut state = self.state();
        if state.idle.len() >= MAX_KEPT || self.pool.is_closed() {
            drop(state);
            return drop(kept);
        }
        state.idle.push(kept);
        if !std::mem::replace(&mut state.looked_after, true) {
            tokio::spawn(self.clone().look_after());
        }
    }

    /// Gives back what is not used, as long as anything is kept.
    async fn look_after(self) {
        loop {
            select! {
                () = sleep(IDLE) => {}
                () = self.pool.close_event() => {}
            }
            let (now, closed) = (Instant::now(), self.pool.is_closed());
            let mut state = self.state();
            let over: Vec<_> = state
                .idle
                .extract_if(.., |kept| closed || kept.is_over(now))
                .collect();
            state.looked_after = !state.idle.is_empty();
            let goes_on = state.looked_after;
            drop(state);
            drop(over);
            if !goes_on {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
