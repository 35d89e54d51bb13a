//! `sessionEvents`, over each of its transports.

mod cookies;
mod crowd;
mod forgery;
mod keep_alive;
mod replicas;
pub(crate) mod socket;
mod streams;
mod websocket;
