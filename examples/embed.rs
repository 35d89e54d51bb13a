//! Sessions in a server of your own: its schema merges ours, guards protect its fields, an extractor its other routes, and
//! hooks add a claim, turn requests away and reword an error.
//!
//! ```sh
//! cargo run --example embed
//! ```

use std::{error::Error, net::SocketAddr, time::Duration};

use async_graphql::{
    Context, Data, MergedObject, MergedSubscription, Object, Schema, Subscription,
    http::ALL_WEBSOCKET_PROTOCOLS,
};
use async_graphql_axum::{GraphQLProtocol, GraphQLRequest, GraphQLResponse, GraphQLWebSocket};
use axum::{
    Router,
    extract::{FromRef, State, WebSocketUpgrade},
    response::Response,
    routing::{get, post},
};
use futures_util::stream::{Stream, iter};
use sessiongraph::{
    account::Accounts,
    crypto::password::PasswordPolicy,
    database::{DatabaseOptions, connect, migrate},
    error::{ErrorKind, Result},
    graphql::{
        FreshSignIn, ServiceScope, SessionMutation, SessionQuery, SessionSubscription, SignedIn,
        extend, require_session,
    },
    http::HttpSessions,
    keys::FixedSecret,
    request::SessionRequest,
    scope::Scope,
    serde_json::Value,
    session::{CurrentSession, RequestDecision, Sessions},
    upkeep::{Upkeep, UpkeepOptions},
};
use tokio::net::TcpListener;

/// Queries of the application itself.
#[derive(Default)]
struct Greetings;

#[Object]
impl Greetings {
    /// For everybody.
    async fn hello(&self) -> &str {
        "Hello!"
    }

    /// For whom is signed in. Whoever is not gets the error code, and the action, that clients know.
    #[graphql(guard = "SignedIn")]
    async fn hello_me(&self, ctx: &Context<'_>) -> Result<String> {
        let current = require_session(ctx).await?;
        let name = current.account.username.as_deref().unwrap_or_default();
        Ok(format!("Hello, {name}!"))
    }

    /// For backends with a service key.
    #[graphql(guard = "ServiceScope(Scope::AccountsRead)")]
    async fn hello_backend(&self) -> &str {
        "Hello, backend!"
    }
}

/// Mutations of the application itself.
#[derive(Default)]
struct MyData;

#[Object]
impl MyData {
    /// For whom has signed in within the last five minutes.
    #[graphql(guard = "FreshSignIn(Duration::from_mins(5))")]
    async fn delete_my_data(&self) -> bool {
        true
    }
}

/// Subscriptions of the application itself.
#[derive(Default)]
struct Countdown;

#[Subscription]
impl Countdown {
    /// For whom is signed in.
    #[graphql(guard = "SignedIn")]
    async fn countdown(&self, from: u8) -> impl Stream<Item = u8> {
        iter((0..=from).rev())
    }
}

#[derive(MergedObject, Default)]
struct Query(Greetings, SessionQuery);

#[derive(MergedObject, Default)]
struct Mutation(MyData, SessionMutation);

#[derive(MergedSubscription, Default)]
struct Subscription(Countdown, SessionSubscription);

type AppSchema = Schema<Query, Mutation, Subscription>;

/// What the handlers share.
#[derive(Clone, FromRef)]
struct AppState {
    schema: AppSchema,
    http: HttpSessions,
}

/// The engine's hooks.
fn register_hooks(sessions: &Sessions) {
    // A request can be turned away before anything of it is executed.
    sessions
        .hooks()
        .on_request(|request: SessionRequest, _| async move {
            if request
                .user_agent
                .as_deref()
                .is_some_and(|agent| agent.contains("BadBot"))
            {
                return RequestDecision::Reject(ErrorKind::Forbidden.into());
            }
            RequestDecision::Continue(request)
        });
    // Whatever services behind a gateway want to know belongs into the access token.
    sessions
        .hooks()
        .on_refresh_tokens(|mut draft, _| async move {
            draft.claims.insert("plan".to_owned(), "free".into());
            Ok(draft)
        });
    // Errors of opening and refreshing sessions can be reworded, or replaced.
    sessions
        .hooks()
        .on_upsert_session_error(|error, _, _| async move {
            match error.kind() {
                ErrorKind::UserDeactivated => ErrorKind::Custom {
                    code: "ACCOUNT_CLOSED".into(),
                    message: "This account was closed. Write to us to open it again.".into(),
                }
                .into(),
                _ => error,
            }
        });
}

/// The whole application over a database.
///
/// # Errors
///
/// What the database says, and a secret that is too short.
pub(crate) async fn app(database_url: &str, secret: &str) -> Result<(Router, Accounts)> {
    let db = connect(&DatabaseOptions::new(database_url)).await?;
    migrate(&db).await?;
    let sessions = Sessions::builder(db)
        .keys(FixedSecret::new(&secret.into())?)
        .build()?;
    register_hooks(&sessions);
    let accounts = Accounts::new(sessions.clone(), PasswordPolicy::default())?;
    let roots = Schema::build(
        Query::default(),
        Mutation::default(),
        Subscription::default(),
    );
    let state = AppState {
        schema: extend(roots, accounts.clone()).finish(),
        http: HttpSessions::new(sessions),
    };
    let router = Router::new()
        .route("/graphql", post(graphql).get(subscribe))
        .route("/hello", get(hello))
        .with_state(state);
    Ok((router, accounts))
}

/// What concerns sessions goes into the request's data; the rest is async-graphql's.
async fn graphql(
    State(schema): State<AppSchema>,
    session_request: SessionRequest,
    request: GraphQLRequest,
) -> GraphQLResponse {
    let request = request.into_inner().data(session_request);
    schema.execute(request).await.into()
}

/// Subscriptions over WebSockets: the token comes with `connection_init`.
async fn subscribe(
    State(schema): State<AppSchema>,
    session_request: SessionRequest,
    protocol: GraphQLProtocol,
    upgrade: WebSocketUpgrade,
) -> Response {
    let init = |payload: Value| async move {
        let text = payload["Authorization"].as_str();
        let mut request = session_request;
        request.bearer = text
            .and_then(|text| text.strip_prefix("Bearer "))
            .map(Into::into);
        request.has_response_headers = false;
        let mut data = Data::default();
        data.insert(request);
        Ok(data)
    };
    upgrade
        .protocols(ALL_WEBSOCKET_PROTOCOLS)
        .on_upgrade(move |socket| {
            GraphQLWebSocket::new(socket, schema, protocol)
                .on_connection_init(init)
                .serve()
        })
}

/// A route beside GraphQL, for whom is signed in.
async fn hello(current: CurrentSession) -> String {
    let name = current.account.username.unwrap_or_default();
    format!("Hello, {name}!")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let secret = "a secret of thirty-two bytes or more";
    let (router, accounts) = app("sqlite://embed.db", secret).await?;
    let upkeep = Upkeep::begin(accounts.sessions(), UpkeepOptions::default()).await?;
    let listener = TcpListener::bind("127.0.0.1:4001").await?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(upkeep.end().await?)
}
