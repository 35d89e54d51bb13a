//! What is done with a WebSocket, whoever is at its other end.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::time::timeout;

use super::protocol::Close;

/// How long one message may take to be written; a client that reads slower is disconnected.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads on until the client has answered a close (RFC 6455 section 7.1.1). What it has sent meanwhile would, unread, reset
/// the connection, and the close with its reason could be lost.
pub(super) async fn close_answered(socket: &mut WebSocket) {
    loop {
        match socket.recv().await {
            Some(Ok(Message::Close(_))) => return,
            Some(Ok(_)) => {}
            // It cannot be read on, and is left open for as long as the client may take.
            None | Some(Err(_)) => return std::future::pending().await,
        }
    }
}

pub(super) async fn write(socket: &mut WebSocket, message: Message) -> Result<(), Close> {
    match timeout(SEND_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Close::new(1011, "The connection broke")),
        Err(_) => Err(Close::new(1013, "Messages are read too slowly")),
    }
}
