//! The database's shape, as `SeaORM` migrations: one set for SQLite and PostgreSQL.
//!
//! To change it, add a file `mYYYYMMDD_NNNNNN_what.rs` with one change and a line in [`Migrator::migrations`]; a
//! migration that has been released is never edited. Remember that no column which a refresh writes may be in an index.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::{
    IntoSchemaManagerConnection,
    prelude::*,
    sea_orm::{DbBackend, EntityName, EntityTrait, Statement},
    seaql_migrations,
};

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

/// Names of migrations that a database and this version do not both have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Those that are still to be applied.
    pub missing: Vec<String>,
    /// Those that another version has applied.
    pub unknown: Vec<String>,
}

impl Migrator {
    /// Compares a database with this version, and changes nothing in it.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn difference<'c>(
        db: impl IntoSchemaManagerConnection<'c>,
    ) -> Result<Difference, DbErr> {
        let manager = SchemaManager::new(db);
        let mut unknown: Vec<_> = if has_been_migrated(&manager).await? {
            let applied = seaql_migrations::Entity::find();
            let applied = applied.all(manager.get_connection()).await?.into_iter();
            applied.map(|migration| migration.version).collect()
        } else {
            Vec::new()
        };
        let mut missing = Vec::new();
        for migration in Self::migrations() {
            match unknown.iter().position(|name| name == migration.name()) {
                Some(place) => drop(unknown.remove(place)),
                None => missing.push(migration.name().to_owned()),
            }
        }
        Ok(Difference { missing, unknown })
    }
}

async fn has_been_migrated(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    let table = seaql_migrations::Entity.table_name();
    if manager.get_database_backend() != DbBackend::Postgres {
        return manager.has_table(table).await;
    }
    // As a query finds it: `has_table` looks into one schema, and sees only what the role has rights to.
    let text = format!("SELECT to_regclass('{table}') IS NOT NULL");
    let found = Statement::from_string(DbBackend::Postgres, text);
    let found = manager.get_connection().query_one_raw(found).await?;
    found.map_or(Ok(false), |found| found.try_get_by_index(0))
}
