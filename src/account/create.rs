//! New accounts.

use sea_orm::{ActiveModelTrait, ConnectionTrait, IntoActiveModel};
use uuid::Uuid;

use super::{Accounts, Email, Username, taken};
use crate::{
    crypto::password::{Password, Place, Waiting},
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

/// What an account is made of, in the form in which it is stored, with a place in the queue to hash its password.
pub(super) struct QueuedAccount {
    username: Option<Username>,
    email: Option<Email>,
    email_verified: bool,
    password: Option<(Password, Place)>,
    permissions: String,
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
        let queued = self.enqueue(new, &request.waiting())?;
        let row = self.new_row(queued).await?;
        insert(self.db(), row).await
    }

    /// Checks what needs no database, and takes a place in the queue.
    pub(super) fn enqueue(&self, new: NewAccount, waiting: &Waiting) -> Result<QueuedAccount> {
        let username = new.username.as_deref().map(Username::parse).transpose()?;
        let email = new.email.as_deref().map(Email::parse).transpose()?;
        let permissions = permissions_claim(&new.permissions)?;
        let password = match new.password {
            Some(password) => {
                ensure_settable("password", &password)?;
                let place = self.passwords.enqueue_new(waiting)?;
                Some((password, place))
            }
            None => None,
        };
        Ok(QueuedAccount {
            username,
            email,
            email_verified: new.email_verified,
            password,
            permissions,
        })
    }

    /// Makes the row of an account.
    pub(super) async fn new_row(&self, new: QueuedAccount) -> Result<account::Model> {
        let password_hash = match new.password {
            Some((password, place)) => Some(self.passwords.hash(place, password).await?),
            None => None,
        };
        let now = self.sessions.clock().now();
        Ok(account::Model {
            id: self.new_id()?,
            username: new.username.map(Username::into_string),
            email_verified: new.email_verified && new.email.is_some(),
            email: new.email.map(Email::into_string),
            password_hash,
            permissions: new.permissions,
            deactivated_at: None,
            credentials_version: 0,
            created_at: now,
            updated_at: now,
        })
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
