//! From notices to events: each delivery reads the rows, and with them whether the subscriber still stands.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt, stream};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, Query},
};
use uuid::Uuid;

use super::{Listener, Notice, SessionEventKind, Topic};
use crate::{
    entity::{
        account, service_key,
        session::{self, SessionStatus},
    },
    error::{Error, Result},
    metrics,
    request::{ServiceIdentity, SessionClaims},
    session::{RefreshOutcome, Sessions, is_void},
};

/// So many notices are delivered with one statement.
const BATCH: usize = 100;

/// What happened to a session.
#[derive(Debug, Clone)]
pub struct SessionEvent {
    /// What.
    pub kind: SessionEventKind,
    /// The session, as it is now.
    pub session: session::Model,
    /// Its account.
    pub account: account::Model,
    /// When.
    pub at: DateTime<Utc>,
    /// With `Refreshed`: how.
    pub outcome: Option<RefreshOutcome>,
}

/// Who hears of what.
#[derive(Debug, Clone)]
pub enum Subscriber {
    /// A signed-in account: of its own sessions.
    Session(SessionClaims),
    /// A backend: of all sessions, or those of one account.
    Service(ServiceIdentity, Option<Uuid>),
}

impl Subscriber {
    fn topics(&self) -> Vec<Topic> {
        match self {
            Self::Session(claims) => vec![Topic::Account(claims.account_id)],
            Self::Service(identity, only) => vec![
                only.map_or(Topic::AllAccounts, Topic::Account),
                Topic::ServiceKey(identity.id),
            ],
        }
    }
}

/// A batch of notices that a subscriber wants.
type Noticed = Vec<(
    Uuid,
    SessionEventKind,
    DateTime<Utc>,
    Option<RefreshOutcome>,
)>;

impl Sessions {
    /// What happens to sessions from now on. Ends behind the event of the subscriber's own end, when its key is revoked,
    /// and with an error when it is read too slowly or the database does not answer.
    pub fn session_events(
        &self,
        subscriber: Subscriber,
    ) -> impl Stream<Item = Result<SessionEvent>> + Send + 'static {
        // Hears first and looks then: what happens in between is heard.
        let start = Delivery {
            sessions: self.clone(),
            notices: self.events().listen(subscriber.topics()),
            subscriber,
            looked: false,
        };
        stream::unfold(Some(start), |delivery| async move {
            let mut delivery = delivery?;
            match delivery.next().await {
                Ok((events, goes_on)) => {
                    let now = delivery.sessions.clock().now();
                    for event in &events {
                        metrics::event_delivered(now - event.at);
                    }
                    let events = events.into_iter().map(Ok).collect();
                    Some((stream::iter::<Vec<_>>(events), goes_on.then_some(delivery)))
                }
                Err(error) => Some((stream::iter(vec![Err(error)]), None)),
            }
        })
        .flatten()
    }
}

/// One subscription.
struct Delivery {
    sessions: Sessions,
    notices: Listener,
    subscriber: Subscriber,
    looked: bool,
}

impl Delivery {
    /// The next events, and whether more may follow.
    async fn next(&mut self) -> Result<(Vec<SessionEvent>, bool)> {
        let wanted = if std::mem::replace(&mut self.looked, true) {
            self.wanted().await?
        } else {
            Some(Noticed::new())
        };
        let Some(wanted) = wanted else {
            return Ok((Vec::new(), false));
        };
        match &self.subscriber {
            Subscriber::Session(claims) => self.sessions.deliver_to_session(claims, wanted).await,
            Subscriber::Service(identity, _) => {
                self.sessions.deliver_to_service(identity, wanted).await
            }
        }
    }

