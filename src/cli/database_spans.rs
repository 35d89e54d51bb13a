//! Spans of database statements: SeaORM makes them, and here they get the names of the present semantic conventions.

use opentelemetry::{Key, KeyValue, Value, trace::Status};
use opentelemetry_sdk::trace::{SpanData, SpanEvents};
use tracing::{Level, Metadata};

const SYSTEM: Key = Key::from_static_str("db.system");
const STATEMENT: Key = Key::from_static_str("db.statement");

/// Whether a span is of a statement.
pub(super) fn are_made_by(metadata: &Metadata<'_>) -> bool {
    *metadata.level() == Level::INFO && metadata.target().starts_with("sea_orm::database")
}

/// Calls a statement's span by its operation and table. The statement itself is left out, and so is what the database said
/// of an error: that may repeat values.
pub(super) fn rewrite(span: &mut SpanData) {
    let find = |key: &Key| {
        span.attributes
            .iter()
            .find(|attribute| attribute.key == *key)
    };
    let Some(system) = find(&SYSTEM).map(|attribute| attribute.value.clone()) else {
        return;
    };
    let statement = find(&STATEMENT).map(|attribute| attribute.value.as_str().into_owned());
    // One without parameters has no statement: the span's name says whether it begins or ends a transaction.
    let known = span
        .name
        .trim_start_matches("sea_orm.")
        .to_ascii_uppercase();
    let (operation, table) = match &statement {
        Some(statement) => (first_word(statement), table(statement)),
        None => (known, None),
    };
    span.name = match table {
        Some(table) => format!("{operation} {table}").into(),
        None => operation.clone().into(),
    };
    let mut attributes = vec![
        KeyValue::new("db.system.name", system),
        KeyValue::new("db.operation.name", operation),
    ];
    if let Some(table) = table {
        attributes.push(KeyValue::new(
            "db.collection.name",
            Value::from(table.to_owned()),
        ));
    }
    span.attributes = attributes;
    span.events = SpanEvents::default();
    span.status = match span.status {
        Status::Error { .. } => Status::error(""),
        Status::Ok | Status::Unset => Status::Unset,
    };
}

fn first_word(statement: &str) -> String {
    let word = statement.split_whitespace().next().unwrap_or_default();
    word.to_ascii_uppercase()
}

/// The first table that a statement names.
fn table(statement: &str) -> Option<&str> {
    let mut words = statement.split(|c: char| c.is_whitespace() || c == '(');
    words.find(|word| {
        ["FROM", "INTO", "UPDATE"]
            .iter()
            .any(|before| word.eq_ignore_ascii_case(before))
    })?;
    let name = words.next()?.trim_matches('"');
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    (!name.is_empty() && is_name(name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_statement_is_found() {
        for (statement, found) in [
            (r#"SELECT "a"."id" FROM "account" AS "a""#, Some("account")),
            (
                r#"INSERT INTO "session" ("id") VALUES ($1)"#,
                Some("session"),
            ),
            (r#"UPDATE "session" SET "seen_at" = ?"#, Some("session")),
            ("delete from counter where id = ?", Some("counter")),
            ("SELECT 1", None),
            ("SELECT * FROM (SELECT 1)", None),
            (
                "WITH found AS (SELECT id FROM session) SELECT 1",
                Some("session"),
            ),
        ] {
            assert_eq!(table(statement), found, "{statement}");
        }
    }
}
