//! GraphQL over HTTP: requests are read and answers written as its specification says
//! (<https://graphql.github.io/graphql-over-http/draft/>).
//!
//! Owns media types, status codes, parameters and the shape of the answer's JSON. It knows neither
//! the router nor the schema: these are functions over `http` types, and what they read is executed
//! elsewhere.
//!
//! - `media_type`: which format an answer has, and which bodies are read
//! - `request`: parameters of POST bodies and GET query strings, the kind of their operation
//! - `response`: answers
//!
//! To add a format, add it to [`Format`] and to what `media_type` offers. Streams of answers are `live`'s.

use std::borrow::Cow;

use axum::http::StatusCode;

mod media_type;
mod request;
mod response;

pub(super) use media_type::{Format, accepted_media, negotiate};
pub(super) use request::{Operations, ensure_query_over_get, read_get, read_post};
pub(super) use response::{Answer, NO_STORE, Responses, never_executed, refuse, respond};

/// An HTTP request that GraphQL over HTTP does not know; nothing of it was executed.
///
/// Its error code is `BAD_REQUEST`. The message says what is wrong and never repeats what the
/// client sent, which may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct BadRequest {
    /// The status of the answer, one of 4xx.
    pub status: StatusCode,
    /// What is wrong, for the client's developer.
    pub message: Cow<'static, str>,
    /// The value of the `Allow` header, with [`StatusCode::METHOD_NOT_ALLOWED`] only.
    pub allow: Option<&'static str>,
}

impl BadRequest {
    /// A request whose parameters cannot be read: 400.
    #[must_use]
    pub(super) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A method other than those in `allow` (a list for the `Allow` header): 405.
    #[must_use]
    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("This request is allowed with {allow} only."),
            )
        }
    }

    /// An `Accept` header with no format of ours: 406.
    #[must_use]
    pub(super) fn not_acceptable() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "Answers are application/graphql-response+json or application/json.",
        )
    }

    /// A body over the limit of `limit` bytes: 413.
    #[must_use]
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The body may have {limit} bytes at most."),
        )
    }

    /// A body of another type than JSON in UTF-8: 415.
    #[must_use]
    pub(super) fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body has to be application/json in UTF-8.",
        )
    }

    fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            allow: None,
        }
    }
}
