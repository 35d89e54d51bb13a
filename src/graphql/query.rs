//! The contract's queries.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    current::{
        Requester, accounts, current_session, has_scope, own_session, requester, require_scope,
    },
    subgraph::Representations,
    types::{self, Account, AccountBy, AccountConnection, Session},
};
use crate::{
    account::{AccountSelector, Email, Username},
    error::{ErrorKind, Result},
    page::Page,
    scope::Scope,
};

/// The queries, to merge into a schema of your own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionQuery;

#[Object]
impl SessionQuery {
    /// The session that the request's access token belongs to, read from the database, so that it is right the moment
    /// after an invalidation. Null, with no error, when the request carries no token or a service key. With a token that
    /// does not hold: null and one error (see the error codes).
    async fn session(&self, ctx: &Context<'_>) -> Result<Option<Session>> {
        let current = current_session(ctx).await?;
        Ok(current.map(|current| {
            Session::granted(current.session.clone(), Arc::new(current.account.clone()))
        }))
    }

    /// The signed-in account: the short way to session.account. Null when session is.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Option<Account>> {
        let current = current_session(ctx).await?;
        Ok(current.map(|current| Account::granted(Arc::new(current.account.clone()))))
    }

    /// One account. Users: their own; for any other, whether it exists or not, FORBIDDEN. Service keys with accounts:read:
    /// any, null when there is none.
    async fn account(&self, ctx: &Context<'_>, by: AccountBy) -> Result<Option<Account>> {
        match requester(ctx).await? {
            Requester::Service(identity) if identity.scopes.contains(Scope::AccountsRead) => {
                let found = match selector(by) {
                    Some(by) => accounts(ctx)?.find(by).await?,
                    None => None,
                };
                Ok(found.map(|row| Account::granted(Arc::new(row))))
            }
            Requester::Service(_) => Err(ErrorKind::Forbidden.into()),
            Requester::User(own) => {
                let own = &own.account;
                let is_own = match selector(by) {
                    Some(AccountSelector::Id(id)) => id == own.id,
                    Some(AccountSelector::Username(name)) => {
                        own.username.as_deref() == Some(&name.into_string())
                    }
                    Some(AccountSelector::Email(email)) => {
                        own.email.as_deref() == Some(&email.into_string())
                    }
                    None => false,
                };
                if is_own {
                    Ok(Some(Account::granted(Arc::new(own.clone()))))
                } else {
                    Err(ErrorKind::Forbidden.into())
                }
            }
        }
    }

    /// All accounts, newest first. Service keys with accounts:read only. Pages as on Account.sessions.
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<AccountConnection> {
        require_scope(ctx, Scope::AccountsRead).await?;
        let page = Page::from_arguments(first, after.as_deref(), last, before.as_deref())?;
        Ok(types::account_page(accounts(ctx)?.page(page).await?))
    }
}

/// Which account is meant; `None` where it can be nobody's.
fn selector(by: AccountBy) -> Option<AccountSelector> {
    match by {
        AccountBy::Id(id) => types::id(&id).map(AccountSelector::Id),
        AccountBy::Username(name) => Username::parse(&name).ok().map(AccountSelector::Username),
        AccountBy::Email(address) => Email::parse(&address).ok().map(AccountSelector::Email),
    }
}

/// The entities of the federated subgraph. Beside [`SessionQuery`], because entity resolvers make a subgraph of every
/// schema that they are merged into.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionEntities;

#[Object]
impl SessionEntities {
    /// Everybody may name an account; its private fields show themselves to whom they may.
    #[graphql(entity)]
    async fn account_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Account>> {
        let Some(id) = types::id(&id) else {
            return Ok(None);
        };
        Ok(Representations::account(ctx, id)
            .await?
            .map(Account::by_requester))
    }

    /// The owner's, and for service keys with sessions:read.
    #[graphql(entity)]
    async fn session_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Session>> {
        let Some(id) = types::id(&id) else {
            return Ok(None);
        };
        let Some(row) = Representations::session(ctx, id).await? else {
            return Ok(None);
        };
        let visible = has_scope(ctx, Scope::SessionsRead)
            || own_session(ctx)
                .await?
                .is_some_and(|own| own.account.id == row.account_id);
        Ok(visible.then(|| Session::by_requester(row)))
    }
}
