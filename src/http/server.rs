//! The router, and serving it until it is told to stop.

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{self, HeaderName, HeaderValue, Method, header},
    middleware, routing,
    serve::ListenerExt,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sea_orm::DatabaseConnection;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::CorsLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::{Span, field};

use super::{
    CookiePolicy, ForwardedHeader, HttpSessions, TrustedProxies, connections, endpoint,
    graphql_over_http::NO_STORE, pages, playground, traced::traced,
};
use crate::{
    config::{self, Config},
    error::Result,
    graphql::{DocumentLimits, Documents, Schema, SchemaOptions, requested, schema},
    keys::Keyring,
    metrics,
    services::Services,
    session::Sessions,
    traces,
    upkeep::{Upkeep, UpkeepOptions},
};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What a page sends along that is traced (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// A UUID has 36 characters, a trace id 32.
const MAX_REQUEST_ID_LENGTH: usize = 64;
/// How much longer than a request may take the server waits, when it stops, for those in flight.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);
/// How long a client may take nothing of what is sent to it, before its connection is closed.
#[cfg(target_os = "linux")]
const UNREAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How often measurements are put into their buckets: nobody may ever read them, and until then each takes memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How long browsers remember what CORS allows.
const CORS_MAX_AGE: Duration = Duration::from_mins(10);

/// What the handlers share.
pub struct App {
    pub(super) schema: Schema,
    pub(super) documents: Documents,
    pub(super) requests: metrics::Requests,
    pub(super) sessions: Sessions,
    pub(super) keyring: Arc<Keyring>,
    pub(super) http: HttpSessions,
    pub(super) body_limit: usize,
    pub(super) max_batch: usize,
    pub(super) request_timeout: Duration,
    /// Open WebSockets, each in a task.
    pub(super) connections: TaskTracker,
    /// Cancelled when the server stops: streams complete.
    pub(super) shutdown: CancellationToken,
    allowed_origins: Vec<HeaderValue>,
    playground: bool,
    recorded: Option<PrometheusHandle>,
}

impl App {
    /// The application of a configuration over its services.
    #[must_use]
    pub fn new(config: &Config, services: &Services) -> Self {
        let origins: Vec<String> = config
            .allowed_origins
            .iter()
            .map(ToString::to_string)
            .collect();
        let header = match config.forwarded_header {
            config::ForwardedHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
            config::ForwardedHeader::Forwarded => ForwardedHeader::Forwarded,
        };
        let options = SchemaOptions {
            subgraph_sdl: config.subgraph_sdl,
            limits: DocumentLimits {
                depth: config.max_depth,
                complexity: config.max_complexity,
                aliases: config.max_aliases,
                introspection: config.introspection,
            },
        };
        let documents = Documents::default();
        // Before anything is counted: what is asked for its counters earlier gets some that nobody reads.
        let recorded = config.metrics.then(recorder).flatten();
        Self {
            requests: requested::requests(),
            schema: schema(services.accounts.clone(), documents.clone(), options),
            documents,
            sessions: services.sessions.clone(),
            keyring: Arc::clone(&services.keyring),
            http: HttpSessions::new(services.sessions.clone())
                .with_cookies(CookiePolicy::new(
                    config.cookie_secure,
                    config.own_origin().as_str(),
                    &origins,
                ))
                .with_proxies(TrustedProxies::new(config.trusted_proxies.clone(), header)),
            body_limit: config.body_limit,
            max_batch: config.max_batch,
            request_timeout: config.request_timeout,
            connections: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            allowed_origins: origins
                .iter()
                .filter_map(|origin| origin.parse().ok())
                .collect(),
            playground: config.playground,
            recorded,
        }
    }
}

/// The process's recorder of metrics: there is one, whoever installs it. `None` where the program has its own.
fn recorder() -> Option<PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        let seconds = Matcher::Suffix(metrics::SECONDS_SUFFIX.to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &metrics::SECONDS);
        let Ok(recorder) = builder.and_then(PrometheusBuilder::install_recorder) else {
            tracing::warn!("/metrics is not served: this program records its metrics itself");
            return None;
        };
        metrics::describe();
        let kept_up = recorder.clone();
        let upkeep = thread::Builder::new().name("metrics".into());
        let running = upkeep.spawn(move || {
            loop {
                thread::sleep(UPKEEP_INTERVAL);
                kept_up.run_upkeep();
            }
        });
        if let Err(error) = running {
            tracing::warn!(error = %error, "measurements take memory until somebody reads /metrics");
        }
        Some(recorder)
    };
    RECORDER.get_or_init(install).clone()
}

