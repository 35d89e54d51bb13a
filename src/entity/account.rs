//! An account: who signs in.

use std::fmt;

use sea_orm::{QueryResult, entity::prelude::*};

use super::Columns;

/// One row of `accounts`.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    /// `UUIDv7`, so that ids order by creation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// In lower case; unique.
    #[sea_orm(unique)]
    pub username: Option<String>,
    /// In lower case; unique.
    #[sea_orm(unique)]
    pub email: Option<String>,
    /// Whether the application says that the address is the account's.
    pub email_verified: bool,
    /// Argon2id as a PHC string, or what was imported, up to the next sign-in; absent where the account cannot sign in with
    /// a password.
    pub password_hash: Option<String>,
    /// RFC 6749 scope tokens, separated by one space, as the access token's `scope` claim carries them.
    pub permissions: String,
    /// Since when the account is deactivated.
    pub deactivated_at: Option<DateTimeUtc>,
    /// Counts changes of the password and of the deactivation: a session is opened only against the account as it
    /// was verified.
    pub credentials_version: i64,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it was last changed.
    pub updated_at: DateTimeUtc,
}

/// The hash stays out of every log.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Reads the columns from the one at `first` on, in the order of [`Column`].
    pub(crate) fn from_columns(row: &QueryResult, first: usize) -> Result<Self, DbErr> {
        let mut columns = Columns { row, next: first };
        Ok(Self {
            id: columns.next()?,
            username: columns.next_nullable()?,
            email: columns.next_nullable()?,
            email_verified: columns.next()?,
            password_hash: columns.next_nullable()?,
            permissions: columns.next()?,
            deactivated_at: columns.next_nullable()?,
            credentials_version: columns.next()?,
            created_at: columns.next()?,
            updated_at: columns.next()?,
        })
    }

    /// The permissions one by one.
    pub fn permission_list(&self) -> impl Iterator<Item = &str> {
        self.permissions.split_ascii_whitespace()
    }
}

/// Relations of `accounts`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Its sessions.
    #[sea_orm(has_many = "super::session::Entity")]
    Sessions,
}

impl Related<super::session::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Sessions.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
