//! Leases: scheduled work is done by one replica at a time.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ActiveValue::Set,
    Condition, DatabaseConnection, EntityTrait, ExprTrait,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use crate::{clock::Clock, entity::lease, error::Result};

/// One replica's claim to pieces of work.
#[derive(Debug, Clone)]
pub struct Leases {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    holder: Uuid,
}

impl Leases {
    /// The claims of a replica.
    #[must_use]
    pub fn new(db: DatabaseConnection, clock: Arc<dyn Clock>, holder: Uuid) -> Self {
        Self { db, clock, holder }
    }

    /// Takes or renews the lease on a piece of work; whether it is this replica's for that long. One statement: of
    /// several replicas that ask at once, one gets it.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn acquire(&self, name: &str, duration: Duration) -> Result<bool> {
        let now = self.clock.now();
        let row = lease::ActiveModel {
            name: Set(name.to_owned()),
            holder: Set(self.holder),
            expires_at: Set(now + duration),
        };
        let column = |column: lease::Column| Expr::col((lease::Entity, column));
        let free = Condition::any()
            .add(column(lease::Column::ExpiresAt).lte(now))
            .add(column(lease::Column::Holder).eq(self.holder));
        let taken = lease::Entity::insert(row)
            .on_conflict(
                OnConflict::column(lease::Column::Name)
                    .update_columns([lease::Column::Holder, lease::Column::ExpiresAt])
                    .action_cond_where(free)
                    .to_owned(),
            )
            .exec_without_returning(&self.db)
            .await?;
        Ok(taken == 1)
    }
}
