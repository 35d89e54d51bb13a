//! HTTP: what an axum server needs for sessions, and the whole server.
//!
//! With the feature `axum`: extractors ([`CurrentSession`](crate::session::CurrentSession) and [`SessionRequest`](crate::request::SessionRequest),
//! over [`HttpSessions`]) and the rules of cookies and proxies. With the feature `server`: the server around the schema.

mod client_ip;
mod cookies;
mod extract;
mod json_body;
mod session_request;

#[cfg(feature = "server")]
mod connections;
#[cfg(feature = "server")]
mod endpoint;
#[cfg(feature = "server")]
mod graphql_over_http;
#[cfg(feature = "server")]
mod live;
#[cfg(feature = "server")]
mod pages;
#[cfg(feature = "server")]
mod playground;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod traced;

#[cfg(feature = "server")]
pub use self::server::{App, router, serve};
pub use self::{
    client_ip::{ForwardedHeader, TrustedProxies},
    cookies::CookiePolicy,
    extract::SessionRejection,
    session_request::HttpSessions,
};
