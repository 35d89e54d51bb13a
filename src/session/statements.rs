//! The two statements of the hot paths, as texts: reading a session with its account, and exchanging its refresh token.
//!
//! What a text is made of is known when the engine begins; what differs from request to request are values. Columns come in
//! the order of the entities, and are read by their places.

use sea_orm::{DbBackend, Iden, Iterable, QueryResult, Statement, Value, sea_query::ArrayType};
use uuid::Uuid;

use super::{UserAgentBinding, find::SessionOfAccount};
use crate::{
    entity::{
        account,
        by_ids::{self, columns, padded, places},
        session,
    },
    error::Result,
};

/// The session as it was written, and its account.
pub(super) type Exchanged = (session::Model, account::Model);

const OWNER: &str = r#""accounts"."id" = "sessions"."account_id""#;

/// What is known of the statements when the engine begins.
pub(super) struct Statements {
    backend: DbBackend,
    binding: UserAgentBinding,
    /// `SELECT` of both rows, up to what the session's id is compared with.
    read: String,
    /// What a write returns.
    returned: String,
    exchange_usual: String,
    exchange_as_read: String,
}

/// What a member of an exchange is found and written with; SQL.
struct Terms<'a> {
    /// Tables before the update.
    with: &'a str,
    /// Tables beside the updated one and `accounts`.
    tables: &'a [&'a str],
    id: &'a str,
    if_generation: &'a str,
    /// The rest of what the row has to be like.
    condition: &'a str,
    generation: &'a str,
    parent: &'a str,
    ip: &'a str,
    user_agent: &'a str,
    /// The empty text where there is none.
    family: &'a str,
    now: &'a str,
    /// When a session ends that is idle from now on.
    idle_end: &'a str,
}

impl Statements {
    pub(super) fn new(backend: DbBackend, binding: UserAgentBinding) -> Self {
        let sessions = columns::<session::Column>("sessions");
        let read = format!(
            r#"SELECT {sessions}, {accounts} FROM "sessions" LEFT JOIN "accounts" ON {OWNER} WHERE "sessions"."id""#,
            accounts = columns::<account::Column>("accounts"),
        );
        let returned = match backend {
            DbBackend::Postgres => columns::<account::Column>("accounts"),
            // SQLite returns columns of the updated table only: the account is not joined.
            _ => account::Column::iter()
                .map(|column| {
                    format!(
                        r#"(SELECT "accounts"."{}" FROM "accounts" WHERE {OWNER})"#,
                        column.to_string()
                    )
                })
                .collect::<Vec<_>>()
                .join(", "),
        };
        let mut statements = Self {
            backend,
            binding,
            read,
            returned: format!("{sessions}, {returned}"),
            exchange_usual: String::new(),
            exchange_as_read: String::new(),
        };
        let usual = Terms {
            with: "",
            tables: &[],
            id: "$1",
            if_generation: "$2",
            condition: &statements.same_agent("$4", "$5"),
            generation: "$2 + 1",
            parent: "$2",
            ip: "$3",
            user_agent: "$4",
            family: "$5",
            now: "$6",
            idle_end: "$7",
        };
        let as_read = Terms {
            condition: r#""sessions"."user_agent" = $8 AND "sessions"."parent" IS NOT DISTINCT FROM $9"#,
            generation: "$10",
            parent: "$11",
            ..usual
        };
        let texts = [statements.exchange(&usual), statements.exchange(&as_read)];
        [statements.exchange_usual, statements.exchange_as_read] = texts;
        statements
    }

    /// Reads sessions with their accounts: [`session_of_account`] of each row.
    pub(super) fn read(&self, ids: &[Uuid]) -> Statement {
        by_ids::statement(self.backend, &self.read, ids)
    }

    /// Exchanges the current token for its successor: [`exchanged`] of the row, if there is one.
    ///
    /// The values: id, generation, ip, agent, family, now, idle end.
    pub(super) fn exchange_usual(&self, values: [Value; 7]) -> Statement {
        Statement::from_sql_and_values(self.backend, &self.exchange_usual, values)
    }

    /// To another generation, where the row is as it was read: [`exchanged`] of the row, if there is one.
    ///
    /// The values: those of [`Statements::exchange_usual`], and the agent and parent as they were read, and the generation
    /// and parent to write.
    pub(super) fn exchange_as_read(&self, usual: [Value; 7], more: [Value; 4]) -> Statement {
        let values = usual.into_iter().chain(more);
        Statement::from_sql_and_values(self.backend, &self.exchange_as_read, values)
    }

