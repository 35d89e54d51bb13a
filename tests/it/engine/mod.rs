//! The engine by itself, without GraphQL and HTTP.

mod concurrency;
mod invalidate;
mod logout;
mod recovery;
mod refresh;
mod refresh_refused;
mod reuse;
mod sign_up;
mod statements;
mod user_agent;
