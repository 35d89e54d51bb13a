//! Silent connections show that they live, and those whose client is gone end. Time is the test's once nothing is under
//! way: where everything waits, it passes at once.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::time::{Instant, pause};

use super::{
    socket::{EVENTS, Socket},
    streams::{MULTIPART, subscribe, until_begun},
};
use crate::support::{app::TestApp, database::TestDatabase};

const PING: Duration = Duration::from_secs(30);
const BEAT: Duration = Duration::from_secs(15);

/// An application with somebody's access token.
async fn signed_up() -> (TestApp, String) {
    let app = TestApp::new(&TestDatabase::sqlite().await).await;
    let ada = app.engine.sign_up("ada").await;
    (app, ada.tokens.access_token.expose_secret().to_owned())
}

/// A subscription that has begun, and whose last event is read.
async fn begun(app: &TestApp, request: Request<Body>) -> BodyDataStream {
    let mut body = app.stream(request).await.into_body().into_data_stream();
    until_begun(app, &mut body).await;
    body
}

/// Asserts that a silent stream says this, again and again.
async fn beats(body: &mut BodyDataStream, beat: &str) {
    use futures_util::StreamExt;
    pause();
    let mut beaten = 0;
    while beaten < 3 {
        let since = Instant::now();
        let said = body.next().await.unwrap().unwrap();
        let said = std::str::from_utf8(&said).unwrap();
        if beaten == 0 && said.contains("CREATED") {
            continue;
        }
        assert_eq!(said, beat);
        // Timers are exact to the millisecond.
        assert!(since.elapsed() <= BEAT + Duration::from_millis(2));
        beaten += 1;
    }
}

#[tokio::test]
async fn server_sent_events_show_that_they_live_by_comments() {
    let (app, token) = signed_up().await;
    let mut body = begun(&app, subscribe(&token, "text/event-stream", EVENTS)).await;
    beats(&mut body, ":\n\n").await;
}

#[tokio::test]
async fn a_multipart_response_shows_that_it_lives_by_empty_parts() {
    let (app, token) = signed_up().await;
    let mut body = begun(&app, subscribe(&token, MULTIPART, EVENTS)).await;
    let part = "\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql";
    beats(&mut body, part).await;
}

#[tokio::test]
async fn a_websocket_is_pinged_and_lives_while_its_client_answers() {
    let (app, token) = signed_up().await;
    let mut socket = Socket::signed_in(&app, &token).await;
    socket.subscribe("1", EVENTS).await;
    let since = Instant::now();
    socket.patience = 2 * PING;
    pause();
    for _ in 0..6 {
        assert_eq!(socket.next().await, json!({ "type": "ping" }));
        socket.send(&json!({ "type": "pong" })).await;
    }
    assert!(since.elapsed() >= 5 * PING);
    tokio::time::resume();
    let second = app.engine.sign_in("ada").await;
    let heard = loop {
        let message = socket.next().await;
        if message["type"] != "ping" {
            break message;
        }
    };
    let id = &heard["payload"]["data"]["sessionEvents"]["session"]["id"];
    assert_eq!(*id, second.session.id.to_string());
}

#[tokio::test]
async fn a_websocket_whose_client_answers_no_ping_is_closed() {
    let (app, token) = signed_up().await;
    let mut socket = Socket::signed_in(&app, &token).await;
    socket.subscribe("1", EVENTS).await;
    let since = Instant::now();
    socket.patience = 2 * PING;
    pause();
    for _ in 0..2 {
        assert_eq!(socket.next().await, json!({ "type": "ping" }));
    }
    assert_eq!(
        socket.closed_because().await,
        (3008, "Keep-alive timeout".to_owned())
    );
    assert!(since.elapsed() > 2 * PING);
}
