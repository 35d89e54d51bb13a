//! From a configuration to what it configures: the database, the keys, the engine, the accounts.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, PaginatorTrait, Statement,
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::{
    account::Accounts,
    clock::{Clock, SystemClock},
    config::{self, Config},
    crypto::{access_token::SigningAlgorithm, password::PasswordPolicy},
    database::{self, DatabaseOptions},
    entity::secret_key,
    error::{Error, Result},
    keys::{Keyring, KeyringOptions},
    limit::Rate,
    random::{self, SystemRandom},
    session::{Policy, Sessions, UserAgentBinding},
};

/// What a configuration stands for, ready to use.
#[derive(Debug, Clone)]
pub struct Services {
    /// The database.
    pub db: DatabaseConnection,
    /// The keys of all tokens.
    pub keyring: Arc<Keyring>,
    /// The engine.
    pub sessions: Sessions,
    /// The accounts.
    pub accounts: Accounts,
}

impl Services {
    /// Opens what a configuration stands for. The database has to be migrated.
    ///
    /// # Errors
    ///
    /// What the database says, and `BAD_USER_INPUT` naming what of the configuration cannot be used.
    pub async fn open(config: &Config, db: DatabaseConnection) -> Result<Self> {
        let policy = policy(config);
        let options = KeyringOptions {
            secret: master_secret(config, &db).await?,
            secret_previous: config.secret_previous.clone(),
            algorithm: algorithm(config.signing_algorithm),
            hs256_secret: config.hs256_secret.clone(),
            rotation: config.signing_key_rotation,
            publish_ahead: config.signing_key_publish_ahead,
            token_lifetime: policy.access_token_ttl + policy.clock_skew,
        };
        let keyring = Keyring::open(
            db.clone(),
            options,
            Arc::new(SystemClock),
            Arc::new(SystemRandom),
        );
        let keyring = Arc::new(keyring.await?);
        let sessions = Sessions::builder(db.clone())
            .shared_keys(keyring.clone())
            .policy(policy)
            .keep_connections()
            .build()?;
        let passwords = PasswordPolicy {
            memory_kib: config.argon2_memory_kib,
            iterations: config.argon2_iterations,
            parallelism: config.argon2_parallelism,
            queue: config.password_queue,
        };
        let accounts = Accounts::new(sessions.clone(), passwords)?.with_sign_up(config.sign_up);
        Ok(Self {
            db,
            keyring,
            sessions,
            accounts,
        })
    }
}

/// Connects to the database, whose folder is made where it is missing.
///
/// # Errors
///
/// `SERVICE_UNAVAILABLE` when it does not answer.
pub async fn connect(config: &Config) -> Result<DatabaseConnection> {
    if let Some(file) = sqlite_file(config) {
        make_database_file(&file).map_err(|error| {
            let message = format!("{} cannot be made: {error}", file.display());
            Error::bad_user_input("database_url", message)
        })?;
    }
    let options = DatabaseOptions {
        url: config.database_url.clone(),
        max_connections: config.database_max_connections,
        acquire_timeout: config.database_acquire_timeout,
    };
    database::connect(&options).await
}

/// Warns where the database's clock and ours differ by more than a second: graces and lifetimes are counted with ours,
/// and other replicas have theirs.
///
/// # Errors
///
/// What the database says.
pub async fn compare_clocks(db: &DatabaseConnection) -> Result<()> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let statement = Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp()");
    if let Some(row) = db.query_one_raw(statement).await? {
        let theirs: chrono::DateTime<chrono::Utc> = row.try_get_by_index(0)?;
        let difference = (theirs - SystemClock.now()).num_milliseconds().abs();
        if difference > 1_000 {
            tracing::warn!(
                milliseconds = difference,
                "the database's clock and this machine's differ"
            );
        }
    }
    Ok(())
}

