//! The rows, as `SeaORM` entities: what the database holds, and nothing else.
//!
//! To add a table: a migration in `migration/`, a file here with its `Model`, and a line below.

pub mod account;
pub mod counter;
pub mod lease;
pub mod secret_key;
pub mod service_key;
pub mod session;
pub mod signing_key;