    /// Exchanges the current tokens of several sessions: [`exchanged`] of each row that it was done to. Each session may be
    /// named once. The first five values of each are those of [`Statements::exchange_usual`].
    ///
    /// On PostgreSQL it waits for nobody: rows that somebody else is writing are left out (two shared writes that waited
    /// for each other's rows would be a deadlock). What is locked may be newer than what the statement saw at first:
    /// PostgreSQL looks at the conditions again.
    pub(super) fn exchange_together(
        &self,
        members: Vec<[Value; 5]>,
        now: Value,
        idle_end: Value,
    ) -> Statement {
        let (presented, mut values) = self.presented(members);
        let (now_at, idle_end_at) = (values.len() + 1, values.len() + 2);
        values.extend([now, idle_end]);
        let names = "presented (id, generation, ip, user_agent, family)";
        let (locked, tables, only_locked): (_, &[&str], _) = match self.backend {
            DbBackend::Postgres => (
                r#", locked AS (SELECT s.id FROM "sessions" s JOIN presented p ON p.id = s.id AND p.generation = s.generation
                   ORDER BY s.id FOR UPDATE OF s SKIP LOCKED)"#,
                &["presented p", "locked"],
                r#" AND locked.id = "sessions"."id""#,
            ),
            _ => ("", &["presented p"], ""),
        };
        let same_agent = self.same_agent("p.user_agent", "p.family");
        let text = self.exchange(&Terms {
            with: &format!("WITH {names} AS ({presented}){locked} "),
            tables,
            id: "p.id",
            if_generation: "p.generation",
            condition: &format!("{same_agent}{only_locked}"),
            generation: "p.generation + 1",
            parent: "p.generation",
            ip: "p.ip",
            user_agent: "p.user_agent",
            family: "p.family",
            now: &format!("${now_at}"),
            idle_end: &format!("${idle_end_at}"),
        });
        Statement::from_sql_and_values(self.backend, text, values)
    }

    /// SQL of a table with what each member presents, and its values. PostgreSQL takes columns as arrays: one statement for
    /// any number of members. SQLite takes rows.
    fn presented(&self, members: Vec<[Value; 5]>) -> (String, Vec<Value>) {
        if self.backend == DbBackend::Postgres {
            let mut arrays = [const { Vec::new() }; 5];
            for member in members {
                for (array, value) in arrays.iter_mut().zip(member) {
                    array.push(value);
                }
            }
            let text = ArrayType::String;
            let types = [
                ArrayType::Uuid,
                ArrayType::BigInt,
                text.clone(),
                text.clone(),
                text,
            ];
            let arrays = types.into_iter().zip(arrays);
            let values = arrays.map(|(of, array)| Value::Array(of, Some(Box::new(array))));
            let unnested = "SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[])";
            return (unnested.to_owned(), values.collect());
        }
        let members = padded(members);
        let rows = vec![places(5); members.len()].join(", ");
        let values = members.into_iter().flatten().collect();
        (format!("VALUES {rows}"), values)
    }

    /// The one write of a refresh: conditional, and with everything that the answer needs.
    fn exchange(&self, terms: &Terms<'_>) -> String {
        let mut tables = terms.tables.to_vec();
        let mut account_is_active = format!(r#"{OWNER} AND "accounts"."deactivated_at" IS NULL"#);
        if self.backend == DbBackend::Postgres {
            tables.push(r#""accounts""#);
        } else {
            account_is_active =
                format!(r#"EXISTS (SELECT 1 FROM "accounts" WHERE {account_is_active})"#);
        }
        let from = match &tables[..] {
            [] => String::new(),
            tables => format!("FROM {}", tables.join(", ")),
        };
        let Terms {
            with,
            id,
            if_generation,
            condition,
            generation,
            parent,
            ip,
            user_agent,
            family,
            now,
            idle_end,
            ..
        } = terms;
        format!(
            r#"{with}UPDATE "sessions" SET
                "generation" = {generation}, "parent" = {parent},
                "refreshed_at" = {now}, "last_seen_at" = {now},
                "expires_at" = CASE WHEN "sessions"."absolute_expires_at" < {idle_end}
                    THEN "sessions"."absolute_expires_at" ELSE {idle_end} END,
                "ip" = {ip}, "user_agent" = {user_agent}, "user_agent_family" = NULLIF({family}, '')
            {from}
            WHERE "sessions"."id" = {id} AND "sessions"."generation" = {if_generation}
                AND "sessions"."invalidated_at" IS NULL AND "sessions"."expires_at" > {now}
                AND "sessions"."absolute_expires_at" > {now} AND {condition} AND {account_is_active}
            RETURNING {returned}"#,
            returned = self.returned,
        )
    }

    /// SQL: the row's agent is the one presented. The families beside its text are those of the reader that wrote it; where
    /// a later one reads otherwise, the row itself is looked at.
    fn same_agent(&self, user_agent: &str, family: &str) -> String {
        let same_text = format!(r#""sessions"."user_agent" = {user_agent}"#);
        match self.binding {
            UserAgentBinding::Off => "TRUE".to_owned(),
            UserAgentBinding::Exact => same_text,
            UserAgentBinding::Family => {
                format!(r#"({same_text} OR "sessions"."user_agent_family" = NULLIF({family}, ''))"#)
            }
        }
    }
}

/// A row that [`Statements::read`] reads.
pub(super) fn session_of_account(row: &QueryResult) -> Result<SessionOfAccount> {
    let session = session::Model::from_columns(row, 0)?;
    let first = session::Column::iter().len();
    let account = match row.try_get_by_index::<Option<Uuid>>(first)? {
        Some(_) => Some(account::Model::from_columns(row, first)?),
        None => None,
    };
    Ok((session, account))
}

/// A row that an exchange returns.
pub(super) fn exchanged(row: &QueryResult) -> Result<Exchanged> {
    let session = session::Model::from_columns(row, 0)?;
    let account = account::Model::from_columns(row, session::Column::iter().len())?;
    Ok((session, account))
}
