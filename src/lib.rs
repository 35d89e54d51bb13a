//! sessiongraph
pub mod account;
pub mod clock;
pub mod crypto;
pub mod database;
pub mod entity;
pub mod error;
pub mod graphql;
pub mod keys;
pub mod network;
pub mod page;
pub mod random;
pub mod request;
pub mod scope;
pub mod session;
