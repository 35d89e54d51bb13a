//! sessiongraph
pub mod clock;
pub mod entity;
pub mod error;
pub mod random;
pub mod crypto;
pub mod network;
pub mod keys;
pub mod request;
pub mod scope;
