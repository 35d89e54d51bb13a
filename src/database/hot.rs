//! How the statements of the hot paths reach the database.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult, Statement};

#[cfg(feature = "postgres")]
use super::kept::KeptConnections;
#[cfg(feature = "postgres")]
use crate::traces;

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
            let span = traces::statement(&statement.sql);
            return traces::queried(span, kept.query_all(statement)).await;
        }
        self.db.query_all_raw(statement).await
    }
}
