//! Sessions in a GraphQL server of your own: its schema merges ours, and its hooks add a claim, turn requests away and
//! reword an error.
//!
//! ```sh
//! cargo run --example embed
//! ```

use std::{error::Error, net::SocketAddr};

use async_graphql::{Context, MergedObject, MergedSubscription, Object, Schema};
use async_graphql_axum::{GraphQLRequest, GraphQLResponse};
use axum::{
    Router,
    extract::{FromRef, State},
    routing::post,
};
use sessiongraph::{
    account::Accounts,
    crypto::password::PasswordPolicy,
    database::{DatabaseOptions, connect, migrate},
    error::{ErrorKind, Result},
    graphql::{SessionMutation, SessionQuery, SessionSubscription, extend},
    http::HttpSessions,
    keys::FixedSecret,
    request::SessionRequest,
    session::{RequestDecision, Sessions},
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

    /// For whom is signed in: the error, if there is one, has the code and the action that clients know.
    async fn hello_me(&self, ctx: &Context<'_>) -> Result<String> {
        let sessions = ctx.data_unchecked::<Accounts>().sessions();
        let current = sessions
            .require_session(ctx.data_unchecked::<SessionRequest>())
            .await?;
        Ok(format!(
            "Hello, {}!",
            current.account.username.unwrap_or_default()
        ))
    }
}

#[derive(MergedObject, Default)]
struct Query(Greetings, SessionQuery);

#[derive(MergedObject, Default)]
struct Mutation(SessionMutation);

#[derive(MergedSubscription, Default)]
struct Subscription(SessionSubscription);

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
    let db = connect(&DatabaseOptions::new(database_url.to_owned())).await?;
    migrate(&db).await?;
    let sessions = Sessions::builder(db)
        .keys(FixedSecret::new(&secret.into())?)
        .build()?;
    register_hooks(&sessions);
    let accounts = Accounts::new(sessions, PasswordPolicy::default())?;
    let roots = Schema::build(
        Query::default(),
        Mutation::default(),
        Subscription::default(),
    );
    let schema = extend(roots, accounts.clone()).finish();
    let http = HttpSessions::new(accounts.sessions().clone());
    Ok((
        Router::new()
            .route("/graphql", post(graphql))
            .with_state(AppState { schema, http }),
        accounts,
    ))
}

/// What concerns sessions goes into the request's data; the rest is async-graphql's.
async fn graphql(
    State(schema): State<AppSchema>,
    session_request: SessionRequest,
    request: GraphQLRequest,
) -> GraphQLResponse {
    schema
        .execute(request.into_inner().data(session_request))
        .await
        .into()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (router, _) = app(
        "sqlite://embed.db?mode=rwc",
        "a secret of thirty-two bytes or more",
    )
    .await?;
    let listener = TcpListener::bind("127.0.0.1:4001").await?;
    axum::serve(
        listener,
        router.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await?;
    Ok(())
}
