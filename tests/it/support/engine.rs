//! An engine over a test's database, with a clock that the test moves and hashing that costs nothing.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait};
use secrecy::{ExposeSecret, SecretString};
use sessiongraph::{
    account::{Accounts, SignIn, SignUp},
    clock::{Clock, ManualClock},
    crypto::{
        access_token::SigningAlgorithm,
        password::{Password, PasswordPolicy},
    },
    entity::session::{self, InvalidationReason},
    error::{Action, Error, Result},
    keys::{Keyring, KeyringOptions},
    random::SystemRandom,
    request::SessionRequest,
    session::{
        Caller, CurrentSession, LoginResult, Policy, RefreshTokensInput, Sessions, TokenTransport,
    },
};
use uuid::Uuid;

use super::database::{Statements, TestDatabase};

pub(crate) const FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0";
pub(crate) const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                                 Version/26.0 Safari/605.1.15";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const SECRET: &str = "a master secret for tests, long enough";

/// Cheap on purpose: what is tested is not Argon2.
pub(crate) const PASSWORDS: PasswordPolicy = PasswordPolicy {
    memory_kib: 64,
    iterations: 1,
    parallelism: 1,
    queue: 256,
};

/// One replica: engine, accounts and keyring over a database.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) db: DatabaseConnection,
    pub(crate) statements: Statements,
    pub(crate) clock: ManualClock,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
}

impl Engine {
    pub(crate) async fn new(database: &TestDatabase) -> Self {
        Self::with(database, ManualClock::default(), |_| {}).await
    }

    /// With a policy changed, or another replica's clock.
    pub(crate) async fn with(
        database: &TestDatabase,
        clock: ManualClock,
        change: impl FnOnce(&mut Policy),
    ) -> Self {
        let mut policy = Policy::default();
        change(&mut policy);
        let options = keyring_options(SECRET, &policy);
        Self::with_keys(database, clock, policy, options).await
    }

    /// With another keyring.
    pub(crate) async fn with_keys(
        database: &TestDatabase,
        clock: ManualClock,
        policy: Policy,
        options: KeyringOptions,
    ) -> Self {
        let mut db = database.connect().await;
        let statements = Statements::record(&mut db);
        let shared_clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let keyring = Keyring::open(db.clone(), options, shared_clock, Arc::new(SystemRandom))
            .await
            .unwrap();
        let keyring = Arc::new(keyring);
        let sessions = Sessions::builder(db.clone())
            .shared_keys(keyring.clone())
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        let accounts = Accounts::new(sessions.clone(), PASSWORDS).unwrap();
        statements.take();
        Self {
            db,
            statements,
            clock,
            keyring,
            sessions,
            accounts,
        }
    }

    /// Adds copies of the only session, with ids of their own.
    pub(crate) async fn copy_sessions(&self, copies: u32) {
        let (id, numbers) = match self.db.get_database_backend() {
            DbBackend::Postgres => ("gen_random_uuid()", format!("generate_series(1, {copies})")),
            _ => (
                "randomblob(16)",
                format!(
                    "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {copies}) SELECT i FROM n)"
                ),
            ),
        };
        let sql = format!(
            "INSERT INTO sessions SELECT {id}, account_id, generation, parent, seen_generation, ip, user_agent, \
             user_agent_family, metadata, created_at, refreshed_at, last_seen_at, expires_at, absolute_expires_at, \
             invalidated_at, invalidation_reason, opened_in FROM sessions CROSS JOIN {numbers}"
        );
        self.db.execute_unprepared(&sql).await.unwrap();
    }

    /// A new account of this name, signed in.
    pub(crate) async fn sign_up(&self, username: &str) -> LoginResult {
        self.try_sign_up(username).await.unwrap()
    }

    pub(crate) async fn try_sign_up(&self, username: &str) -> Result<LoginResult> {
        let input = SignUp {
            username: Some(username.to_owned()),
            email: None,
            password: Password::new(PASSWORD),
            transport: TokenTransport::Body,
        };
        self.accounts.sign_up(&request(), input).await
    }

    /// Another replica over the same database, which tells the same time.
    pub(crate) async fn replica(&self, database: &TestDatabase) -> Self {
        let policy = self.sessions.policy().clone();
        Self::with(database, self.clock.clone(), |other| *other = policy).await
    }

