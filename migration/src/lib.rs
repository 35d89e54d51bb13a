//! The database's shape, as `SeaORM` migrations: one set for SQLite and PostgreSQL.
//!
//! To change it, add a file `mYYYYMMDD_NNNNNN_what.rs` with one change and a line in [`Migrator::migrations`]; a
//! migration that has been released is never edited. Remember that no column which a refresh writes may be in an index.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod m20261124_000001_accounts_and_sessions;
mod m20261124_000002_keys;
mod m20261124_000003_pruning;
mod m20261124_000004_limits;
mod m20261127_000005_session_records;
mod m20261127_000006_sessions_ended;

/// All migrations, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_accounts_and_sessions::Migration),
            Box::new(m20261124_000002_keys::Migration),
            Box::new(m20261124_000003_pruning::Migration),
            Box::new(m20261124_000004_limits::Migration),
            Box::new(m20261127_000005_session_records::Migration),
            Box::new(m20261127_000006_sessions_ended::Migration),
        ]
    }
}
