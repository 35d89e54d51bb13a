//! Lists of sessions: each is one statement, for however many accounts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Iterable, Order,
    QueryFilter, QuerySelect,
    sea_query::{Alias, Asterisk, Expr, ExprTrait, Query, SelectStatement, UnionType},
};
use uuid::Uuid;

use super::{Sessions, find::is_live};
use crate::{
    entity::{
        by_ids,
        session::{self, SessionStatus},
    },
    error::Result,
    page::{Page, Slice},
};

impl Sessions {
    /// Sessions by id.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn sessions_by_id(&self, ids: &[Uuid]) -> Result<Vec<session::Model>> {
        by_ids::find::<session::Column, _>(self.db(), "sessions", ids, session::Model::from_columns)
            .await
    }

    /// The same page of the sessions of each of several accounts, newest first.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn session_pages(
        &self,
        accounts: &[Uuid],
        status: Option<SessionStatus>,
        page: Page,
    ) -> Result<HashMap<Uuid, Slice<session::Model>>> {
        let now = self.clock().now();
        let pages = accounts
            .iter()
            .map(|account| page_of(*account, status, page, now));
        let Some(select) = together(pages) else {
            return Ok(HashMap::new());
        };
        let mut by_account: HashMap<Uuid, Vec<session::Model>> = HashMap::new();
        for row in self.db().query_all(&select).await? {
            let session = session::Model::from_query_result(&row, "")?;
            by_account
                .entry(session.account_id)
                .or_default()
                .push(session);
        }
        Ok(accounts
            .iter()
            .map(|id| (*id, page.slice(by_account.remove(id).unwrap_or_default())))
            .collect())
    }

    /// How many sessions each of several accounts has. It counts row by row: only for whom it is asked.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn session_counts(
        &self,
        accounts: &[Uuid],
        status: Option<SessionStatus>,
    ) -> Result<HashMap<Uuid, i64>> {
        let counted: Vec<(Uuid, i64)> = session::Entity::find()
            .select_only()
            .column(session::Column::AccountId)
            .column_as(session::Column::Id.count(), "count")
            .filter(session::Column::AccountId.is_in(accounts.iter().copied()))
            .filter(with_status(status, self.clock().now()))
            .group_by(session::Column::AccountId)
            .into_tuple()
            .all(self.db())
            .await?;
        Ok(counted.into_iter().collect())
    }
}

/// Several pages with one statement: each has its own limit, so it is an arm of a union, all from the same index.
pub(super) fn together(
    pages: impl IntoIterator<Item = SelectStatement>,
) -> Option<SelectStatement> {
    let mut arms = pages.into_iter().map(|page| {
        Query::select()
            .column(Asterisk)
            .from_subquery(page, Alias::new("page"))
            .to_owned()
    });
    let mut select = arms.next()?;
    for arm in arms {
        select.union(UnionType::All, arm);
    }
    Some(select)
}

fn page_of(
    account: Uuid,
    status: Option<SessionStatus>,
    page: Page,
    now: DateTime<Utc>,
) -> SelectStatement {
    let id = || Expr::col(session::Column::Id);
    let order = if page.from_end {
        Order::Asc
    } else {
        Order::Desc
    };
    Query::select()
        .columns(session::Column::iter())
        .from(session::Entity)
        .and_where(Expr::col(session::Column::AccountId).eq(account))
        .cond_where(with_status(status, now))
        .cond_where(
            Condition::all()
                .add_option(page.after.map(|after| id().lt(after)))
                .add_option(page.before.map(|before| id().gt(before))),
        )
        .order_by(session::Column::Id, order)
        .limit(u64::from(page.length) + 1)
        .to_owned()
}

fn with_status(status: Option<SessionStatus>, now: DateTime<Utc>) -> Condition {
    match status {
        None => Condition::all(),
        Some(SessionStatus::Active) => is_live(now),
        Some(SessionStatus::Invalidated) => {
            Condition::all().add(session::Column::InvalidatedAt.is_not_null())
        }
        Some(SessionStatus::Expired) => Condition::all()
            .add(session::Column::InvalidatedAt.is_null())
            .add(
                Condition::any()
                    .add(session::Column::ExpiresAt.lte(now))
                    .add(session::Column::AbsoluteExpiresAt.lte(now)),
            ),
    }
}
