//! Traces: what a collector receives of a server that runs.

pub(super) mod collector;
mod log;

use std::time::Duration;

use axum::http::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{
    Span, span::SpanKind, status::StatusCode as SpanStatus,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use self::collector::{Collector, attributes, children, is_fine, names, only};
use super::support::{Folder, Server};
use crate::{
    live::socket::{EVENTS, Socket},
    support::{
        database::TestDatabase,
        engine::{FIREFOX, SECRET},
    },
};

const PATIENCE: Duration = Duration::from_secs(30);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Stops a server, for which this process may have to go on answering.
async fn stop(server: Server) -> String {
    let stopped = tokio::task::spawn_blocking(|| server.stop()).await;
    let (status, log) = stopped.unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    log
}

async fn send(server: &Server, document: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut request = reqwest::Client::new()
        .post(format!("{}/graphql", server.url))
        .header("user-agent", FIREFOX)
        .json(&json!({ "query": document }));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// What a server is configured with to export at its end only.
fn at_the_end(collector: &Collector) -> [(&str, &str); 2] {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ]
}

/// And at once.
fn at_once(collector: &Collector) -> [(&str, &str); 2] {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ]
}

const SIGN_UP: &str = r#"mutation Hello { signUp(input: { username: "ada", email: "ada@mail.example", password: "correct horse battery" }) { tokens { accessToken refreshToken } } }"#;
const SIGN_IN: &str = r#"mutation MyOwnName { again: signIn(input: { identifier: "ada@mail.example", password: "correct horse battery" }) { tokens { accessToken refreshToken } } }"#;

