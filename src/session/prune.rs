//! Pruning: sessions that ended long ago are deleted, records when they are old, and counters with their windows, in batches
//! that lock nobody out.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::Sessions;
use crate::{
    entity::{session, session_record},
    error::Result,
    limit, metrics, random,
};

/// So many rows are deleted with one statement.
const BATCH: u64 = 1_000;

impl Sessions {
    /// Deletes sessions that ended or ran out longer ago than `retention`, and returns how many. Counters of limits whose
    /// window has ended go as well.
    ///
    /// # Errors
    ///
    /// What the database says; the batches before it are deleted.
    pub async fn prune(&self, retention: Duration) -> Result<u64> {
        let now = self.clock().now();
        limit::prune(self.db(), now).await?;
        let before = now - retention;
        let ended = Condition::all().add(session::Column::InvalidatedAt.lt(before));
        let mut pruned = 0;
        // In the order of their ids, so that each row is looked at once: those that ran out have no index to be found by,
        // for none has a column that a refresh writes.
        for which in [ended, ran_out(before)] {
            let mut after = None;
            loop {
                let batch = self.prunable(&which, after).await?;
                let Some(last) = batch.last() else { break };
                after = Some(*last);
                let deleted = self.delete(&batch, &which).await?;
                metrics::pruned(deleted);
                pruned += deleted;
            }
        }
        Ok(pruned)
    }

    /// Deletes records of what happened to sessions longer ago than `audit_retention`, and returns how many. What happened
    /// since stays, whether its session is there or not.
    ///
    /// # Errors
    ///
    /// What the database says; the batches before it are deleted.
    pub async fn prune_records(&self, audit_retention: Duration) -> Result<u64> {
        let oldest = random::first_id(self.clock().now() - audit_retention);
        let (mut pruned, mut after) = (0, Uuid::nil());
        loop {
            let batch: Vec<Uuid> = session_record::Entity::find()
                .select_only()
                .column(session_record::Column::Id)
                .filter(session_record::Column::Id.gt(after))
                .filter(session_record::Column::Id.lt(oldest))
                .order_by_asc(session_record::Column::Id)
                .limit(BATCH)
                .into_tuple()
                .all(self.db())
                .await?;
            // What another process has deleted meanwhile is not the end.
            let Some(last) = batch.last() else {
                return Ok(pruned);
            };
            after = *last;
            let deleted = session_record::Entity::delete_many()
                .filter(session_record::Column::Id.is_in(batch))
                .exec(self.db())
                .await?;
            pruned += deleted.rows_affected;
        }
    }

    /// How many sessions are active, of accounts that are deactivated as well. It looks at every row.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn count_active(&self) -> Result<u64> {
        let now = self.clock().now();
        let active = session::Entity::find()
            .filter(session::Column::InvalidatedAt.is_null())
            .filter(session::Column::ExpiresAt.gt(now))
            .filter(session::Column::AbsoluteExpiresAt.gt(now));
        Ok(active.count(self.db()).await?)
    }

    async fn prunable(&self, which: &Condition, after: Option<Uuid>) -> Result<Vec<Uuid>> {
        let ids = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(which.clone())
            .filter(Condition::all().add_option(after.map(|after| session::Column::Id.gt(after))))
            .order_by_asc(session::Column::Id)
            .limit(BATCH);
        Ok(ids.into_tuple().all(self.db()).await?)
    }

    /// The condition again: what was refreshed meanwhile has not run out any more.
    async fn delete(&self, ids: &[Uuid], which: &Condition) -> Result<u64> {
        let deleted = session::Entity::delete_many()
            .filter(session::Column::Id.is_in(ids.iter().copied()))
            .filter(which.clone())
            .exec(self.db())
            .await?;
        Ok(deleted.rows_affected)
    }
}

fn ran_out(before: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(session::Column::InvalidatedAt.is_null())
        .add(
            Condition::any()
                .add(session::Column::ExpiresAt.lt(before))
                .add(session::Column::AbsoluteExpiresAt.lt(before)),
        )
}
