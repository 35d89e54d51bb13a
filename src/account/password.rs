//! Changing one's own password.

use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

use super::{Accounts, create::ensure_settable, guessing::Guessed};
use crate::{
    crypto::password::Password,
    database,
    entity::{
        account,
        session::{self, InvalidationReason},
    },
    error::{ErrorKind, Result},
    request::{SessionClaims, SessionRequest},
    session::{Actor, caller_stands},
};

/// What a password is changed with.
#[derive(Debug, Clone)]
pub struct ChangePassword {
    /// The present password.
    pub current: Password,
    /// The new one: 8 to 256 characters.
    pub new: Password,
    /// Whether the account's other sessions end.
    pub invalidate_other_sessions: bool,
}

impl Accounts {
    /// Changes the signed-in account's password.
    ///
    /// # Errors
    ///
    /// `UNAUTHENTICATED` where the session does not stand, `AUTHENTICATION_FAILED` where the present password is wrong
    /// (or was changed meanwhile), `RATE_LIMITED` where it was too often (see [`crate::limit`]), `BAD_USER_INPUT` with
    /// field `newPassword`, and `SERVICE_UNAVAILABLE` where too many passwords wait.
    #[doc(alias = "changePassword")]
    pub async fn change_password(
        &self,
        request: &SessionRequest,
        input: ChangePassword,
    ) -> Result<account::Model> {
        let claims = request.session_claims()?;
        let current = self.sessions.require_session(request).await?;
        ensure_settable("newPassword", &input.new)?;
        let account = self
            .verify(request, Guessed::Account(current.account), input.current)
            .await?;
        let place = self.passwords.enqueue_new(&request.waiting())?;
        let hash = self.passwords.hash(place, input.new).await?;
        let (this, claims, of_request) = (self.clone(), claims.clone(), request.clone());
        let changing = self.sessions.to_the_end(async move {
            let others = input.invalidate_other_sessions;
            let actor = Actor::of(&of_request).by_session(claims.session_id);
            this.replace_password(&account, hash, &claims, others, &actor)
                .await
        });
        if let Some(changed) = changing.await? {
            return Ok(changed);
        }
        // Either the session has ended meanwhile, which this says, or the password is another one by now.
        self.sessions.require_session(request).await?;
        Err(ErrorKind::AuthenticationFailed.into())
    }

    /// `None` where the password has changed since it was verified, or the session has ended.
    async fn replace_password(
        &self,
        account: &account::Model,
        hash: String,
        claims: &SessionClaims,
        invalidate_other_sessions: bool,
        actor: &Actor,
    ) -> Result<Option<account::Model>> {
        let now = self.sessions.clock().now();
        let transaction = database::begin(self.db()).await?;
        let changed = account::Entity::update_many()
            .col_expr(account::Column::PasswordHash, Expr::value(hash))
            .col_expr(
                account::Column::CredentialsVersion,
                Expr::col(account::Column::CredentialsVersion).add(1),
            )
            .col_expr(account::Column::UpdatedAt, Expr::value(now))
            .filter(account::Column::Id.eq(account.id))
            .filter(account::Column::CredentialsVersion.eq(account.credentials_version))
            .filter(caller_stands(claims, now))
            .exec_with_returning(&transaction)
            .await?;
        let Some(changed) = changed.into_iter().next() else {
            transaction.rollback().await?;
            return Ok(None);
        };
        let mut ended = Vec::new();
        if invalidate_other_sessions {
            let others = Condition::all()
                .add(session::Column::AccountId.eq(account.id))
                .add(session::Column::Id.ne(claims.session_id));
            ended = self
                .sessions
                .mark_ended(
                    &transaction,
                    others,
                    InvalidationReason::PasswordChanged,
                    actor,
                )
                .await?;
        }
        transaction.commit().await?;
        self.sessions.run_on_session_invalidated(&ended).await;
        Ok(Some(changed))
    }
}
