//! Between replicas: what one has committed wakes the subscribers of all.
//!
//! On PostgreSQL each replica announces what it has committed a few times a second, never inside a transaction (NOTIFY
//! there makes all commits wait for each other). On any database the rows are read again every few seconds, and from
//! where the last reading succeeded: that carries CREATED and INVALIDATED by itself where nothing is heard.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, ExprTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement, sea_query::Expr,
};
use tokio::time::interval;
use uuid::Uuid;

use super::{Notice, SessionEventKind};
use crate::{
    entity::{service_key, session},
    error::Result,
    random,
    session::{RefreshOutcome, Sessions},
};

pub(super) const CHANNEL: &str = "sessiongraph_events";
/// How often what was committed is announced.
const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(200);
/// How often the rows are read.
const READ_INTERVAL: Duration = Duration::from_secs(2);
/// How long a transaction may take to become visible, and clocks may differ, without a row being overlooked.
const OVERLAP: Duration = Duration::from_secs(15);
/// The same for a transaction that was held up, by which the rows are read once in so many turns.
const LONG_OVERLAP: Duration = Duration::from_mins(2);
const LONG_OVERLAP_EVERY: u32 = 15;
/// So many rows are read with one statement.
const PAGE: u64 = 1_000;
/// PostgreSQL's payloads have fewer than 8,000 bytes; a notice takes about 110.
pub(super) const NOTICES_PER_PAYLOAD: usize = 60;

/// One replica's part.
#[derive(Debug, Clone)]
pub struct Relay {
    pub(super) sessions: Sessions,
    pub(super) replica: Uuid,
}

impl Relay {
    /// The part of a replica, whose id is its own.
    #[must_use]
    pub fn new(sessions: Sessions, replica: Uuid) -> Self {
        Self { sessions, replica }
    }

    /// Remembers what happened before: nobody is told of it. To be called before anybody listens.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn remember_the_past(&self) -> Result<()> {
        let since = self.sessions.clock().now() - LONG_OVERLAP;
        let events = self.sessions.events();
        self.read_rows(since, |notice| {
            events.remember(&notice);
        })
        .await
    }

    /// Announces, until the task that runs it ends.
    pub async fn announce(&self) {
        let mut ticks = interval(ANNOUNCE_INTERVAL);
        loop {
            ticks.tick().await;
            self.announce_outbox().await;
        }
    }

    /// Announces what has not been announced yet. Nothing to do on SQLite, which has one process.
    pub async fn announce_outbox(&self) {
        let outbox = self.sessions.events().take_outbox();
        if self.db().get_database_backend() != DbBackend::Postgres {
            return;
        }
        for notices in outbox.chunks(NOTICES_PER_PAYLOAD) {
            if let Err(error) = self.notify(notices).await {
                // The rows say it too, a little later.
                tracing::warn!(error = ?error, "other replicas could not be told of events");
                break;
            }
        }
    }

    /// Reads the rows, until the task that runs it ends.
    pub async fn read(&self) {
        let mut ticks = interval(READ_INTERVAL);
        let mut read_until = self.sessions.clock().now();
        for turn in 0_u32.. {
            ticks.tick().await;
            let now = self.sessions.clock().now();
            let overlap = if turn.is_multiple_of(LONG_OVERLAP_EVERY) {
                LONG_OVERLAP
            } else {
                OVERLAP
            };
            match self.read_since(read_until - overlap).await {
                Ok(()) => read_until = now,
                Err(error) => {
                    tracing::warn!(error = ?error, "events could not be read; they are read again");
                }
            }
        }
    }

    /// Notices what the rows say happened since an instant.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn read_since(&self, since: DateTime<Utc>) -> Result<()> {
        let events = self.sessions.events();
        self.read_rows(since, |notice| {
            events.publish(notice);
        })
        .await
    }

    async fn read_rows(&self, since: DateTime<Utc>, mut found: impl FnMut(Notice)) -> Result<()> {
        let kinds = [
            (
                session::Column::CreatedAt,
                SessionEventKind::Created,
                random::first_id(since),
            ),
            (
                session::Column::InvalidatedAt,
                SessionEventKind::Invalidated,
                Uuid::nil(),
            ),
        ];
        for (at, kind, first) in kinds {
            let mut after = (since, first);
            loop {
                let page = self.happened(at, after).await?;
                let Some((last, _, last_at)) = page.last().copied() else {
                    break;
                };
                after = (last_at, last);
                for (session_id, account_id, at) in page {
                    found(Notice::Session {
                        session_id,
                        account_id,
                        kind,
                        at,
                        outcome: None,
                    });
                }
            }
        }
        let revoked: Vec<Uuid> = service_key::Entity::find()
            .select_only()
            .column(service_key::Column::Id)
            .filter(service_key::Column::RevokedAt.gte(since))
            .into_tuple()
            .all(self.db())
            .await?;
        for id in revoked {
            found(Notice::ServiceKeyRevoked(id));
        }
        Ok(())
    }

    /// A page of the sessions that something happened to, after an instant and an id: which, whose, when. In the order of
    /// their index, which for the opened ones is that of their ids.
    async fn happened(
        &self,
        at: session::Column,
        (instant, id): (DateTime<Utc>, Uuid),
    ) -> Result<Vec<(Uuid, Uuid, DateTime<Utc>)>> {
        let sessions = session::Entity::find()
            .select_only()
            .columns([session::Column::Id, session::Column::AccountId, at])
            .limit(PAGE);
        let sessions = match at {
            session::Column::CreatedAt => sessions.filter(session::Column::Id.gt(id)),
            // Both are compared as a whole: the index leads there, however many have the same instant.
            _ => sessions
                // As the index says: neither database concludes it from what follows.
                .filter(at.is_not_null())
                .filter(
                    Expr::tuple([at.into_expr(), session::Column::Id.into_expr()])
                        .gt(Expr::tuple([instant.into(), id.into()])),
                )
                .order_by_asc(at),
        };
        let page = sessions.order_by_asc(session::Column::Id).into_tuple();
        Ok(page.all(self.db()).await?)
    }

    async fn notify(&self, notices: &[Notice]) -> Result<()> {
        let lines: Vec<String> = notices.iter().filter_map(line).collect();
        let payload = format!("{}\n{}", self.replica, lines.join("\n"));
        let values = [CHANNEL.into(), payload.into()];
        let statement =
            Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
        self.db().execute_raw(statement).await?;
        Ok(())
    }

    fn db(&self) -> &DatabaseConnection {
        self.sessions.db()
    }
}

/// A notice as a line: what happened, to which session of which account, when, and for a refresh how.
pub(super) fn line(notice: &Notice) -> Option<String> {
    let Notice::Session {
        session_id,
        account_id,
        kind,
        at,
        outcome,
    } = notice
    else {
        return None;
    };
    let kind = match (kind, outcome) {
        (SessionEventKind::Created, _) => "created",
        (SessionEventKind::Invalidated, _) => "invalidated",
        (SessionEventKind::Refreshed, Some(RefreshOutcome::Recovered)) => "recovered",
        (SessionEventKind::Refreshed, _) => "rotated",
    };
    Some(format!(
        "{kind} {session_id} {account_id} {}",
        at.timestamp_micros()
    ))
}
