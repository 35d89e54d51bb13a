//! `sessionEvents`, over each of its transports.

mod replicas;
mod socket;
mod streams;
mod websocket;
