//! What has been seen of sessions: when each was last used, and with which generation.
//!
//! In memory at once, in the database in batches. Reading a session never waits for that write; what a crash loses of
//! it only delays the detection of a stolen token.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter,
    QuerySelect, Statement, Value,
};
use uuid::Uuid;

use super::Sessions;
use crate::{entity::session, error::Result};

/// So many rows are written with one statement.
const BATCH: usize = 500;
/// What is noted is bounded; beyond it new sightings are dropped until the next flush, which only delays detection.
const MAX_NOTED: usize = 200_000;

/// Sightings that are not written yet.
#[derive(Debug, Default)]
pub struct Activity(Mutex<HashMap<Uuid, Sighting>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sighting {
    generation: i64,
    at: DateTime<Utc>,
}

impl Activity {
    /// Notes that a token of a session has been shown here.
    #[doc(hidden)]
    pub fn note(&self, session_id: Uuid, generation: u32, at: DateTime<Utc>) {
        let seen = Sighting {
            generation: generation.into(),
            at,
        };
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = noted.get_mut(&session_id) {
            known.generation = known.generation.max(seen.generation);
            known.at = known.at.max(seen.at);
        } else if noted.len() < MAX_NOTED {
            noted.insert(session_id, seen);
        }
    }

    /// The highest generation noted of a session.
    #[must_use]
    #[doc(hidden)]
    pub fn seen_generation(&self, session_id: Uuid) -> Option<i64> {
        self.get(session_id).map(|seen| seen.generation)
    }

    /// When a session was last seen, as far as that is not written yet.
    #[must_use]
    pub fn last_seen_at(&self, session_id: Uuid) -> Option<DateTime<Utc>> {
        self.get(session_id).map(|seen| seen.at)
    }

    fn get(&self, session_id: Uuid) -> Option<Sighting> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&session_id)
            .copied()
    }

    /// All of them.
    fn snapshot(&self) -> Vec<(Uuid, Sighting)> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.iter().map(|(id, seen)| (*id, *seen)).collect()
    }

    /// Forgets what is written, unless more has been seen meanwhile.
    fn forget(&self, written: &[(Uuid, Sighting)]) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, seen) in written {
            if noted.get(id) == Some(seen) {
                noted.remove(id);
            }
        }
    }
}

impl Sessions {
    /// Writes all sightings. Called at most a minute apart, and at the end.
    ///
    /// # Errors
    ///
    /// What the database says; what could not be written stays noted.
    pub async fn flush_activity(&self) -> Result<()> {
        for batch in self.0.activity.snapshot().chunks(BATCH) {
            write(&self.0.db, batch).await?;
            self.0.activity.forget(batch);
        }
        Ok(())
    }
}

/// Writes a batch. Rows of one statement are locked in no order that could be relied on, and waiting for one while
/// holding others is how two statements lock each other up: so of several only those are written that nobody else has
/// locked, and the rest one by one.
async fn write(db: &DatabaseConnection, batch: &[(Uuid, Sighting)]) -> Result<()> {
    if db.get_database_backend() != DbBackend::Postgres {
        db.execute_raw(marks(db, batch, "")).await?;
        return Ok(());
    }
    let free = ", free AS (SELECT sessions.id FROM sessions JOIN seen ON sessions.id = seen.id \
                WHERE invalidated_at IS NULL FOR NO KEY UPDATE OF sessions SKIP LOCKED)";
    let mut left: HashMap<Uuid, Sighting> = batch.iter().copied().collect();
    for row in db.query_all_raw(marks(db, batch, free)).await? {
        left.remove(&row.try_get_by_index(0)?);
    }
    if left.is_empty() {
        return Ok(());
    }
    let locked: Vec<Uuid> = session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::Column::Id.is_in(left.keys().copied()))
        .filter(session::Column::InvalidatedAt.is_null())
        .into_tuple()
        .all(db)
        .await?;
    for id in locked {
        if let Some(seen) = left.get(&id) {
            db.execute_raw(marks(db, &[(id, *seen)], "")).await?;
        }
    }
    Ok(())
}

/// The statement that writes a batch: all of it, or what the table `free` has.
fn marks(db: &DatabaseConnection, batch: &[(Uuid, Sighting)], free: &str) -> Statement {
    let backend = db.get_database_backend();
    let mut values: Vec<Value> = Vec::with_capacity(batch.len() * 3);
    let rows: Vec<String> = batch
        .iter()
        .map(|(id, seen)| {
            values.extend([Value::from(*id), seen.generation.into(), seen.at.into()]);
            placeholders(backend, values.len())
        })
        .collect();
    let only_free = if free.is_empty() {
        ""
    } else {
        " AND sessions.id IN (SELECT id FROM free)"
    };
    // The marks only grow, so writes of several replicas may arrive in any order. The same text on both databases, which
    // call the greater of two values differently.
    let sql = format!(
        "WITH seen (id, generation, at) AS (VALUES {}){free} UPDATE sessions SET \
         seen_generation = CASE WHEN seen.generation > seen_generation THEN seen.generation ELSE seen_generation END, \
         last_seen_at = CASE WHEN seen.at > last_seen_at THEN seen.at ELSE last_seen_at END \
         FROM seen WHERE sessions.id = seen.id AND invalidated_at IS NULL{only_free} RETURNING sessions.id",
        rows.join(", ")
    );
    Statement::from_sql_and_values(backend, sql, values)
}

/// The last three of `count` parameters.
fn placeholders(backend: DbBackend, count: usize) -> String {
    if backend == DbBackend::Postgres {
        format!("(${}, ${}, ${})", count - 2, count - 1, count)
    } else {
        "(?, ?, ?)".to_owned()
    }
}
