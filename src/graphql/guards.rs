//! Guards: a resolver of your own schema protected in one line.

use std::time::Duration;

use async_graphql::{Context, Guard};

use super::current::{require_scope, require_session, sessions};
use crate::{
    error::{Error, ErrorKind},
    scope::Scope,
};

/// For somebody who is signed in, with a session that stands at this moment.
///
/// Who is not gets `UNAUTHENTICATED` with its reason and action, a service key `FORBIDDEN`. A query reads the session
/// once, for however many guarded fields.
///
/// ```
/// use async_graphql::Object;
/// use sessiongraph::graphql::SignedIn;
///
/// struct Notes;
///
/// #[Object]
/// impl Notes {
///     #[graphql(guard = "SignedIn")]
///     async fn notes(&self) -> Vec<String> {
///         Vec::new()
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SignedIn;

impl Guard for SignedIn {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        require_session(ctx).await?;
        Ok(())
    }
}

/// For somebody who has signed in at most this long ago; refreshing does not count.
///
/// Whose sign-in is older gets `FORBIDDEN` with reason `SIGN_IN_TOO_OLD` and action `SIGN_IN`; everybody else as with
/// [`SignedIn`].
///
/// ```
/// use std::time::Duration;
///
/// use async_graphql::Object;
/// use sessiongraph::graphql::FreshSignIn;
///
/// struct Danger;
///
/// #[Object]
/// impl Danger {
///     #[graphql(guard = "FreshSignIn(Duration::from_mins(5))")]
///     async fn delete_everything(&self) -> bool {
///         true
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct FreshSignIn(pub Duration);

impl Guard for FreshSignIn {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        let current = require_session(ctx).await?;
        Ok(sessions(ctx)?.require_fresh(&current, self.0)?)
    }
}

/// For somebody whose account has a permission, as the database has it at this moment. Everybody else who is signed in is
/// `FORBIDDEN`.
///
/// ```
/// use async_graphql::Object;
/// use sessiongraph::graphql::Permission;
///
/// struct Reports;
///
/// #[Object]
/// impl Reports {
///     #[graphql(guard = "Permission(\"reports:read\")")]
///     async fn revenue(&self) -> i32 {
///         0
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Permission(pub &'static str);

impl Guard for Permission {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        let current = require_session(ctx).await?;
        if current.account.permission_list().any(|has| has == self.0) {
            return Ok(());
        }
        Err(Error::from(ErrorKind::Forbidden).into())
    }
}

/// For backends whose service key has a scope. Everybody else is `FORBIDDEN`, whoever is nobody is told to sign in.
///
/// ```
/// use async_graphql::Object;
/// use sessiongraph::{graphql::ServiceScope, scope::Scope};
///
/// struct Imports;
///
/// #[Object]
/// impl Imports {
///     #[graphql(guard = "ServiceScope(Scope::AccountsWrite)")]
///     async fn import(&self) -> bool {
///         true
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ServiceScope(pub Scope);

impl Guard for ServiceScope {
    async fn check(&self, ctx: &Context<'_>) -> async_graphql::Result<()> {
        Ok(require_scope(ctx, self.0).await?)
    }
}
