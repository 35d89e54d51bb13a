//! An engine over a test's database, with a clock that the test moves and hashing that costs nothing.

use std::{sync::Arc, time::Duration};

use sea_orm::DatabaseConnection;
use secrecy::SecretString;
use sessiongraph::{
    account::{Accounts, SignUp},
    clock::{Clock, ManualClock},
    crypto::{
        access_token::SigningAlgorithm,
        password::{Password, PasswordPolicy},
    },
    keys::{Keyring, KeyringOptions},
    random::SystemRandom,
    request::SessionRequest,
    session::{LoginResult, Policy, Sessions, TokenTransport},
};

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
        let mut db = database.connect().await;
        let statements = Statements::record(&mut db);
        let options = keyring_options(SECRET, &policy);
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

    /// A new account of this name, signed in.
    pub(crate) async fn sign_up(&self, username: &str) -> LoginResult {
        let input = SignUp {
            username: Some(username.to_owned()),
            email: None,
            password: Password::new(PASSWORD),
            transport: TokenTransport::Body,
        };
        self.accounts.sign_up(&request(), input).await.unwrap()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
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

/// A request of a browser, without a token.
pub(crate) fn request() -> SessionRequest {
    let mut request = SessionRequest::new();
    request.ip = Some([192, 0, 2, 1].into());
    request.user_agent = Some(FIREFOX.to_owned());
    request.has_response_headers = true;
    request
}
