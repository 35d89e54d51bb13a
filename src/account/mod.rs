//! Accounts and their passwords. They open sessions, never the reverse.

mod create;
mod find;
mod guessing;
mod identifier;
mod import;
mod password;
mod sign_in;
mod sign_up;
mod update;

use std::{fmt, sync::Arc};

use sea_orm::DatabaseConnection;

pub use self::{
    create::NewAccount,
    find::AccountSelector,
    identifier::{Email, Identifier, Username},
    import::{Arrival, IMPORT_BATCH, Imported, ImportedAccount},
    password::ChangePassword,
    sign_in::{CreateSession, SignIn},
    sign_up::SignUp,
    update::AccountChanges,
};
use crate::{
    crypto::password::{PasswordPolicy, PasswordPool},
    entity::session::InvalidationReason,
    error::{Error, Result},
    limit::Turns,
    random::SystemRandom,
    request::SessionRequest,
    session::{Actor, LoginResult, Sessions, TokenTransport},
};

/// Accounts over the same database as an engine. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    sessions: Sessions,
    passwords: Arc<PasswordPool>,
    turns: Arc<Turns>,
    sign_up: bool,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("sign_up", &self.sign_up)
            .finish_non_exhaustive()
    }
}

impl Accounts {
    /// Accounts whose sessions an engine keeps. Their passwords are hashed on threads of their own, as many as there are
    /// cores; on Linux their nice value is 5 above the process's.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` where Argon2 does not take the parameters.
    pub fn new(sessions: Sessions, passwords: PasswordPolicy) -> Result<Self> {
        let passwords = Arc::new(PasswordPool::new(passwords, Arc::new(SystemRandom))?);
        Ok(Self {
            sessions,
            passwords,
            turns: Arc::default(),
            sign_up: true,
        })
    }

    /// Switches signing up on or off.
    #[must_use]
    pub fn with_sign_up(mut self, on: bool) -> Self {
        self.sign_up = on;
        self
    }

    /// The engine.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn db(&self) -> &DatabaseConnection {
        self.sessions.db()
    }

    /// Gives a fresh login its transport. One that cannot be delivered is ended: nobody would have its tokens.
    async fn deliver_opened(
        &self,
        request: &SessionRequest,
        result: LoginResult,
        transport: TokenTransport,
    ) -> Result<LoginResult> {
        if let Err(error) = self.sessions.deliver(request, &result, transport) {
            let this = crate::session::by_id(result.session.id);
            let actor = Actor::opening(request);
            self.sessions
                .end(this, InvalidationReason::Logout, actor)
                .await?;
            return Err(error);
        }
        Ok(result)
    }
}

/// Turns the violation of a unique index into the code of what is taken.
fn taken(error: sea_orm::DbErr) -> Error {
    use crate::error::ErrorKind;

    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(index)) if index.contains("username") => {
            ErrorKind::UsernameTaken.into()
        }
        Some(sea_orm::SqlErr::UniqueConstraintViolation(index)) if index.contains("email") => {
            ErrorKind::EmailTaken.into()
        }
        _ => error.into(),
    }
}
