//! The signing keyring in the database.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, EntityTrait, IntoActiveModel,
    QueryOrder, sea_query::OnConflict,
};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{KeySet, KeyringOptions, TokenKeys, fixed_secret, generate, stored};
use crate::{
    clock::Clock,
    crypto::{
        access_token::{SigningAlgorithm, SigningKey, VerifyingKey},
        opaque_token::{RefreshTokenMaker, SECRET_KEY_LENGTH, ServiceKeyMaker},
        sealed::SealingKeys,
    },
    entity::{
        secret_key::{self, SecretKeyPurpose},
        signing_key,
    },
    error::{Error, Result},
    lease::Leases,
    random::{self, Random},
    request::SessionRequest,
};

/// How often running servers look for changes: a revoked key is out everywhere within a second.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// How long a token of an unknown key waits before the next one makes the keyring read the database.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// The keys in the database: one that signs, one that stands by, and those whose tokens have not expired.
pub struct Keyring {
    pub(super) db: DatabaseConnection,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) leases: Leases,
    pub(super) sealing: SealingKeys,
    pub(super) options: KeyringOptions,
    /// Keys that were there before are known to whoever configured this keyring.
    pub(super) opened_at: DateTime<Utc>,
    loaded: RwLock<Arc<Loaded>>,
    /// When a token of an unknown key last made us read the database. Held while reading, so that one reads for all.
    reloaded_at: Mutex<Option<DateTime<Utc>>>,
}

/// What was read, and what was made of it.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) signing_rows: Vec<signing_key::Model>,
    pub(super) secret_rows: Vec<secret_key::Model>,
    keys: Arc<KeySet>,
    jwks: Arc<str>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("algorithm", &self.options.algorithm)
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// Opens the keyring, and makes the keys that it lacks.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` where the secret is too short or is not the one that the keys are sealed with, and what the
    /// database says.
    pub async fn open(
        db: DatabaseConnection,
        options: KeyringOptions,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        let sealing = SealingKeys::new(&options.secret, &options.secret_previous)?;
        // Nothing is made under a secret that does not open what is there.
        let (signing_rows, secret_rows) = read(&db).await?;
        check(&sealing, &signing_rows, &secret_rows)?;
        let now = clock.now();
        for purpose in [SecretKeyPurpose::RefreshToken, SecretKeyPurpose::ServiceKey] {
            if secret_rows.iter().all(|row| row.purpose != purpose) {
                insert_if_absent(
                    &db,
                    new_secret_key(&sealing, random.as_ref(), purpose, 1, now)?,
                )
                .await?;
            }
        }
        let algorithm = options.algorithm;
        if algorithm != SigningAlgorithm::Hs256 {
            let of_ours = || {
                signing_rows
                    .iter()
                    .filter(|row| row.algorithm == algorithm.as_str())
            };
            if !of_ours().any(signs) {
                insert_if_absent(
                    &db,
                    new_signing_key(&sealing, algorithm, now, Some(now)).await?,
                )
                .await?;
            }
            if !of_ours().any(stands_by) {
                insert_if_absent(&db, new_signing_key(&sealing, algorithm, now, None).await?)
                    .await?;
            }
        }
        let (signing_rows, secret_rows) = read(&db).await?;
        let holder = random::new_id(now, random.as_ref())?;
        let leases = Leases::new(db.clone(), Arc::clone(&clock), holder);
        let loaded = build(&sealing, &options, signing_rows, secret_rows, now)?;
        Ok(Self {
            db,
            clock,
            random,
            leases,
            sealing,
            options,
            opened_at: now,
            loaded: RwLock::new(Arc::new(loaded)),
            reloaded_at: Mutex::default(),
        })
    }

    /// The keys in memory.
    #[must_use]
    pub fn key_set(&self) -> Arc<KeySet> {
        Arc::clone(&self.loaded().keys)
    }

    /// The JWK set (RFC 7517 section 5) of all keys that verify and of the standby key, oldest first. Empty with HS256.
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.loaded().jwks)
    }

    /// Reads the database.
    ///
    /// # Errors
    ///
    /// What the database says, and as [`Keyring::open`]; the keys in memory then stay as they were.
    pub async fn reload(&self) -> Result<()> {
        let (signing_rows, secret_rows) = read(&self.db).await?;
        let before = self.loaded();
        let now = self.clock.now();
        let unchanged = before.signing_rows == signing_rows && before.secret_rows == secret_rows;
        if unchanged && !signing_rows.iter().any(|row| has_run_out(row, now)) {
            return Ok(());
        }
        let loaded = build(&self.sealing, &self.options, signing_rows, secret_rows, now)?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        Ok(())
    }

    /// Reads the database twice a second and rotates when it is time. Ends with the task that runs it.
    pub async fn watch(&self) {
        let mut interval = tokio::time::interval(WATCH_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            interval.tick().await;
            let result = async {
                self.reload().await?;
                self.rotate_when_due().await
            }
            .await;
            match &result {
                Err(error) if !failing => {
                    tracing::error!(error = ?error, "the signing keys could not be read");
                }
                Ok(()) if failing => tracing::info!("the signing keys are read again"),
                _ => {}
            }
            failing = result.is_err();
        }
    }

    pub(super) fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl TokenKeys for Keyring {
    async fn keys(&self, _request: &SessionRequest) -> Result<Arc<KeySet>> {
        Ok(self.key_set())
    }

    async fn keys_again(&self, _request: &SessionRequest) -> Result<Arc<KeySet>> {
        let mut reloaded_at = self.reloaded_at.lock().await;
        let now = self.clock.now();
        if reloaded_at.is_none_or(|at| (now - at).to_std().unwrap_or_default() >= RELOAD_INTERVAL) {
            // Also when it fails: nobody queues for a database that is down.
            *reloaded_at = Some(now);
            self.reload().await?;
        }
        Ok(self.key_set())
    }
}

