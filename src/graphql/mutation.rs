//! The contract's mutations.

use async_graphql::{Context, Object};
use secrecy::SecretString;

use super::{
    current::{accounts, request, require_scope, sessions},
    types::{
        self, Account, ChangePasswordInput, ConnectionInfoInput, CreateAccountInput,
        CreateSessionInput, InvalidateSessionsInput, InvalidateSessionsMode, LoginResult,
        LogoutInput, RefreshTokensInput, SignInInput, SignUpInput, TokenTransport,
        UpdateAccountInput,
    },
};
use crate::{
    account::{AccountChanges, ChangePassword, CreateSession, NewAccount, SignIn, SignUp},
    crypto::password::Password,
    entity::account,
    error::{Error, ErrorKind, Result},
    request::{Authentication, ConnectionInfo},
    scope::Scope,
    session::{Caller, InvalidateSessions, SessionSelector},
};

/// The mutations, to merge into a schema of your own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Creates an account and its first session. USERNAME_TAKEN / EMAIL_TAKEN / BAD_USER_INPUT / SIGN_UP_DISABLED.
    async fn sign_up(&self, ctx: &Context<'_>, input: SignUpInput) -> Result<LoginResult> {
        let transport = input.transport.or(TokenTransport::Body).into();
        let SignUpInput {
            username,
            email,
            password,
            ..
        } = input;
        let input = SignUp {
            username,
            email,
            password: Password::new(&password),
            transport,
        };
        Ok(LoginResult::new(
            accounts(ctx)?.sign_up(request(ctx)?, input).await?,
            transport,
        ))
    }

    /// Opens a session with a password. AUTHENTICATION_FAILED is the same answer, in the same time, for an unknown
    /// identifier and a wrong password. RATE_LIMITED after repeated failures. With transport COOKIE it ends the session
    /// whose cookies came with the request (so does signUp).
    async fn sign_in(&self, ctx: &Context<'_>, input: SignInInput) -> Result<LoginResult> {
        let transport = input.transport.or(TokenTransport::Body).into();
        let password = Password::new(&input.password);
        let input = SignIn {
            identifier: input.identifier,
            password,
            transport,
        };
        Ok(LoginResult::new(
            accounts(ctx)?.sign_in(request(ctx)?, input).await?,
            transport,
        ))
    }

    /// Exchanges a refresh token for new tokens of the same session (rotation). The token comes from `input.refreshToken`
    /// or, where that is absent, from the refresh cookie. An expired access token in the Authorization header does not
    /// disturb it.
    async fn refresh_tokens(
        &self,
        ctx: &Context<'_>,
        input: Option<RefreshTokensInput>,
    ) -> Result<LoginResult> {
        let (sessions, request) = (sessions(ctx)?, request(ctx)?);
        let (token, wanted) =
            input.map_or((None, None), |input| (input.refresh_token, input.transport));
        let came_in_cookie = token.is_none() && request.cookies.refresh.is_some();
        let transport = request.refresh_transport(came_in_cookie, wanted.map(Into::into))?;
        let input = crate::session::RefreshTokensInput {
            refresh_token: token.map(SecretString::from),
        };
        let login = sessions.refresh_tokens(request, input).await?;
        sessions.deliver(request, &login, transport)?;
        Ok(LoginResult::new(login, transport))
    }

    /// Ends the session of the request: of `input.token` (access or refresh token), else of the Authorization header,
    /// else of the cookies. An expired token is still good for logging out; one whose signature does not hold is not. A
    /// superseded refresh token is as good as the current one. True when this call ended the session, false when there
    /// was none to end: it was over already, or the request carries no token. Clears the cookies of a request that has
    /// them, whatever the answer.
    async fn logout(&self, ctx: &Context<'_>, input: Option<LogoutInput>) -> Result<bool> {
        let token = input.and_then(|input| input.token).map(SecretString::from);
        sessions(ctx)?
            .logout(&mut request(ctx)?.clone(), token.as_ref())
            .await
    }

    /// Ends sessions of one account and returns how many this call ended: 0 when they were over already.
    async fn invalidate_sessions(
        &self,
        ctx: &Context<'_>,
        input: InvalidateSessionsInput,
    ) -> Result<i32> {
        let request = request(ctx)?;
        let caller = match &request.authentication {
            Authentication::Service(identity) if identity.scopes.contains(Scope::SessionsWrite) => {
                Caller::Service(identity.clone())
            }
            _ => Caller::Session(request.session_claims()?.clone()),
        };
        let account_id = input.account_id.as_ref().map(types::id_or_nobodys);
        let what = sessions_to_end(input)?;
        let ended = sessions(ctx)?
            .invalidate_sessions(request, &caller, account_id, what)
            .await?;
        i32::try_from(ended.len()).map_err(Error::internal)
    }

    /// Changes the signed-in account's password, and ends its other sessions unless told otherwise. AUTHENTICATION_FAILED
    /// when currentPassword is wrong.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        input: ChangePasswordInput,
    ) -> Result<Account> {
        let input = ChangePassword {
            current: Password::new(&input.current_password),
            new: Password::new(&input.new_password),
            invalidate_other_sessions: input.invalidate_other_sessions.or(true),
        };
        accounts(ctx)?
            .change_password(request(ctx)?, input)
            .await
            .map(|row| Account::granted(row.into()))
    }

    /// Opens a session for an account whose identity the caller has established itself (its own login page, an identity
    /// provider, a migration). Service keys with sessions:write only.
    async fn create_session(
        &self,
        ctx: &Context<'_>,
        input: CreateSessionInput,
    ) -> Result<LoginResult> {
        require_scope(ctx, Scope::SessionsWrite).await?;
        let transport = input.transport.or(TokenTransport::Body).into();
        let input = CreateSession {
            account_id: types::id_or_nobodys(&input.account_id),
            connection_info: connection_info(input.connection_info)?,
            metadata: input.metadata.map(|metadata| metadata.0),
            transport,
        };
        Ok(LoginResult::new(
            accounts(ctx)?.create_session(request(ctx)?, input).await?,
            transport,
        ))
    }

    /// Service keys with accounts:write only.
    async fn create_account(
        &self,
        ctx: &Context<'_>,
        input: CreateAccountInput,
    ) -> Result<Account> {
        require_scope(ctx, Scope::AccountsWrite).await?;
        let new = NewAccount {
            username: input.username,
            email: input.email,
            email_verified: input.email_verified.or(false),
            password: input.password.as_deref().map(Password::new),
            permissions: input.permissions.or(Vec::new()),
        };
        accounts(ctx)?
            .create(request(ctx)?, new)
            .await
            .map(|row| Account::by_requester(row.into()))
    }

    /// Service keys with accounts:write only. `deactivated: true` ends every session of the account and refuses new ones
    /// (USER_DEACTIVATED); `deactivated: false` brings none of them back. A new password ends every session of the
    /// account. A new e-mail address is not verified unless the call says so. A null or absent field is left as it is.
    async fn update_account(
        &self,
        ctx: &Context<'_>,
        input: UpdateAccountInput,
    ) -> Result<Account> {
        require_scope(ctx, Scope::AccountsWrite).await?;
        let id = types::id_or_nobodys(&input.id);
        let changes = AccountChanges {
            username: input.username,
            email: input.email,
            password: input.password.as_deref().map(Password::new),
            permissions: input.permissions,
            email_verified: input.email_verified,
            deactivated: input.deactivated,
        };
        let row: account::Model = accounts(ctx)?.update(request(ctx)?, id, changes).await?;
        Ok(Account::by_requester(row.into()))
    }
}

