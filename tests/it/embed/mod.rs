//! The crate in programs of somebody else's.

mod extractor;
mod guards;
mod hooks;
mod schema;
mod tenants;
mod verify_tokens;
