//! Keys that differ by tenant: a token of one is worth nothing at another, although one engine serves all.
//!
//! ```sh
//! cargo run --example tenants
//! curl http://red.localhost:4003/graphql -H 'content-type: application/json' \
//!   -d '{"query": "mutation { signUp(input: {username: \"ada\", password: \"correct horse\"}) { tokens { accessToken } } }"}'
//! ```
//!
//! The accounts are one table: who has signed up at one tenant may sign in at each, and gets other tokens there. Tenants
//! that must not share people have a database each, and an engine each.

use std::{collections::HashMap, error::Error, net::SocketAddr, sync::Arc};

use async_graphql::Schema;
use async_graphql_axum::{GraphQLRequest, GraphQLResponse};
use async_trait::async_trait;
use axum::{
    Router,
    extract::{FromRef, Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use secrecy::SecretString;
use sessiongraph::{
    account::Accounts,
    crypto::password::PasswordPolicy,
    database::{DatabaseOptions, connect, migrate},
    error::Result,
    graphql::{SessionMutation, SessionQuery, SessionSubscription, extend},
    http::HttpSessions,
    keys::{FixedSecret, KeySet, TokenKeys},
    request::SessionRequest,
    session::{CurrentSession, Sessions},
};
use tokio::net::TcpListener;

/// Whom a request is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Tenant(String);

/// The keys of all tenants. They are asked for several times a request, so they are in memory; where a key store is asked
/// over the network, its answers are kept here.
#[derive(Debug, Clone)]
struct TenantKeys {
    tenants: Arc<HashMap<Tenant, FixedSecret>>,
    /// For what is no tenant's: service keys that commands create, and the counters of limits.
    own: FixedSecret,
}

impl TenantKeys {
    fn new(own: &str, secrets: &[(&str, &str)]) -> Result<Self> {
        let keys = |secret: &str| FixedSecret::new(&SecretString::from(secret));
        let tenants = secrets
            .iter()
            .map(|(tenant, secret)| Ok((Tenant((*tenant).to_owned()), keys(secret)?)));
        Ok(Self {
            tenants: Arc::new(tenants.collect::<Result<_>>()?),
            own: keys(own)?,
        })
    }
}

#[async_trait]
impl TokenKeys for TenantKeys {
    async fn keys(&self, request: &SessionRequest) -> Result<Arc<KeySet>> {
        let tenant = request.extensions.get::<Tenant>();
        let keys = tenant.and_then(|tenant| self.tenants.get(tenant));
        keys.unwrap_or(&self.own).keys(request).await
    }
}

/// Puts the tenant that the `Host` names into the request, from where the engine's keys see it.
async fn find_tenant(State(keys): State<TenantKeys>, mut request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let name = host.and_then(|host| host.to_str().ok()?.split('.').next());
    let tenant = name.map(|name| Tenant(name.to_owned()));
    match tenant.filter(|tenant| keys.tenants.contains_key(tenant)) {
        Some(tenant) => {
            request.extensions_mut().insert(tenant);
            next.run(request).await
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

type AppSchema = Schema<SessionQuery, SessionMutation, SessionSubscription>;

/// What the handlers share.
#[derive(Clone, FromRef)]
struct AppState {
    schema: AppSchema,
    http: HttpSessions,
}

/// The session request brings the extensions of the HTTP request along, and so the tenant.
async fn graphql(
    State(schema): State<AppSchema>,
    session_request: SessionRequest,
    request: GraphQLRequest,
) -> GraphQLResponse {
    let request = request.into_inner().data(session_request);
    schema.execute(request).await.into()
}

async fn me(current: CurrentSession) -> String {
    current.account.username.unwrap_or_default()
}

/// The whole application over a database.
///
/// # Errors
///
/// What the database says.
pub(crate) async fn app(database_url: &str) -> Result<Router> {
    let db = connect(&DatabaseOptions::new(database_url)).await?;
    migrate(&db).await?;
    let keys = TenantKeys::new(
        "the secret of the application itself",
        &[
            ("red", "the secret of the tenant that is called red"),
            ("blue", "the secret of the tenant that is called blue"),
        ],
    )?;
    let sessions = Sessions::builder(db).keys(keys.clone()).build()?;
    let accounts = Accounts::new(sessions.clone(), PasswordPolicy::default())?;
    let roots = Schema::build(SessionQuery, SessionMutation, SessionSubscription);
    let state = AppState {
        schema: extend(roots, accounts).finish(),
        http: HttpSessions::new(sessions),
    };
    Ok(Router::new()
        .route("/graphql", post(graphql))
        .route("/me", get(me))
        .with_state(state)
        .layer(from_fn_with_state(keys, find_tenant)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let router = app("sqlite://tenants.db").await?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(TcpListener::bind("127.0.0.1:4003").await?, service).await?;
    Ok(())
}
