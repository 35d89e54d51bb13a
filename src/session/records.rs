//! The log of sessions: who opened, recovered or ended which one, and from where. A record is written in the transaction of
//! what it records: neither is there without the other.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait,
    FromQueryResult, IntoActiveModel, Iterable, Order, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};
use uuid::Uuid;

use super::{Sessions, list::together};
use crate::{
    entity::{
        session,
        session_record::{self, RecordKind},
    },
    error::Result,
    page::{Page, Slice},
    random,
    request::{Authentication, ConnectionInfo, ServiceIdentity, SessionRequest},
};

/// So many records are written with one statement: a statement has 32,766 values on SQLite.
const BATCH: usize = 1_000;

/// Who does something to sessions, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    from: Option<ConnectionInfo>,
    session: Option<Uuid>,
    service_key: Option<String>,
}

impl Actor {
    /// Whoever a request is from.
    pub(crate) fn of(request: &SessionRequest) -> Self {
        let session = match &request.authentication {
            Authentication::Session(claims) => Some(claims.session_id),
            _ => None,
        };
        Self {
            session,
            ..Self::opening(request)
        }
    }

    /// Who opens a session: whichever session came with the request has nothing to do with it.
    pub(crate) fn opening(request: &SessionRequest) -> Self {
        let from = request.ip.map(|ip| ConnectionInfo {
            ip,
            user_agent: request.user_agent.clone().unwrap_or_default(),
        });
        let service_key = match &request.authentication {
            Authentication::Service(identity) => Some(identity.name.clone()),
            _ => None,
        };
        Self {
            from: from.map(ConnectionInfo::normalized),
            session: None,
            service_key,
        }
    }

    /// By a token of this session, or by its opening.
    pub(crate) fn by_session(self, id: Uuid) -> Self {
        Self {
            session: Some(id),
            ..self
        }
    }

    /// By this service key, and by no session.
    pub(super) fn by_service_key(self, identity: &ServiceIdentity) -> Self {
        Self {
            session: None,
            service_key: Some(identity.name.clone()),
            ..self
        }
    }

    /// From there, whatever the request says.
    pub(super) fn with_connection(self, from: ConnectionInfo) -> Self {
        Self {
            from: Some(from),
            ..self
        }
    }
}

/// Which records to read: those for which all that is given holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordFilter {
    /// Of this account's sessions.
    pub account_id: Option<Uuid>,
    /// Of this session.
    pub session_id: Option<Uuid>,
    /// Of what happened since.
    pub since: Option<DateTime<Utc>>,
}

