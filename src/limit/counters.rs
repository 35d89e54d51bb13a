//! Counters in the database, common to all replicas.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter,
    QueryResult, Statement, Value,
    sea_query::{LockBehavior, LockType, Order, Query},
};

use super::{Rate, refusal};
use crate::{
    entity::counter,
    error::{Error, Result},
};

/// Another attempt may change a counter between two looks at it; after so many times something is wrong.
const MAX_ATTEMPTS: usize = 20;
/// So many rows are deleted with one statement.
const PRUNED_AT_ONCE: u64 = 1_000;

/// A counter, and the two counts that an attempt may find it below: an attempt goes on if all of its counters are below
/// their first bound, or all below their second.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    pub(crate) name: Vec<u8>,
    pub(crate) below: [i64; 2],
}

impl Counter {
    /// With one bound.
    pub(crate) fn new(name: Vec<u8>, below: i64) -> Self {
        let below = [below; 2];
        Self { name, below }
    }
}

/// What an attempt has been charged: each counter with the window that it was in.
#[derive(Debug)]
pub(crate) struct Charge(Vec<(Vec<u8>, DateTime<Utc>)>);

/// What charging an attempt came to.
#[derive(Debug)]
pub(crate) enum Charged {
    /// It goes on.
    Yes(Charge),
    /// It does not, and nothing was changed.
    No(Refused),
}

