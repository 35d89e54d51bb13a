//! `/metrics`: what is asked of it, on a server that runs.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::support::{Folder, Server};
use crate::{
    live::socket::{EVENTS, Socket},
    support::{
        database::{TestDatabase, scalar},
        engine::{FIREFOX, SECRET},
    },
};

const PATIENCE: Duration = Duration::from_secs(30);

async fn scrape(server: &Server) -> String {
    server.get("/metrics").await.text().await.unwrap()
}

/// The value of a series, as it is written, if there is one.
fn found(metrics: &str, series: &str) -> Option<u64> {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// The value of a series that is there.
#[track_caller]
fn value(metrics: &str, series: &str) -> u64 {
    found(metrics, series).unwrap_or_else(|| panic!("{series} in {metrics}"))
}

/// Waits until a series has a value, and returns all metrics as they are then.
async fn becomes(server: &Server, series: &str, expected: u64) -> String {
    let reached = async {
        loop {
            let metrics = scrape(server).await;
            if found(&metrics, series) == Some(expected) {
                return metrics;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let reached = timeout(PATIENCE, reached).await;
    reached.unwrap_or_else(|_| panic!("{series} does not become {expected}"))
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
    becomes(&server, "sessiongraph_sessions_active", 2).await;
    let out = server.query("mutation { logout }", tokens["accessToken"].as_str());
    assert!(out.await["errors"].is_null());
    becomes(&server, "sessiongraph_sessions_active", 1).await;
}

fn connections(state: &str) -> String {
    format!("sessiongraph_database_connections{{state=\"{state}\"}}")
}

/// A server on PostgreSQL, and a connection beside it.
async fn on_postgres(flags: &[&str]) -> (Server, DatabaseConnection) {
    let database = TestDatabase::postgres().await;
    let mut all = vec!["--database-url", &database.url, "--secret", SECRET];
    all.extend(["--argon2-memory-kib", "64"]);
    all.extend(flags);
    (Folder::new().serve(&all), database.connect().await)
}

/// Holds all rows of sessions, so that nothing is refreshed.
async fn hold_sessions(db: &DatabaseConnection) -> DatabaseTransaction {
    let lock = db.begin().await.unwrap();
    let hold = "UPDATE sessions SET metadata = metadata";
    lock.execute_unprepared(hold).await.unwrap();
    lock
}

/// Waits until a statement waits for those rows.
async fn somebody_is_held_up(db: &DatabaseConnection) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let held_up = async {
        while scalar(db, waiting).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, held_up).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_postgres_are_in_use_or_idle() {
    let (server, beside) = on_postgres(&["--database-max-connections", "7"]).await;
    let tokens = server.sign_up("ada").await;
    let idle = becomes(&server, &connections("in_use"), 0).await;
    assert!(value(&idle, &connections("idle")) >= 1);
    assert_eq!(value(&idle, "sessiongraph_database_connections_max"), 7);
    let lock = hold_sessions(&beside).await;
    let (refreshed, ()) = tokio::join!(server.refresh(&tokens["refreshToken"]), async {
        somebody_is_held_up(&beside).await;
        becomes(&server, &connections("in_use"), 1).await;
        lock.rollback().await.unwrap();
    });
    assert_eq!(
        refreshed["data"]["refreshTokens"]["refreshOutcome"],
        "ROTATED"
    );
    becomes(&server, &connections("in_use"), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_nobody_waits_for_any_more_is_cancelled() {
    let (server, beside) = on_postgres(&["--request-timeout", "3s"]).await;
    let tokens = server.sign_up("ada").await;
    let lock = hold_sessions(&beside).await;
    let cancelled = requests("mutation", "refreshTokens", "CANCELLED");
    // The client gives up, as soon as its request runs.
    tokio::select! {
        answer = server.refresh(&tokens["refreshToken"]) => panic!("{answer}"),
        () = somebody_is_held_up(&beside) => {}
    }
    becomes(&server, &cancelled, 1).await;
    // The server does.
    let late = server.refresh(&tokens["refreshToken"]).await;
    assert_eq!(
        late["errors"][0]["extensions"]["code"],
        "SERVICE_UNAVAILABLE"
    );
    let counted = becomes(&server, &cancelled, 2).await;
    assert_eq!(
        value(&counted, &requests("mutation", "refreshTokens", "ok")),
        0
    );
    lock.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_is_counted_once_when_it_ends() {
    let folder = Folder::new();
    let server = folder.serve(&["--argon2-memory-kib", "64"]);
    let tokens = server.sign_up("ada").await;
    let token = tokens["accessToken"].as_str().unwrap();
    let connect = || Socket::connect_to(&server.url, &[("user-agent", FIREFOX)]);
    let ok = requests("subscription", "sessionEvents", "ok");
    let mut socket = connect().await.initialised(token).await;
    socket.subscribe("1", EVENTS).await;
    // It delivers two events, and is not done.
    let sign_in = "mutation { signIn(input: { identifier: \"ada\", password: \"correct horse\" }) { account { id } } }";
    for _ in 0..2 {
        server.query(sign_in, None).await;
        assert_eq!(
            socket.next().await["payload"]["data"]["sessionEvents"]["kind"],
            "CREATED"
        );
    }
    assert_eq!(value(&scrape(&server).await, &ok), 0);
    socket.send(&json!({ "type": "complete", "id": "1" })).await;
    becomes(&server, &ok, 1).await;
    // One that goes with its connection, and one over plain HTTP.
    socket.subscribe("2", EVENTS).await;
    drop(socket);
    becomes(&server, &ok, 2).await;
    let streamed = reqwest::Client::new()
        .post(format!("{}/graphql", server.url))
        .header("accept", "text/event-stream")
        .header("user-agent", FIREFOX)
        .bearer_auth(token)
        .json(&json!({ "query": EVENTS }));
    drop(streamed.send().await.unwrap());
    becomes(&server, &ok, 3).await;
    // One that is refused, by the code of its error.
    let mut socket = connect().await;
    socket.send(&json!({ "type": "connection_init" })).await;
    assert_eq!(socket.next().await["type"], "connection_ack");
    let refused = json!({ "type": "subscribe", "id": "1", "payload": { "query": EVENTS } });
    socket.send(&refused).await;
    let counted = requests("subscription", "sessionEvents", "UNAUTHENTICATED");
    let counted = becomes(&server, &counted, 1).await;
    assert_eq!(value(&counted, &ok), 3);
    let durations =
        "sessiongraph_graphql_request_duration_seconds_count{operation=\"subscription\"";
    assert!(!counted.contains(durations), "{counted}");
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
