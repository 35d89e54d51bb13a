//! The contract over the real router.

mod actions;
mod change_password;
mod current_session;
mod empty_selections;
mod enumeration;
mod error_codes;
mod errors;
mod events;
mod extensions;
mod input;
mod invalidate;
mod limits;
mod logout;
mod merged_fields;
mod nulls;
mod pages;
mod plans;
mod rate_limits;
mod refresh;
mod schema;
mod service_keys;
mod sign_in;
mod sign_up;
mod statements;
mod visibility;
