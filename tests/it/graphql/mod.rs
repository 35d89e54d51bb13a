//! The contract over the real router.

mod actions;
mod current_session;
mod error_codes;
mod errors;
mod input;
