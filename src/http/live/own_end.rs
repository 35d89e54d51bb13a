//! The end of what a connection stands on: its session, or its service key.

use crate::{
    request::Authentication,
    session::{Events, Listener, Notice, SessionEventKind, Topic},
};

/// Hears of the caller's own end from the moment it was made.
pub(super) struct OwnEnd(Option<Listener>);

/// What was heard.
pub(super) enum Heard {
    /// The caller's session has ended, or its key was revoked.
    End,
    /// Something was missed: whether the caller stands has to be looked up.
    Gap,
}

impl OwnEnd {
    /// Of nobody.
    pub(super) fn never() -> Self {
        Self(None)
    }

    pub(super) fn of(caller: &Authentication, events: &Events) -> Self {
        let topic = match caller {
            Authentication::Session(claims) => Topic::Account(claims.account_id),
            Authentication::Service(identity) => Topic::ServiceKey(identity.id),
            Authentication::Nobody | Authentication::Failed(_) => return Self::never(),
        };
        Self(Some(events.listen([topic])))
    }

    /// Waits for the end of the caller that it was made for. Loses nothing when it is dropped in between.
    pub(super) async fn heard(&mut self, caller: &Authentication) -> Heard {
        let Some(listener) = &mut self.0 else {
            return std::future::pending().await;
        };
        while let Some(notice) = listener.recv().await {
            match (notice, caller) {
                (
                    Notice::Session {
                        session_id,
                        kind: SessionEventKind::Invalidated,
                        ..
                    },
                    Authentication::Session(claims),
                ) if claims.session_id == session_id => return Heard::End,
                (Notice::ServiceKeyRevoked(_), _) => return Heard::End,
                _ => {}
            }
        }
        Heard::Gap
    }
}
