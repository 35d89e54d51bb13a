//! The log beside traces.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    CALLER, SIGN_UP, TRACE, at_the_end,
    collector::{Collector, attributes},
    send, stop,
};
use crate::{
    cli::support::{Folder, Server},
    live::socket::Socket,
};

/// A refresh whose session has been held by two parties, and what logs it.
async fn reused(server: &Server) -> String {
    let first = server.sign_up("ada").await["refreshToken"].clone();
    let refresh = format!(
        "mutation {{ refreshTokens(input: {{ refreshToken: {first} }}) {{ tokens {{ refreshToken }} }} }}"
    );
    let second = server.query(&refresh, None).await;
    let second = &second["data"]["refreshTokens"]["tokens"]["refreshToken"];
    server.refresh(second).await;
    refresh
}

#[track_caller]
fn logged_span(log: &str, text: &str) -> Value {
    let line = log.lines().find(|line| line.contains(text));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    line["span"].clone()
}

const REFRESHES_ONCE: [&str; 4] = ["--log-format", "json", "--refresh-grace", "0s"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_lines_of_a_socket_name_their_request_and_their_trace() {
    let collector = Collector::start(StatusCode::OK).await;
    let server = Folder::new().serve_with(&at_the_end(&collector), &REFRESHES_ONCE);
    let refresh = reused(&server).await;
    let mut socket = Socket::connect_to(&server.url, &[("user-agent", "test/1")]).await;
    socket.send(&json!({ "type": "connection_init" })).await;
    assert_eq!(socket.next().await["type"], "connection_ack");
    let again = json!({ "type": "subscribe", "id": "1", "payload": { "query": refresh } });
    socket.send(&again).await;
    let answer = socket.next().await;
    let code = &answer["payload"]["errors"][0]["extensions"]["code"];
    assert_eq!(code, "REFRESH_TOKEN_REUSED");
    let log = stop(server).await;
    let logged = logged_span(&log, "was reused");
    let spans = collector.spans();
    let mut refreshes = spans
        .iter()
        .filter(|span| span.name == "mutation refreshTokens");
    let operation = refreshes.find(|span| span.parent_span_id.is_empty());
    let operation = operation.unwrap();
    let found = attributes(&operation.attributes);
    assert_eq!(logged["id"], found["sessiongraph.request_id"]);
    assert_eq!(logged["trace_id"], hex::encode(&operation.trace_id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_lines_of_a_request_name_it_and_its_trace() {
    let collector = Collector::start(StatusCode::OK).await;
    let caller = format!("00-{TRACE}-{CALLER}-01");
    let headers = [("traceparent", caller.as_str()), ("x-request-id", "r-1")];
    for traced in [true, false] {
        let variables = at_the_end(&collector);
        let variables = if traced { &variables[..] } else { &[] };
        let server = Folder::new().serve_with(variables, &REFRESHES_ONCE);
        let refresh = reused(&server).await;
        send(&server, &refresh, &headers).await;
        let log = stop(server).await;
        let mut expected =
            json!({ "name": "request", "method": "POST", "path": "/graphql", "id": "r-1" });
        if traced {
            expected["trace_id"] = json!(TRACE);
        }
        assert_eq!(logged_span(&log, "was reused"), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_names_the_trace_and_the_logs_filter_silences_no_span() {
    let collector = Collector::start(StatusCode::OK).await;
    let caller = format!("00-{TRACE}-{CALLER}-01");
    for (filter, shows_requests) in [("debug", true), ("off,sessiongraph::cli=info", false)] {
        let flags = ["--log", filter, "--log-format", "json"];
        let server = Folder::new().serve_with(&at_the_end(&collector), &flags);
        send(&server, SIGN_UP, &[("traceparent", &caller)]).await;
        let log = stop(server).await;
        assert_eq!(log.contains(TRACE), shows_requests, "{log}");
        for text in ["sessiongraph::otel", "sea_orm", "password hash"] {
            assert!(!log.contains(text), "{text}: {log}");
        }
    }
    let spans = collector.spans();
    let hashes = spans.iter().filter(|span| span.name == "password hash");
    assert_eq!(hashes.count(), 2);
}
