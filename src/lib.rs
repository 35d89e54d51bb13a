//! sessiongraph
pub mod account;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod database;
pub mod entity;
pub mod error;
pub mod graphql;
pub mod http;
pub mod keys;
pub mod network;
pub mod page;
pub mod random;
pub mod request;
pub mod scope;
pub mod services;
pub mod session;
