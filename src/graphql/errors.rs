//! Errors on their way out: codes, and what a client may read.
//!
//! A resolver fails with our [`Error`], which async-graphql keeps as the source. Here, and nowhere
//! else, it becomes `errors[].extensions`. Default-deny: what is not ours is `INTERNAL_SERVER_ERROR` with a fixed text,
//! and its cause goes to the log alone. Texts of the library itself are replaced where they could repeat a value.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};

use crate::error::{Error, ErrorKind};

/// The id of a request in the logs and in `extensions.requestId`; the server puts one into each request's data.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

/// How far a request came when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Parsing,
    Validation,
    Execution,
}

/// Gives an error its code, unless it has one.
pub(super) fn finish(error: &mut ServerError, stage: Stage, request_id: Option<&str>) {
    if error
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.get("code").is_some())
    {
        return;
    }
    let ours = match (error.source::<Error>(), stage) {
        (Some(ours), _) => ours.clone(),
        (None, Stage::Parsing) => ErrorKind::GraphqlParseFailed.into(),
        // The library's own complaints about a request have no source; nor have errors that a resolver made of a text.
        (None, Stage::Validation) => validation_failed(&error.message),
        (None, Stage::Execution)
            if error.source.is_none() && (error.path.is_empty() || is_of_input(&error.message)) =>
        {
            validation_failed(&error.message)
        }
        (None, _) => Error::internal(error.message.clone()),
    };
    if let ErrorKind::Internal | ErrorKind::ServiceUnavailable { .. } = ours.kind() {
        log(&ours, request_id);
    }
    error.message = ours.to_string();
    error.extensions = Some(extensions(&ours, request_id));
    error.source = None;
}

/// The answer to a request of which nothing was executed.
#[must_use]
pub fn refusal(error: Error, request_id: Option<&str>) -> Response {
    let mut error = request_error(error);
    finish(&mut error, Stage::Execution, request_id);
    Response::from_errors(vec![error])
}

/// An error of ours that stands for a whole request.
pub(super) fn request_error(error: Error) -> ServerError {
    let mut server_error = ServerError::new(error.to_string(), None);
    server_error.source = Some(Arc::new(error));
    server_error
}

/// The `extensions` of an error.
fn extensions(error: &Error, request_id: Option<&str>) -> ErrorExtensionValues {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", error.code());
    if let Some(reason) = error.reason() {
        extensions.set("reason", reason);
    }
    if let Some(action) = error.action() {
        extensions.set("action", action.as_str());
    }
    if let Some(field) = error.field() {
        extensions.set("field", field);
    }
    if let Some(seconds) = error.retry_after() {
        extensions.set("retryAfter", Value::from(seconds));
    }
    if let ErrorKind::QueryTooComplex {
        limit,
        value,
        allowed,
    } = error.kind()
    {
        extensions.set("limit", *limit);
        extensions.set("value", Value::from(*value));
        extensions.set("allowed", Value::from(*allowed));
    }
    if let (ErrorKind::Internal, Some(id)) = (error.kind(), request_id) {
        extensions.set("requestId", id);
    }
    extensions
}

fn log(error: &Error, request_id: Option<&str>) {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    tracing::error!(
        code = error.code(),
        request_id,
        causes = causes.join(": "),
        "a request failed"
    );
}

fn validation_failed(message: &str) -> Error {
    ErrorKind::GraphqlValidationFailed(without_values(message).into()).into()
}

/// Whether the library says so when it reads a field's arguments.
fn is_of_input(message: &str) -> bool {
    let starts = [
        "Expected input type",
        "Failed to parse",
        "Invalid value",
        "Variable ",
    ];
    starts.iter().any(|start| message.starts_with(start)) || message.contains(WITHIN_INPUT)
}

/// So ends what the library says of a value within another one.
const WITHIN_INPUT: &str = "(occurred while parsing";

/// The library's text, without what it repeats of the client's values: those may be passwords and tokens.
fn without_values(message: &str) -> String {
    let of_a_value = message.starts_with("Failed to parse") || message.contains(WITHIN_INPUT);
    if of_a_value || message.contains("found") {
        return "A value is not of its type.".to_owned();
    }
    match message.split_once(" does not contain the value") {
        Some((text, _)) => format!("{text} does not contain the value."),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::PathSegment;

    use super::*;

    fn finished(error: Error) -> ServerError {
        let mut error = request_error(error);
        finish(&mut error, Stage::Execution, Some("r1"));
        error
    }

    fn extension(error: &ServerError, name: &str) -> Option<String> {
        error
            .extensions
            .as_ref()
            .and_then(|all| all.get(name))
            .map(ToString::to_string)
    }

    #[test]
    fn an_internal_error_has_its_request_id_and_no_cause() {
        let error = finished(Error::internal("a secret cause"));
        assert_eq!(
            extension(&error, "code").as_deref(),
            Some("\"INTERNAL_SERVER_ERROR\"")
        );
        assert_eq!(extension(&error, "requestId").as_deref(), Some("\"r1\""));
        assert!(!error.message.contains("secret"));
    }

    #[test]
    fn a_foreign_error_is_internal_and_a_validation_error_repeats_no_value() {
        let mut foreign = async_graphql::Error::from("postgres://user:password@host")
            .into_server_error(async_graphql::Pos::default());
        finish(&mut foreign, Stage::Execution, None);
        assert_eq!(foreign.message, "Internal server error.");

        let mut library = ServerError::new(
            "Invalid value for argument \"input.transport\", enumeration type \"T\" does not contain the value \"sgr_x\"",
            None,
        );
        finish(&mut library, Stage::Validation, None);
        assert_eq!(
            library.message,
            "Invalid value for argument \"input.transport\", enumeration type \"T\" does not contain the value."
        );
        assert_eq!(
            extension(&library, "code").as_deref(),
            Some("\"GRAPHQL_VALIDATION_FAILED\"")
        );
    }

    #[test]
    fn what_the_library_says_of_a_value_is_of_the_request_and_repeats_nothing() {
        for text in [
            "Expected input type \"String\", found [\"s3cr3t\"]. (occurred while parsing \"SignInInput\")",
            "the string is s3cr3t (occurred while parsing \"SignInInput\")",
            "Failed to parse \"Int\": s3cr3t",
        ] {
            let mut error = ServerError::new(text, None);
            error.path = vec![PathSegment::Field("signIn".to_owned())];
            finish(&mut error, Stage::Execution, None);
            assert_eq!(error.message, "A value is not of its type.");
            assert_eq!(
                extension(&error, "code").as_deref(),
                Some("\"GRAPHQL_VALIDATION_FAILED\"")
            );
        }
    }

    #[test]
    fn bad_input_names_its_field() {
        let error = finished(Error::bad_user_input("first", "must be from 0 to 100"));
        assert_eq!(extension(&error, "field").as_deref(), Some("\"first\""));
        assert_eq!(error.message, "first: must be from 0 to 100");
    }
}