/// Whether a key signs, as far as its row says.
pub(super) fn signs(row: &signing_key::Model) -> bool {
    row.activated_at.is_some() && row.retired_at.is_none() && row.revoked_at.is_none()
}

/// Whether a key is published and has not signed yet.
pub(super) fn stands_by(row: &signing_key::Model) -> bool {
    row.activated_at.is_none() && row.revoked_at.is_none()
}

/// Whether the last token of a retired key has expired. A revoked key's row is kept, to be listed.
pub(super) fn has_run_out(row: &signing_key::Model, now: DateTime<Utc>) -> bool {
    row.revoked_at.is_none() && row.verifies_until.is_some_and(|until| until <= now)
}

pub(super) async fn new_signing_key(
    sealing: &SealingKeys,
    algorithm: SigningAlgorithm,
    published_at: DateTime<Utc>,
    activated_at: Option<DateTime<Utc>>,
) -> Result<signing_key::ActiveModel> {
    let pair = tokio::task::spawn_blocking(move || generate::generate(algorithm))
        .await
        .map_err(Error::internal)??;
    let mut row = signing_key::Model {
        kid: pair.kid,
        algorithm: algorithm.as_str().to_owned(),
        public_jwk: pair.public_jwk,
        sealed_private_key: Vec::new(),
        published_at,
        activates_at: None,
        activated_at,
        retired_at: None,
        verifies_until: None,
        revoked_at: None,
    };
    stored::seal_signing_key(sealing, &mut row, &pair.private)?;
    Ok(row.into_active_model().reset_all())
}

pub(super) fn new_secret_key(
    sealing: &SealingKeys,
    random: &dyn Random,
    purpose: SecretKeyPurpose,
    key_id: u8,
    created_at: DateTime<Utc>,
) -> Result<secret_key::ActiveModel> {
    let key = Zeroizing::new(random::bytes::<SECRET_KEY_LENGTH>(random)?);
    let mut row = secret_key::Model {
        purpose,
        key_id: key_id.into(),
        sealed_key: Vec::new(),
        created_at,
    };
    stored::seal_secret_key(sealing, &mut row, key.as_ref())?;
    Ok(row.into_active_model().reset_all())
}

