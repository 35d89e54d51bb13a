//! Signing in, with a password or by a backend's word.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::Value;
use uuid::Uuid;

use super::{Accounts, guessing::Guessed};
use crate::{
    crypto::password::{Password, Waiting},
    entity::account,
    error::{Error, ErrorKind, Result},
    request::{ConnectionInfo, SessionRequest},
    session::{LoginResult, NewSession, TokenTransport, UpsertSession},
};

const MAX_METADATA_LENGTH: usize = 4 * 1024;

/// What somebody signs in with.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// A user name or an e-mail address.
    pub identifier: String,
    /// The password.
    pub password: Password,
    /// How the tokens reach the client.
    pub transport: TokenTransport,
}

/// What a backend opens a session with.
#[derive(Debug, Clone)]
pub struct CreateSession {
    /// Whose.
    pub account_id: Uuid,
    /// Of the end user.
    pub connection_info: ConnectionInfo,
    /// 4 KiB of JSON at most.
    pub metadata: Option<Value>,
    /// How the tokens reach the client.
    pub transport: TokenTransport,
}

impl Accounts {
    /// Opens a session with a password. An unknown identifier, an account without a password and a wrong password are
    /// one answer, after the same work.
    ///
    /// # Errors
    ///
    /// `AUTHENTICATION_FAILED`; `USER_DEACTIVATED` with the right password; `INVALID_LOCATION_INFO_IP` and
    /// `INVALID_LOCATION_INFO_USER_AGENT`; `RATE_LIMITED` after too many failures, by the table of
    /// [`crate::limit`]; `SERVICE_UNAVAILABLE` where too many passwords wait to be verified.
    #[doc(alias = "signIn")]
    pub async fn sign_in(&self, request: &SessionRequest, input: SignIn) -> Result<LoginResult> {
        request.ensure_transport(input.transport)?;
        let connection_info = self.sessions.connection_info(request)?;
        let guessed = Guessed::Identifier(&input.identifier);
        let account = self.verify(request, guessed, input.password).await?;
        if account.deactivated_at.is_some() {
            return Err(ErrorKind::UserDeactivated.into());
        }
        let new = NewSession {
            account_id: account.id,
            credentials_version: Some(account.credentials_version),
            connection_info,
            metadata: None,
        };
        let opened = self
            .sessions
            .upsert_refresh_token_and_session(request, UpsertSession::Insert(new))
            .await?;
        self.replace_session(request, opened, input.transport).await
    }

    /// Opens a session for an account whose identity the caller has established itself.
    ///
    /// # Errors
    ///
    /// `USER_NOT_FOUND`, `USER_DEACTIVATED`, and `BAD_USER_INPUT` naming the field.
    #[doc(alias = "createSession")]
    pub async fn create_session(
        &self,
        request: &SessionRequest,
        input: CreateSession,
    ) -> Result<LoginResult> {
        if let Some(metadata) = &input.metadata {
            check_metadata(metadata)?;
        }
        if input.transport == TokenTransport::Cookie && !request.has_response_headers {
            return Err(Error::bad_user_input(
                "transport",
                "a WebSocket has no response to carry cookies",
            ));
        }
        let new = NewSession {
            account_id: input.account_id,
            credentials_version: None,
            connection_info: input.connection_info,
            metadata: input.metadata,
        };
        let opened = self
            .sessions
            .upsert_refresh_token_and_session(request, UpsertSession::Insert(new))
            .await?;
        self.deliver_opened(request, opened, input.transport).await
    }

    /// Brings a hash to today's parameters. The password is the same: nothing that was verified against it changes, and
    /// a failure costs nobody the sign-in.
    pub(super) async fn rehash(
        &self,
        waiting: &Waiting,
        account: &account::Model,
        password: Password,
    ) {
        let rehashed = async {
            // Part of a sign-in: it does not wait behind sign-ups.
            let place = self.passwords.enqueue(waiting)?;
            let hash = self.passwords.hash(place, password).await?;
            account::Entity::update_many()
                .col_expr(account::Column::PasswordHash, Expr::value(hash))
                .filter(account::Column::Id.eq(account.id))
                .filter(account::Column::CredentialsVersion.eq(account.credentials_version))
                .exec(self.db())
                .await?;
            Ok::<_, Error>(())
        };
        if let Err(error) = rehashed.await {
            tracing::warn!(account_id = %account.id, error = ?error, "a password could not be hashed anew");
        }
    }
}

fn check_metadata(metadata: &Value) -> Result<()> {
    if metadata.to_string().len() > MAX_METADATA_LENGTH {
        return Err(Error::bad_user_input(
            "metadata",
            "has 4 KiB of JSON at most",
        ));
    }
    // PostgreSQL's jsonb cannot hold it, and SQLite shall not differ.
    if has_null_character(metadata) {
        return Err(Error::bad_user_input(
            "metadata",
            "must not contain the character U+0000",
        ));
    }
    Ok(())
}

fn has_null_character(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_null_character),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains('\0') || has_null_character(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
