//! Service keys: of trusted backends.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, SqlErr,
    sea_query::Expr,
};
use secrecy::SecretString;
use uuid::Uuid;

use super::Sessions;
use crate::{
    crypto::opaque_token::ServiceKeyToken,
    entity::service_key,
    error::{Error, Result},
    request::{ServiceIdentity, SessionRequest},
    scope::{Scope, Scopes},
};

const MAX_NAME_LENGTH: usize = 128;

/// A service key as an operator sees it.
#[derive(Debug, Clone)]
pub struct ServiceKeySummary {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Sessions {
    /// Makes a service key and returns its text, which is shown once and kept nowhere.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` where the name is empty, too long or another live key's, or there is no scope.
    pub async fn create_service_key(
        &self,
        name: &str,
        scopes: impl IntoIterator<Item = Scope>,
    ) -> Result<SecretString> {
        let scopes: Scopes = scopes.into_iter().collect();
        if name.trim().is_empty()
            || name.chars().count() > MAX_NAME_LENGTH
            || name.chars().any(char::is_control)
        {
            return Err(Error::bad_user_input("name", "has 1 to 128 characters"));
        }
        if scopes.is_empty() {
            return Err(Error::bad_user_input(
                "scope",
                "a key needs at least one scope",
            ));
        }
        let now = self.0.clock.now();
        let id = self.new_id(now)?;
        let keys = self.0.keys.keys(&SessionRequest::new()).await?;
        let (text, digest) = keys.service.make(id, self.random())?;
        let row = service_key::Model {
            id,
            name: name.to_owned(),
            digest: digest.to_vec(),
            scopes: scopes.to_string(),
            created_at: now,
            revoked_at: None,
        };
        row.into_active_model()
            .reset_all()
            .insert(&self.0.db)
            .await
            .map_err(|error| match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => {
                    Error::bad_user_input("name", "is another service key's")
                }
                _ => error.into(),
            })?;
        Ok(text)
    }

    /// All service keys, oldest first, the revoked ones too.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn list_service_keys(&self) -> Result<Vec<ServiceKeySummary>> {
        let rows = service_key::Entity::find()
            .order_by_asc(service_key::Column::Id)
            .all(&self.0.db)
            .await?;
        let summary = |row: service_key::Model| ServiceKeySummary {
            scopes: Scopes::from_stored(&row.scopes),
            name: row.name,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        };
        Ok(rows.into_iter().map(summary).collect())
    }

    /// Revokes a service key; the next request with it is refused.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` where no live key has this name.
    pub async fn revoke_service_key(&self, name: &str) -> Result<()> {
        let revoked = service_key::Entity::update_many()
            .col_expr(
                service_key::Column::RevokedAt,
                Expr::value(self.0.clock.now()),
            )
            .filter(service_key::Column::Name.eq(name))
            .filter(service_key::Column::RevokedAt.is_null())
            .exec(&self.0.db)
            .await?;
        if revoked.rows_affected == 0 {
            return Err(Error::bad_user_input(
                "name",
                "there is no such service key, or it is revoked already",
            ));
        }
        Ok(())
    }

    /// Whether a key is there and not revoked.
    pub(crate) async fn service_key_stands(&self, id: Uuid) -> Result<bool> {
        let row = self.service_key(id).await?;
        Ok(row.is_some_and(|row| row.revoked_at.is_none()))
    }

    async fn service_key(&self, id: Uuid) -> Result<Option<service_key::Model>> {
        // Not `one`: it binds a `LIMIT`, and SQLite prepares a statement again whenever a limit is bound.
        let rows = service_key::Entity::find_by_id(id).all(&self.0.db).await?;
        Ok(rows.into_iter().next())
    }

    /// The live key that a genuine text names; read at each request, so that revoking holds at once.
    pub(super) async fn find_service_key(
        &self,
        presented: &ServiceKeyToken,
    ) -> Result<Option<ServiceIdentity>> {
        let live = self.service_key(presented.id).await?.filter(|row| {
            row.revoked_at.is_none()
                && verify_slices_are_equal(&row.digest, &presented.digest).is_ok()
        });
        Ok(live.map(|row| ServiceIdentity {
            id: row.id,
            scopes: Scopes::from_stored(&row.scopes),
            name: row.name,
        }))
    }
}
