//! HTTP: the server around the schema.

mod background;
mod client_ip;
mod cookies;
mod endpoint;
mod graphql_over_http;
mod live;
mod pages;
mod playground;
mod server;
mod session_request;

pub use self::{
    client_ip::{ForwardedHeader, TrustedProxies},
    cookies::CookiePolicy,
    server::{App, router, serve},
};
