//! What other replicas announce through PostgreSQL.

use std::{str::FromStr, time::Duration};

use chrono::DateTime;
use sea_orm::sqlx::postgres::PgListener;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use super::{Notice, Relay, SessionEventKind, relay::CHANNEL};
use crate::{
    error::{Error, Result},
    session::RefreshOutcome,
};

/// How long a listener waits before it connects again.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

impl Relay {
    /// Hears what other replicas announce through PostgreSQL, until the task that runs it ends.
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

    fn hear(&self, payload: &str) {
        let mut lines = payload.lines();
        if lines.next() == Some(self.replica.to_string().as_str()) {
            return;
        }
        for notice in lines.filter_map(|line| line.parse::<Heard>().ok()) {
            self.sessions.events().publish(notice.0);
        }
    }
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
    use uuid::Uuid;

    use super::*;
    use crate::session::events::relay::{NOTICES_PER_PAYLOAD, line};

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
