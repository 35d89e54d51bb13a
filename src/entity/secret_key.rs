//! A symmetric key that opaque tokens are made with.

use std::fmt;

use sea_orm::entity::prelude::*;

/// One row of `secret_keys`.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "secret_keys")]
pub struct Model {
    /// What it is for.
    #[sea_orm(primary_key, auto_increment = false)]
    pub purpose: SecretKeyPurpose,
    /// Which one of its purpose: a refresh token names it. 0 to 255.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: i32,
    /// 32 random bytes, sealed under the master secret and bound to the columns beside it.
    pub sealed_key: Vec<u8>,
    /// When it was made.
    pub created_at: DateTimeUtc,
}

/// What a [`Model`] is for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(32))",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum SecretKeyPurpose {
    /// Refresh tokens.
    RefreshToken,
    /// Service keys.
    ServiceKey,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("purpose", &self.purpose)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// `secret_keys` refers to no other table.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
