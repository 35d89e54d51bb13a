//! A client of the `graphql-transport-ws` protocol.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::support::{app::TestApp, engine::FIREFOX};

pub(super) const EVENTS: &str = "subscription { sessionEvents { kind refreshOutcome session { id invalidationReason account { username } } } }";

pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn connect(app: &TestApp) -> Self {
        Self::connect_with(app, &[]).await
    }

    pub(super) async fn connect_with(app: &TestApp, headers: &[(&'static str, &str)]) -> Self {
        let address = app.listen().await;
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .unwrap();
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        request
            .headers_mut()
            .insert("user-agent", HeaderValue::from_static(FIREFOX));
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Self(connect_async(request).await.unwrap().0)
    }

    /// A connection that is initialised with a token.
    pub(super) async fn signed_in(app: &TestApp, token: &str) -> Self {
        let mut socket = Self::connect(app).await;
        socket.send(&json!({ "type": "connection_init", "payload": { "Authorization": format!("Bearer {token}") } })).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket
    }

    pub(super) async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(super) async fn send_text(&mut self, text: &str) {
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    /// Subscribes, and waits until the server does.
    pub(super) async fn subscribe(&mut self, id: &str, document: &str) {
        self.send(&json!({ "type": "subscribe", "id": id, "payload": { "query": document } }))
            .await;
        // An operation behind it is answered when the one before it has begun.
        self.send(&json!({ "type": "subscribe", "id": "begun", "payload": { "query": "{ viewer { id } }" } })).await;
        loop {
            let message = self.next().await;
            if message["id"] == "begun" && message["type"] == "complete" {
                tokio::time::sleep(Duration::from_millis(50)).await;
                return;
            }
            assert_eq!(message["id"], "begun", "{message}");
        }
    }

    async fn frame(&mut self) -> Message {
        let frame = timeout(Duration::from_secs(10), self.0.next()).await;
        frame
            .expect("the server says something")
            .expect("the connection is open")
            .unwrap()
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> Value {
        match self.frame().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The code with which the server closes, now.
    pub(super) async fn closed(&mut self) -> u16 {
        match self.frame().await {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }
}
