//! The one write of a refresh: conditional, and with everything that the answer needs.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, ExprTrait, FromQueryResult, Iden, Iterable,
    QueryResult,
    sea_query::{Expr, Query, Returning, UpdateStatement},
};
use uuid::Uuid;

use super::{Sessions, UserAgentBinding, find::is_live};
use crate::{
    entity::{account, session},
    error::Result,
    request::ConnectionInfo,
};

/// The session as it was written, and its account.
pub(super) type Exchanged = (session::Model, account::Model);

const OWNER: &str = r#""accounts"."id" = "sessions"."account_id""#;

/// From which state of the row to which.
#[derive(Debug)]
pub(super) struct Exchange {
    if_generation: i64,
    /// The rest of what was read, where a decision was made about it.
    if_read: Option<Read>,
    generation: i64,
    parent: Option<i64>,
}

#[derive(Debug)]
struct Read {
    parent: Option<i64>,
    user_agent: String,
}

impl Exchange {
    /// The current token for its successor, decided by the write itself.
    pub(super) fn usual(generation: i64) -> Self {
        let parent = Some(generation);
        Self {
            if_generation: generation,
            if_read: None,
            generation: generation + 1,
            parent,
        }
    }

    /// To another generation, provided that the row is still as it was when that was decided.
    pub(super) fn as_read(row: &session::Model, generation: i64, parent: Option<i64>) -> Self {
        let read = Read {
            parent: row.parent,
            user_agent: row.user_agent.clone(),
        };
        Self {
            if_generation: row.generation,
            if_read: Some(read),
            generation,
            parent,
        }
    }
}

impl Sessions {
    /// Writes the exchange and returns both rows, in one round trip. `None` where a condition did not hold.
    pub(super) async fn exchange(
        &self,
        session_id: Uuid,
        from: &ConnectionInfo,
        exchange: &Exchange,
    ) -> Result<Option<Exchanged>> {
        let now = self.0.clock.now();
        let column = |column: session::Column| Expr::col((session::Entity, column));
        let idle_end = now + self.0.policy.session_idle_ttl;
        let expires_at = Expr::case(
            column(session::Column::AbsoluteExpiresAt).lt(idle_end),
            column(session::Column::AbsoluteExpiresAt),
        )
        .finally(idle_end);
        let family = self.0.user_agents.families(&from.user_agent).family();
        let mut update = Query::update();
        update
            .table(session::Entity)
            .values([
                (session::Column::Generation, exchange.generation.into()),
                (session::Column::Parent, exchange.parent.into()),
                (session::Column::RefreshedAt, now.into()),
                (session::Column::LastSeenAt, now.into()),
                (session::Column::ExpiresAt, expires_at.into()),
                (session::Column::Ip, from.ip.to_string().into()),
                (session::Column::UserAgent, from.user_agent.clone().into()),
                (session::Column::UserAgentFamily, family.clone().into()),
            ])
            .and_where(column(session::Column::Id).eq(session_id))
            .and_where(column(session::Column::Generation).eq(exchange.if_generation))
            .cond_where(is_live(now));
        match &exchange.if_read {
            Some(read) => {
                let parent = column(session::Column::Parent);
                update
                    .and_where(column(session::Column::UserAgent).eq(read.user_agent.clone()))
                    .and_where(
                        read.parent
                            .map_or(parent.clone().is_null(), |read| parent.eq(read)),
                    );
            }
            None => {
                update.cond_where(self.same_agent(&from.user_agent, family));
            }
        }
        with_active_account(&mut update, self.0.db.get_database_backend());
        let row = self.0.db.query_one(&update).await?;
        row.as_ref().map(exchanged).transpose()
    }

    /// Whether the row's agent is the one presented. The families beside its text are those of the reader that wrote it;
    /// where a later one reads otherwise, the row itself is looked at.
    fn same_agent(&self, user_agent: &str, family: Option<String>) -> Condition {
        let equal = session::Column::UserAgent.eq(user_agent);
        let family = family.map(|family| session::Column::UserAgentFamily.eq(family));
        match self.0.policy.user_agent_binding {
            UserAgentBinding::Off => Condition::all(),
            UserAgentBinding::Exact => Condition::all().add(equal),
            UserAgentBinding::Family => Condition::any().add(equal).add_option(family),
        }
    }
}

/// Makes a session's update depend on its account being active, and return both rows.
fn with_active_account(update: &mut UpdateStatement, backend: DbBackend) {
    if backend == DbBackend::Postgres {
        update.from(account::Entity);
    }
    update
        .and_where(Expr::cust(account_is_active(backend)))
        .returning(Returning::new().exprs(returned(backend).map(Expr::cust)));
}

/// SQL: the session's account is active.
pub(super) fn account_is_active(backend: DbBackend) -> String {
    let active = format!(r#"{OWNER} AND "accounts"."deactivated_at" IS NULL"#);
    match backend {
        DbBackend::Postgres => active,
        // SQLite returns columns of the updated table only: the account is not joined.
        _ => format!(r#"EXISTS (SELECT 1 FROM "accounts" WHERE {active})"#),
    }
}

/// SQL: what an update of sessions returns, columns `s_…` and `a_…`.
pub(super) fn returned(backend: DbBackend) -> impl Iterator<Item = String> {
    let sessions = session::Column::iter().map(|column| {
        let name = column.to_string();
        format!(r#""sessions"."{name}" AS "s_{name}""#)
    });
    let accounts = account::Column::iter().map(move |column| {
        let name = column.to_string();
        match backend {
            DbBackend::Postgres => format!(r#""accounts"."{name}" AS "a_{name}""#),
            _ => format!(
                r#"(SELECT "accounts"."{name}" FROM "accounts" WHERE {OWNER}) AS "a_{name}""#
            ),
        }
    });
    sessions.chain(accounts)
}

/// Reads what [`returned`] returns.
pub(super) fn exchanged(row: &QueryResult) -> Result<Exchanged> {
    let session = session::Model::from_query_result(row, "s_")?;
    let account = account::Model::from_query_result(row, "a_")?;
    Ok((session, account))
}
