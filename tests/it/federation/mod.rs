//! The subgraph: what gateways ask of it.

mod entities;
mod service;
