//! The schema's text: one for the file, for `sessiongraph schema` and for `_service { sdl }`.
//!
//! The library exports an `extend schema @link` with eleven imports and leaves the directives undefined, which graphql-js
//! and relay-compiler refuse. Here it becomes `schema @link`, with the imports that are used and their definitions, which
//! the compositions of Apollo and The Guild read as well.

use async_graphql::{ObjectType, SDLExportOptions, Schema, SubscriptionType};

const FEDERATION: &str = "https://specs.apollo.dev/federation/v2.5";

/// Definitions of what `@link` brings (Apollo Federation 2.5, `core` specification 1.0).
const DEFINITIONS: &str = r#"directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
directive @key(fields: federation__FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE
directive @shareable repeatable on OBJECT | FIELD_DEFINITION
directive @oneOf on INPUT_OBJECT

scalar link__Import
scalar federation__FieldSet

enum link__Purpose {
  SECURITY
  EXECUTION
}
"#;

/// The text of a schema that has entities.
pub(super) fn federated<Q, M, S>(schema: &Schema<Q, M, S>) -> String
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let options = SDLExportOptions::new()
        .federation()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .use_space_ident()
        .indent_width(2);
    schema.sdl_with_options(options)
}
