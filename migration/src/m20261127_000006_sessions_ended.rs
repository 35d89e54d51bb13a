//! The way to the sessions that ended since an instant, however many ended in the same one.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        index(manager, "invalidated_at, id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        index(manager, "invalidated_at").await
    }
}

/// Puts an index of these columns in the place of the one that is there.
async fn index(manager: &SchemaManager<'_>, columns: &str) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    connection
        .execute_unprepared("DROP INDEX sessions_ended")
        .await?;
    let create = format!(
        "CREATE INDEX sessions_ended ON sessions ({columns}) WHERE invalidated_at IS NOT NULL"
    );
    connection.execute_unprepared(&create).await?;
    Ok(())
}
