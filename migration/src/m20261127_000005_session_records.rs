//! The log of sessions: who opened, recovered or ended which one, and from where.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // No foreign key to `sessions`: a record outlives the session.
        let records = Table::create()
            .table("session_records")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(ColumnDef::new("session_id").uuid().not_null())
            .col(ColumnDef::new("account_id").uuid().not_null())
            .col(ColumnDef::new("kind").string_len(16).not_null())
            .col(ColumnDef::new("reason").string_len(32).null())
            .col(ColumnDef::new("at").timestamp_with_time_zone().not_null())
            .col(ColumnDef::new("ip").string_len(45).null())
            .col(ColumnDef::new("user_agent").string_len(1024).null())
            .col(ColumnDef::new("by_session_id").uuid().null())
            .col(ColumnDef::new("by_service_key").string_len(128).null())
            .foreign_key(
                ForeignKey::create()
                    .name("session_records_account_id")
                    .from("session_records", "account_id")
                    .to("accounts", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(records).await?;
        // Pages of a session's and of an account's records. To prune them is in the order of the ids, which is that of time.
        for column in ["session", "account"] {
            manager
                .get_connection()
                .execute_unprepared(&format!(
                    "CREATE INDEX session_records_{column} ON session_records ({column}_id, id)"
                ))
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("session_records").to_owned())
            .await
    }
}
