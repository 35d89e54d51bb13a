//! What limits need: counters, and from which client network each session was opened.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let counters = Table::create()
            .table("counters")
            .col(ColumnDef::new("key").blob().not_null().primary_key())
            .col(ColumnDef::new("count").big_integer().not_null())
            .col(
                ColumnDef::new("ends_at")
                    .timestamp_with_time_zone()
                    .not_null(),
            )
            .to_owned();
        manager.create_table(counters).await?;
        let opened_in = Table::alter()
            .table("sessions")
            .add_column(ColumnDef::new("opened_in").string_len(45).null())
            .to_owned();
        manager.alter_table(opened_in).await?;
        let connection = manager.get_connection();
        // To delete what has ended. An attempt writes it only where it begins a window.
        connection
            .execute_unprepared("CREATE INDEX counters_ends_at ON counters (ends_at)")
            .await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            // Room on each page for the next count of a row.
            connection
                .execute_unprepared("ALTER TABLE counters SET (fillfactor = 80)")
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let opened_in = Table::alter()
            .table("sessions")
            .drop_column("opened_in")
            .to_owned();
        manager.alter_table(opened_in).await?;
        manager
            .drop_table(Table::drop().table("counters").to_owned())
            .await
    }
}
