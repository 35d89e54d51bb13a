//! Between replicas: what one has committed wakes the subscribers of all.
//!
//! On PostgreSQL each replica announces what it has committed a few times a second, never inside a transaction (NOTIFY
//! there makes all commits wait for each other). On any database the rows are read again every few seconds, and from
//! where the last reading succeeded: that carries CREATED and INVALIDATED by itself where nothing is heard.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter,
    QuerySelect, Statement, sqlx::postgres::PgListener,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{interval, sleep};
use uuid::Uuid;

use super::{Notice, SessionEventKind};
use crate::{
    entity::{service_key, session},
    error::{Error, Result},
    session::{RefreshOutcome, Sessions},
};

const CHANNEL: &str = "sessiongraph_events";
/// How often what was committed is announced.
const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(200);
/// How often the rows are read.
const READ_INTERVAL: Duration = Duration::from_secs(2);
/// How long a transaction may take to become visible, and clocks may differ, without a row being overlooked.
const OVERLAP: Duration = Duration::from_secs(15);
/// How long a listener waits before it connects again.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// PostgreSQL's payloads have fewer than 8,000 bytes; a notice takes about 110.
const NOTICES_PER_PAYLOAD: usize = 60;

/// One replica's part.
#[derive(Debug, Clone)]
pub struct Relay {
    sessions: Sessions,
    replica: Uuid,
}

impl Relay {
    /// The part of a replica, whose id is its own.
    #[must_use]
    pub fn new(sessions: Sessions, replica: Uuid) -> Self {
        Self { sessions, replica }
    }

    /// Announces, until the task that runs it ends. Nothing to do on SQLite, which has one process.
    pub async fn announce(&self) {
        let mut ticks = interval(ANNOUNCE_INTERVAL);
        loop {
            ticks.tick().await;
            let outbox = self.sessions.events().take_outbox();
            if self.db().get_database_backend() != DbBackend::Postgres {
                continue;
            }
            for notices in outbox.chunks(NOTICES_PER_PAYLOAD) {
                if let Err(error) = self.notify(notices).await {
                    // The rows say it too, a little later.
                    tracing::warn!(error = ?error, "other replicas could not be told of events");
                    break;
                }
            }
        }
    }

    /// Hears what other replicas announce, until the task that runs it ends.
    pub async fn listen(&self, url: &SecretString) {
        loop {
            let heard = async {
                let mut listener = PgListener::connect(url.expose_secret()).await?;
                listener.listen(CHANNEL).await?;
                loop {
                    let notification = listener.recv().await?;
                    self.hear(notification.payload());
                }
            };
            let heard: std::result::Result<(), sea_orm::SqlxError> = heard.await;
            if let Err(error) = heard {
                tracing::warn!(error = %error, "the connection that listens for events broke; the rows are read meanwhile");
            }
            sleep(RECONNECT_DELAY).await;
        }
    }

    /// Reads the rows, until the task that runs it ends.
    pub async fn read(&self) {
        let mut ticks = interval(READ_INTERVAL);
        let mut read_until = self.sessions.clock().now();
        loop {
            ticks.tick().await;
            let now = self.sessions.clock().now();
            match self.read_since(read_until - OVERLAP).await {
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
        let columns = [session::Column::Id, session::Column::AccountId];
        let first_id = first_id_of(since);
        let created: Vec<(Uuid, Uuid, DateTime<Utc>)> = session::Entity::find()
            .select_only()
            .columns(columns)
            .column(session::Column::CreatedAt)
            .filter(session::Column::Id.gte(first_id))
            .into_tuple()
            .all(self.db())
            .await?;
        let ended: Vec<(Uuid, Uuid, DateTime<Utc>)> = session::Entity::find()
            .select_only()
            .columns(columns)
            .column(session::Column::InvalidatedAt)
            .filter(session::Column::InvalidatedAt.gte(since))
            .into_tuple()
            .all(self.db())
            .await?;
        let revoked: Vec<Uuid> = service_key::Entity::find()
            .select_only()
            .column(service_key::Column::Id)
            .filter(service_key::Column::RevokedAt.gte(since))
            .into_tuple()
            .all(self.db())
            .await?;
        let events = self.sessions.events();
        let kinds = [
            (created, SessionEventKind::Created),
            (ended, SessionEventKind::Invalidated),
        ];
        for (rows, kind) in kinds {
            for (session_id, account_id, at) in rows {
                events.publish(Notice::Session {
                    session_id,
                    account_id,
                    kind,
                    at,
                    outcome: None,
                });
            }
        }
        for id in revoked {
            events.publish(Notice::ServiceKeyRevoked(id));
        }
        Ok(())
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

    fn hear(&self, payload: &str) {
        let mut lines = payload.lines();
        if lines.next() == Some(self.replica.to_string().as_str()) {
            return;
        }
        for notice in lines.filter_map(|line| line.parse::<Heard>().ok()) {
            self.sessions.events().publish(notice.0);
        }
    }

    fn db(&self) -> &DatabaseConnection {
        self.sessions.db()
    }
}

/// The least UUIDv7 of an instant.
fn first_id_of(instant: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(instant.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

/// A notice as a line: what happened, to which session of which account, when, and for a refresh how.
fn line(notice: &Notice) -> Option<String> {
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

/// A notice that another replica has sent.
#[derive(Debug, PartialEq, Eq)]
struct Heard(Notice);

impl FromStr for Heard {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let malformed = || Error::internal("another replica announced something unknown");
        let mut words = line.split(' ');
        let mut next = || words.next().ok_or_else(malformed);
        let (kind, outcome) = match next()? {
            "created" => (SessionEventKind::Created, None),
            "invalidated" => (SessionEventKind::Invalidated, None),
            "recovered" => (SessionEventKind::Refreshed, Some(RefreshOutcome::Recovered)),
            "rotated" => (SessionEventKind::Refreshed, Some(RefreshOutcome::Rotated)),
            _ => return Err(malformed()),
        };
        let session_id = next()?.parse().map_err(Error::internal)?;
        let account_id = next()?.parse().map_err(Error::internal)?;
        let micros = next()?.parse().map_err(Error::internal)?;
        let at = DateTime::from_timestamp_micros(micros).ok_or_else(malformed)?;
        Ok(Self(Notice::Session {
            session_id,
            account_id,
            kind,
            at,
            outcome,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for (kind, outcome) in [
            (SessionEventKind::Created, None),
            (SessionEventKind::Invalidated, None),
            (SessionEventKind::Refreshed, Some(RefreshOutcome::Rotated)),
            (SessionEventKind::Refreshed, Some(RefreshOutcome::Recovered)),
        ] {
            let (session_id, account_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
            let at = DateTime::from_timestamp_micros(1_234_567).unwrap();
            let notice = Notice::Session {
                session_id,
                account_id,
                kind,
                at,
                outcome,
            };
            let line = line(&notice).unwrap();
            assert!(line.len() * NOTICES_PER_PAYLOAD < 7_900);
            assert_eq!(line.parse::<Heard>().unwrap(), Heard(notice));
        }
        assert!("created".parse::<Heard>().is_err() && "unknown a b c".parse::<Heard>().is_err());
    }
}