    /// What has been noticed of the subscriber's interest; `None` where nothing more will be.
    async fn wanted(&mut self) -> Result<Option<Noticed>> {
        let mut wanted = Noticed::new();
        while wanted.len() < BATCH {
            let next = if wanted.is_empty() {
                let Some(next) = self.notices.recv().await else {
                    return Err(Error::unavailable().caused_by("a subscriber reads too slowly"));
                };
                next
            } else {
                let Some(next) = self.notices.try_recv() else {
                    break;
                };
                next
            };
            match next {
                Notice::Session {
                    session_id,
                    kind,
                    at,
                    outcome,
                    ..
                } => {
                    let is_rotation = outcome == Some(RefreshOutcome::Rotated);
                    // Several rotations of one session that nobody has read yet are one; a recovery is never passed over.
                    wanted.retain(|known| {
                        !(is_rotation && known.0 == session_id && known.3 == outcome)
                    });
                    wanted.push((session_id, kind, at, outcome));
                }
                Notice::ServiceKeyRevoked(_) => return Ok(None),
            }
        }
        Ok(Some(wanted))
    }
}

impl Sessions {
    async fn deliver_to_session(
        &self,
        claims: &SessionClaims,
        noticed: Noticed,
    ) -> Result<(Vec<SessionEvent>, bool)> {
        let ids = noticed
            .iter()
            .map(|(id, ..)| *id)
            .chain([claims.session_id]);
        let rows = session::Entity::find()
            .filter(session::Column::Id.is_in(ids))
            .find_also_related(account::Entity)
            .all(self.db())
            .await?;
        let rows = by_id(rows);
        let stands = rows
            .get(&claims.session_id)
            .is_some_and(|(session, account)| {
                session.status(self.clock().now()) == SessionStatus::Active
                    && account.deactivated_at.is_none()
                    && !is_void(session, claims.generation)
            });
        if stands {
            return Ok((events(&rows, noticed), true));
        }
        // What was noticed before its own end, that end (which may not have been noticed yet), and nothing behind it.
        let own_end = noticed.iter().position(|(id, kind, ..)| {
            *id == claims.session_id && *kind == SessionEventKind::Invalidated
        });
        let ended_at = rows
            .get(&claims.session_id)
            .and_then(|(session, _)| session.invalidated_at);
        let mut heard = noticed;
        match own_end {
            Some(own_end) => heard.truncate(own_end),
            None => heard.retain(|(_, _, at, _)| ended_at.is_some_and(|ended| *at <= ended)),
        }
        heard.extend(
            ended_at.map(|at| (claims.session_id, SessionEventKind::Invalidated, at, None)),
        );
        Ok((events(&rows, heard), false))
    }

    async fn deliver_to_service(
        &self,
        identity: &ServiceIdentity,
        noticed: Noticed,
    ) -> Result<(Vec<SessionEvent>, bool)> {
        let key_stands = Expr::exists(
            Query::select()
                .expr(Expr::val(1))
                .from(service_key::Entity)
                .and_where(
                    Expr::col((service_key::Entity, service_key::Column::Id)).eq(identity.id),
                )
                .and_where(
                    Expr::col((service_key::Entity, service_key::Column::RevokedAt)).is_null(),
                )
                .to_owned(),
        );
        let rows = session::Entity::find()
            .filter(session::Column::Id.is_in(noticed.iter().map(|(id, ..)| *id)))
            .filter(key_stands)
            .find_also_related(account::Entity)
            .all(self.db())
            .await?;
        let rows = by_id(rows);
        let stands = !rows.is_empty() || self.service_key_stands(identity.id).await?;
        Ok((events(&rows, noticed), stands))
    }
}

type Rows = HashMap<Uuid, (session::Model, account::Model)>;

fn by_id(rows: Vec<(session::Model, Option<account::Model>)>) -> Rows {
    rows.into_iter()
        .filter_map(|(session, account)| Some((session.id, (session, account?))))
        .collect()
}

fn events(rows: &Rows, noticed: Noticed) -> Vec<SessionEvent> {
    noticed
        .into_iter()
        .filter_map(|(id, kind, at, outcome)| {
            let (session, account) = rows.get(&id)?.clone();
            Some(SessionEvent {
                kind,
                session,
                account,
                at,
                outcome,
            })
        })
        .collect()
}