/// Why an attempt was refused: the counters as they are.
#[derive(Debug)]
pub(crate) struct Refused {
    held: HashMap<Vec<u8>, (i64, DateTime<Utc>)>,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Refused {
    /// Whether other bounds would have let it go on.
    pub(crate) fn is_below(&self, counters: &[Counter]) -> bool {
        blocked(&self.held, counters).is_none()
    }

    /// `RATE_LIMITED` until the first moment at which it could go on.
    pub(crate) fn into_error(self) -> Error {
        refusal(self.until, self.now)
    }
}

/// Charges an attempt to all of its counters or to none.
///
/// One statement where it goes on. It locks the counters that are there in the order of their names, compares, and then
/// writes all of them in the same order. Counters that another attempt makes between the two are compared as they are
/// written; where that refuses some, what was charged is given back and all are looked at again.
///
/// # Errors
///
/// What the database says; then nothing is charged.
pub(crate) async fn charge(
    db: &DatabaseConnection,
    now: DateTime<Utc>,
    rate: Rate,
    counters: &[Counter],
) -> Result<Charged> {
    for _ in 0..MAX_ATTEMPTS {
        let mut charged = Vec::with_capacity(counters.len());
        for row in db
            .query_all_raw(charging(db.get_database_backend(), now, rate, counters))
            .await?
        {
            charged.push(name_and_end(&row)?);
        }
        let charge = Charge(charged);
        if charge.0.len() == counters.len() {
            return Ok(Charged::Yes(charge));
        }
        if !charge.0.is_empty() {
            give_back(db, &charge).await?;
            continue;
        }
        let held = held(db, now, counters).await?;
        if let Some(until) = blocked(&held, counters) {
            return Ok(Charged::No(Refused { held, now, until }));
        }
    }
    Err(Error::unavailable().caused_by("counters changed too often while an attempt was charged"))
}

/// Takes a charge back, where its windows have not ended meanwhile.
///
/// # Errors
///
/// What the database says; then the charge stays.
pub(crate) async fn give_back(db: &DatabaseConnection, charge: &Charge) -> Result<()> {
    let backend = db.get_database_backend();
    let mut sql = Sql::default();
    let charged: Vec<String> = charge
        .0
        .iter()
        .map(|(name, ends_at)| {
            let (name, ends_at) = (sql.value(name.clone()), sql.value(*ends_at));
            format!("(key = {name} AND ends_at = {ends_at})")
        })
        .collect();
    let (charged, lock) = (charged.join(" OR "), lock(backend));
    let text = format!(
        "WITH held AS MATERIALIZED (SELECT key FROM counters WHERE {charged} ORDER BY key{lock}) \
         UPDATE counters SET count = count - 1 WHERE key IN (SELECT key FROM held) AND count > 0"
    );
    db.execute_raw(sql.statement(backend, text)).await?;
    Ok(())
}

/// Deletes counters whose window has ended, in batches. None that an attempt holds is waited for, so no attempt waits for
/// one that waits for it.
///
/// # Errors
///
/// What the database says; the batches before it are deleted.
pub(crate) async fn prune(db: &DatabaseConnection, now: DateTime<Utc>) -> Result<()> {
    let ended = Query::select()
        .column(counter::Column::Key)
        .from(counter::Entity)
        .and_where(counter::Column::EndsAt.lte(now))
        .order_by(counter::Column::EndsAt, Order::Asc)
        .limit(PRUNED_AT_ONCE)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .to_owned();
    loop {
        let deleted = counter::Entity::delete_many()
            .filter(counter::Column::Key.in_subquery(ended.clone()))
            .filter(counter::Column::EndsAt.lte(now))
            .exec(db)
            .await?;
        if deleted.rows_affected < PRUNED_AT_ONCE {
            return Ok(());
        }
    }
}

/// The statement that charges. The bounds of `chosen` are those that all counters are below, the first if both.
fn charging(backend: DbBackend, now: DateTime<Utc>, rate: Rate, counters: &[Counter]) -> Statement {
    let mut sql = Sql::default();
    let (names, wanted): (Vec<String>, Vec<String>) = counters
        .iter()
        .map(|counter| {
            let name = sql.value(counter.name.clone());
            let [first, second] = counter.below.map(|bound| sql.value(bound));
            (name.clone(), format!("({name}, {first}, {second})"))
        })
        .unzip();
    let (names, wanted, lock) = (names.join(", "), wanted.join(", "), lock(backend));
    let (now, ends_at) = (sql.value(now), sql.value(now + rate.per));
    let text = format!(
        "WITH wanted (key, first, second) AS (VALUES {wanted}), \
         held AS MATERIALIZED (SELECT key, count, ends_at FROM counters WHERE key IN ({names}) ORDER BY key{lock}), \
         found AS (SELECT wanted.key, first, second, \
           CASE WHEN held.ends_at > {now} THEN held.count ELSE 0 END AS count \
           FROM wanted LEFT JOIN held ON held.key = wanted.key), \
         chosen AS MATERIALIZED (SELECT key, \
           CASE WHEN EXISTS (SELECT 1 FROM found WHERE count >= first) THEN second ELSE first END AS below \
           FROM found WHERE NOT EXISTS (SELECT 1 FROM found WHERE count >= first) \
           OR NOT EXISTS (SELECT 1 FROM found WHERE count >= second)) \
         INSERT INTO counters (key, count, ends_at) SELECT key, 1, {ends_at} FROM chosen WHERE TRUE ORDER BY key \
         ON CONFLICT (key) DO UPDATE SET \
           count = CASE WHEN counters.ends_at > {now} THEN counters.count + 1 ELSE 1 END, \
           ends_at = CASE WHEN counters.ends_at > {now} THEN counters.ends_at ELSE excluded.ends_at END \
         WHERE counters.ends_at <= {now} \
           OR counters.count < (SELECT chosen.below FROM chosen WHERE chosen.key = counters.key) \
         RETURNING key, ends_at"
    );
    sql.statement(backend, text)
}

/// The counters that are in a window.
async fn held(
    db: &DatabaseConnection,
    now: DateTime<Utc>,
    counters: &[Counter],
) -> Result<HashMap<Vec<u8>, (i64, DateTime<Utc>)>> {
    let names = counters.iter().map(|counter| counter.name.clone());
    let rows = counter::Entity::find()
        .filter(counter::Column::Key.is_in(names))
        .filter(counter::Column::EndsAt.gt(now))
        .all(db)
        .await?;
    let by_name = |row: counter::Model| (row.key, (row.count, row.ends_at));
    Ok(rows.into_iter().map(by_name).collect())
}

/// Until when an attempt cannot go on: for either bound the last window to end of those that are at it, and of the two the
/// earlier. `None` where it can.
fn blocked(
    held: &HashMap<Vec<u8>, (i64, DateTime<Utc>)>,
    counters: &[Counter],
) -> Option<DateTime<Utc>> {
    let until = |bound: usize| {
        let reached = counters.iter().filter_map(|counter| {
            let (count, ends_at) = held.get(&counter.name)?;
            (*count >= counter.below[bound]).then_some(*ends_at)
        });
        reached.max()
    };
    Some(Ord::min(until(0)?, until(1)?))
}

fn name_and_end(row: &QueryResult) -> Result<(Vec<u8>, DateTime<Utc>)> {
    Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))
}

/// SQLite has one writer at a time, and no locks to ask for.
fn lock(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        " FOR NO KEY UPDATE"
    } else {
        ""
    }
}

/// The values of a statement in the making.
#[derive(Default)]
struct Sql(Vec<Value>);

impl Sql {
    /// One more value, as both databases write it.
    fn value(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }

    fn statement(self, backend: DbBackend, text: String) -> Statement {
        Statement::from_sql_and_values(backend, text, self.0)
    }
}
