//! Sessions and authentication for GraphQL: sign people up and in, keep their sessions, rotate their tokens, end them.
//!
//! One binary, `sessiongraph`, that is an Apollo Federation v2 subgraph over SQLite or PostgreSQL; and this crate, whose
//! parts drop into any async-graphql server. [`graphql::extend`] gives a schema sessions, a guard protects a field:
//!
//! ```
//! use async_graphql::{MergedObject, Object, Request, Schema};
//! use sessiongraph::{
//!     account::Accounts,
//!     crypto::password::PasswordPolicy,
//!     database::{DatabaseOptions, connect, migrate},
//!     graphql::{SessionMutation, SessionQuery, SessionSubscription, SignedIn, extend},
//!     keys::FixedSecret,
//!     request::SessionRequest,
//!     session::Sessions,
//! };
//!
//! #[derive(Default)]
//! struct Notes;
//!
//! #[Object]
//! impl Notes {
//!     #[graphql(guard = "SignedIn")]
//!     async fn notes(&self) -> Vec<String> {
//!         vec!["Buy milk".to_owned()]
//!     }
//! }
//!
//! #[derive(MergedObject, Default)]
//! struct Query(Notes, SessionQuery);
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> sessiongraph::error::Result<()> {
//! let db = connect(&DatabaseOptions::new("sqlite::memory:")).await?;
//! migrate(&db).await?;
//! let keys = FixedSecret::new(&"a secret of thirty-two bytes or more".into())?;
//! let sessions = Sessions::builder(db).keys(keys).build()?;
//! let accounts = Accounts::new(sessions, PasswordPolicy::default())?;
//! let roots = Schema::build(Query::default(), SessionMutation, SessionSubscription);
//! let schema = extend(roots, accounts).finish();
//!
//! // Of an HTTP request the extractor of the feature `axum` makes the session request.
//! let request = Request::new("{ notes }").data(SessionRequest::new());
//! let answer = schema.execute(request).await;
//! assert_eq!(answer.errors[0].message, "Sign in first: the request carries no token.");
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` has whole servers: `embed` (with the routes around it), `hooks`, `tenants` (keys that differ), and
//! `verify_tokens` (another service, which needs no database and none of this crate). The guide is `docs/crate.md`.
//!
//! # The engine by itself
//!
//! It works without GraphQL and without HTTP:
//!
//! ```
//! use sessiongraph::{
//!     account::{Accounts, SignUp},
//!     crypto::password::{Password, PasswordPolicy},
//!     database::{DatabaseOptions, connect, migrate},
//!     keys::FixedSecret,
//!     request::SessionRequest,
//!     session::{RefreshOutcome, RefreshTokensInput, Sessions, TokenTransport},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> sessiongraph::error::Result<()> {
//! let db = connect(&DatabaseOptions::new("sqlite::memory:")).await?;
//! migrate(&db).await?;
//! let keys = FixedSecret::new(&"a secret of thirty-two bytes or more".into())?;
//! let sessions = Sessions::builder(db).keys(keys).build()?;
//! let accounts = Accounts::new(sessions.clone(), PasswordPolicy::default())?;
//!
//! let mut request = SessionRequest::new();
//! request.ip = Some([192, 0, 2, 1].into());
//! request.user_agent = Some("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned());
//! let login = accounts
//!     .sign_up(
//!         &request,
//!         SignUp {
//!             username: Some("ada".to_owned()),
//!             email: None,
//!             password: Password::new("correct horse battery staple"),
//!             transport: TokenTransport::Body,
//!         },
//!     )
//!     .await?;
//!
//! let input = RefreshTokensInput { refresh_token: Some(login.tokens.refresh_token) };
//! let refreshed = sessions.refresh_tokens(&request, input).await?;
//! assert_eq!(refreshed.outcome, Some(RefreshOutcome::Rotated));
//! assert_eq!(refreshed.session.id, login.session.id);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | what | default |
//! | --- | --- | --- |
//! | `sqlite`, `postgres` | the databases; one of them is needed | both |
//! | `axum` | [`http::HttpSessions`] and the extractors, with the rules of cookies and proxies | with `server` |
//! | `otel` | traces of the server for OpenTelemetry, over OTLP | yes |
//! | `server` | the server and its command line: [`config`], [`services`], and the rest of [`http`] | yes |
//!
//! A server of your own wants `default-features = false` and, say, `features = ["axum", "postgres"]`.
//!
//! # Map
//!
//! Imports point downwards only; a test keeps it so.
//!
//! | module | what |
//! | --- | --- |
//! | `main`, `cli` (of the binary) | the commands |
//! | [`http`] | the server: `/graphql`, cookies, live events, proxies, public keys, probes |
//! | [`upkeep`] | what a process does by itself: pruning, key rotation, telling other replicas |
//! | [`services`] | from a configuration to what it configures |
//! | [`config`] | what can be configured, and from where |
//! | [`graphql`] | the contract's types, queries, mutations and subscription; errors and limits on the way |
//! | [`account`] | accounts and passwords; opens sessions, never the reverse |
//! | [`session`] | the engine: opening, refreshing, ending, authenticating; hooks |
//! | [`keys`] | the keyring in the database, or keys of your own |
//! | [`crypto`] | tokens, passwords and seals as values; the only user of cryptographic libraries |
//! | [`entity`], [`database`] | rows, and the way to them |
//! | [`request`], [`scope`], [`page`], `network` | values that all of them speak of |
//! | [`limit`] | how often strangers may try: guessing, signing up, refreshing |
//! | [`lease`] | scheduled work, by one replica at a time |
//! | [`metrics`], [`traces`] | what is counted, and what is traced |
//! | [`error`], [`clock`], [`random`] | failures with their codes; time and chance as parameters |

#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!(
    "sessiongraph needs a database: enable the feature `sqlite`, or `postgres`, or both"
);

/// Crates whose types are part of this API, in the versions that it is built with.
#[doc(no_inline)]
pub use {async_graphql, chrono, sea_orm, secrecy, serde_json, uuid};

/// The guide, whose programs have to work.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../docs/crate.md")]
struct Guide;

pub mod account;
pub mod clock;
#[cfg(feature = "server")]
pub mod config;
pub mod crypto;
pub mod database;
pub mod entity;
pub mod error;
pub mod graphql;
#[cfg(feature = "axum")]
pub mod http;
pub mod keys;
pub mod lease;
pub mod limit;
pub mod metrics;
mod network;
pub mod page;
pub mod random;
pub mod request;
pub mod scope;
#[cfg(feature = "server")]
pub mod services;
pub mod session;
pub mod traces;
pub mod upkeep;