/// Inserts a row unless another replica was first.
pub(super) async fn insert_if_absent<A>(db: &impl ConnectionTrait, row: A) -> Result<()>
where
    A: ActiveModelTrait + sea_orm::ActiveModelBehavior + Send,
{
    A::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

async fn read(
    db: &DatabaseConnection,
) -> Result<(Vec<signing_key::Model>, Vec<secret_key::Model>)> {
    let signing = signing_key::Entity::find()
        .order_by_asc(signing_key::Column::PublishedAt)
        .order_by_asc(signing_key::Column::Kid)
        .all(db)
        .await?;
    let secret = secret_key::Entity::find()
        .order_by_asc(secret_key::Column::KeyId)
        .all(db)
        .await?;
    Ok((signing, secret))
}

fn check(
    sealing: &SealingKeys,
    signing: &[signing_key::Model],
    secret: &[secret_key::Model],
) -> Result<()> {
    for row in signing {
        stored::open_signing_key(sealing, row)?;
    }
    for row in secret {
        stored::open_secret_key(sealing, row)?;
    }
    Ok(())
}

fn build(
    sealing: &SealingKeys,
    options: &KeyringOptions,
    signing_rows: Vec<signing_key::Model>,
    secret_rows: Vec<secret_key::Model>,
    now: DateTime<Utc>,
) -> Result<Loaded> {
    // Each has to open, though one signs: a row that was tampered with is not published.
    for row in &signing_rows {
        stored::open_signing_key(sealing, row)?;
    }
    let verifies = |row: &&signing_key::Model| row.revoked_at.is_none() && !has_run_out(row, now);
    let mut verifying: Vec<VerifyingKey> = Vec::new();
    let mut jwks = Vec::new();
    for row in signing_rows.iter().filter(verifies) {
        if let Some(algorithm) = SigningAlgorithm::from_name(&row.algorithm) {
            verifying.push(generate::verifying_key(
                &row.kid,
                algorithm,
                &row.public_jwk,
            )?);
            jwks.push(
                serde_json::value::RawValue::from_string(row.public_jwk.clone())
                    .map_err(Error::internal)?,
            );
        }
    }
    let signing = if options.algorithm == SigningAlgorithm::Hs256 {
        let secret = options.hs256_secret.as_ref();
        let (signing, verifies) = fixed_secret::hs256(
            "hs256_secret",
            secret.ok_or_else(|| {
                Error::bad_user_input(
                    "hs256_secret",
                    "is needed where `signing_algorithm` is HS256",
                )
            })?,
        )?;
        verifying.push(verifies);
        jwks.clear();
        signing
    } else {
        let row = signing_rows
            .iter()
            .find(|row| row.algorithm == options.algorithm.as_str() && signs(row))
            .ok_or_else(|| Error::internal("no key signs"))?;
        let private = stored::open_signing_key(sealing, row)?;
        let key = generate::encoding_key(options.algorithm, &private)?;
        SigningKey {
            kid: row.kid.clone(),
            algorithm: options.algorithm,
            key,
        }
    };
    let jwks =
        serde_json::to_string(&serde_json::json!({ "keys": jwks })).map_err(Error::internal)?;
    let keys = KeySet {
        signing,
        verifying,
        refresh: refresh_keys(sealing, &secret_rows)?,
        service: ServiceKeyMaker::new(
            &newest(sealing, &secret_rows, SecretKeyPurpose::ServiceKey)?.1,
        ),
    };
    Ok(Loaded {
        signing_rows,
        secret_rows,
        keys: Arc::new(keys),
        jwks: jwks.into(),
    })
}

fn refresh_keys(sealing: &SealingKeys, rows: &[secret_key::Model]) -> Result<RefreshTokenMaker> {
    let (id, key) = newest(sealing, rows, SecretKeyPurpose::RefreshToken)?;
    Ok(RefreshTokenMaker::new(id, &key))
}

fn newest(
    sealing: &SealingKeys,
    rows: &[secret_key::Model],
    purpose: SecretKeyPurpose,
) -> Result<(u8, Zeroizing<[u8; SECRET_KEY_LENGTH]>)> {
    let row = rows
        .iter()
        .filter(|row| row.purpose == purpose)
        .max_by_key(|row| row.created_at)
        .ok_or_else(|| Error::internal("a key is missing"))?;
    let opened = stored::open_secret_key(sealing, row)?;
    let key = opened
        .as_slice()
        .try_into()
        .map(Zeroizing::new)
        .map_err(Error::internal)?;
    Ok((u8::try_from(row.key_id).map_err(Error::internal)?, key))
}
