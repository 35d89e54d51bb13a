//! New accounts.

use sea_orm::{ActiveModelTrait, ConnectionTrait, IntoActiveModel};
use uuid::Uuid;

use super::{Accounts, Email, Username, taken};
use crate::{
    crypto::password::{Password, Waiting},
    entity::account,
    error::{Error, Result},
    request::SessionRequest,
    scope::permissions_claim,
};

/// What an account is made of.
#[derive(Debug, Clone, Default)]
pub struct NewAccount {
    /// Unique, whatever its case.
    pub username: Option<String>,
    /// Unique, whatever its case.
    pub email: Option<String>,
    /// Whether the application has verified the address itself.
    pub email_verified: bool,
    /// Absent: the account cannot sign in with a password.
    pub password: Option<Password>,
    /// RFC 6749 scope tokens.
    pub permissions: Vec<String>,
}

impl Accounts {
    /// Creates an account.
    ///
    /// # Errors
    ///
    /// `USERNAME_TAKEN`, `EMAIL_TAKEN`, `BAD_USER_INPUT` naming the field, and `SERVICE_UNAVAILABLE` where too many
    /// passwords wait to be hashed.
    pub async fn create(
        &self,
        request: &SessionRequest,
        new: NewAccount,
    ) -> Result<account::Model> {
        let row = self.new_row(new, &request.waiting()).await?;
        insert(self.db(), row).await
    }

    /// Checks what an account is made of, and makes its row.
    pub(super) async fn new_row(
        &self,
        new: NewAccount,
        waiting: &Waiting,
    ) -> Result<account::Model> {
        let username = new.username.as_deref().map(Username::parse).transpose()?;
        let email = new.email.as_deref().map(Email::parse).transpose()?;
        let permissions = permissions_claim(&new.permissions)?;
        let password_hash = match new.password {
            Some(password) => Some(self.hash("password", password, waiting).await?),
            None => None,
        };
        let now = self.sessions.clock().now();
        Ok(account::Model {
            id: self.new_id()?,
            username: username.map(Username::into_string),
            email_verified: new.email_verified && email.is_some(),
            email: email.map(Email::into_string),
            password_hash,
            permissions,
            deactivated_at: None,
            credentials_version: 0,
            created_at: now,
            updated_at: now,
        })
    }

    /// Hashes a new password.
    pub(super) async fn hash(
        &self,
        field: &'static str,
        password: Password,
        waiting: &Waiting,
    ) -> Result<String> {
        ensure_settable(field, &password)?;
        self.passwords.hash(password, waiting).await
    }

    fn new_id(&self) -> Result<Uuid> {
        self.sessions.new_id(self.sessions.clock().now())
    }
}

/// Inserts an account; that its names are free, the database says.
pub(super) async fn insert(
    connection: &impl ConnectionTrait,
    row: account::Model,
) -> Result<account::Model> {
    row.into_active_model()
        .reset_all()
        .insert(connection)
        .await
        .map_err(taken)
}

/// A password's length is looked at where it is set only: an old one may be any.
pub(super) fn ensure_settable(field: &'static str, password: &Password) -> Result<()> {
    if password.is_settable() {
        Ok(())
    } else {
        Err(Error::bad_user_input(field, "has 8 to 256 characters"))
    }
}
