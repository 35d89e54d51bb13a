//! A fresh, migrated database for each test.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sessiongraph::database::{DatabaseOptions, connect};
use sessiongraph_migration::{Migrator, MigratorTrait};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::postgres;

const TEMPLATE: &str = "sessiongraph_template";

/// A database of one test's own. SQLite's is a file, so that two connections and a restart can be tested.
#[derive(Clone)]
pub(crate) struct TestDatabase {
    /// What a server would be configured with.
    pub(crate) url: String,
    directory: Option<Arc<TempDir>>,
}

impl TestDatabase {
    pub(crate) async fn sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        let database = Self {
            url,
            directory: Some(Arc::new(directory)),
        };
        let db = database.connect().await;
        Migrator::up(&db, None).await.unwrap();
        db.close().await.unwrap();
        database
    }

    pub(crate) async fn postgres() -> Self {
        static MIGRATED: OnceCell<()> = OnceCell::const_new();
        let server = postgres::server();
        MIGRATED
            .get_or_init(|| async {
                // A server that is given by TEST_POSTGRES_URL has the one of an earlier run.
                let _ = server.drop_database(TEMPLATE).await;
                server.create_database(TEMPLATE, None).await.unwrap();
                let db = connect(&DatabaseOptions::new(server.url(TEMPLATE)))
                    .await
                    .unwrap();
                Migrator::up(&db, None).await.unwrap();
                db.close().await.unwrap();
            })
            .await;
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        server.create_database(&name, Some(TEMPLATE)).await.unwrap();
        Self {
            url: server.url(&name),
            directory: None,
        }
    }

    /// A pool of the size that the tests need.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        let mut options = DatabaseOptions::new(self.url.clone());
        options.max_connections = 10;
        connect(&options).await.unwrap()
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.directory.is_none()
    }

    /// The folder with SQLite's files.
    pub(crate) fn sqlite_directory(&self) -> Option<PathBuf> {
        self.directory
            .as_ref()
            .map(|directory| directory.path().to_owned())
    }
}

/// The statements that a connection has run, BEGIN and COMMIT apart.
#[derive(Clone, Default)]
pub(crate) struct Statements(Arc<Mutex<Vec<Statement>>>);

impl Statements {
    /// Records from now on.
    pub(crate) fn record(db: &mut DatabaseConnection) -> Self {
        let statements = Self::default();
        let recorded = statements.clone();
        db.set_metric_callback(move |info| recorded.0.lock().unwrap().push(info.statement.clone()));
        statements
    }

    /// What has been run since the last call.
    pub(crate) fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// One number out of the database.
pub(crate) async fn scalar(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql.to_owned());
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// The tables of a database, by name.
pub(crate) async fn tables(db: &DatabaseConnection) -> Vec<String> {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        _ => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
    };
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// How many rows each table has.
pub(crate) async fn row_counts(db: &DatabaseConnection) -> Vec<(String, i64)> {
    let mut counts = Vec::new();
    for table in tables(db).await {
        let count = scalar(db, &format!("SELECT COUNT(*) FROM {table}")).await;
        counts.push((table, count));
    }
    counts
}
