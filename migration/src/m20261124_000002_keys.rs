//! Keys: those that sign access tokens, those that opaque tokens are made with, and those of trusted backends.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("signing_keys")
                    .col(
                        ColumnDef::new("kid")
                            .string_len(64)
                            .not_null()
                            .primary_key(),
                    )
                    .col(ColumnDef::new("algorithm").string_len(16).not_null())
                    .col(ColumnDef::new("public_jwk").text().not_null())
                    .col(ColumnDef::new("sealed_private_key").blob().not_null())
                    .col(
                        ColumnDef::new("published_at")
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .col(
                        ColumnDef::new("activates_at")
                            .timestamp_with_time_zone()
                            .null(),
                    )
                    .col(
                        ColumnDef::new("activated_at")
                            .timestamp_with_time_zone()
                            .null(),
                    )
                    .col(
                        ColumnDef::new("retired_at")
                            .timestamp_with_time_zone()
                            .null(),
                    )
                    .col(
                        ColumnDef::new("verifies_until")
                            .timestamp_with_time_zone()
                            .null(),
                    )
                    .col(
                        ColumnDef::new("revoked_at")
                            .timestamp_with_time_zone()
                            .null(),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("secret_keys")
                    .col(ColumnDef::new("purpose").string_len(32).not_null())
                    .col(ColumnDef::new("key_id").integer().not_null())
                    .col(ColumnDef::new("sealed_key").blob().not_null())
                    .col(
                        ColumnDef::new("created_at")
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .primary_key(Index::create().col("purpose").col("key_id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("service_keys")
                    .col(ColumnDef::new("id").uuid().not_null().primary_key())
                    .col(ColumnDef::new("name").string_len(128).not_null())
                    .col(ColumnDef::new("digest").blob().not_null())
                    .col(ColumnDef::new("scopes").string_len(256).not_null())
                    .col(
                        ColumnDef::new("created_at")
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .col(
                        ColumnDef::new("revoked_at")
                            .timestamp_with_time_zone()
                            .null(),
                    )
                    .to_owned(),
            )
            .await?;
        let connection = manager.get_connection();
        connection
            .execute_unprepared("CREATE UNIQUE INDEX service_keys_name ON service_keys (name) WHERE revoked_at IS NULL")
            .await?;
        // At most one key signs, and at most one is ready to: several replicas that rotate at once cannot make two.
        connection
            .execute_unprepared(
                "CREATE UNIQUE INDEX signing_keys_active ON signing_keys (algorithm) \
                 WHERE activated_at IS NOT NULL AND retired_at IS NULL AND revoked_at IS NULL",
            )
            .await?;
        connection
            .execute_unprepared(
                "CREATE UNIQUE INDEX signing_keys_standby ON signing_keys (algorithm) \
                 WHERE activated_at IS NULL AND revoked_at IS NULL",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["service_keys", "secret_keys", "signing_keys"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}
