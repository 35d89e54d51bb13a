//! What is neither GraphQL nor the playground: keys for gateways, and probes.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use axum_extra::{
    TypedHeader,
    headers::{ETag, IfNoneMatch},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use metrics_exporter_prometheus::PrometheusHandle;
use sea_orm::DatabaseConnection;
use serde_json::json;
use tokio::time::timeout;

use super::App;
use crate::{crypto::sha256, metrics};

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
pub(super) fn metrics(recorded: &PrometheusHandle, db: &DatabaseConnection) -> Response {
    metrics::database_pool(db);
    recorded.run_upkeep();
    let content_type = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (content_type, recorded.render()).into_response()
}
