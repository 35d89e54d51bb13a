//! The one write of a refresh. Exchanges of current tokens that arrive together share it, each with its own outcome.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use super::{
    Sessions,
    shared::Ask,
    statements::{Exchanged, exchanged},
};
use crate::{
    crypto::opaque_token::RefreshToken, entity::session, error::Result, request::ConnectionInfo,
};

/// The current token for its successor: the write itself decides whether it is the current one.
#[derive(Debug, Clone)]
pub(super) struct UsualExchange {
    session_id: Uuid,
    generation: i64,
    from: ConnectionInfo,
}

/// To another generation, provided that the row is still as it was when that was decided.
pub(super) struct ExchangeAsRead<'a> {
    pub(super) row: &'a session::Model,
    pub(super) generation: i64,
    pub(super) parent: Option<i64>,
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

    /// Writes the exchange and returns both rows, in one round trip. `None` where a condition did not hold.
    pub(super) async fn exchange_as_read(
        &self,
        connection: &impl ConnectionTrait,
        from: &ConnectionInfo,
        exchange: &ExchangeAsRead<'_>,
    ) -> Result<Option<Exchanged>> {
        let ExchangeAsRead {
            row,
            generation,
            parent,
        } = *exchange;
        let usual = self.values(row.id, row.generation, from.clone());
        let more = [
            row.user_agent.as_str().into(),
            row.parent.into(),
            generation.into(),
            parent.into(),
        ];
        let statement = self
            .0
            .statements
            .exchange_as_read(self.at_this_time(usual), more);
        let row = connection.query_one_raw(statement).await?;
        row.as_ref().map(exchanged).transpose()
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
        mut members: Vec<UsualExchange>,
    ) -> Vec<Result<Option<Exchanged>>> {
        if members.len() == 1 {
            let alone = members.drain(..).map(|member| self.exchange_singly(member));
            return join_all(alone).await;
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
                let singly = members
                    .into_iter()
                    .map(|member| self.exchange_singly(member));
                join_all(singly).await
            }
        }
    }

    async fn exchange_singly(&self, member: UsualExchange) -> Result<Option<Exchanged>> {
        let usual = self.values(member.session_id, member.generation, member.from);
        let statement = self.0.statements.exchange_usual(self.at_this_time(usual));
        let rows = self.0.hot.query_all(statement).await?;
        rows.first().map(exchanged).transpose()
    }

    async fn write_together(
        &self,
        mut members: Vec<UsualExchange>,
    ) -> Result<HashMap<Uuid, Exchanged>> {
        members.sort_unstable_by_key(|member| member.session_id);
        let members = members
            .into_iter()
            .map(|member| self.values(member.session_id, member.generation, member.from));
        let [now, idle_end] = self.now_and_idle_end();
        let statement = self
            .0
            .statements
            .exchange_together(members.collect(), now, idle_end);
        let rows = self.0.hot.query_all(statement).await?;
        let written = rows.iter().map(|row| {
            let exchanged = exchanged(row)?;
            Ok((exchanged.0.id, exchanged))
        });
        written.collect()
    }

    fn values(&self, session_id: Uuid, generation: i64, from: ConnectionInfo) -> [Value; 5] {
        let families = self.0.user_agents.families(&from.user_agent);
        [
            session_id.into(),
            generation.into(),
            from.ip.to_string().into(),
            from.user_agent.into(),
            // Arrays have no nulls.
            families.family().unwrap_or_default().into(),
        ]
    }

    fn at_this_time(&self, [id, generation, ip, agent, family]: [Value; 5]) -> [Value; 7] {
        let [now, idle_end] = self.now_and_idle_end();
        [id, generation, ip, agent, family, now, idle_end]
    }

    fn now_and_idle_end(&self) -> [Value; 2] {
        let now = self.clock().now();
        [now.into(), (now + self.policy().session_idle_ttl).into()]
    }
}
