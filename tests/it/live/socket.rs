//! A client of the `graphql-transport-ws` protocol.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue, protocol::CloseFrame},
};

use crate::support::{app::TestApp, engine::FIREFOX};

pub(crate) const EVENTS: &str = "subscription { sessionEvents { kind refreshOutcome session { id invalidationReason account { username } } } }";

pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// How long it waits for what the server says.
    pub(super) patience: Duration,
}

impl Socket {
    pub(super) async fn connect(app: &TestApp) -> Self {
        Self::connect_with(app, &[]).await
    }

    pub(super) async fn connect_with(app: &TestApp, headers: &[(&'static str, &str)]) -> Self {
        let address = app.listen().await;
        Self::connect_to(&format!("http://{address}"), headers).await
    }

    /// Connects to a server by its URL.
    pub(crate) async fn connect_to(url: &str, headers: &[(&'static str, &str)]) -> Self {
        let url = format!("{}/graphql", url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        request
            .headers_mut()
            .insert("user-agent", HeaderValue::from_static(FIREFOX));
        // A header that comes for the first time replaces the one above, a second one is another line.
        for (index, (name, value)) in headers.iter().enumerate() {
            let value = value.parse().unwrap();
            if headers[..index].iter().any(|(before, _)| before == name) {
                request.headers_mut().append(*name, value);
            } else {
                request.headers_mut().insert(*name, value);
            }
        }
        Self {
            stream: connect_async(request).await.unwrap().0,
            patience: Duration::from_secs(10),
        }
    }

    /// A connection that is initialised with a token.
    pub(super) async fn signed_in(app: &TestApp, token: &str) -> Self {
        Self::connect(app).await.initialised(token).await
    }

    /// Initialises the connection with a token.
    pub(crate) async fn initialised(mut self, token: &str) -> Self {
        let payload = json!({ "Authorization": format!("Bearer {token}") });
        self.send(&json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(self.next().await["type"], "connection_ack");
        self
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(super) async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::Text(text.into())).await.unwrap();
    }

    /// Sends a short text as a client does that has not seen a close yet.
    pub(super) async fn send_blindly(&mut self, text: &str) -> std::io::Result<()> {
        // RFC 6455 section 5.2: a whole text, masked by nothing.
        let length = u8::try_from(text.len()).unwrap();
        assert!(length < 126);
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        self.stream.get_mut().write_all(&frame).await
    }

    /// Subscribes, and waits until the server does.
    pub(crate) async fn subscribe(&mut self, id: &str, document: &str) {
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
        let frame = timeout(self.patience, self.stream.next()).await;
        frame
            .expect("the server says something")
            .expect("the connection is open")
            .unwrap()
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Value {
        match self.frame().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Closes the connection as a client does, and gives the code that the server answers with.
    pub(super) async fn close(&mut self, code: u16) -> u16 {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.stream.send(Message::Close(Some(frame))).await.unwrap();
        self.closed().await
    }

    /// The code with which the server closes, now.
    pub(crate) async fn closed(&mut self) -> u16 {
        self.closed_because().await.0
    }

    /// Code and reason with which the server closes, now.
    pub(super) async fn closed_because(&mut self) -> (u16, String) {
        match self.frame().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// Code and reason with which the server closes, after whatever it has said before, and how many messages that were.
    pub(super) async fn end(&mut self) -> (u16, String, usize) {
        let mut said = 0;
        loop {
            match self.frame().await {
                Message::Close(Some(frame)) => {
                    return (frame.code.into(), frame.reason.to_string(), said);
                }
                _ => said += 1,
            }
        }
    }
}
