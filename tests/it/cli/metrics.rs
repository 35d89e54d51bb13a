//! `/metrics`: what is asked of it, on a server that runs.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use serde_json::Value;
use tokio::time::timeout;

use super::support::{Folder, Server};

async fn scrape(server: &Server) -> String {
    server.get("/metrics").await.text().await.unwrap()
}

/// The value of a series, as it is written.
#[track_caller]
fn value(metrics: &str, series: &str) -> u64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} in {metrics}"))
        .parse()
        .unwrap()
}

fn requests(operation: &str, field: &str, code: &str) -> String {
    format!(
        "sessiongraph_graphql_requests_total{{operation=\"{operation}\",field=\"{field}\",code=\"{code}\"}}"
    )
}

/// The names that the answer describes.
fn names(metrics: &str) -> BTreeSet<&str> {
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

#[tokio::test]
async fn requests_are_counted_by_what_the_schema_knows_of_them() {
    let folder = Folder::new();
    let server = folder.serve(&["--argon2-memory-kib", "64"]);
    let at_first = scrape(&server).await;
    assert_eq!(value(&at_first, &requests("query", "viewer", "ok")), 0);
    let tokens = server.sign_up("ada").await;
    let token = tokens["accessToken"].as_str();
    server
        .query("query Mine { __typename mine: viewer { id } }", token)
        .await;
    server
        .query("{ account(by: { username: \"ada\" }) { id } }", None)
        .await;
    server.query("{ inventedByAClient }", None).await;
    server.query("{ viewer(", None).await;
    let counted = scrape(&server).await;
    for series in [
        requests("mutation", "signUp", "ok"),
        requests("query", "viewer", "ok"),
        requests("query", "account", "UNAUTHENTICATED"),
        requests("query", "other", "GRAPHQL_VALIDATION_FAILED"),
        requests("unknown", "other", "GRAPHQL_PARSE_FAILED"),
        "sessiongraph_graphql_request_duration_seconds_count{operation=\"query\",field=\"viewer\"}"
            .into(),
        "sessiongraph_graphql_request_duration_seconds_bucket{operation=\"query\",field=\"viewer\",le=\"30\"}"
            .into(),
        "sessiongraph_password_wait_seconds_count".into(),
    ] {
        assert_eq!(value(&counted, &series), 1, "{series}");
    }
    for text in ["inventedByAClient", "Mine", "mine"] {
        assert!(!counted.contains(text), "{text}: {counted}");
    }
    assert_eq!(value(&counted, "sessiongraph_event_lag_seconds_count"), 0);
    let connections = ["in_use", "idle"].map(|state| {
        let series = format!("sessiongraph_database_connections{{state=\"{state}\"}}");
        value(&counted, &series)
    });
    assert_eq!(connections.iter().sum::<u64>(), 1, "SQLite has one");
    assert_eq!(value(&counted, "sessiongraph_database_connections_max"), 1);
}

#[tokio::test]
async fn active_sessions_are_those_of_the_last_pruning_run() {
    let folder = Folder::new();
    let server = folder.serve(&["--argon2-memory-kib", "64", "--prune-interval", "1s"]);
    let tokens = server.sign_up("ada").await;
    server.sign_up("bob").await;
    let counted = |count: u64| {
        let server = &server;
        async move {
            while value(&scrape(server).await, "sessiongraph_sessions_active") != count {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    let patience = Duration::from_secs(30);
    timeout(patience, counted(2)).await.unwrap();
    let out = server.query("mutation { logout }", tokens["accessToken"].as_str());
    assert!(out.await["errors"].is_null());
    timeout(patience, counted(1)).await.unwrap();
}

#[tokio::test]
async fn a_full_password_queue_is_counted() {
    let folder = Folder::new();
    let server = folder.serve(&["--password-queue", "1", "--argon2-memory-kib", "65536"]);
    let sign_in = "mutation { signIn(input: { identifier: \"ada\", password: \"wrong horse\" }) { account { id } } }";
    let answers =
        futures_util::future::join_all((0..12).map(|_| server.query(sign_in, None))).await;
    let refused = answers
        .iter()
        .filter(|answer| answer["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE")
        .count();
    let counted = scrape(&server).await;
    let by_reason = ["QUEUE_FULL", "NETWORK_SHARE"].map(|reason| {
        let series = format!("sessiongraph_password_refusals_total{{reason=\"{reason}\"}}");
        value(&counted, &series)
    });
    assert!(refused > 0);
    assert_eq!(
        by_reason.iter().sum::<u64>(),
        u64::try_from(refused).unwrap()
    );
}

/// Every expression of a dashboard.
fn expressions(panel: &Value, found: &mut Vec<String>) {
    match panel {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("expr" | "query", Value::String(text)) => found.push(text.clone()),
                    _ => expressions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_dashboard_shows_every_metric_and_no_other() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard["panels"], &mut found);
    let mut shown = BTreeSet::new();
    for expression in &found {
        for (at, _) in expression.match_indices("sessiongraph_") {
            let name: String = expression[at..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            shown.insert(name.trim_end_matches("_bucket").to_owned());
        }
    }
    let folder = Folder::new();
    let metrics = scrape(&folder.serve(&[])).await;
    let shown: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
    assert_eq!(shown, names(&metrics));
}
