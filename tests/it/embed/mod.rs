//! The crate in programs of somebody else's.

mod extractor;
mod guards;
mod schema;
