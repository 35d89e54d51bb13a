//! Two server processes on one PostgreSQL.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Folder, Server};
use crate::{
    live::socket::{EVENTS, Socket},
    support::{
        database::{TestDatabase, scalar},
        engine::{FIREFOX, SECRET},
    },
};

struct Replicas {
    database: TestDatabase,
    one: Server,
    two: Server,
}

impl Replicas {
    async fn start() -> Self {
        let database = TestDatabase::postgres().await;
        let flags = [
            "--database-url",
            &database.url,
            "--secret",
            SECRET,
            "--public-url",
            "http://localhost:4000",
        ];
        let (one, two) = (Folder::new().serve(&flags), Folder::new().serve(&flags));
        Self { database, one, two }
    }
}

async fn sign_in(server: &Server) -> Value {
    let document = "mutation { signIn(input: {identifier: \"ada\", password: \"correct horse\"}) { session { id } tokens { accessToken } } }";
    server.query(document, None).await["data"]["signIn"].clone()
}

/// The status of a login's session as a server sees it, or why it has none.
async fn answers(server: &Server, login: &Value) -> Value {
    let token = login["tokens"]["accessToken"].as_str();
    let answer = server.query("{ session { status } }", token).await;
    let reason = answer.pointer("/errors/0/extensions/reason");
    reason
        .unwrap_or(&answer["data"]["session"]["status"])
        .clone()
}

async fn listening(server: &Server, token: &str) -> Socket {
    let mut socket = Socket::connect_to(&server.url, &[("user-agent", FIREFOX)])
        .await
        .initialised(token)
        .await;
    socket.subscribe("1", EVENTS).await;
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hears_what_happens_on_the_other_also_when_its_listener_is_cut() {
    let replicas = Replicas::start().await;
    let ada = replicas.one.sign_up("ada").await;
    let token = ada["accessToken"].as_str().unwrap();
    let mut socket = listening(&replicas.one, token).await;

    let second = sign_in(&replicas.two).await;
    let heard = socket.next().await;
    assert_eq!(heard["payload"]["data"]["sessionEvents"]["kind"], "CREATED");
    assert_eq!(
        heard["payload"]["data"]["sessionEvents"]["session"]["id"],
        second["session"]["id"]
    );

    // All connections that listen are cut, and what happens meanwhile is found in the rows.
    let db = replicas.database.connect().await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    let cut = format!("SELECT COUNT(*) FROM ({cut}) AS cut");
    assert_eq!(scalar(&db, &cut).await, 2);
    assert_eq!(answers(&replicas.one, &second).await, json!("ACTIVE"));
    let others = "mutation { invalidateSessions(input: {mode: OTHERS}) }";
    assert_eq!(
        replicas.two.query(others, Some(token)).await["data"]["invalidateSessions"],
        1
    );
    // From the moment the other one has answered.
    assert_eq!(
        answers(&replicas.one, &second).await,
        json!("INVALID_SESSION")
    );
    let heard = socket.next().await;
    assert_eq!(
        heard["payload"]["data"]["sessionEvents"]["kind"],
        "INVALIDATED"
    );
    assert_eq!(
        heard["payload"]["data"]["sessionEvents"]["session"]["id"],
        second["session"]["id"]
    );
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let third = sign_in(&replicas.two).await;
    assert_eq!(
        socket.next().await["payload"]["data"]["sessionEvents"]["session"]["id"],
        third["session"]["id"]
    );

    // Its own end, from the other replica: the event, the end of the stream, and of the connection.
    assert_eq!(
        replicas.two.query("mutation { logout }", Some(token)).await["data"]["logout"],
        true
    );
    assert_eq!(
        socket.next().await["payload"]["data"]["sessionEvents"]["kind"],
        "INVALIDATED"
    );
    assert_eq!(
        socket.next().await,
        json!({ "type": "complete", "id": "1" })
    );
    assert_eq!(socket.closed().await, 4403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_completes_its_subscriptions() {
    let replicas = Replicas::start().await;
    let ada = replicas.one.sign_up("ada").await;
    let mut socket = listening(&replicas.one, ada["accessToken"].as_str().unwrap()).await;
    replicas.one.signal("TERM");
    assert_eq!(
        socket.next().await,
        json!({ "type": "complete", "id": "1" })
    );
    assert_eq!(socket.closed().await, 1001);
    let (status, log) = replicas.one.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_committed_and_did_not_live_to_announce_is_heard_all_the_same() {
    let replicas = Replicas::start().await;
    let ada = replicas.one.sign_up("ada").await;
    let mut socket = listening(&replicas.one, ada["accessToken"].as_str().unwrap()).await;
    let second = sign_in(&replicas.two).await;
    replicas.two.signal("KILL");
    let heard = socket.next().await;
    assert_eq!(heard["payload"]["data"]["sessionEvents"]["kind"], "CREATED");
    assert_eq!(
        heard["payload"]["data"]["sessionEvents"]["session"]["id"],
        second["session"]["id"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_ended_and_did_not_live_to_announce_is_heard_all_the_same() {
    let replicas = Replicas::start().await;
    let ada = replicas.one.sign_up("ada").await;
    let token = ada["accessToken"].as_str().unwrap();
    let mut socket = listening(&replicas.one, token).await;
    let second = sign_in(&replicas.one).await;
    assert_eq!(
        socket.next().await["payload"]["data"]["sessionEvents"]["kind"],
        "CREATED"
    );
    let others = "mutation { invalidateSessions(input: {mode: OTHERS}) }";
    assert_eq!(
        replicas.two.query(others, Some(token)).await["data"]["invalidateSessions"],
        1
    );
    replicas.two.signal("KILL");
    let heard = socket.next().await;
    assert_eq!(
        heard["payload"]["data"]["sessionEvents"]["kind"],
        "INVALIDATED"
    );
    assert_eq!(
        heard["payload"]["data"]["sessionEvents"]["session"]["id"],
        second["session"]["id"]
    );
}
