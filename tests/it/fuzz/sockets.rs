//! What clients send over a WebSocket.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        http::HeaderValue,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

use super::{
    Cast, check_error, check_response, explore,
    mutation::{Bytes, mutated_by},
    seeds,
};
use crate::support::{app::TestApp, engine::FIREFOX, on_each_database};

const SEEDS: &str = "sockets/seeds.jsonl";
/// The protocol's codes, and WebSocket's own for frames that are none. Not 1011 and 1013, which blame the server.
const CLOSE_CODES: [u16; 8] = [1000, 4400, 4401, 4403, 4406, 4408, 4409, 4429];
/// How many connections one cast plays in: some of them log it out.
const SCENE: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection is watched for answers behind the pong.
const AFTERWARDS: Duration = Duration::from_millis(10);

/// A message as it is sent: text where it can be, else a text frame that is no text.
fn frame(bytes: Vec<u8>) -> Message {
    match String::from_utf8(bytes) {
        Ok(text) => Message::Text(text.into()),
        Err(error) => Message::Frame(Frame::message(
            error.into_bytes(),
            OpCode::Data(Data::Text),
            true,
        )),
    }
}

fn check_message(text: &str) -> TestCaseResult {
    let message: Value =
        serde_json::from_str(text).map_err(|error| TestCaseError::fail(error.to_string()))?;
    match message["type"].as_str() {
        Some("next") => check_response(&message["payload"]),
        Some("error") => {
            let errors = message["payload"]
                .as_array()
                .filter(|errors| !errors.is_empty());
            prop_assert!(errors.is_some(), "{message}");
            errors.into_iter().flatten().try_for_each(check_error)
        }
        Some("connection_ack" | "ping" | "pong" | "complete") => Ok(()),
        _ => Err(TestCaseError::fail(text.to_owned())),
    }
}

/// Says it all and then pings: the server answers that, or closes and says why.
async fn converse(url: &str, messages: Vec<Vec<u8>>) -> TestCaseResult {
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert(
        "sec-websocket-protocol",
        HeaderValue::from_static("graphql-transport-ws"),
    );
    headers.insert("user-agent", HeaderValue::from_static(FIREFOX));
    let (mut socket, _) = connect_async(request).await.unwrap();
    let ping = br#"{"type":"ping"}"#.to_vec();
    for message in messages.into_iter().chain([ping]) {
        // Closed on already: its reason is still to be read.
        if socket.send(frame(message)).await.is_err() {
            break;
        }
    }
    let mut ponged = false;
    loop {
        let patience = if ponged { AFTERWARDS } else { PATIENCE };
        let Ok(heard) = timeout(patience, socket.next()).await else {
            prop_assert!(ponged, "the server says nothing");
            return Ok(());
        };
        match heard {
            Some(Ok(Message::Text(text))) => {
                check_message(&text)?;
                ponged |= text.contains(r#""type":"pong""#);
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                let code = u16::from(frame.code);
                prop_assert!(CLOSE_CODES.contains(&code), "{frame:?}");
                return Ok(());
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
    }
}

on_each_database! {
    async fn every_message_is_answered_or_closed_on_with_a_code_of_the_protocol(database: TestDatabase) {
        let app = TestApp::new(&database).await;
        let url = format!("ws://{}/graphql", app.listen().await);
        let init = seeds(SEEDS)[1].clone();
        let (cast, played) = (RefCell::new(Cast::of(&app).await), Cell::new(0));
        let messages = vec(prop_oneof![1 => proptest::sample::select(seeds(SEEDS)).prop_map(Bytes), 1 => mutated_by(seeds(SEEDS), 1..4)], 1..5);
        explore(200, &(proptest::bool::weighted(0.8), messages), async |(initialised, messages)| {
            played.set(played.get() + 1);
            if played.get() % SCENE == 0 {
                cast.replace(Cast::of(&app).await);
            }
            let first = initialised.then(|| init.clone());
            let messages = first.into_iter().chain(messages.into_iter().map(|message| message.0));
            let messages = messages.map(|message| cast.borrow().put_into(&message)).collect();
            converse(&url, messages).await
        });
    }
}
