//! sessiongraph
pub mod clock;
pub mod entity;
pub mod error;
pub mod random;
