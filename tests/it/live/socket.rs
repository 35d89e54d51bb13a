//! A client of the `graphql-transport-ws` protocol.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, header},
};
use futures_util::{SinkExt, StreamExt};
use hyper::{client::conn::http2, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, Role},
    },
};

use crate::support::{app::TestApp, engine::FIREFOX};

pub(crate) const EVENTS: &str = "subscription { sessionEvents { kind refreshOutcome session { id invalidationReason account { username } } } }";

/// A TCP connection, or a stream of one.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<C: AsyncRead + AsyncWrite + Send + Unpin> Connection for C {}

pub(crate) struct Socket {
    stream: WebSocketStream<Box<dyn Connection>>,
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
        let connection: Box<dyn Connection> = Box::new(connected(url).await);
        let url = format!("{}/graphql", url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        add_headers(request.headers_mut(), headers);
        let (stream, _) = client_async(request, connection).await.unwrap();
        Self::new(stream)
    }

    /// Connects over HTTP/2 (RFC 8441).
    pub(crate) async fn connect_over_http2(url: &str, headers: &[(&'static str, &str)]) -> Self {
        let connection = TokioIo::new(connected(url).await);
        let (mut requests, mut connection) =
            http2::handshake::<_, _, Body>(TokioExecutor::new(), connection)
                .await
                .unwrap();
        // Nobody is told when the server's settings have come.
        let announced = async {
            while !connection.is_extended_connect_protocol_enabled() {
                let ended = timeout(Duration::from_millis(5), &mut connection).await;
                assert!(ended.is_err(), "the connection stays open");
            }
        };
        let announced = timeout(Duration::from_secs(10), announced).await;
        announced.expect("the server announces WebSockets");
        tokio::spawn(connection);
        let mut request = Request::connect(format!("{url}/graphql"))
            .extension(Protocol::from_static("websocket"))
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .body(Body::empty())
            .unwrap();
        add_headers(request.headers_mut(), headers);
        let response = requests.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let connection: Box<dyn Connection> = Box::new(TokioIo::new(upgraded));
        Self::new(WebSocketStream::from_raw_socket(connection, Role::Client, None).await)
    }

    fn new(stream: WebSocketStream<Box<dyn Connection>>) -> Self {
        Self {
            stream,
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

async fn connected(url: &str) -> TcpStream {
    let address = url.trim_start_matches("http://");
    TcpStream::connect(address).await.unwrap()
}

fn add_headers(all: &mut HeaderMap, headers: &[(&'static str, &str)]) {
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    all.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    all.insert(header::USER_AGENT, HeaderValue::from_static(FIREFOX));
    // A header that comes for the first time replaces the one above, a second one is another line.
    for (index, (name, value)) in headers.iter().enumerate() {
        let value = value.parse().unwrap();
        if headers[..index].iter().any(|(before, _)| before == name) {
            all.append(*name, value);
        } else {
            all.insert(*name, value);
        }
    }
}
