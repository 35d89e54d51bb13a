//! A lease: which replica does a piece of scheduled work.

use sea_orm::entity::prelude::*;

/// One row of `leases`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "leases")]
pub struct Model {
    /// The work.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The replica that does it.
    pub holder: Uuid,
    /// When another one may take over.
    pub expires_at: DateTimeUtc,
}

/// `leases` refers to no other table.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
