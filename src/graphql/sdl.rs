//! The schema's text: one for the file, for `sessiongraph schema` and for `_service { sdl }`.
//!
//! The library exports an `extend schema @link` with eleven imports and leaves the directives undefined, which graphql-js
//! and relay-compiler refuse. Here it becomes `schema @link`, with the imports that are used and their definitions, which
//! the compositions of Apollo and The Guild read as well.

use std::sync::Arc;

use async_graphql::{
    ObjectType, SDLExportOptions, Schema, ServerResult, SubscriptionType, Value,
    extensions::ResolveInfo,
};

use super::errors::request_error;
use crate::error::ErrorKind;

/// What stands before the types. The definitions are those of what `@link` brings: Apollo Federation 2.5 and its `link`
/// specification 1.0. The schema definition has no description: a described one breaks Grafbase's parser.
const HEAD: &str = r#"schema
  @link(url: "https://specs.apollo.dev/link/v1.0")
  @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@shareable"]) {
  query: Query
  mutation: Mutation
  subscription: Subscription
}

directive @link(
  url: String
  as: String
  for: link__Purpose
  import: [link__Import]
) repeatable on SCHEMA

directive @key(fields: federation__FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE

directive @shareable repeatable on OBJECT | FIELD_DEFINITION

directive @oneOf on INPUT_OBJECT

enum link__Purpose {
  SECURITY
  EXECUTION
}

scalar link__Import

scalar federation__FieldSet

"#;

/// The text of the server's schema.
pub(super) fn federated<Q, M, S>(schema: &Schema<Q, M, S>) -> String
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let options = SDLExportOptions::new()
        .federation()
        .use_space_ident()
        .indent_width(2);
    let exported = schema.sdl_with_options(options);
    // Behind the types come the library's own directives and its `extend schema`.
    let types = exported
        .split_once("\n\"\"\"\nDirects the executor")
        .map_or(exported.as_str(), |(types, _)| types);
    // Only `PageInfo` is shared with other subgraphs; the library says so of every connection.
    let types = types
        .replace("Connection @shareable {", "Connection {")
        .replace("Edge @shareable {", "Edge {");
    format!("{HEAD}{}\n", types.trim_end())
}

/// What `_service { sdl }` answers: our text, or nothing at all.
#[derive(Debug, Clone)]
pub(super) struct ServiceSdl(pub(super) Option<Arc<str>>);

impl ServiceSdl {
    /// The answer to a field that is not left to the library.
    pub(super) fn answer(&self, field: &ResolveInfo<'_>) -> Option<ServerResult<Option<Value>>> {
        match (field.parent_type, field.name, &self.0) {
            (_, "_service", None) => Some(Err(request_error(ErrorKind::Forbidden.into()))),
            ("_Service", "sdl", Some(sdl)) => Some(Ok(Some(Value::from(sdl.to_string())))),
            _ => None,
        }
    }
}
