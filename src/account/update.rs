//! Changing accounts, by a backend.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QuerySelect,
    sea_query::LockType,
};
use uuid::Uuid;

use super::{Accounts, Email, Username, create::ensure_settable, taken};
use crate::{
    crypto::password::Password,
    database,
    entity::{
        account,
        session::{self, InvalidationReason},
    },
    error::{ErrorKind, Result},
    request::SessionRequest,
    scope::permissions_claim,
    session::Actor,
};

/// What is to change of an account; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct AccountChanges {
    /// The user name.
    pub username: Option<String>,
    /// The e-mail address; a new one is not verified unless `email_verified` says so.
    pub email: Option<String>,
    /// The password; a new one ends every session.
    pub password: Option<Password>,
    /// All permissions.
    pub permissions: Option<Vec<String>>,
    /// Whether the address is verified.
    pub email_verified: Option<bool>,
    /// Whether the account is deactivated; deactivating ends every session.
    pub deactivated: Option<bool>,
}

impl Accounts {
    /// Changes an account.
    ///
    /// # Errors
    ///
    /// `USER_NOT_FOUND`, `USERNAME_TAKEN`, `EMAIL_TAKEN`, `BAD_USER_INPUT` naming the field, and `SERVICE_UNAVAILABLE`
    /// where too many passwords wait to be hashed.
    #[doc(alias = "updateAccount")]
    pub async fn update(
        &self,
        request: &SessionRequest,
        id: Uuid,
        changes: AccountChanges,
    ) -> Result<account::Model> {
        let username = changes
            .username
            .as_deref()
            .map(Username::parse)
            .transpose()?;
        let email = changes.email.as_deref().map(Email::parse).transpose()?;
        let permissions = changes
            .permissions
            .as_deref()
            .map(permissions_claim)
            .transpose()?;
        let password_hash = match changes.password {
            Some(password) => {
                ensure_settable("password", &password)?;
                let place = self.passwords.enqueue_new(&request.waiting())?;
                Some(self.passwords.hash(place, password).await?)
            }
            None => None,
        };
        let (this, actor) = (self.clone(), Actor::of(request));
        let updating = self.sessions.to_the_end(async move {
            let now = this.sessions.clock().now();

            let transaction = database::begin(this.db()).await?;
            let before = account::Entity::find_by_id(id)
                .lock(LockType::NoKeyUpdate)
                .one(&transaction)
                .await?
                .ok_or(ErrorKind::UserNotFound)?;
            let mut after = before.clone();
            after.username = username.map(Username::into_string).or(after.username);
            if let Some(email) = email.map(Email::into_string)
                && after.email.as_ref() != Some(&email)
            {
                after.email = Some(email);
                after.email_verified = false;
            }
            after.email_verified =
                changes.email_verified.unwrap_or(after.email_verified) && after.email.is_some();
            after.permissions = permissions.unwrap_or(after.permissions);
            let mut ends = None;
            if let Some(hash) = password_hash {
                after.password_hash = Some(hash);
                ends = Some(InvalidationReason::PasswordChanged);
            }
            match changes.deactivated {
                Some(true) => {
                    after.deactivated_at = after.deactivated_at.or(Some(now));
                    ends = Some(InvalidationReason::AccountDeactivated);
                }
                Some(false) => after.deactivated_at = None,
                None => {}
            }
            if after.password_hash != before.password_hash
                || after.deactivated_at != before.deactivated_at
            {
                after.credentials_version += 1;
            }
            // The sessions first: who ends one of them elsewhere holds its row, and wants the account's for the record,
            // which a changed name would keep from it.
            let ended = match ends {
                Some(reason) => {
                    let of_account = Condition::all().add(session::Column::AccountId.eq(id));
                    this.sessions
                        .mark_ended(&transaction, of_account, reason, &actor)
                        .await?
                }
                None => Vec::new(),
            };
            if after != before {
                after.updated_at = now;
                after = after
                    .into_active_model()
                    .reset_all()
                    .update(&transaction)
                    .await
                    .map_err(taken)?;
            }
            transaction.commit().await?;
            this.sessions.run_on_session_invalidated(&ended).await;
            Ok(after)
        });
        updating.await
    }
}
