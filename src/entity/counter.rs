//! A counter: how often something that is limited has happened in the present window.

use sea_orm::entity::prelude::*;

/// One row of `counters`.
///
/// An attempt writes `count` alone, which no index has, so that PostgreSQL updates the row in place.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "counters")]
pub struct Model {
    /// What is counted: its kind in one byte, and an HMAC.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: Vec<u8>,
    /// How often.
    pub count: i64,
    /// When the window ends: from then on the row is as good as none, and is deleted some time.
    pub ends_at: DateTimeUtc,
}

/// `counters` refers to no other table.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