fn id(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// From the caller through request and operation to password and statements.
#[track_caller]
fn it_is_a_tree(spans: &[Span], system: &str) {
    let request = spans
        .iter()
        .find(|span| span.parent_span_id == id(CALLER))
        .unwrap();
    assert_eq!(request.trace_id, id(TRACE));
    assert_eq!(request.name, "POST /graphql");
    assert_eq!(request.kind(), SpanKind::Server);
    assert!(is_fine(request));
    assert_eq!(
        json!(attributes(&request.attributes)),
        json!({
            "http.request.method": "POST", "http.response.status_code": 200, "http.route": "/graphql",
            "network.protocol.version": "1.1", "sessiongraph.request_id": "r-1", "url.path": "/graphql",
        })
    );
    let [operation] = children(spans, request)[..] else {
        panic!("{:?}", names(spans));
    };
    assert_eq!(operation.name, "mutation signIn");
    assert_eq!(operation.kind(), SpanKind::Internal);
    assert_eq!(
        json!(attributes(&operation.attributes)),
        json!({
            "graphql.operation.type": "mutation", "sessiongraph.field": "signIn", "sessiongraph.request_id": "r-1",
        })
    );
    let below = children(spans, operation);
    let names_below: Vec<_> = below.iter().map(|span| span.name.as_str()).collect();
    let at = |name: &str| {
        let at = names_below.iter().position(|found| *found == name);
        at.unwrap_or_else(|| panic!("{name} in {names_below:?}"))
    };
    let (wait, hash) = (at("password wait"), at("password hash"));
    assert!(below[wait].end_time_unix_nano <= below[hash].start_time_unix_nano);
    assert!(
        at("SELECT accounts") < wait && hash < at("INSERT sessions"),
        "{names_below:?}"
    );
    let insert = below[at("INSERT sessions")];
    assert_eq!(insert.kind(), SpanKind::Client);
    assert_eq!(
        json!(attributes(&insert.attributes)),
        json!({ "db.system.name": system, "db.operation.name": "INSERT", "db.collection.name": "sessions" })
    );
}

/// Every text of the clients, and every secret of the server's.
#[track_caller]
fn nothing_is_told(collector: &Collector, tokens: &[&Value]) {
    let secrets = [
        "correct horse",
        "mail.example",
        "eyJ",
        "Bearer",
        "MyOwnName",
        "again",
        "inventedByAClient",
        "SELECT \"",
        FIREFOX,
        SECRET,
    ];
    let tokens = tokens.iter().map(|token| token.as_str().unwrap());
    let secrets: Vec<_> = secrets.into_iter().chain(tokens).collect();
    for (_, body) in collector.requests() {
        let text = String::from_utf8_lossy(&body);
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

async fn a_sign_in_is_traced(database: TestDatabase) {
    let collector = Collector::start(StatusCode::OK).await;
    let mut variables = at_the_end(&collector).to_vec();
    variables.push((
        "OTEL_RESOURCE_ATTRIBUTES",
        "deployment.environment.name=test",
    ));
    variables.push(("OTEL_EXPORTER_OTLP_HEADERS", "x-team=auth"));
    let flags = ["--database-url", &database.url, "--secret", SECRET];
    let server = Folder::new().serve_with(&variables, &flags);
    let (_, ada) = send(&server, SIGN_UP, &[]).await;
    let caller = format!("00-{TRACE}-{CALLER}-01");
    let headers = [
        ("traceparent", caller.as_str()),
        ("tracestate", "vendor=inventedByAClient"),
        ("x-request-id", "r-1"),
    ];
    let (_, again) = send(&server, SIGN_IN, &headers).await;
    let token = again["data"]["again"]["tokens"]["accessToken"]
        .as_str()
        .unwrap();
    let bearer = format!("Bearer {token}");
    send(
        &server,
        "{ viewer { id } }",
        &[("authorization", &bearer), ("x-request-id", "r-2")],
    )
    .await;
    send(
        &server,
        r#"{ account(by: { username: "ada" }) { id } }"#,
        &[],
    )
    .await;
    send(&server, "{ inventedByAClient }", &[]).await;
    server.get("/health/ready").await;
    assert_eq!(collector.requests().len(), 0);
    stop(server).await;

    let system = if database.is_postgres() {
        "postgresql"
    } else {
        "sqlite"
    };
    let exports = collector.exports();
    let resource = exports[0].resource_spans[0].resource.as_ref().unwrap();
    let resource = attributes(&resource.attributes);
    assert_eq!(resource["service.name"], "sessiongraph");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["deployment.environment.name"], "test");
    assert_eq!(collector.requests()[0].0["x-team"], "auth");

    let spans = collector.spans();
    it_is_a_tree(&spans, system);

    // What begins a trace of its own, and what fails by the client's fault.
    let viewer = only(&spans, "query viewer");
    let asked = spans
        .iter()
        .find(|span| span.span_id == viewer.parent_span_id);
    assert!(asked.unwrap().parent_span_id.is_empty());
    assert_ne!(viewer.trace_id, id(TRACE));
    for (name, code) in [
        ("query account", "UNAUTHENTICATED"),
        ("query other", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let failed = only(&spans, name);
        assert_eq!(attributes(&failed.attributes)["error.type"], code);
        assert!(is_fine(failed));
    }
    // Neither probes nor what the server does by itself.
    let roots = spans.iter().filter(|span| span.parent_span_id.is_empty());
    assert!(roots.clone().all(|span| span.name == "POST /graphql"));
    assert_eq!(roots.count(), 4);

    let tokens = [
        &ada["data"]["signUp"]["tokens"],
        &again["data"]["again"]["tokens"],
    ];
    nothing_is_told(&collector, &tokens.map(|tokens| &tokens["refreshToken"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_traced_from_its_caller_to_sqlite() {
    a_sign_in_is_traced(TestDatabase::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_is_traced_from_its_caller_to_postgres() {
    a_sign_in_is_traced(TestDatabase::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_is_an_error() {
    let collector = Collector::start(StatusCode::OK).await;
    let flags = ["--request-timeout", "1ms", "--argon2-memory-kib", "65536"];
    let server = Folder::new().serve_with(&at_the_end(&collector), &flags);
    let accept = [("accept", "application/graphql-response+json")];
    let (status, _) = send(&server, SIGN_IN, &accept).await;
    stop(server).await;
    let spans = collector.spans();
    let request = only(&spans, "POST /graphql");
    assert_eq!(request.status.as_ref().unwrap().code(), SpanStatus::Error);
    let found = attributes(&request.attributes);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(found["http.response.status_code"], 503);
    assert_eq!(found["error.type"], "503");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_of_a_socket_is_a_trace_and_a_subscription_one_of_its_beginning() {
    let collector = Collector::start(StatusCode::OK).await;
    let folder = Folder::new();
    let server = folder.serve_with(&at_once(&collector), &["--argon2-memory-kib", "64"]);
    let token = server.sign_up("ada").await;
    let token = token["accessToken"].as_str().unwrap();
    let socket = Socket::connect_to(&server.url, &[("user-agent", FIREFOX)]).await;
    let mut socket = socket.initialised(token).await;
    // It asks for the viewer too.
    socket.subscribe("1", EVENTS).await;
    // While it is open.
    let subscription = collector.span("subscription sessionEvents").await;
    let query = collector.span("query viewer").await;
    for operation in [&subscription, &query] {
        assert!(operation.parent_span_id.is_empty());
        assert_eq!(operation.kind(), SpanKind::Server);
    }
    assert_ne!(subscription.trace_id, query.trace_id);
    let handshake = collector.span("GET /graphql").await;
    let found = attributes(&handshake.attributes);
    assert_eq!(found["http.response.status_code"], 101);
    stop(server).await;
    // Nothing of what it read later.
    let spans = collector.spans();
    for below in children(&spans, &subscription) {
        assert!(below.start_time_unix_nano <= subscription.end_time_unix_nano);
    }
    assert!(
        spans
            .iter()
            .all(|span| !span.parent_span_id.is_empty() || span.kind() == SpanKind::Server)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_stream_belongs_to_its_request() {
    let collector = Collector::start(StatusCode::OK).await;
    let folder = Folder::new();
    let server = folder.serve_with(&at_once(&collector), &["--argon2-memory-kib", "64"]);
    let token = server.sign_up("ada").await;
    let bearer = format!("Bearer {}", token["accessToken"].as_str().unwrap());
    for (document, name) in [
        ("{ viewer { id } }", "query viewer"),
        (EVENTS, "subscription sessionEvents"),
    ] {
        let streamed = reqwest::Client::new()
            .post(format!("{}/graphql", server.url))
            .header("accept", "text/event-stream")
            .header("user-agent", FIREFOX)
            .header("authorization", &bearer)
            .json(&json!({ "query": document }));
        let open = streamed.send().await.unwrap();
        let operation = collector.span(name).await;
        let parent = async {
            while !collector.spans().iter().any(|span| {
                span.span_id == operation.parent_span_id && span.name == "POST /graphql"
            }) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, parent).await.unwrap();
        drop(open);
    }
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_refuses_is_complained_of_once() {
    let collector = Collector::start(StatusCode::BAD_REQUEST).await;
    let server = Folder::new().serve_with(&at_once(&collector), &[]);
    let sent = async {
        while collector.requests().len() < 3 {
            let (status, answer) = send(&server, "{ __typename }", &[]).await;
            assert_eq!(
                (status, &answer["data"]["__typename"]),
                (StatusCode::OK, &json!("Query"))
            );
        }
    };
    timeout(PATIENCE, sent).await.unwrap();
    let log = stop(server).await;
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert_eq!(log.matches("ERROR").count(), 0, "{log}");
    assert!(log.contains("traces cannot be sent"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_holds_nobody_up() {
    // The kernel takes connections for it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
    ];
    let server = Folder::new().serve_with(&variables, &[]);
    for _ in 0..20 {
        let (status, answer) = send(&server, "{ __typename }", &[]).await;
        assert_eq!(
            (status, &answer["data"]["__typename"]),
            (StatusCode::OK, &json!("Query"))
        );
    }
    let log = stop(server).await;
    assert!(log.contains("the last traces were not sent"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_endpoint_that_can_be_used_there_are_no_traces() {
    let collector = Collector::start(StatusCode::OK).await;
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str());
    let now = ("OTEL_BSP_SCHEDULE_DELAY", "1");
    let caller = format!("00-{TRACE}-{CALLER}-01");
    for (variables, complaint) in [
        (vec![("OTEL_SERVICE_NAME", "auth"), now], None),
        (vec![endpoint, now, ("OTEL_SDK_DISABLED", "true")], None),
        (vec![endpoint, now, ("OTEL_TRACES_EXPORTER", "none")], None),
        (
            vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "no TELLTALE"), now],
            Some("no traces are exported"),
        ),
    ] {
        let server = Folder::new().serve_with(&variables, &["--log", "debug"]);
        send(&server, "{ __typename }", &[("traceparent", &caller)]).await;
        let log = stop(server).await;
        assert!(log.contains("/graphql"), "{log}");
        assert!(!log.contains("trace_id") && !log.contains(TRACE), "{log}");
        let complaints = log.lines().filter(|line| line.contains("WARN"));
        let complaints: Vec<_> = complaints.collect();
        assert_eq!(complaints.len(), usize::from(complaint.is_some()), "{log}");
        assert!(
            complaint.is_none_or(|text| complaints[0].contains(text)),
            "{log}"
        );
        assert!(!log.contains("TELLTALE"), "{log}");
    }
    assert_eq!(collector.requests().len(), 0);
}
