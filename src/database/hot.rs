//! How the statements of the hot paths reach the database.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult, Statement};
#[cfg(feature = "postgres")]
use tracing::{Instrument, Span};

#[cfg(feature = "postgres")]
use super::kept::KeptConnections;

/// Runs statements that are transactions by themselves: over the pool, or over connections that are kept for them.
pub(crate) struct HotStatements {
    db: DatabaseConnection,
    #[cfg(feature = "postgres")]
    kept: Option<KeptConnections>,
}

impl HotStatements {
    /// Over a pool. Connections are kept if that is wanted, and where it is PostgreSQL's and has some to spare.
    pub(crate) fn new(db: DatabaseConnection, keep_connections: bool) -> Self {
        #[cfg(feature = "postgres")]
        let kept = match &db.inner {
            sea_orm::DatabaseConnectionType::SqlxPostgresPoolConnection(_) if keep_connections => {
                KeptConnections::of(db.get_postgres_connection_pool())
            }
            _ => None,
        };
        #[cfg(not(feature = "postgres"))]
        let _ = keep_connections;
        Self {
            db,
            #[cfg(feature = "postgres")]
            kept,
        }
    }

    pub(crate) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        #[cfg(feature = "postgres")]
        if let Some(kept) = &self.kept {
            let span = span(&statement.sql);
            return queried(span, kept.query_all(statement)).await;
        }
        self.db.query_all_raw(statement).await
    }
}

/// A statement that does not pass through `SeaORM`: a span as `SeaORM` makes them, so that whoever collects those has it too.
#[cfg(all(feature = "otel", feature = "postgres"))]
fn span(sql: &str) -> Span {
    tracing::info_span!(
        target: "sea_orm::database",
        "sea_orm.query_all",
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        db.system = "postgresql",
        db.statement = sql,
    )
}

/// `SeaORM` makes none without the feature `otel`.
#[cfg(all(not(feature = "otel"), feature = "postgres"))]
fn span(_sql: &str) -> Span {
    Span::none()
}

/// A statement in its span, which is told whether it failed.
#[cfg(feature = "postgres")]
async fn queried<T, E>(span: Span, statement: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    if span.is_disabled() {
        return statement.await;
    }
    let result = statement.instrument(span.clone()).await;
    if result.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    result
}
