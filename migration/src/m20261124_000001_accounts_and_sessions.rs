//! Accounts and their sessions.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// SQLite's migrations are not transactional unless asked for.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_accounts(manager).await?;
        create_sessions(manager).await?;
        let connection = manager.get_connection();
        // Pages of an account's sessions, newest first.
        connection
            .execute_unprepared("CREATE INDEX sessions_account ON sessions (account_id, id)")
            .await?;
        // The live ones of an account: for the session limit, and to end all of them.
        connection
            .execute_unprepared("CREATE INDEX sessions_live ON sessions (account_id, id) WHERE invalidated_at IS NULL")
            .await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            // Room on each page for the new version of a refreshed row, so that its update stays on the page.
            connection
                .execute_unprepared("ALTER TABLE sessions SET (fillfactor = 80)")
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("sessions").to_owned())
            .await?;
        manager
            .drop_table(Table::drop().table("accounts").to_owned())
            .await
    }
}

async fn create_accounts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("accounts")
                .col(ColumnDef::new("id").uuid().not_null().primary_key())
                .col(
                    ColumnDef::new("username")
                        .string_len(32)
                        .null()
                        .unique_key(),
                )
                .col(ColumnDef::new("email").string_len(254).null().unique_key())
                .col(ColumnDef::new("email_verified").boolean().not_null())
                .col(ColumnDef::new("password_hash").string_len(512).null())
                .col(ColumnDef::new("permissions").string_len(4096).not_null())
                .col(
                    ColumnDef::new("deactivated_at")
                        .timestamp_with_time_zone()
                        .null(),
                )
                .col(
                    ColumnDef::new("credentials_version")
                        .big_integer()
                        .not_null(),
                )
                .col(
                    ColumnDef::new("created_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .col(
                    ColumnDef::new("updated_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .to_owned(),
        )
        .await
}

async fn create_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("sessions")
                .col(ColumnDef::new("id").uuid().not_null().primary_key())
                .col(ColumnDef::new("account_id").uuid().not_null())
                .col(ColumnDef::new("generation").big_integer().not_null())
                .col(ColumnDef::new("parent").big_integer().null())
                .col(ColumnDef::new("seen_generation").big_integer().not_null())
                .col(ColumnDef::new("ip").string_len(45).not_null())
                .col(ColumnDef::new("user_agent").string_len(1024).not_null())
                .col(ColumnDef::new("user_agent_family").string_len(128).null())
                .col(ColumnDef::new("metadata").json_binary().null())
                .col(
                    ColumnDef::new("created_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .col(
                    ColumnDef::new("refreshed_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .col(
                    ColumnDef::new("last_seen_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .col(
                    ColumnDef::new("expires_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .col(
                    ColumnDef::new("absolute_expires_at")
                        .timestamp_with_time_zone()
                        .not_null(),
                )
                .col(
                    ColumnDef::new("invalidated_at")
                        .timestamp_with_time_zone()
                        .null(),
                )
                .col(ColumnDef::new("invalidation_reason").string_len(32).null())
                .foreign_key(
                    ForeignKey::create()
                        .name("sessions_account_id")
                        .from("sessions", "account_id")
                        .to("accounts", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await
}
