//! What happened to a session, and who did it: the log that outlives the session.

use sea_orm::entity::prelude::*;

use super::session::InvalidationReason;

/// One row of `session_records`. It is written once, in the transaction of what it records, and never changed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session_records")]
pub struct Model {
    /// `UUIDv7` of `at`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The session, which may have been deleted since.
    pub session_id: Uuid,
    /// Whose session it is.
    pub account_id: Uuid,
    /// What happened.
    pub kind: RecordKind,
    /// Why it was ended; with [`RecordKind::Invalidated`] alone.
    pub reason: Option<InvalidationReason>,
    /// When.
    pub at: DateTimeUtc,
    /// The address that the request came from, or that a back end gave for a session that it opened; absent where no
    /// request did it.
    pub ip: Option<String>,
    /// The user agent that came with it, which may be empty; absent with the address.
    pub user_agent: Option<String>,
    /// The session whose token it was done with; of an evicted session, the one that was opened in its place.
    pub by_session_id: Option<Uuid>,
    /// The name of the service key that it was done with.
    pub by_service_key: Option<String>,
}

/// What is recorded of a session. Its usual refreshes are not.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum RecordKind {
    /// It was opened.
    Created,
    /// A refresh whose answer was lost was recovered from.
    Recovered,
    /// It was ended.
    Invalidated,
}

/// Relations of `session_records`: none is read through.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
