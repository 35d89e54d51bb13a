//! What is seen of the HTTP surface, through the router.

mod client_ip;
mod cookies;
mod cors;
mod forgery;
mod graphql_over_http;
mod pages;
mod persisted_documents;
mod robustness;
mod silent_renewal;
mod timeouts;
