//! The request's own session, read from the database.

use std::sync::Arc;

use async_graphql::Context;
use tokio::sync::OnceCell;

use crate::{
    account::Accounts,
    error::{Error, ErrorKind, Result, UnauthenticatedReason},
    request::{Authentication, Operation, ServiceIdentity, SessionRequest},
    scope::Scope,
    session::{CurrentSession, Sessions},
};

/// What one operation has read of its session. A query reads once, for however many fields; a mutation reads anew for
/// each, because the field before may have ended it.
#[derive(Default)]
pub(super) struct Current(OnceCell<Result<Option<Arc<CurrentSession>>>>);

/// The request's session, as the extension has put it into the request's data.
pub(super) fn request<'a>(ctx: &Context<'a>) -> Result<&'a SessionRequest> {
    ctx.data_opt()
        .ok_or_else(|| Error::internal("SessionExtension is not registered"))
}

pub(super) fn sessions<'a>(ctx: &Context<'a>) -> Result<&'a Sessions> {
    accounts(ctx).map(Accounts::sessions)
}

pub(super) fn accounts<'a>(ctx: &Context<'a>) -> Result<&'a Accounts> {
    ctx.data_opt()
        .ok_or_else(|| Error::internal("the schema has no Accounts"))
}

/// The session of the request that a resolver answers, if it has one: for resolvers of your own. A query reads it once,
/// for however many fields and guards.
///
/// # Errors
///
/// As [`Sessions::current_session`].
pub async fn current_session(ctx: &Context<'_>) -> Result<Option<Arc<CurrentSession>>> {
    let (sessions, request) = (sessions(ctx)?, request(ctx)?);
    let read = || async { Ok(sessions.current_session(request).await?.map(Arc::new)) };
    match ctx.data_opt::<Current>() {
        Some(current) if request.operation == Operation::Query => {
            current.0.get_or_init(read).await.clone()
        }
        _ => read().await,
    }
}

/// The session of the request that a resolver answers, which needs one:
///
/// ```
/// use async_graphql::{Context, Object};
/// use sessiongraph::{error::Result, graphql::require_session};
///
/// struct Greetings;
///
/// #[Object]
/// impl Greetings {
///     async fn hello_me(&self, ctx: &Context<'_>) -> Result<String> {
///         let current = require_session(ctx).await?;
///         Ok(format!("Hello, {}!", current.account.id))
///     }
/// }
/// ```
///
/// # Errors
///
/// As [`Sessions::require_session`].
pub async fn require_session(ctx: &Context<'_>) -> Result<Arc<CurrentSession>> {
    match requester(ctx).await? {
        Requester::User(current) => Ok(current),
        Requester::Service(_) => Err(ErrorKind::Forbidden.into()),
    }
}

/// The request's session, for what shows itself to its owner only. A token that does not hold makes nobody of its bearer:
/// the fields that want a session say why.
pub(super) async fn own_session(ctx: &Context<'_>) -> Result<Option<Arc<CurrentSession>>> {
    match current_session(ctx).await {
        Err(error) if matches!(error.kind(), ErrorKind::Unauthenticated(_)) => Ok(None),
        own => own,
    }
}

/// Who may ask for accounts that are not its own.
pub(super) enum Requester {
    /// A signed-in account.
    User(Arc<CurrentSession>),
    /// A backend with a service key.
    Service(ServiceIdentity),
}

/// Who asks, for fields that want somebody.
pub(super) async fn requester(ctx: &Context<'_>) -> Result<Requester> {
    if let Authentication::Service(identity) = &request(ctx)?.authentication {
        return Ok(Requester::Service(identity.clone()));
    }
    let current = current_session(ctx).await?;
    current
        .map(Requester::User)
        .ok_or_else(|| Error::unauthenticated(UnauthenticatedReason::MissingToken))
}

/// The service key of a request that needs one with a scope: everybody else is `FORBIDDEN`, who is nobody is told to
/// sign in.
pub(super) async fn require_scope(ctx: &Context<'_>, scope: Scope) -> Result<()> {
    match requester(ctx).await? {
        Requester::Service(identity) if identity.scopes.contains(scope) => Ok(()),
        _ => Err(ErrorKind::Forbidden.into()),
    }
}

/// Whether the request has a service key with a scope.
pub(super) fn has_scope(ctx: &Context<'_>, scope: Scope) -> bool {
    let identity = request(ctx).ok().map(|request| &request.authentication);
    matches!(identity, Some(Authentication::Service(identity)) if identity.scopes.contains(scope))
}
