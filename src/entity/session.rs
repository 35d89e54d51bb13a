//! A session: one login of one account on one device.

use sea_orm::{QueryResult, entity::prelude::*};

use super::Columns;

/// One row of `sessions`.
///
/// A refresh writes `generation`, `parent`, `refreshed_at`, `last_seen_at`, `expires_at` and the connection's columns:
/// none of them may be in an index, or PostgreSQL could no longer update the row in place (heap-only tuples).
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// `UUIDv7`; the `sid` claim.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose session it is.
    pub account_id: Uuid,
    /// The generation of the current refresh token; 0 at first.
    pub generation: i64,
    /// The generation that the current one was issued for: the one token before it that may still be honest.
    pub parent: Option<i64>,
    /// The highest generation of which a token has been shown here, exchanges apart; -1 where none has.
    pub seen_generation: i64,
    /// Where it was opened or last refreshed from.
    pub ip: String,
    /// What it was opened or last refreshed with.
    pub user_agent: String,
    /// Browser and operating system as families; absent where neither is known.
    pub user_agent_family: Option<String>,
    /// What the application keeps with it.
    pub metadata: Option<Json>,
    /// When it was opened.
    pub created_at: DateTimeUtc,
    /// When tokens were last issued for it, converging answers apart.
    pub refreshed_at: DateTimeUtc,
    /// The last request seen with it, to the minute.
    pub last_seen_at: DateTimeUtc,
    /// When it ends unless refreshed before.
    pub expires_at: DateTimeUtc,
    /// When it ends whatever happens.
    pub absolute_expires_at: DateTimeUtc,
    /// When it was ended.
    pub invalidated_at: Option<DateTimeUtc>,
    /// Why it was ended.
    pub invalidation_reason: Option<InvalidationReason>,
    /// The client network that it was opened from; absent in rows that are older than this column.
    pub opened_in: Option<String>,
}

/// Why a session was ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(32))",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum InvalidationReason {
    /// By its owner, or by a sign-in that replaced it.
    Logout,
    /// By `invalidateSessions`.
    Requested,
    /// With the account's password.
    PasswordChanged,
    /// With the account.
    AccountDeactivated,
    /// A refresh token that had lost its validity for good was presented.
    RefreshTokenReused,
    /// Evicted when the account went over its session limit.
    SessionLimit,
}

/// Whether a session can be used.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// It can.
    Active,
    /// It ran out.
    Expired,
    /// It was ended.
    Invalidated,
}

impl Model {
    /// Reads the columns from the one at `first` on, in the order of [`Column`].
    pub(crate) fn from_columns(row: &QueryResult, first: usize) -> Result<Self, DbErr> {
        let mut columns = Columns { row, next: first };
        Ok(Self {
            id: columns.next()?,
            account_id: columns.next()?,
            generation: columns.next()?,
            parent: columns.next_nullable()?,
            seen_generation: columns.next()?,
            ip: columns.next()?,
            user_agent: columns.next()?,
            user_agent_family: columns.next_nullable()?,
            metadata: columns.next_nullable()?,
            created_at: columns.next()?,
            refreshed_at: columns.next()?,
            last_seen_at: columns.next()?,
            expires_at: columns.next()?,
            absolute_expires_at: columns.next()?,
            invalidated_at: columns.next_nullable()?,
            invalidation_reason: columns.next_nullable()?,
            opened_in: columns.next_nullable()?,
        })
    }

    /// The status at an instant; an ended session stays ended when its time is over as well.
    #[must_use]
    pub fn status(&self, now: DateTimeUtc) -> SessionStatus {
        if self.invalidated_at.is_some() {
            SessionStatus::Invalidated
        } else if now >= self.expires_at.min(self.absolute_expires_at) {
            SessionStatus::Expired
        } else {
            SessionStatus::Active
        }
    }
}

/// Relations of `sessions`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Its account.
    #[sea_orm(
        belongs_to = "super::account::Entity",
        from = "Column::AccountId",
        to = "super::account::Column::Id",
        on_delete = "Cascade"
    )]
    Account,
}

impl Related<super::account::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Account.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
