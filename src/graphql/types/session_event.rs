//! `SessionEvent`.

use async_graphql::{Enum, ID, SimpleObject};
use chrono::{DateTime, Utc};

use super::{ConnectionInfo, RefreshOutcome, Session};
use crate::{
    entity::session_record::{self, RecordKind},
    session,
};

/// What happened to a session.
#[derive(SimpleObject)]
pub struct SessionEvent {
    pub(crate) kind: SessionEventKind,
    pub(crate) session: Session,
    pub(crate) at: DateTime<Utc>,
    /// With REFRESHED: ROTATED or RECOVERED. A recovery that its owner does not remember is worth a look.
    pub(crate) refresh_outcome: Option<RefreshOutcome>,
    /// Where the request that did it came from; for a session that a service key opened, where the end user is, by its
    /// word. Where a service key did something else, only service keys see from where. Null where no request did it, and
    /// from sessionEvents: Session.events knows.
    pub(crate) connection_info: Option<ConnectionInfo>,
    /// The session whose token the request did it with: its own one with logout, a recovery and a reuse, the caller's with
    /// invalidateSessions and changePassword. With SESSION_LIMIT the one that was opened in its place. Null where none did
    /// it, and from sessionEvents.
    pub(crate) by_session: Option<ID>,
    /// The name of the service key that the request did it with. Null where none did it, and from sessionEvents.
    pub(crate) by_service_key: Option<String>,
}

impl SessionEvent {
    /// What was recorded of a session; `of_back_ends` where from where back ends did it is shown too.
    pub(super) fn recorded(
        record: session_record::Model,
        session: Session,
        of_back_ends: bool,
    ) -> Self {
        // With a session that it opens, a back end says where the end user is.
        let is_back_ends = record.by_service_key.is_some() && record.kind != RecordKind::Created;
        let ip = record.ip.filter(|_| of_back_ends || !is_back_ends);
        let (kind, outcome) = match record.kind {
            RecordKind::Created => (session::SessionEventKind::Created, None),
            RecordKind::Recovered => (
                session::SessionEventKind::Refreshed,
                Some(session::RefreshOutcome::Recovered),
            ),
            RecordKind::Invalidated => (session::SessionEventKind::Invalidated, None),
        };
        let user_agent = record.user_agent.unwrap_or_default();
        Self {
            kind: kind.into(),
            session,
            at: record.at,
            refresh_outcome: outcome.map(Into::into),
            connection_info: ip.map(|ip| ConnectionInfo::new(ip, user_agent)),
            by_session: record.by_session_id.map(Into::into),
            by_service_key: record.by_service_key,
        }
    }
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
