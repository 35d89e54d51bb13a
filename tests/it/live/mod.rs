//! `sessionEvents`, over each of its transports.

mod crowd;
mod replicas;
pub(crate) mod socket;
mod streams;
mod websocket;
