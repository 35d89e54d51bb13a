//! Messages of the `graphql-transport-ws` protocol
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).

use async_graphql::{Request, Response, ServerError};
use axum::extract::ws::{CloseFrame, Message};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind};

/// The `Sec-WebSocket-Protocol` of this protocol.
pub(super) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// A close frame's reason has 123 bytes at most (RFC 6455 section 5.5).
const MAX_REASON_LENGTH: usize = 123;

/// What a client sends.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    ConnectionInit { payload: Option<Value> },
    Ping { payload: Option<Value> },
    Pong {},
    Subscribe { id: String, payload: Box<Request> },
    Complete { id: String },
}

/// Why a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: String,
}

/// Why a token was refused, as a reason that clients can tell apart.
impl From<&Error> for Close {
    fn from(error: &Error) -> Self {
        if error.retry_after().is_some() {
            return Close::new(1013, "Try again later");
        }
        if matches!(error.kind(), ErrorKind::Internal) {
            return Close::new(1011, "Internal server error");
        }
        let reason = error.reason().unwrap_or(error.code()).to_owned();
        match error.reason() {
            Some(
                "INVALID_SESSION" | "SESSION_NOT_FOUND" | "USER_NOT_FOUND" | "USER_DEACTIVATED",
            ) => Close::forbidden(reason),
            _ => Close::unauthorized(reason),
        }
    }
}

impl Close {
    /// The client does not speak the protocol, or is over a limit.
    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self {
            code: 4400,
            reason: reason.into(),
        }
    }

    /// Its token does not hold, or has expired.
    pub(super) fn unauthorized(reason: impl Into<String>) -> Self {
        Self {
            code: 4401,
            reason: reason.into(),
        }
    }

    /// Its session has ended, or its service key is revoked.
    pub(super) fn forbidden(reason: impl Into<String>) -> Self {
        Self {
            code: 4403,
            reason: reason.into(),
        }
    }

    /// The server stops.
    pub(super) fn going_away() -> Self {
        Self::new(1001, "Server is stopping")
    }

    /// Whether operations under way have come to their end, not merely lost their connection.
    pub(super) fn ends_operations(&self) -> bool {
        [1001, 4401, 4403].contains(&self.code)
    }

    /// Whether trying again later may help, of whoever is refused.
    pub(super) fn is_temporary(&self) -> bool {
        [1011, 1013].contains(&self.code)
    }

    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    pub(super) fn into_message(self) -> Message {
        let reason = &self.reason[..self.reason.floor_char_boundary(MAX_REASON_LENGTH)];
        Message::Close(Some(CloseFrame {
            code: self.code,
            reason: reason.into(),
        }))
    }
}

impl ClientMessage {
    pub(super) fn parse(text: &str) -> Result<Self, Close> {
        // Neither the parser's text nor the client's: they may hold a token.
        serde_json::from_str(text).map_err(|_| Close::bad_request("Invalid message"))
    }
}

/// The token in the payload of `connection_init` or `ping`.
pub(super) fn token(payload: Option<&Value>) -> Option<SecretString> {
    let members = payload?.as_object()?;
    let (_, value) = members
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
    crate::http::session_request::bearer_of(value.as_str()?)
}

fn text(message: &Value) -> Message {
    Message::Text(message.to_string().into())
}

pub(super) fn acknowledged() -> Message {
    text(&json!({ "type": "connection_ack" }))
}

pub(super) fn pong(payload: Option<Value>) -> Message {
    match payload {
        Some(payload) => text(&json!({ "type": "pong", "payload": payload })),
        None => text(&json!({ "type": "pong" })),
    }
}

pub(super) fn ping() -> Message {
    text(&json!({ "type": "ping" }))
}

pub(super) fn next(id: &str, response: &Response) -> Message {
    text(&json!({ "type": "next", "id": id, "payload": response }))
}

pub(super) fn error(id: &str, errors: &[ServerError]) -> Message {
    text(&json!({ "type": "error", "id": id, "payload": errors }))
}

pub(super) fn complete(id: &str) -> Message {
    text(&json!({ "type": "complete", "id": id }))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn what_is_no_message_is_closed_on() {
        for bad in [
            "",
            "hello",
            "{}",
            r#"{"type":"unknown"}"#,
            r#"{"type":"subscribe","id":1}"#,
            "[]",
        ] {
            assert_eq!(
                ClientMessage::parse(bad).map(|_| ()).unwrap_err().code,
                4400,
                "{bad}"
            );
        }
        assert!(ClientMessage::parse(r#"{"type":"pong","payload":{}}"#).is_ok());
    }

    #[test]
    fn a_token_is_found_whatever_the_case_of_its_name() {
        let found =
            |payload: Value| token(Some(&payload)).map(|token| token.expose_secret().to_owned());
        assert_eq!(
            found(json!({ "authorization": "Bearer abc" })).as_deref(),
            Some("abc")
        );
        assert_eq!(
            found(json!({ "Authorization": "abc" })).as_deref(),
            Some("abc")
        );
        assert_eq!(found(json!({ "Authorization": "Bearer " })), None);
        assert_eq!(found(json!({ "Authorization": 1 })), None);
        assert_eq!(found(json!("abc")), None);
    }

    #[test]
    fn a_reason_is_cut_to_what_a_frame_can_hold() {
        let Message::Close(Some(frame)) = Close::new(4400, "ä".repeat(100)).into_message() else {
            panic!("no close frame");
        };
        assert!(frame.reason.len() <= MAX_REASON_LENGTH);
    }
}