/// `ONE` wants exactly one of `sessionId` and `token`, the other modes neither.
fn sessions_to_end(input: InvalidateSessionsInput) -> Result<InvalidateSessions> {
    match (input.mode, input.session_id, input.token) {
        (InvalidateSessionsMode::One, Some(id), None) => Ok(InvalidateSessions::One(
            SessionSelector::Id(types::id_or_nobodys(&id)),
        )),
        (InvalidateSessionsMode::One, None, Some(token)) => Ok(InvalidateSessions::One(
            SessionSelector::Token(token.into()),
        )),
        (InvalidateSessionsMode::One, None, None) => Err(Error::bad_user_input(
            "sessionId",
            "ONE wants either `sessionId` or `token`",
        )),
        (InvalidateSessionsMode::One, Some(_), Some(_)) => Err(Error::bad_user_input(
            "token",
            "ONE wants either `sessionId` or `token`, not both",
        )),
        (_, Some(_), _) => Err(Error::bad_user_input("sessionId", "is for mode ONE only")),
        (_, None, Some(_)) => Err(Error::bad_user_input("token", "is for mode ONE only")),
        (InvalidateSessionsMode::Others, None, None) => Ok(InvalidateSessions::Others),
        (InvalidateSessionsMode::All, None, None) => Ok(InvalidateSessions::All),
    }
}

fn connection_info(input: ConnectionInfoInput) -> Result<ConnectionInfo> {
    if input.ip.trim().is_empty() {
        return Err(ErrorKind::InvalidLocationInfoIp.into());
    }
    let ip = input.ip.trim().parse();
    let ip = ip.map_err(|_| Error::bad_user_input("ip", "must be an IPv4 or IPv6 address"))?;
    if input.user_agent.trim().is_empty() {
        return Err(ErrorKind::InvalidLocationInfoUserAgent.into());
    }
    if input.user_agent.chars().any(char::is_control) {
        return Err(Error::bad_user_input(
            "userAgent",
            "must not contain control characters",
        ));
    }
    Ok(ConnectionInfo {
        ip,
        user_agent: input.user_agent,
    })
}
