//! A key that signs or signed access tokens.

use std::fmt;

use sea_orm::entity::prelude::*;

/// One row of `signing_keys`.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    /// The JWK thumbprint (RFC 7638).
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    /// The JWS algorithm (RFC 7518 section 3.1).
    pub algorithm: String,
    /// The public JWK (RFC 7517), as JSON text.
    pub public_jwk: String,
    /// The private key, sealed under the master secret and bound to the columns beside it.
    pub sealed_private_key: Vec<u8>,
    /// Since when it is published.
    pub published_at: DateTimeUtc,
    /// When the standby key is to sign, where a rotation has been asked for.
    pub activates_at: Option<DateTimeUtc>,
    /// Since when it signs; absent for the standby key.
    pub activated_at: Option<DateTimeUtc>,
    /// Since when it signs no more.
    pub retired_at: Option<DateTimeUtc>,
    /// When the last token that it signed has expired.
    pub verifies_until: Option<DateTimeUtc>,
    /// When it was taken out after a leak.
    pub revoked_at: Option<DateTimeUtc>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// `signing_keys` refers to no other table.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
