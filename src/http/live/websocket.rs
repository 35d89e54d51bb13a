//! The upgrade to a WebSocket.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequestParts, WebSocketUpgrade},
    http::{self, Method, request::Parts},
    response::IntoResponse,
};

use super::{
    connection::Connection,
    protocol::{Close, SUBPROTOCOL},
};
use crate::http::{
    App,
    graphql_over_http::{BadRequest, Format, refuse},
};

/// Held by each connection, most of which are idle; most messages fit, and for longer ones it grows.
const READ_BUFFER_SIZE: usize = 4 << 10;

/// Upgrades a request that asks for it; `None` where it does not.
pub(crate) async fn upgrade(
    app: &Arc<App>,
    peer: SocketAddr,
    parts: &mut Parts,
) -> Option<http::Response<Body>> {
    let protocol = parts.headers.get(http::header::UPGRADE);
    let asks = protocol.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    // How it is asked for over HTTP/2 (RFC 8441 section 4).
    if !asks && parts.method != Method::CONNECT {
        return None;
    }
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(parts, &()).await else {
        let refusal = BadRequest::malformed("This is no WebSocket handshake.");
        return Some(refuse(Format::Json, &refusal));
    };
    let request = app.http.socket_request(Some(peer.ip()), &parts.headers);
    let app = Arc::clone(app);
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(app.body_limit)
        .max_frame_size(app.body_limit)
        .read_buffer_size(READ_BUFFER_SIZE);
    let tasks = app.connections.clone();
    let response = upgrade.on_upgrade(move |mut socket| async move {
        let speaks = socket
            .protocol()
            .is_some_and(|protocol| protocol == SUBPROTOCOL);
        if speaks {
            // Tracked, so that a server that stops waits until its clients are told.
            let _ = tasks.spawn(Connection::new(app, request).run(socket)).await;
        } else {
            let close = Close::new(4406, "Subprotocol not acceptable");
            let _ = socket.send(close.into_message()).await;
        }
    });
    Some(response.into_response())
}
