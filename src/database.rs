//! The connection pool, and transactions that mean to write.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use secrecy::{ExposeSecret, SecretString};
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};

use crate::error::Result;

/// How long a writer on SQLite waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that has been idle for this long is tried before it is used: its server may have gone away.
const PING_AFTER: Duration = Duration::from_secs(5);

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// `sqlite://…` or `postgres://…`.
    pub url: SecretString,
    /// The most connections to PostgreSQL. SQLite has one, through which everything passes in turn.
    pub max_connections: u32,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
}

impl DatabaseOptions {
    /// The defaults for a URL: 20 connections, and a wait of 5 seconds.
    #[must_use]
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            max_connections: 20,
            acquire_timeout: Duration::from_secs(5),
        }
    }
}

/// Connects. SQLite's file is created where it is missing, and works in WAL mode with `synchronous = FULL`, so that an
/// answered write survives a crash of the machine.
///
/// # Errors
///
/// `SERVICE_UNAVAILABLE` when the database does not answer.
pub async fn connect(options: &DatabaseOptions) -> Result<DatabaseConnection> {
    let url = options.url.expose_secret();
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(if url.starts_with("sqlite:") {
            1
        } else {
            options.max_connections
        })
        .acquire_timeout(options.acquire_timeout)
        .connect_timeout(options.acquire_timeout)
        .test_before_acquire_if_idle_for(PING_AFTER)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true)
        });
    // SeaORM puts the options, with the password in the URL, into a span at level TRACE.
    let connecting = Database::connect(connect).with_subscriber(NoSubscriber::default());
    Ok(connecting.await?)
}

/// Begins a transaction that writes. On SQLite it takes the write lock at once: a transaction that reads first and then
/// wants to write could be refused in the middle.
pub(crate) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let options = TransactionOptions {
        sqlite_transaction_mode: (db.get_database_backend() == DbBackend::Sqlite)
            .then_some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(db.begin_with_options(options).await?)
}