impl Sessions {
    /// Records of what happened to sessions, newest first: who opened, recovered or ended them, and from where. They are
    /// there for [`Policy::audit_retention`](super::Policy::audit_retention), also of sessions that are not there any more:
    ///
    /// ```
    /// use sessiongraph::{
    ///     error::Result,
    ///     page::Page,
    ///     session::{RecordFilter, Sessions},
    /// };
    /// use uuid::Uuid;
    ///
    /// async fn print_records(sessions: &Sessions, session_id: Uuid) -> Result<()> {
    ///     let of_session = RecordFilter { session_id: Some(session_id), ..RecordFilter::default() };
    ///     let newest = Page::from_arguments(Some(20), None, None, None)?;
    ///     for record in sessions.records(of_session, newest).await?.rows {
    ///         println!("{} {:?} from {:?}", record.at, record.kind, record.ip);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn records(
        &self,
        which: RecordFilter,
        page: Page,
    ) -> Result<Slice<session_record::Model>> {
        let select = page_of(which, page);
        let rows = self.db().query_all(&select).await?;
        let rows: Result<Vec<_>, _> = rows
            .iter()
            .map(|row| session_record::Model::from_query_result(row, ""))
            .collect();
        Ok(page.slice(rows?))
    }

    /// The same page of the records of each of several sessions, newest first.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn record_pages(
        &self,
        sessions: &[Uuid],
        page: Page,
    ) -> Result<HashMap<Uuid, Slice<session_record::Model>>> {
        let pages = sessions.iter().map(|session| {
            let of_session = RecordFilter {
                session_id: Some(*session),
                ..RecordFilter::default()
            };
            page_of(of_session, page)
        });
        let Some(select) = together(pages) else {
            return Ok(HashMap::new());
        };
        let mut by_session: HashMap<Uuid, Vec<session_record::Model>> = HashMap::new();
        for row in self.db().query_all(&select).await? {
            let record = session_record::Model::from_query_result(&row, "")?;
            by_session
                .entry(record.session_id)
                .or_default()
                .push(record);
        }
        Ok(sessions
            .iter()
            .map(|id| (*id, page.slice(by_session.remove(id).unwrap_or_default())))
            .collect())
    }

    /// How many records each of several sessions has; those that have none are left out.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn record_counts(&self, sessions: &[Uuid]) -> Result<HashMap<Uuid, i64>> {
        let counted: Vec<(Uuid, i64)> = session_record::Entity::find()
            .select_only()
            .column(session_record::Column::SessionId)
            .column_as(session_record::Column::Id.count(), "count")
            .filter(session_record::Column::SessionId.is_in(sessions.iter().copied()))
            .group_by(session_record::Column::SessionId)
            .into_tuple()
            .all(self.db())
            .await?;
        Ok(counted.into_iter().collect())
    }

    /// Writes down what a transaction does to sessions, as it has left them.
    pub(super) async fn record(
        &self,
        transaction: &DatabaseTransaction,
        kind: RecordKind,
        sessions: &[session::Model],
        actor: &Actor,
    ) -> Result<()> {
        for sessions in sessions.chunks(BATCH) {
            let records = sessions.iter().map(|session| {
                let at = match kind {
                    RecordKind::Created => session.created_at,
                    RecordKind::Recovered => session.refreshed_at,
                    RecordKind::Invalidated => {
                        session.invalidated_at.unwrap_or(session.refreshed_at)
                    }
                };
                // What was done first has the lesser id, also where an end took its time before it had the row.
                let ordered = if at < session.refreshed_at {
                    session.refreshed_at + TimeDelta::microseconds(1)
                } else {
                    at
                };
                let record = session_record::Model {
                    id: self.new_id(ordered)?,
                    session_id: session.id,
                    account_id: session.account_id,
                    kind,
                    reason: session.invalidation_reason,
                    at,
                    ip: actor.from.as_ref().map(|from| from.ip.to_string()),
                    user_agent: actor.from.as_ref().map(|from| from.user_agent.clone()),
                    by_session_id: actor.session,
                    by_service_key: actor.service_key.clone(),
                };
                Ok(record.into_active_model().reset_all())
            });
            let records: Vec<_> = records.collect::<Result<_>>()?;
            session_record::Entity::insert_many(records)
                .exec_without_returning(transaction)
                .await?;
        }
        Ok(())
    }
}

fn page_of(which: RecordFilter, page: Page) -> SelectStatement {
    let column = |column: session_record::Column| Expr::col(column);
    let id = || column(session_record::Column::Id);
    let of = |of: session_record::Column, id: Option<Uuid>| id.map(|id| column(of).eq(id));
    let order = if page.from_end {
        Order::Asc
    } else {
        Order::Desc
    };
    Query::select()
        .columns(session_record::Column::iter())
        .from(session_record::Entity)
        .cond_where(
            Condition::all()
                .add_option(of(session_record::Column::AccountId, which.account_id))
                .add_option(of(session_record::Column::SessionId, which.session_id))
                // The ids are those of the instants: no index has the instants themselves.
                .add_option(which.since.map(|since| id().gte(random::first_id(since))))
                .add_option(page.after.map(|after| id().lt(after)))
                .add_option(page.before.map(|before| id().gt(before))),
        )
        .order_by(session_record::Column::Id, order)
        .limit(u64::from(page.length) + 1)
        .to_owned()
}
