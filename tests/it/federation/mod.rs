//! The subgraph: what gateways ask of it.

mod cached_keys;
mod entities;
mod service;
