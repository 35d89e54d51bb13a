//! Everything that is not GraphQL: keys for gateways, probes, and the playground.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use axum_extra::{
    TypedHeader,
    headers::{ETag, IfNoneMatch},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::time::timeout;

use super::App;
use crate::crypto::sha256;

const PLAYGROUND: &str = include_str!("../../playground/placeholder.html");
/// The page loads nothing, from nowhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A probe has to answer before whoever asks gives up.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// `/.well-known/jwks.json`: a JWK set (RFC 7517 section 5), with a validator (RFC 9110 section 13.1.2): gateways poll it.
pub(super) async fn jwks(
    State(app): State<Arc<App>>,
    if_none_match: Option<TypedHeader<IfNoneMatch>>,
) -> Response {
    let keys = app.keyring.jwks();
    let headers = [(header::CACHE_CONTROL, "public, max-age=300")];
    let tag = format!(
        "\"{}\"",
        BASE64_URL_SAFE_NO_PAD.encode(sha256(keys.as_bytes()))
    );
    let Ok(tag) = tag.parse::<ETag>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if if_none_match.is_some_and(|TypedHeader(known)| !known.precondition_passes(&tag)) {
        return (StatusCode::NOT_MODIFIED, TypedHeader(tag), headers).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, "application/jwk-set+json")];
    (TypedHeader(tag), headers, content_type, keys.to_string()).into_response()
}

/// `/health/live`: the process answers.
pub(super) async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

/// `/health/ready`: the database answers too.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    match timeout(PROBE_TIMEOUT, app.sessions.db().ping()).await {
        Ok(Ok(())) => Json(json!({ "status": "ready" })).into_response(),
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "status": "the database does not answer" })),
        )
            .into_response(),
    }
}

/// `/metrics`, in Prometheus' text format.
pub(super) fn metrics(recorded: &PrometheusHandle) -> Response {
    recorded.run_upkeep();
    let content_type = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (content_type, recorded.render()).into_response()
}

/// `/`.
pub(super) async fn root() -> Redirect {
    Redirect::temporary("/playground")
}

/// `/playground`.
pub(super) async fn playground() -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(PLAYGROUND)).into_response()
}