/// The file of an SQLite database; `None` for PostgreSQL and for a database in memory.
#[must_use]
pub fn sqlite_file(config: &Config) -> Option<PathBuf> {
    let url = config.database_url.expose_secret();
    if config.uses_postgres() || url.contains(":memory:") {
        return None;
    }
    #[cfg(feature = "sqlite")]
    return url
        .parse::<sea_orm::sqlx::sqlite::SqliteConnectOptions>()
        .ok()
        .map(|options| options.get_filename().to_owned());
    #[cfg(not(feature = "sqlite"))]
    None
}

fn policy(config: &Config) -> Policy {
    Policy {
        issuer: config.issuer().to_owned(),
        audience: config.audience.clone(),
        access_token_ttl: config.access_token_ttl,
        session_idle_ttl: config.session_idle_ttl,
        session_max_ttl: config.session_max_ttl,
        refresh_grace: config.refresh_grace,
        refresh_recovery: config.refresh_recovery,
        clock_skew: config.clock_skew,
        max_sessions_per_account: config.max_sessions_per_account,
        user_agent_binding: match config.user_agent_binding {
            config::UserAgentBinding::Family => UserAgentBinding::Family,
            config::UserAgentBinding::Exact => UserAgentBinding::Exact,
            config::UserAgentBinding::Off => UserAgentBinding::Off,
        },
        silent_renewal: config.silent_renewal,
        sign_in_failures: config.sign_in_failures.map(rate),
        sign_up_limit: config.sign_up_limit.map(rate),
        refresh_limit: config.refresh_limit.map(rate),
        retention: config.retention,
        audit_retention: config.audit_retention,
    }
}

fn rate(rate: config::Rate) -> Rate {
    Rate {
        count: rate.count,
        per: rate.per,
    }
}

fn algorithm(algorithm: config::SigningAlgorithm) -> SigningAlgorithm {
    match algorithm {
        config::SigningAlgorithm::Es256 => SigningAlgorithm::Es256,
        config::SigningAlgorithm::EdDsa => SigningAlgorithm::EdDsa,
        config::SigningAlgorithm::Rs256 => SigningAlgorithm::Rs256,
        config::SigningAlgorithm::Hs256 => SigningAlgorithm::Hs256,
    }
}

/// The configured master secret; with SQLite and none, that of a file beside the database, made on first start.
async fn master_secret(config: &Config, db: &DatabaseConnection) -> Result<SecretString> {
    if let Some(secret) = &config.secret {
        return Ok(secret.clone());
    }
    let Some(file) = sqlite_file(config).map(|file| file.with_extension("secret")) else {
        // In memory, keys live no longer than the secret.
        return fresh_secret();
    };
    if !file.exists() {
        if secret_key::Entity::find().count(db).await? > 0 {
            return Err(Error::bad_user_input(
                "secret",
                format!(
                    "{} is missing, and the keys in the database are sealed with it",
                    file.display()
                ),
            ));
        }
        make_secret_file(&file).map_err(Error::internal)?;
    }
    let text = Zeroizing::new(fs::read_to_string(&file).map_err(Error::internal)?);
    Ok(SecretString::from(text.trim()))
}

/// Makes an empty database with its folder, unless it is there: password hashes are nobody's but the owner's to read.
fn make_database_file(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    match private_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A new file that only the owner can read.
fn private_file(file: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

fn fresh_secret() -> Result<SecretString> {
    let bytes = Zeroizing::new(random::bytes::<32>(&SystemRandom)?);
    Ok(SecretString::from(
        BASE64_URL_SAFE_NO_PAD.encode(bytes.as_ref()),
    ))
}

/// Writes a fresh secret that only the owner can read. Of several processes that start at once one makes it, and none
/// ever sees half of it.
fn make_secret_file(file: &Path) -> std::io::Result<()> {
    let secret = fresh_secret().map_err(std::io::Error::other)?;
    let temporary = file.with_extension(format!("secret.{}", std::process::id()));
    let written = private_file(&temporary).and_then(|mut out| {
        writeln!(out, "{}", secret.expose_secret())?;
        out.sync_all()
    });
    let linked = written.and_then(|()| fs::hard_link(&temporary, file));
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
