//! Spans of database statements: SeaORM makes them, and here they get the names of the present semantic conventions.

use opentelemetry::{Key, KeyValue, Value, trace::Status};
use opentelemetry_sdk::trace::{SpanData, SpanEvents};
use tracing::{Level, Metadata};

const SYSTEM: Key = Key::from_static_str("db.system");
const OPERATION: Key = Key::from_static_str("db.operation");
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
    let text = |key: &Key| find(key).map(|attribute| attribute.value.as_str().into_owned());
    // One without parameters has none.
    let statement = text(&STATEMENT);
    let operation = match (&statement, span.name.strip_prefix("sea_orm.")) {
        (Some(statement), _) => first_word(statement),
        (None, Some(name @ ("begin" | "commit" | "rollback"))) => name.to_ascii_uppercase(),
        (None, _) => text(&OPERATION).unwrap_or_default(),
    };
    let table = statement.as_deref().and_then(table);
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
    let mut words = statement.split(|c: char| c.is_whitespace() || "(),".contains(c));
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
    use std::time::SystemTime;

    use opentelemetry::{
        InstrumentationScope,
        trace::{SpanContext, SpanId, SpanKind},
    };
    use opentelemetry_sdk::trace::SpanLinks;

    use super::*;

    /// A span as SeaORM makes it.
    fn span(name: &'static str, attributes: &[(&'static str, &'static str)]) -> SpanData {
        let attributes = attributes.iter();
        SpanData {
            span_context: SpanContext::NONE,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: name.into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: attributes
                .map(|(key, value)| KeyValue::new(*key, *value))
                .collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::error("TELLTALE"),
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[test]
    fn neither_statement_nor_what_the_database_said_stays() {
        let statement = r#"INSERT INTO "sessions" ("id", "TELLTALE") VALUES ($1, $2)"#;
        for (name, operation, statement, renamed) in [
            (
                "sea_orm.execute",
                "INSERT",
                Some(statement),
                "INSERT sessions",
            ),
            ("sea_orm.query_one", "SELECT", None, "SELECT"),
            ("sea_orm.commit", "EXECUTE", None, "COMMIT"),
        ] {
            let mut attributes = vec![
                ("db.system", "sqlite"),
                ("db.operation", operation),
                ("exception.message", "TELLTALE"),
            ];
            attributes.extend(statement.map(|statement| ("db.statement", statement)));
            let mut span = span(name, &attributes);
            rewrite(&mut span);
            assert_eq!(span.name, renamed);
            assert_eq!(span.status, Status::error(""));
            assert!(!format!("{span:?}").contains("TELLTALE"), "{span:?}");
        }
    }

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
