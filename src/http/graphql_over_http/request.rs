//! The parameters of a request: from a JSON body or from a query string.

use async_graphql::{Extensions, Request, Value, Variables, parser::types::OperationType};
use axum::http::HeaderMap;
use url::form_urlencoded;

use super::BadRequest;
use crate::graphql::document::operation_type;
use crate::http::json_body::is_json;

/// What one HTTP request asks to execute.
#[derive(Debug)]
pub(crate) enum Operations {
    /// One request.
    Single(Box<Request>),
    /// A list of requests, at least one, to be answered by a list.
    Batch(Vec<Request>),
}

impl Operations {
    /// The requests, one or several, to put data into them.
    pub(crate) fn requests_mut(&mut self) -> &mut [Request] {
        match self {
            Self::Single(request) => std::slice::from_mut(request.as_mut()),
            Self::Batch(requests) => requests,
        }
    }
}

/// Reads the requests in the body of a POST, `max_batch` at most.
///
/// # Errors
///
/// 415 unless the body is `application/json` in UTF-8; 400 for a body that is not JSON (or nested
/// deeper than 128 levels, or with a number out of every range), an empty or too long batch, and a
/// parameter of the wrong type, which the message names.
pub(crate) fn read_post(
    headers: &HeaderMap,
    body: &[u8],
    max_batch: usize,
) -> Result<Operations, BadRequest> {
    if !is_json(headers) {
        return Err(BadRequest::unsupported_media_type());
    }
    match parse_json(body) {
        None => Err(BadRequest::malformed(
            "The body is not JSON, or nested too deeply.",
        )),
        Some(Value::List(requests)) if requests.is_empty() => {
            Err(BadRequest::malformed("A batch needs a request."))
        }
        Some(Value::List(requests)) if requests.len() > max_batch => Err(BadRequest::malformed(
            format!("A batch may have {max_batch} requests at most."),
        )),
        Some(Value::List(requests)) => requests
            .into_iter()
            .map(|request| Parameters::from_json(request)?.into_request())
            .collect::<Result<_, _>>()
            .map(Operations::Batch),
        Some(request) => Parameters::from_json(request)?
            .into_request()
            .map(|request| Operations::Single(Box::new(request))),
    }
}

/// Reads the request in the query string of a GET (without its question mark).
///
/// Its operation may be anything: see [`ensure_query_over_get`].
///
/// # Errors
///
/// 400 for a parameter that is missing, repeated, not JSON (`variables` and `extensions`) or of the
/// wrong type; the message names it.
pub(crate) fn read_get(query_string: &str) -> Result<Request, BadRequest> {
    Parameters::from_query_string(query_string)?.into_request()
}

/// Refuses a request that came over GET and does not ask for a query.
///
/// A document that does not parse and an operation that cannot be selected are no matter of this:
/// execution reports them.
///
/// # Errors
///
/// 405 with `Allow: POST`: a GET is safe and may be repeated (RFC 9110, section 9.2.1).
pub(crate) fn ensure_query_over_get(request: &mut Request) -> Result<(), BadRequest> {
    match operation_type(request) {
        None | Some(OperationType::Query) => Ok(()),
        Some(OperationType::Mutation | OperationType::Subscription) => {
            Err(BadRequest::method_not_allowed("POST"))
        }
    }
}

/// The parameters of a request, unchecked; null where they are absent.
struct Parameters {
    query: Value,
    operation_name: Value,
    variables: Value,
    extensions: Value,
}

impl Parameters {
    fn from_json(request: Value) -> Result<Self, BadRequest> {
        let Value::Object(mut members) = request else {
            return Err(BadRequest::malformed("A request has to be a JSON object."));
        };
        let mut take = |name: &str| members.swap_remove(name).unwrap_or_default();
        Ok(Self {
            query: take("query"),
            operation_name: take("operationName"),
            variables: take("variables"),
            extensions: take("extensions"),
        })
    }

    fn from_query_string(query_string: &str) -> Result<Self, BadRequest> {
        let text = |name| {
            let text = single_parameter(query_string, name)?;
            Ok(text.map(Value::String).unwrap_or_default())
        };
        let json = |name| match single_parameter(query_string, name)? {
            None => Ok(Value::Null),
            Some(text) => parse_json(text.as_bytes())
                .ok_or_else(|| BadRequest::malformed(format!("`{name}` is not JSON."))),
        };
        let operation_name = match text("operationName")? {
            // The specification, for GET: the empty string is as good as no name.
            Value::String(name) if name.is_empty() => Value::Null,
            name => name,
        };
        Ok(Self {
            query: text("query")?,
            operation_name,
            variables: json("variables")?,
            extensions: json("extensions")?,
        })
    }

    fn into_request(self) -> Result<Request, BadRequest> {
        let extensions = match self.extensions {
            Value::Null => Extensions::default(),
            Value::Object(map) => {
                Extensions(map.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
            }
            _ => return Err(wrong_type("extensions", "an object or null")),
        };
        let is_persisted = matches!(extensions.get("persistedQuery"), Some(Value::Object(_)));
        let query = match self.query {
            Value::String(query) => query,
            Value::Null if is_persisted => String::new(),
            Value::Null => return Err(BadRequest::malformed("`query` is missing.")),
            _ => return Err(wrong_type("query", "a string")),
        };
        let variables = match self.variables {
            Value::Null => Variables::default(),
            object @ Value::Object(_) => Variables::from_value(object),
            _ => return Err(wrong_type("variables", "an object or null")),
        };
        let mut request = Request::new(query).variables(variables);
        request.extensions = extensions;
        request.operation_name = match self.operation_name {
            Value::Null => None,
            Value::String(name) => Some(name),
            _ => return Err(wrong_type("operationName", "a string or null")),
        };
        Ok(request)
    }
}

fn wrong_type(name: &str, expected: &str) -> BadRequest {
    BadRequest::malformed(format!("`{name}` has to be {expected}."))
}

/// The value of a parameter of a query string that may come once.
fn single_parameter(query_string: &str, name: &str) -> Result<Option<String>, BadRequest> {
    let mut values = form_urlencoded::parse(query_string.as_bytes())
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned());
    let value = values.next();
    if values.next().is_some() {
        return Err(BadRequest::malformed(format!("`{name}` comes twice.")));
    }
    Ok(value)
}

/// Parses JSON into GraphQL values.
///
/// # Why
///
/// Not by way of JSON values: those lose the order of an object's members. The parser's message is
/// dropped: it may quote what the client sent.
fn parse_json(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok()
}

#[cfg(test)]
mod tests;