/// All routes. The peer's address has to be in each request (`into_make_service_with_connect_info`).
pub fn router(app: App) -> Router {
    let app = Arc::new(app);
    // HEAD and OPTIONS by name: the router would allow HEAD wherever there is a GET.
    let graphql = routing::get(endpoint::get)
        .post(endpoint::post)
        .connect(endpoint::get)
        .head(endpoint::method_not_allowed)
        .options(endpoint::method_not_allowed);
    let mut graphql = graphql.fallback(endpoint::method_not_allowed);
    if traces::are_collected() {
        // What panics is answered within the span.
        let in_span = ServiceBuilder::new()
            .layer(middleware::from_fn(traced))
            .layer(CatchPanicLayer::custom(endpoint::panicked));
        graphql = graphql.layer(in_span);
    }
    let mut router = Router::new()
        .route("/.well-known/jwks.json", routing::get(pages::jwks))
        .route("/health/live", routing::get(pages::live))
        .route("/health/ready", routing::get(pages::ready));
    if app.playground {
        router = router.merge(playground::routes());
    }
    if let Some(recorded) = app.recorded.clone() {
        let db = app.sessions.db().clone();
        let metrics = move || std::future::ready(pages::metrics(&recorded, &db));
        router = router.route("/metrics", routing::get(metrics));
    }
    if !app.allowed_origins.is_empty() {
        let cors = cors(&app.allowed_origins);
        // Preflights are answered there, and no answer of `/graphql` is for a cache.
        let around_cors = ServiceBuilder::new()
            .map_response(never_stored)
            .layer(cors.clone());
        graphql = graphql.layer(around_cors);
        router = router.layer(cors);
    }
    let router = router.route("/graphql", graphql);
    // One after the other in one layer: the router boxes whatever it adds as a layer of its own.
    let around_all = ServiceBuilder::new()
        .map_request(without_unusable_id)
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(CatchPanicLayer::custom(endpoint::panicked));
    router.layer(around_all).with_state(app)
}

fn never_stored<B>(mut response: http::Response<B>) -> http::Response<B> {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, NO_STORE);
    response
}

/// A client's own request id goes into logs and errors, so it is a short word or none.
fn without_unusable_id(mut request: Request) -> Request {
    let is_usable = |id: &HeaderValue| {
        let id = id.as_bytes();
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=MAX_REQUEST_ID_LENGTH).contains(&id.len()) && id.iter().all(is_word)
    };
    if request
        .headers()
        .get(REQUEST_ID)
        .is_some_and(|id| !is_usable(id))
    {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// What a request's log lines say of it. Not a path that there is none of, which may be anything, nor the query string,
/// which may hold variables, nor any header but its id.
fn span(request: &Request) -> Span {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok());
    let path = request.extensions().get().map(MatchedPath::as_str);
    let trace_id = field::Empty;
    tracing::info_span!("request", method = %request.method(), path, id, trace_id)
}

fn cors(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::ACCEPT,
            REQUEST_ID,
            TRACEPARENT,
            TRACESTATE,
        ])
        .expose_headers([REQUEST_ID])
        .allow_credentials(true)
        .max_age(CORS_MAX_AGE)
}

/// Serves on a bound socket until `shutdown`: then accepts no more, answers what is in flight, writes what has been seen
/// of sessions, and closes the database. Bounded: whatever happens, it ends a little after the longest request.
///
/// # Errors
///
/// `INTERNAL_SERVER_ERROR` when the socket fails, and what the database says at the end.
pub async fn serve(
    listener: TcpListener,
    config: &Config,
    services: Services,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let app = App::new(config, &services);
    let (connections, streams_end) = (app.connections.clone(), app.shutdown.clone());
    let router = router(app);
    let (stopping, stopped) = oneshot::channel();
    let listener = listener.tap_io(|socket| close_when_unread(socket));
    let database = services.db.get_database_backend();
    let shutdown = async move {
        shutdown.await;
        streams_end.cancel();
        let _ = stopping.send(());
    };
    let served = connections::serve(listener, router, database, connections::PATIENCE, shutdown);
    let upkeep = UpkeepOptions {
        keyring: Some(Arc::clone(&services.keyring)),
        listen: Some(config.database_url.clone()),
        prune_interval: config.prune_interval,
    };
    let upkeep = Upkeep::begin(&services.sessions, upkeep).await?;
    let patience = config.request_timeout + DRAIN_MARGIN;
    tokio::select! {
        () = served => {}
        () = async {
            let _ = stopped.await;
            tokio::time::sleep(patience).await;
        } => {
            tracing::warn!("some requests had not ended when the server stopped");
        }
    }
    // Sockets, and what goes on although its client is gone: it ends with its transaction.
    let tasks = services.sessions.tasks();
    let all_ended = async {
        for tasks in [&connections, tasks] {
            tasks.close();
            tasks.wait().await;
        }
    };
    if tokio::time::timeout(patience, all_ended).await.is_err() {
        tracing::warn!("some work had not ended when the server stopped");
    }
    let written = upkeep.end().await;
    close(services.db).await;
    written
}

/// A stream to a client that has stopped reading would be held as long as its machine answers: nothing polls a body that
/// cannot be written. The kernel closes such a connection (RFC 5482; `TCP_USER_TIMEOUT` in tcp(7)).
#[cfg(target_os = "linux")]
fn close_when_unread(socket: &TcpStream) {
    let socket = socket2::SockRef::from(socket);
    if let Err(error) = socket.set_tcp_user_timeout(Some(UNREAD_TIMEOUT)) {
        tracing::warn!(error = %error, "a connection has no limit on how long its client reads nothing");
    }
}

#[cfg(not(target_os = "linux"))]
fn close_when_unread(_socket: &TcpStream) {}

async fn close(db: DatabaseConnection) {
    if let Err(error) = db.close().await {
        tracing::warn!(error = %error, "the database connection did not close");
    }
}
