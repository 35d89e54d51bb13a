//! `SessionEvent`.

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};

use super::{RefreshOutcome, Session};

/// What happened to a session.
#[derive(SimpleObject)]
pub struct SessionEvent {
    pub(crate) kind: SessionEventKind,
    pub(crate) session: Session,
    pub(crate) at: DateTime<Utc>,
    /// With REFRESHED: ROTATED or RECOVERED. A recovery that its owner does not remember is worth a look.
    pub(crate) refresh_outcome: Option<RefreshOutcome>,
}

/// A session that simply runs out makes no event.
#[derive(Enum, Debug, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "crate::session::SessionEventKind")]
pub enum SessionEventKind {
    /// It was opened.
    Created,
    /// Its tokens were exchanged; several exchanges may be one event.
    Refreshed,
    /// It was ended.
    Invalidated,
}
