//! A key of a trusted backend.

use sea_orm::entity::prelude::*;

/// One row of `service_keys`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "service_keys")]
pub struct Model {
    /// `UUIDv7`; the key's text carries it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The operator's name for it; unique among those not revoked.
    pub name: String,
    /// SHA-256 of the key's text, which has 256 random bits.
    pub digest: Vec<u8>,
    /// Scopes, separated by one space.
    pub scopes: String,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it was revoked.
    pub revoked_at: Option<DateTimeUtc>,
}

/// `service_keys` refers to no other table.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
