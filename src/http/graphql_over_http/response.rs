//! Answers: their JSON, status and headers.

use std::collections::BTreeMap;

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};
use axum::{
    body::Body,
    http::{self, HeaderValue, StatusCode, header},
};
use serde::Serialize;

use super::{BadRequest, Format};

/// What `Cache-Control` says of every answer.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What was executed for one HTTP request.
#[derive(Debug)]
pub(crate) enum Responses {
    /// The answer to one request.
    Single(Box<Response>),
    /// The answers to a batch, in its order.
    Batch(Vec<Response>),
}

impl Responses {
    fn as_slice(&self) -> &[Response] {
        match self {
            Self::Single(response) => std::slice::from_ref(response.as_ref()),
            Self::Batch(responses) => responses,
        }
    }
}

/// The HTTP answer for what was executed.
///
/// With the headers that the responses carry, and never to be stored by a cache. A batch is
/// answered by a list and status 200. So is a single request that was executed, whatever its fields
/// say: gateways throw away the body of anything else. One that was never executed has a status
/// that depends on format and error code.
#[must_use]
pub(crate) fn respond(format: Format, responses: &Responses) -> http::Response<Body> {
    let (status, body) = match responses {
        Responses::Single(response) => {
            let body = serde_json::to_vec(&Answer::from(response.as_ref()));
            (status(format, response), body)
        }
        Responses::Batch(responses) => {
            let answers: Vec<_> = responses.iter().map(Answer::from).collect();
            (StatusCode::OK, serde_json::to_vec(&answers))
        }
    };
    let mut http = match body {
        Ok(body) => answer(format, status, body),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            let code = "INTERNAL_SERVER_ERROR";
            let body = error_body("Internal server error.", code);
            answer(format, StatusCode::INTERNAL_SERVER_ERROR, body)
        }
    };
    for (name, value) in responses.as_slice().iter().flat_map(|r| &r.http_headers) {
        let is_ours = name == header::CONTENT_TYPE || name == header::CACHE_CONTROL;
        if !is_ours {
            http.headers_mut().append(name.clone(), value.clone());
        }
    }
    http
}

/// The HTTP answer to a request that was refused before GraphQL saw it.
///
/// `format` is [`Format::Json`] where the client accepts none of ours.
#[must_use]
pub(crate) fn refuse(format: Format, refusal: &BadRequest) -> http::Response<Body> {
    let body = error_body(&refusal.message, "BAD_REQUEST");
    let mut http = answer(format, refusal.status, body);
    if let Some(allow) = refusal.allow {
        let allow = HeaderValue::from_static(allow);
        http.headers_mut().insert(header::ALLOW, allow);
    }
    http
}

/// Whether the request failed before its first field was executed.
///
/// Then nothing has data, and no error has a path: execution gives each of its errors one.
#[must_use]
pub(crate) fn never_executed(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// The GraphQL specification's response, `errors` first so that they are seen.
///
/// `data` is absent, not null, where the request was never executed.
#[derive(Serialize)]
pub(crate) struct Answer<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

impl<'a> From<&'a Response> for Answer<'a> {
    fn from(response: &'a Response) -> Self {
        Self {
            errors: &response.errors,
            data: (!never_executed(response)).then_some(&response.data),
            extensions: &response.extensions,
        }
    }
}

/// The status of the answer to a single request.
///
/// # Why
///
/// A client that asks with a hash alone reads the body of the refusal, and some read none that is
/// not 2xx. A full queue and a bad HTTP request are no matters of GraphQL, so they are what they
/// are in both formats.
fn status(format: Format, response: &Response) -> StatusCode {
    if !never_executed(response) || has_code(response, "PERSISTED_QUERY_NOT_FOUND") {
        StatusCode::OK
    } else if has_code(response, "SERVICE_UNAVAILABLE") {
        StatusCode::SERVICE_UNAVAILABLE
    } else if has_code(response, "INTERNAL_SERVER_ERROR") {
        StatusCode::INTERNAL_SERVER_ERROR
    } else if format == Format::ResponseJson || has_code(response, "BAD_REQUEST") {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    }
}

fn has_code(response: &Response, code: &str) -> bool {
    response.errors.iter().any(|error| {
        let extensions = error.extensions.as_ref();
        matches!(extensions.and_then(|e| e.get("code")), Some(Value::String(c)) if c == code)
    })
}

/// The body of an answer that has one error and nothing else.
fn error_body(message: &str, code: &str) -> Vec<u8> {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    let mut error = ServerError::new(message, None);
    error.extensions = Some(extensions);
    let response = Response::from_errors(vec![error]);
    serde_json::to_vec(&Answer::from(&response)).unwrap_or_default()
}

fn answer(format: Format, status: StatusCode, body: Vec<u8>) -> http::Response<Body> {
    let mut http = http::Response::new(Body::from(body));
    *http.status_mut() = status;
    let headers = http.headers_mut();
    headers.insert(header::CONTENT_TYPE, format.content_type());
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    http
}

#[cfg(test)]
mod tests;
