//! What is traced, for whoever exports it: spans of [`tracing`](https://docs.rs/tracing), with the names and attributes of
//! OpenTelemetry's [semantic conventions](https://opentelemetry.io/docs/specs/semconv/). The server exports them over OTLP
//! where an endpoint is configured.
//!
//! | span | what it lasts | attributes |
//! | --- | --- | --- |
//! | `POST /graphql`, kind `server` | an HTTP request, until its response's head is written | `http.*`, `url.path`, `network.protocol.version`, `sessiongraph.request_id` |
//! | `query viewer` | one GraphQL operation; a subscription, until its stream is open | `graphql.operation.type`, `sessiongraph.field`, `sessiongraph.request_id`, `error.type` |
//! | `password wait` | until it is a password's turn to be hashed | |
//! | `password hash` | one password's hashing, to be set or verified | |
//!
//! No attribute holds what a client has written, its request id apart, which is a short word: an operation is called by its
//! first field, as the schema knows it.
//!
//! They have a target of their own and the level DEBUG, so that a log shows them only where it is told to, and one that is
//! collected by nobody is not even made.

use futures_util::FutureExt;
#[cfg(feature = "otel")]
use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::TraceContextExt,
};
#[cfg(feature = "otel")]
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Instrument, Span};
#[cfg(feature = "otel")]
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of all these spans.
pub const TARGET: &str = "sessiongraph::otel";

tokio::task_local! {
    /// The span of the log's that work belongs to, where there may be one of a trace within it: a layer that does not see
    /// the current span looks for one among those that are entered, not among its parents.
    static LOGGED: Span;
}

/// Work in a span of the log's.
#[cfg(feature = "server")]
pub(crate) fn logged<F: Future>(span: Span, work: F) -> impl Future<Output = F::Output> {
    LOGGED.scope(span.clone(), work).instrument(span)
}

/// Work that goes on elsewhere, as in a task of its own: in the spans of here, of the log and of a trace.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let work = work.instrument(Span::current());
    match LOGGED.try_with(Clone::clone) {
        Err(_) => work.left_future(),
        Ok(logged) => {
            let work = LOGGED.scope(logged.clone(), work).instrument(logged);
            work.right_future()
        }
    }
}

/// Whether anybody collects them.
#[cfg(feature = "server")]
pub(crate) fn are_collected() -> bool {
    tracing::span_enabled!(target: TARGET, tracing::Level::DEBUG)
}

/// An HTTP request to `/graphql`. Its parent is the caller's span, where the caller names one (W3C Trace Context). The
/// current span, which is the log's, is told the trace that it belongs to.
#[cfg(feature = "server")]
pub(crate) fn request<B>(request: &http::Request<B>, id: Option<&str>) -> Span {
    let method = request.method();
    // Anybody can make one up (RFC 9110 section 9.1), and a name is one of few.
    let known = matches!(method.as_str(), "GET" | "POST" | "HEAD" | "OPTIONS");
    let method = if known { method.as_str() } else { "_OTHER" };
    let version = request.version();
    let span = tracing::debug_span!(
        target: TARGET,
        "request",
        otel.name = %format_args!("{} /graphql", if known { method } else { "HTTP" }),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        error.type = tracing::field::Empty,
        http.request.method = method,
        http.response.status_code = tracing::field::Empty,
        http.route = "/graphql",
        network.protocol.version = if version == http::Version::HTTP_2 { "2" } else { "1.1" },
        sessiongraph.request_id = id,
        url.path = "/graphql",
    );
    #[cfg(feature = "otel")]
    {
        let caller = TraceContextPropagator::new().extract(&Traceparent(request.headers()));
        // It cannot fail but for a span that nobody exports.
        let _ = span.set_parent(caller);
        tell_log(&span);
    }
    span
}

/// The caller's span, and nothing else of the caller's: a `tracestate` would go along with every span that is exported.
#[cfg(feature = "otel")]
struct Traceparent<'a>(&'a http::HeaderMap);

#[cfg(feature = "otel")]
impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = (key == "traceparent").then(|| self.0.get(key)).flatten();
        value.and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// Tells the current span, if it is one of the log's, which trace it belongs to.
#[cfg(feature = "otel")]
fn tell_log(span: &Span) {
    if span.is_disabled() {
        return;
    }
    let context = span.context().span().span_context().clone();
    // One that is for another exporter has none.
    if context.is_valid() {
        Span::current().record("trace_id", tracing::field::display(context.trace_id()));
    }
}

/// A request has its response.
#[cfg(feature = "server")]
pub(crate) fn responded(request: &Span, status: http::StatusCode) {
    request.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        request.record("error.type", status.as_str());
        request.record("otel.status_code", "ERROR");
    }
}

/// A GraphQL operation: its type, and its first field, neither where it cannot be read. One that belongs to no HTTP request,
/// as on a WebSocket, begins a trace.
#[cfg(feature = "server")]
pub(crate) fn operation(operation: Option<(&str, &str)>, request_id: &str) -> Span {
    let (ty, field) = operation.unwrap_or(("GraphQL", "Operation"));
    let span = tracing::debug_span!(
        target: TARGET,
        "operation",
        otel.name = %format_args!("{ty} {field}"),
        otel.status_code = tracing::field::Empty,
        error.type = tracing::field::Empty,
        graphql.operation.type = operation.map(|(ty, _)| ty),
        sessiongraph.field = operation.map(|(_, field)| field),
        sessiongraph.request_id = request_id,
    );
    #[cfg(feature = "otel")]
    tell_log(&span);
    span
}

/// An operation has an answer, with the code of its first error. What the client did wrong is no error of ours.
#[cfg(feature = "server")]
pub(crate) fn answered(operation: &Span, code: Option<&str>) {
    let Some(code) = code.filter(|_| !operation.is_disabled()) else {
        return;
    };
    operation.record("error.type", code);
    if ["INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"].contains(&code) {
        operation.record("otel.status_code", "ERROR");
    }
}

/// A password waits for its turn, until this is dropped.
pub(crate) fn password_wait() -> Span {
    tracing::debug_span!(target: TARGET, "password wait")
}

/// A password is hashed, until this is dropped.
pub(crate) fn password_hash() -> Span {
    tracing::debug_span!(target: TARGET, "password hash")
}
