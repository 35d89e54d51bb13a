//! Signing up: an account and its first session, or neither.

use super::{Accounts, NewAccount, create};
use crate::{
    crypto::password::Password,
    database,
    error::{Error, ErrorKind, Result},
    request::SessionRequest,
    session::{LoginResult, NewSession, TokenTransport},
};

/// What somebody signs up with.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// At least one of user name and e-mail address is needed.
    pub username: Option<String>,
    /// At least one of user name and e-mail address is needed.
    pub email: Option<String>,
    /// 8 to 256 characters.
    pub password: Password,
    /// How the tokens reach the client.
    pub transport: TokenTransport,
}

impl Accounts {
    /// Creates an account and its first session.
    ///
    /// # Errors
    ///
    /// `SIGN_UP_DISABLED`, `USERNAME_TAKEN`, `EMAIL_TAKEN`, `BAD_USER_INPUT` naming the field,
    /// `INVALID_LOCATION_INFO_IP` and `INVALID_LOCATION_INFO_USER_AGENT`; `RATE_LIMITED` after too many sign-ups from the
    /// client's network, also of those whose name was taken; and `SERVICE_UNAVAILABLE` where too many passwords wait to be
    /// hashed.
    #[doc(alias = "signUp")]
    pub async fn sign_up(&self, request: &SessionRequest, input: SignUp) -> Result<LoginResult> {
        if !self.sign_up {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        if input.username.is_none() && input.email.is_none() {
            return Err(Error::bad_user_input(
                "username",
                "at least one of `username` and `email` is needed",
            ));
        }
        request.ensure_transport(input.transport)?;
        let connection_info = self.sessions.connection_info(request)?;
        let SignUp {
            username,
            email,
            password,
            transport,
        } = input;
        let new = NewAccount {
            username,
            email,
            password: Some(password),
            ..NewAccount::default()
        };
        let queued = self.enqueue(new, &request.waiting())?;
        // Whatever comes of it: that a name is taken is an answer too.
        self.charge_sign_up(connection_info.ip).await?;
        let row = self.new_row(queued).await?;

        let (this, of_request) = (self.clone(), request.clone());
        let opening = self.sessions.to_the_end(async move {
            let transaction = database::begin(this.db()).await?;
            let account = create::insert(&transaction, row).await?;
            let session = NewSession {
                account_id: account.id,
                credentials_version: None,
                connection_info,
                metadata: None,
            };
            let opened = this
                .sessions
                .insert_session(&transaction, &of_request, session)
                .await?;
            transaction.commit().await?;
            let result = this.sessions.announce_opened(&of_request, account, opened);
            let result = result.await;
            this.sessions.or_upsert_error(result, &of_request).await
        });
        let result = opening.await?;
        self.replace_session(request, result, transport).await
    }

    /// Delivers a fresh login; with cookies it takes the place of the session whose cookies came with the request.
    pub(super) async fn replace_session(
        &self,
        request: &SessionRequest,
        result: LoginResult,
        transport: TokenTransport,
    ) -> Result<LoginResult> {
        let result = self.deliver_opened(request, result, transport).await?;
        if transport == TokenTransport::Cookie {
            self.sessions.end_replaced_session(request).await?;
        }
        Ok(result)
    }
}
