//! Refreshes that arrive together share one write, each with its own outcome.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value, sea_query::ArrayType};
use uuid::Uuid;

use super::{
    Sessions, UserAgentBinding,
    exchange::{Exchange, Exchanged, account_is_active, exchanged, returned},
    find::padded,
    shared::Ask,
};
use crate::{crypto::opaque_token::RefreshToken, error::Result, request::ConnectionInfo};

/// One member of a shared write: the current token for its successor.
#[derive(Debug, Clone)]
pub(super) struct UsualExchange {
    session_id: Uuid,
    generation: i64,
    from: ConnectionInfo,
}

impl Sessions {
    /// Exchanges the current token for its successor, by one conditional write that is shared with those who come at the
    /// same time. `None` where a condition did not hold, or somebody else was writing the row.
    pub(super) async fn exchange_usual(
        &self,
        token: RefreshToken,
        from: &ConnectionInfo,
    ) -> Result<Option<Exchanged>> {
        let usual = UsualExchange {
            session_id: token.session_id,
            generation: token.generation.into(),
            from: from.clone(),
        };
        self.0.exchanges.ask(usual, || self.exchanges()).await
    }

    fn exchanges(&self) -> Ask<UsualExchange, Option<Exchanged>> {
        let sessions = self.clone();
        Arc::new(move |members| {
            let sessions = sessions.clone();
            Box::pin(async move { sessions.exchange_together(members).await })
        })
    }

    async fn exchange_together(
        &self,
        members: Vec<UsualExchange>,
    ) -> Vec<Result<Option<Exchanged>>> {
        if let [member] = &members[..] {
            return vec![self.exchange_singly(member).await];
        }
        // Each session once: whoever names it after another finds it exchanged.
        let mut once: HashMap<Uuid, UsualExchange> = HashMap::new();
        for member in &members {
            once.entry(member.session_id)
                .or_insert_with(|| member.clone());
        }
        match self.write_together(once.into_values().collect()).await {
            Ok(mut written) => members
                .iter()
                .map(|member| Ok(written.remove(&member.session_id)))
                .collect(),
            Err(error) => {
                tracing::debug!(error = ?error, "a shared write failed: its members write singly");
                join_all(members.iter().map(|member| self.exchange_singly(member))).await
            }
        }
    }

    async fn exchange_singly(&self, member: &UsualExchange) -> Result<Option<Exchanged>> {
        let usual = Exchange::usual(member.generation);
        self.exchange(member.session_id, &member.from, &usual).await
    }

    async fn write_together(
        &self,
        mut members: Vec<UsualExchange>,
    ) -> Result<HashMap<Uuid, Exchanged>> {
        members.sort_unstable_by_key(|member| member.session_id);
        let backend = self.db().get_database_backend();
        let (presented, mut values) = self.presented(backend, members);
        let now = self.clock().now();
        values.extend([now.into(), (now + self.policy().session_idle_ttl).into()]);
        let sql = self.shared_write(backend, &presented, values.len());
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let rows = self.db().query_all_raw(statement).await?;
        let written = rows.iter().map(|row| {
            let exchanged = exchanged(row)?;
            Ok((exchanged.0.id, exchanged))
        });
        written.collect()
    }

    /// SQL of a table with what each member presents, and its values. PostgreSQL takes columns as arrays: one statement for
    /// any number of members. SQLite takes rows.
    fn presented(&self, backend: DbBackend, members: Vec<UsualExchange>) -> (String, Vec<Value>) {
        let columns = |member: UsualExchange| -> [Value; 5] {
            let families = self.0.user_agents.families(&member.from.user_agent);
            [
                member.session_id.into(),
                member.generation.into(),
                member.from.ip.to_string().into(),
                // No array with nulls.
                families.family().unwrap_or_default().into(),
                member.from.user_agent.into(),
            ]
        };
        if backend == DbBackend::Postgres {
            let mut arrays = [const { Vec::new() }; 5];
            for member in members {
                for (array, value) in arrays.iter_mut().zip(columns(member)) {
                    array.push(value);
                }
            }
            let types = [
                ArrayType::Uuid,
                ArrayType::BigInt,
                ArrayType::String,
                ArrayType::String,
                ArrayType::String,
            ];
            let arrays = types.into_iter().zip(arrays);
            let values = arrays.map(|(of, array)| Value::Array(of, Some(Box::new(array))));
            let unnested = "SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[])";
            return (unnested.to_owned(), values.collect());
        }
        let values: Vec<Value> = padded(members).into_iter().flat_map(columns).collect();
        let rows: Vec<String> = (0..values.len())
            .step_by(5)
            .map(|at| {
                let places: Vec<_> = (at + 1..=at + 5).map(|n| format!("${n}")).collect();
                format!("({})", places.join(", "))
            })
            .collect();
        (format!("VALUES {}", rows.join(", ")), values)
    }

    /// SQL of the write; its last two values are now, and when a session ends that is idle from now on.
    ///
    /// On PostgreSQL it waits for nobody: rows that somebody else is writing are left out, and their members write singly
    /// (two shared writes that waited for each other's rows would be a deadlock). What is locked may be newer than what
    /// the statement saw at first: PostgreSQL looks at the conditions again.
    fn shared_write(&self, backend: DbBackend, presented: &str, values: usize) -> String {
        let (now, idle_end) = (format!("${}", values - 1), format!("${values}"));
        let agent = match self.policy().user_agent_binding {
            UserAgentBinding::Off => "TRUE",
            UserAgentBinding::Exact => r#""sessions"."user_agent" = p.user_agent"#,
            UserAgentBinding::Family => {
                r#"("sessions"."user_agent" = p.user_agent OR "sessions"."user_agent_family" = NULLIF(p.family, ''))"#
            }
        };
        let (locked, from, only_locked) = if backend == DbBackend::Postgres {
            (
                r#", locked AS (SELECT s.id FROM "sessions" s JOIN presented p ON p.id = s.id AND p.generation = s.generation
                   ORDER BY s.id FOR UPDATE OF s SKIP LOCKED)"#,
                r#"presented p, locked, "accounts""#,
                r#"AND locked.id = "sessions"."id""#,
            )
        } else {
            ("", "presented p", "")
        };
        let returned: Vec<String> = returned(backend).collect();
        format!(
            r#"WITH presented (id, generation, ip, family, user_agent) AS ({presented}){locked}
            UPDATE "sessions" SET
                "generation" = p.generation + 1, "parent" = p.generation,
                "refreshed_at" = {now}, "last_seen_at" = {now},
                "expires_at" = CASE WHEN "sessions"."absolute_expires_at" < {idle_end}
                    THEN "sessions"."absolute_expires_at" ELSE {idle_end} END,
                "ip" = p.ip, "user_agent" = p.user_agent, "user_agent_family" = NULLIF(p.family, '')
            FROM {from}
            WHERE "sessions"."id" = p.id {only_locked} AND "sessions"."generation" = p.generation
                AND "sessions"."invalidated_at" IS NULL AND "sessions"."expires_at" > {now}
                AND "sessions"."absolute_expires_at" > {now} AND {agent} AND {active}
            RETURNING {returned}"#,
            active = account_is_active(backend),
            returned = returned.join(", "),
        )
    }
}
