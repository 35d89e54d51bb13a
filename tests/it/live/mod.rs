//! `sessionEvents`, over each of its transports.

mod replicas;
pub(crate) mod socket;
mod streams;
mod websocket;
