//! What scheduled work needs: leases, and the way to sessions that ended long ago.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let leases = Table::create()
            .table("leases")
            .col(
                ColumnDef::new("name")
                    .string_len(64)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("holder").uuid().not_null())
            .col(
                ColumnDef::new("expires_at")
                    .timestamp_with_time_zone()
                    .not_null(),
            )
            .to_owned();
        manager.create_table(leases).await?;
        // A refresh never writes `invalidated_at`, so it may be in an index.
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX sessions_ended ON sessions (invalidated_at) WHERE invalidated_at IS NOT NULL",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("DROP INDEX sessions_ended")
            .await?;
        manager
            .drop_table(Table::drop().table("leases").to_owned())
            .await
    }
}
