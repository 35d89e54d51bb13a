//! Subscriptions: over WebSockets, as server-sent events, and as multipart responses.

mod connection;
mod operation;
mod own_end;
mod protocol;
mod socket;
mod stream;
mod websocket;

pub(super) use self::{
    stream::{StreamFormat, event, stream_format, subscribe},
    websocket::upgrade,
};
