//! The engine by itself, without GraphQL and HTTP.

mod accounts;
mod change_password;
mod concurrency;
mod hooks;
mod invalidate;
mod key_revocation;
mod key_rotation;
mod logout;
mod master_secret;
mod migration;
mod pruning;
mod recovery;
mod refresh;
mod refresh_refused;
mod renewal;
mod reuse;
mod rotation_model;
mod secrets;
mod service_keys;
mod session_limit;
mod sign_in;
mod sign_up;
mod statements;
mod tenants;
mod transactions;
mod user_agent;
