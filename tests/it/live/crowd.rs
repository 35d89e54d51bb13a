//! Many subscriptions on one process, and one that nobody reads.

use std::{collections::HashSet, time::Duration};

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, pause, resume, sleep_until},
};

use super::socket::{EVENTS, Socket};
use crate::support::{app::TestApp, database::TestDatabase};

const SUBSCRIBERS: usize = 200;
const EVENTS_EACH: usize = 5;
/// Their answers are more than fits into all buffers between two sockets.
const QUERIES: usize = 8;

/// Everybody's next events.
async fn hear(sockets: Vec<Socket>, events: usize) -> Vec<(Socket, HashSet<String>)> {
    let mut hearing = JoinSet::new();
    for mut socket in sockets {
        hearing.spawn(async move {
            let mut heard = HashSet::new();
            for _ in 0..events {
                let message = socket.next().await;
                let event = &message["payload"]["data"]["sessionEvents"];
                assert_eq!(event["kind"], "CREATED", "{message}");
                heard.insert(event["session"]["id"].as_str().unwrap().to_owned());
            }
            (socket, heard)
        });
    }
    hearing.join_all().await
}

/// Asks for far more than it then reads: the name of each field again and again, under long aliases.
async fn ask_for_much(deaf: &mut Socket) {
    let aliases: Vec<_> = (0..28)
        .map(|n| format!("{}_{n}: name", "x".repeat(200)))
        .collect();
    let query = format!(
        "{{ __schema {{ types {{ fields {{ {} }} }} }} }}",
        aliases.join(" ")
    );
    for n in 0..QUERIES {
        let id = n.to_string();
        deaf.send(&json!({ "type": "subscribe", "id": id, "payload": { "query": query } }))
            .await;
    }
}

async fn all_hear_of_events_though_one_of_them_does_not_read(database: TestDatabase) {
    let app = TestApp::new(&database).await;
    let ada = app.engine.sign_up("ada").await;
    let token = ada.tokens.access_token.expose_secret().to_owned();
    let url = format!("http://{}", app.listen().await);
    let mut connecting = JoinSet::new();
    for _ in 0..SUBSCRIBERS {
        let (url, token) = (url.clone(), token.clone());
        connecting.spawn(async move {
            let mut socket = Socket::connect_to(&url, &[])
                .await
                .initialised(&token)
                .await;
            socket.subscribe("1", EVENTS).await;
            socket
        });
    }
    let mut sockets = connecting.join_all().await;

    let mut deaf = Socket::connect_to(&url, &[])
        .await
        .initialised(&token)
        .await;
    deaf.subscribe("events", EVENTS).await;
    ask_for_much(&mut deaf).await;
    // Who asks later is answered later, here where all share a thread.
    sockets[0].subscribe("2", EVENTS).await;
    sockets.remove(0);
    let blocked = Instant::now();

    let mut created = HashSet::new();
    for _ in 0..EVENTS_EACH {
        created.insert(app.engine.sign_in("ada").await.session.id.to_string());
    }
    let mut still_there = Vec::new();
    for (socket, heard) in hear(sockets, EVENTS_EACH).await {
        assert_eq!(heard, created, "each hears of all");
        still_there.push(socket);
    }

    // Nothing is under way but what the deaf one does not take: time can pass at once. Its time is over after ten seconds.
    pause();
    sleep_until(blocked + Duration::from_secs(12)).await;
    resume();

    let (code, reason, said) = deaf.end().await;
    assert_eq!(
        (code, reason.as_str()),
        (1013, "Messages are read too slowly")
    );
    assert!(said < 2 * QUERIES, "it was not let go in the middle");
    let last = app.engine.sign_in("ada").await.session.id.to_string();
    for (_, heard) in hear(still_there, 1).await {
        assert!(heard.contains(&last), "the others hear on");
    }
}

// On one thread each: only there can the test move the time.

#[tokio::test]
async fn all_hear_of_events_though_one_of_them_does_not_read_on_sqlite() {
    all_hear_of_events_though_one_of_them_does_not_read(TestDatabase::sqlite().await).await;
}

#[tokio::test]
async fn all_hear_of_events_though_one_of_them_does_not_read_on_postgres() {
    all_hear_of_events_though_one_of_them_does_not_read(TestDatabase::postgres().await).await;
}