    /// Another session of an account of [`Engine::sign_up`].
    pub(crate) async fn sign_in(&self, username: &str) -> LoginResult {
        self.try_sign_in(username, PASSWORD).await.unwrap()
    }

    pub(crate) async fn try_sign_in(
        &self,
        identifier: &str,
        password: &str,
    ) -> Result<LoginResult> {
        let input = SignIn {
            identifier: identifier.to_owned(),
            password: Password::new(password),
            transport: TokenTransport::Body,
        };
        self.accounts.sign_in(&request(), input).await
    }

    /// Presents a refresh token, as the browser that signed in would.
    pub(crate) async fn refresh(&self, token: &SecretString) -> Result<LoginResult> {
        self.refresh_from(&request(), token).await
    }

    pub(crate) async fn refresh_from(
        &self,
        request: &SessionRequest,
        token: &SecretString,
    ) -> Result<LoginResult> {
        let input = RefreshTokensInput {
            refresh_token: Some(token.clone()),
        };
        self.sessions.refresh_tokens(request, input).await
    }

    /// Refreshes, and passes the time that a client takes until the next refresh.
    pub(crate) async fn refresh_and_advance(
        &self,
        token: &SecretString,
        seconds: u64,
    ) -> LoginResult {
        let result = self.refresh(token).await.unwrap();
        self.advance(seconds);
        result
    }

    /// Shows an access token, as any request with it does.
    pub(crate) async fn show(&self, token: &SecretString) -> SessionRequest {
        let mut request = request();
        request.bearer = Some(token.clone());
        self.sessions.handle_request(request).await.unwrap()
    }

    /// What a field that needs a session gets for an access token.
    pub(crate) async fn session_of(&self, token: &SecretString) -> Result<CurrentSession> {
        let request = self.show(token).await;
        self.sessions.require_session(&request).await
    }

    /// Who ends sessions with an access token.
    pub(crate) async fn caller(&self, login: &LoginResult) -> Caller {
        let request = self.show(&login.tokens.access_token).await;
        Caller::Session(request.session_claims().unwrap().clone())
    }

    /// A session as the database has it.
    pub(crate) async fn row(&self, session: Uuid) -> session::Model {
        let row = session::Entity::find_by_id(session).one(&self.db).await;
        row.unwrap().unwrap()
    }

    /// Why a session was ended; `None` where it was not.
    pub(crate) async fn ended_with(&self, session: Uuid) -> Option<InvalidationReason> {
        self.row(session).await.invalidation_reason
    }

    /// Changes the database behind the engine's back.
    pub(crate) async fn sql(&self, sql: &str) {
        self.db.execute_unprepared(sql).await.unwrap();
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// What a client is told: code, reason and action.
pub(crate) fn told(error: &Error) -> (&str, Option<&str>, Option<Action>) {
    (error.code(), error.reason(), error.action())
}

/// A token's text.
pub(crate) fn text(token: &SecretString) -> &str {
    token.expose_secret()
}

pub(crate) fn keyring_options(secret: &str, policy: &Policy) -> KeyringOptions {
    KeyringOptions {
        secret: SecretString::from(secret),
        secret_previous: Vec::new(),
        algorithm: SigningAlgorithm::Es256,
        hs256_secret: None,
        rotation: Some(Duration::from_hours(720)),
        publish_ahead: Duration::from_mins(20),
        token_lifetime: policy.access_token_ttl + policy.clock_skew,
    }
}

/// The `kid` header of an access token.
pub(crate) fn kid_of(token: &SecretString) -> String {
    let header = jsonwebtoken::decode_header(token.expose_secret()).unwrap();
    header.kid.unwrap()
}

/// A request of this user agent, without a token.
pub(crate) fn request_of(user_agent: &str) -> SessionRequest {
    let mut request = request();
    request.user_agent = Some(user_agent.to_owned());
    request
}

/// A request of a browser, without a token.
pub(crate) fn request() -> SessionRequest {
    let mut request = SessionRequest::new();
    request.ip = Some([192, 0, 2, 1].into());
    request.user_agent = Some(FIREFOX.to_owned());
    request.has_response_headers = true;
    request
}
