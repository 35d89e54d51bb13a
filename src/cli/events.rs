//! `events`.

use std::io::{self, BufWriter, Write};

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use sea_orm::ActiveEnum;
use serde::Serialize;
use sessiongraph::{
    account::{AccountSelector, Identifier},
    entity::session_record::Model,
    page::Page,
    services::Services,
    session::RecordFilter,
};
use uuid::Uuid;

use super::{CommandResult, instant};

const PAGE_LENGTH: u32 = 1_000;
/// As long as a setting can be.
const LONGEST: TimeDelta = TimeDelta::days(36_500);

#[derive(Args)]
pub(super) struct Events {
    /// Of the sessions of one account: its id, user name or e-mail address
    #[arg(long)]
    account: Option<String>,
    /// Of one session: its id, whether it is still there or not
    #[arg(long, value_name = "ID")]
    session: Option<Uuid>,
    /// Since then: an instant such as 2026-11-24T09:30:00Z, or so long ago, such as 7d
    #[arg(long, value_parser = since)]
    since: Option<Since>,
}

#[derive(Clone, Copy)]
enum Since {
    At(DateTime<Utc>),
    Ago(TimeDelta),
}

/// What happened to a session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    at: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    session: Uuid,
    account: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_session: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_service_key: Option<&'a str>,
}

impl<'a> Event<'a> {
    fn new(record: &'a Model) -> Self {
        Self {
            at: instant(record.at),
            kind: record.kind.to_value(),
            reason: record.reason.map(|reason| reason.to_value()),
            session: record.session_id,
            account: record.account_id,
            ip: record.ip.as_deref(),
            user_agent: record.user_agent.as_deref(),
            by_session: record.by_session_id,
            by_service_key: record.by_service_key.as_deref(),
        }
    }
}

/// Oldest first, a page at a time.
pub(super) async fn events(services: &Services, events: Events) -> CommandResult {
    let account_id = match &events.account {
        Some(named) => Some(account(services, named).await?),
        None => None,
    };
    let which = RecordFilter {
        account_id,
        session_id: events.session,
        since: events.since.map(|since| match since {
            Since::At(instant) => instant,
            Since::Ago(ago) => services.sessions.clock().now() - ago,
        }),
    };
    let mut out = BufWriter::new(io::stdout());
    let mut page = Page {
        length: PAGE_LENGTH,
        from_end: true,
        after: None,
        before: None,
    };
    loop {
        let slice = services.sessions.records(which, page).await?;
        for record in slice.rows.iter().rev() {
            serde_json::to_writer(&mut out, &Event::new(record))?;
            out.write_all(b"\n")?;
        }
        page.before = slice.rows.first().map(|record| record.id);
        if !slice.has_previous {
            break;
        }
    }
    Ok(out.flush()?)
}

async fn account(
    services: &Services,
    named: &str,
) -> Result<Uuid, Box<dyn std::error::Error + Send + Sync>> {
    let by = match named.parse() {
        Ok(id) => Some(AccountSelector::Id(id)),
        Err(_) => Identifier::parse(named).map(AccountSelector::from),
    };
    let found = match by {
        Some(by) => services.accounts.find(by).await?,
        None => None,
    };
    let found = found.ok_or_else(|| format!("no account is called {named:?}"))?;
    Ok(found.id)
}

fn since(text: &str) -> Result<Since, &'static str> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::At(instant.to_utc()));
    }
    let ago = humantime::parse_duration(text).ok();
    ago.and_then(|ago| TimeDelta::from_std(ago).ok())
        .filter(|ago| *ago <= LONGEST)
        .map(Since::Ago)
        .ok_or("must be an instant as in RFC 3339, or a duration such as 7d")
}
