//! The connection pool, and transactions that mean to write.

mod hot;
#[cfg(feature = "postgres")]
mod kept;

use std::time::Duration;

#[cfg(feature = "sqlite")]
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use secrecy::{ExposeSecret, SecretString};
use sessiongraph_migration::{Difference, Migrator, MigratorTrait};
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};

pub(crate) use self::hot::HotStatements;
use crate::error::{Error, Result};

#[cfg(feature = "sqlite")]
/// How long a writer on SQLite waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
#[cfg(feature = "sqlite")]
/// So many rows SQLite's thread reads ahead: each time that it waits for their reader, two threads have to be woken.
const ROW_BUFFER: usize = 1_024;
/// A connection that has been idle for this long is tried before it is used: its server may have gone away.
const PING_AFTER: Duration = Duration::from_secs(5);

/// A connection to PostgreSQL that is older is closed when it would be used, and another one opened: what it has prepared
/// and cached does not grow for ever, and a standby that was promoted is found.
#[cfg(feature = "postgres")]
const MAX_AGE: Duration = Duration::from_mins(30);

/// The advisory lock of migrations: any number that nobody else uses in this database.
const MIGRATION_LOCK: i64 = 0x5E55_1096;

/// What URLs of the databases begin with that this build can connect to.
const DRIVERS: &[&str] = &[
    #[cfg(feature = "sqlite")]
    "sqlite:",
    #[cfg(feature = "postgres")]
    "postgres:",
    #[cfg(feature = "postgres")]
    "postgresql:",
];

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
/// `SERVICE_UNAVAILABLE` when the database does not answer; `BAD_USER_INPUT`, field `database_url`, for a database that
/// this crate does not know, or was built without.
pub async fn connect(options: &DatabaseOptions) -> Result<DatabaseConnection> {
    let url = options.url.expose_secret();
    // Nobody else's message about it: it would repeat the password in it.
    if !DRIVERS.iter().any(|scheme| url.starts_with(scheme)) {
        let message = format!("must begin with one of {}", DRIVERS.join(", "));
        return Err(Error::bad_user_input("database_url", message));
    }
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
        // With either of them sqlx 0.9 looks through the idle connections now and then, and counts them by a number that
        // is for a moment less than zero when one is taken as it comes back: it then looks without end.
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false);
    #[cfg(feature = "postgres")]
    connect.map_sqlx_postgres_before_acquire(|_, connection| {
        Box::pin(std::future::ready(Ok(connection.age < MAX_AGE)))
    });
    #[cfg(feature = "sqlite")]
    connect.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .row_buffer_size(ROW_BUFFER)
            .foreign_keys(true)
    });
    // SeaORM puts the options, with the password in the URL, into a span at level TRACE.
    let connecting = Database::connect(connect).with_subscriber(NoSubscriber::default());
    Ok(connecting.await?)
}

/// Brings the database to the present shape, in one transaction: replicas that start at once migrate one by one.
///
/// # Errors
///
/// `BAD_USER_INPUT`, field `database_url`, where a newer version, or another program, has migrations in it; what the
/// database says.
pub async fn migrate(db: &DatabaseConnection) -> Result<()> {
    let transaction = begin(db).await?;
    if db.get_database_backend() == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
        transaction.execute_unprepared(&lock).await?;
    }
    let Difference { missing, unknown } = Migrator::difference(&transaction).await?;
    if let Some(newest) = unknown.iter().max() {
        let message = format!(
            "this version does not know the migration {newest} of this database: a newer sessiongraph has changed it, or \
             another program keeps its migrations in it"
        );
        return Err(Error::bad_user_input("database_url", message));
    }
    if !missing.is_empty() {
        Migrator::up(&transaction, None).await?;
    }
    Ok(transaction.commit().await?)
}

/// Whether the database has everything that this version needs of it.
///
/// # Errors
///
/// `BAD_USER_INPUT`, field `database_url`, where it has to be migrated first; what the database says.
pub async fn ensure_migrated(db: &DatabaseConnection) -> Result<()> {
    match Migrator::difference(db).await?.missing.first() {
        None => Ok(()),
        Some(oldest) => {
            let message = format!(
                "this database has to be migrated first ({oldest} is missing): `sessiongraph migrate`, or the \
                 crate's `database::migrate`, does it"
            );
            Err(Error::bad_user_input("database_url", message))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// See `connect`: with either, a race in sqlx makes its maintenance loop without end.
    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn nothing_looks_through_the_idle_connections() {
        let db = connect(&DatabaseOptions::new("sqlite::memory:"))
            .await
            .unwrap();
        let options = db.get_sqlite_connection_pool().options();
        assert_eq!(
            (options.get_idle_timeout(), options.get_max_lifetime()),
            (None, None)
        );
    }

    #[tokio::test]
    async fn a_database_that_is_not_known_is_refused_without_its_password() {
        for url in ["mysql://ada:hunter2@db/app", "hunter2", ""] {
            let error = connect(&DatabaseOptions::new(url)).await.unwrap_err();
            assert_eq!(error.field(), Some("database_url"));
            assert!(!format!("{error:?} {error}").contains("hunter2"));
        }
    }
}
