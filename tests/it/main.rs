//! All behaviour tests, in one binary. Each runs on SQLite and on PostgreSQL: see [`support`].

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on panics"
)]

mod architecture;
mod documentation;
mod embed;
mod live;
mod support;

mod cli;
mod engine;
mod federation;
mod fuzz;
mod graphql;
mod http;
