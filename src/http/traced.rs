//! The span of a request, where spans are collected.

use axum::{
    extract::Request,
    http::{HeaderValue, Response},
    middleware::Next,
};
use tracing::{Instrument, Span};

use super::server::REQUEST_ID;
use crate::traces;

/// Handles a request in its span.
pub(super) async fn traced(request: Request, next: Next) -> Response<axum::body::Body> {
    let id = request.headers().get(REQUEST_ID);
    let span = traces::request(&request, id.and_then(|id: &HeaderValue| id.to_str().ok()));
    let handled = next.run(request).instrument(span.clone());
    let response = traces::logged(Span::current(), handled).await;
    traces::responded(&span, response.status());
    response
}
