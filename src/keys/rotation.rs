//! Rotation: of the signing key, and of the master secret.
//!
//! A signing key is published, then it signs, then it retires, then the last token that it signed has expired:
//!
//! | state | `activated_at` | `retired_at` | signs | in the JWKS |
//! | --- | --- | --- | --- | --- |
//! | standby | - | - | no | yes |
//! | signing | set | - | yes | yes |
//! | retired | set | set | no | until its last token has expired |
//! | revoked | any | any | no | no |
//!
//! Every step is one transaction of conditional writes: of several replicas that rotate at once, one succeeds and the
//! others find it done.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set, sea_query::Expr,
};

use super::{
    Keyring,
    keyring::{has_run_out, insert_if_absent, new_secret_key, new_signing_key, signs, stands_by},
    stored,
};
use crate::{
    crypto::access_token::SigningAlgorithm,
    database,
    entity::{
        secret_key::{self, SecretKeyPurpose},
        signing_key,
    },
    error::{Error, Result},
};

/// Other replicas sign with the old key until they have noticed.
const NOTICE: Duration = Duration::from_secs(10);

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The standby key signs now.
    Done {
        /// The key that signs.
        kid: String,
    },
    /// The standby key signs as soon as it has been published for long enough.
    Scheduled {
        /// The key that will sign.
        kid: String,
        /// From when on.
        at: DateTime<Utc>,
    },
}

/// What a key is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and ready to sign.
    Standby,
    /// It signs.
    Signing,
    /// It signs no more; its tokens are still good.
    Retired,
    /// Taken out after a leak.
    Revoked,
}

impl KeyState {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

/// A key as an operator sees it.
#[derive(Debug, Clone)]
pub struct KeySummary {
    /// Its id.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: String,
    /// What it is doing.
    pub state: KeyState,
    /// Since when it is published.
    pub published_at: DateTime<Utc>,
    /// When a rotation that was asked for makes it sign.
    pub activates_at: Option<DateTime<Utc>>,
    /// Since when it signs.
    pub activated_at: Option<DateTime<Utc>>,
    /// Until when its tokens are good.
    pub verifies_until: Option<DateTime<Utc>>,
}

impl Keyring {
    /// All keys, oldest first. None with HS256.
    #[must_use]
    pub fn list(&self) -> Vec<KeySummary> {
        if self.ensure_keyring().is_err() {
            return Vec::new();
        }
        self.loaded()
            .signing_rows
            .iter()
            .map(|row| KeySummary {
                kid: row.kid.clone(),
                algorithm: row.algorithm.clone(),
                state: state(row),
                published_at: row.published_at,
                activates_at: row.activates_at,
                activated_at: row.activated_at,
                verifies_until: row.verifies_until,
            })
            .collect()
    }

    /// Lets the standby key sign as soon as it has been published for long enough, or `at_once`. Asking again while it
    /// waits changes nothing.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` with HS256, which has no keyring, and what the database says.
    pub async fn rotate(&self, at_once: bool) -> Result<Rotation> {
        self.ensure_keyring()?;
        self.reload().await?;
        let standby = self.standby()?;
        let due = standby.published_at + self.options.publish_ahead;
        if at_once || due <= self.clock.now() {
            self.activate(&standby).await?;
            return Ok(Rotation::Done { kid: standby.kid });
        }
        let kid = standby.kid.clone();
        if standby.activates_at != Some(due) {
            let private = stored::open_signing_key(&self.sealing, &standby)?;
            let mut row = signing_key::Model {
                activates_at: Some(due),
                ..standby
            };
            stored::seal_signing_key(&self.sealing, &mut row, &private)?;
            write_if(&self.db, row, signing_key::Column::ActivatedAt).await?;
            self.reload().await?;
        }
        Ok(Rotation::Scheduled { kid, at: due })
    }

    /// Rotates where it was asked for or the signing key is old enough, and drops keys whose last token has expired.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn rotate_when_due(&self) -> Result<()> {
        let (loaded, now) = (self.loaded(), self.clock.now());
        if self.options.algorithm != SigningAlgorithm::Hs256 {
            let standby = self.standby()?;
            let asked_for = standby.activates_at.is_some_and(|at| at <= now);
            let signing = loaded
                .signing_rows
                .iter()
                .find(|row| self.is_ours(row) && signs(row));
            let old = signing
                .and_then(|row| row.activated_at)
                .zip(self.options.rotation)
                .is_some_and(|(since, rotation)| {
                    since + rotation <= now
                        && standby.published_at + self.options.publish_ahead <= now
                });
            if asked_for || old {
                self.activate(&standby).await?;
            }
            self.retire_other_algorithms(signing, now).await?;
        }
        if loaded.signing_rows.iter().any(|row| has_run_out(row, now)) {
            signing_key::Entity::delete_many()
                .filter(signing_key::Column::VerifiesUntil.lte(now))
                .filter(signing_key::Column::RevokedAt.is_null())
                .exec(&self.db)
                .await?;
            self.reload().await?;
        }
        Ok(())
    }

    /// Takes a leaked key out. Was it the one that signs, the standby key does from now on.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` where there is no such key, it is revoked already, or there is no keyring (HS256).
    pub async fn revoke(&self, kid: &str) -> Result<()> {
        self.ensure_keyring()?;
        self.reload().await?;
        let no_such_key =
            || Error::bad_user_input("kid", "there is no such key, or it is revoked already");
        let loaded = self.loaded();
        let row = loaded
            .signing_rows
            .iter()
            .find(|row| row.kid == kid && row.revoked_at.is_none())
            .ok_or_else(no_such_key)?;
        let algorithm = SigningAlgorithm::from_name(&row.algorithm)
            .ok_or_else(|| Error::internal("a key of an unknown algorithm"))?;
        let now = self.clock.now();
        let fresh = new_signing_key(&self.sealing, algorithm, now, None).await?;
        let mut revoked = signing_key::Model {
            revoked_at: Some(now),
            ..row.clone()
        };
        // Nobody needs the private key any more.
        stored::seal_signing_key(&self.sealing, &mut revoked, &[])?;
        let transaction = database::begin(&self.db).await?;
        let won = write_if(&transaction, revoked, signing_key::Column::RevokedAt).await?;
        if won && (signs(row) || stands_by(row)) {
            self.fill_gap(&transaction, algorithm, fresh).await?;
        }
        transaction.commit().await?;
        self.reload().await?;
        if won { Ok(()) } else { Err(no_such_key()) }
    }

    /// Lets the standby key of an algorithm sign where no other does, and has a fresh one stand by where none does. What
    /// is missing is read here, after the revocation was written: another replica may have rotated, or revoked the other
    /// key, until then.
    async fn fill_gap(
        &self,
        transaction: &DatabaseTransaction,
        algorithm: SigningAlgorithm,
        fresh: signing_key::ActiveModel,
    ) -> Result<()> {
        loop {
            let rows = signing_key::Entity::find()
                .filter(signing_key::Column::Algorithm.eq(algorithm.as_str()))
                .all(transaction)
                .await?;
            let standby = rows.iter().find(|row| stands_by(row));
            match standby {
                Some(_) if rows.iter().any(signs) => return Ok(()),
                Some(standby) => {
                    let now = self.clock.now();
                    if self.start_signing(transaction, standby, now).await? {
                        return insert_if_absent(transaction, fresh).await;
                    }
                    // Somebody else has used it up, and put another one in its place.
                }
                None => return insert_if_absent(transaction, fresh).await,
            }
        }
    }

    /// Seals everything anew under the present secret, in one transaction. With `revoke_sessions` every refresh token
    /// becomes void as well.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` where neither the present secret nor an earlier one opens what is there.
    pub async fn rotate_secret(&self, revoke_sessions: bool) -> Result<()> {
        let transaction = database::begin(&self.db).await?;
        // Locked in the order in which a rotation writes them: else one that comes in between would be sealed as if it had not.
        let signing_rows = signing_key::Entity::find()
            .order_by_asc(signing_key::Column::ActivatedAt)
            .lock_exclusive()
            .all(&transaction)
            .await?;
        for mut row in signing_rows {
            let private = stored::open_signing_key(&self.sealing, &row)?;
            stored::seal_signing_key(&self.sealing, &mut row, &private)?;
            let sealed = row.sealed_private_key.clone();
            let row = signing_key::ActiveModel {
                sealed_private_key: Set(sealed),
                ..row.into_active_model()
            };
            row.update(&transaction).await?;
        }
        let mut last_refresh_id = 0;
        let secret_rows = secret_key::Entity::find()
            .order_by_asc(secret_key::Column::KeyId)
            .lock_exclusive()
            .all(&transaction)
            .await?;
        for mut row in secret_rows {
            if row.purpose == SecretKeyPurpose::RefreshToken {
                last_refresh_id = last_refresh_id.max(row.key_id);
            }
            let key = stored::open_secret_key(&self.sealing, &row)?;
            stored::seal_secret_key(&self.sealing, &mut row, &key)?;
            let sealed = row.sealed_key.clone();
            let row = secret_key::ActiveModel {
                sealed_key: Set(sealed),
                ..row.into_active_model()
            };
            row.update(&transaction).await?;
        }
        if revoke_sessions {
            secret_key::Entity::delete_many()
                .filter(secret_key::Column::Purpose.eq(SecretKeyPurpose::RefreshToken))
                .exec(&transaction)
                .await?;
            // The id is one byte of the token; after 255 it begins again, with another key.
            let id = u8::try_from(last_refresh_id)
                .unwrap_or_default()
                .wrapping_add(1);
            let now = self.clock.now();
            let fresh = new_secret_key(
                &self.sealing,
                self.random.as_ref(),
                SecretKeyPurpose::RefreshToken,
                id,
                now,
            )?;
            fresh.insert(&transaction).await?;
        }
        transaction.commit().await?;
        self.reload().await
    }

    /// The old key retires, the standby key signs, a new one stands by: all or nothing.
    async fn activate(&self, standby: &signing_key::Model) -> Result<()> {
        let now = self.clock.now();
        let fresh = new_signing_key(&self.sealing, self.options.algorithm, now, None).await?;
        let transaction = database::begin(&self.db).await?;
        let mut won = true;
        for row in self
            .loaded()
            .signing_rows
            .iter()
            .filter(|row| self.is_ours(row) && signs(row))
        {
            won &= self.retire(&transaction, row, now).await?;
        }
        if won && self.start_signing(&transaction, standby, now).await? {
            fresh.insert(&transaction).await?;
            transaction.commit().await?;
            tracing::info!(kid = standby.kid, "the signing key was rotated");
        } else {
            transaction.rollback().await?;
        }
        self.reload().await
    }

    async fn start_signing(
        &self,
        transaction: &DatabaseTransaction,
        standby: &signing_key::Model,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let private = stored::open_signing_key(&self.sealing, standby)?;
        let mut row = signing_key::Model {
            activated_at: Some(now),
            activates_at: None,
            ..standby.clone()
        };
        stored::seal_signing_key(&self.sealing, &mut row, &private)?;
        write_if(transaction, row, signing_key::Column::ActivatedAt).await
    }

    async fn retire(
        &self,
        connection: &impl ConnectionTrait,
        row: &signing_key::Model,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let verifies_until = Some(now + self.options.token_lifetime + NOTICE);
        let mut row = signing_key::Model {
            retired_at: Some(now),
            verifies_until,
            ..row.clone()
        };
        // It only verifies from now on: nobody needs the private key any more.
        stored::seal_signing_key(&self.sealing, &mut row, &[])?;
        write_if(connection, row, signing_key::Column::RetiredAt).await
    }

    /// Keys of an algorithm that was configured before sign on other replicas until those are restarted too; they retire
    /// once the new algorithm's key has signed for as long as a standby key is published ahead.
    async fn retire_other_algorithms(
        &self,
        ours: Option<&signing_key::Model>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let settled = ours
            .and_then(|row| row.activated_at)
            .is_some_and(|at| at + self.options.publish_ahead <= now);
        let loaded: Arc<_> = self.loaded();
        for row in loaded
            .signing_rows
            .iter()
            .filter(|row| settled && !self.is_ours(row))
        {
            if signs(row) {
                self.retire(&self.db, row, now).await?;
            } else if stands_by(row) {
                signing_key::Entity::delete_by_id(&row.kid)
                    .exec(&self.db)
                    .await?;
            }
        }
        Ok(())
    }

    fn is_ours(&self, row: &signing_key::Model) -> bool {
        row.algorithm == self.options.algorithm.as_str()
    }

    fn standby(&self) -> Result<signing_key::Model> {
        self.loaded()
            .signing_rows
            .iter()
            .find(|row| self.is_ours(row) && stands_by(row))
            .cloned()
            .ok_or_else(|| Error::internal("no key stands by"))
    }

    fn ensure_keyring(&self) -> Result<()> {
        if self.options.algorithm == SigningAlgorithm::Hs256 {
            return Err(Error::bad_user_input(
                "signing_algorithm",
                "is HS256, which has no keyring: `hs256_secret` signs, and is changed in the configuration",
            ));
        }
        Ok(())
    }
}

/// Writes dates and seal of a row whose date in `unset` is still absent; whether there was one.
async fn write_if(
    connection: &impl ConnectionTrait,
    row: signing_key::Model,
    unset: signing_key::Column,
) -> Result<bool> {
    let written = signing_key::Entity::update_many()
        .col_expr(
            signing_key::Column::ActivatesAt,
            Expr::value(row.activates_at),
        )
        .col_expr(
            signing_key::Column::ActivatedAt,
            Expr::value(row.activated_at),
        )
        .col_expr(signing_key::Column::RetiredAt, Expr::value(row.retired_at))
        .col_expr(
            signing_key::Column::VerifiesUntil,
            Expr::value(row.verifies_until),
        )
        .col_expr(signing_key::Column::RevokedAt, Expr::value(row.revoked_at))
        .col_expr(
            signing_key::Column::SealedPrivateKey,
            Expr::value(row.sealed_private_key),
        )
        .filter(signing_key::Column::Kid.eq(row.kid))
        .filter(unset.is_null())
        .filter(signing_key::Column::RevokedAt.is_null())
        .exec(connection)
        .await?;
    Ok(written.rows_affected == 1)
}

fn state(row: &signing_key::Model) -> KeyState {
    if row.revoked_at.is_some() {
        KeyState::Revoked
    } else if row.retired_at.is_some() {
        KeyState::Retired
    } else if row.activated_at.is_some() {
        KeyState::Signing
    } else {
        KeyState::Standby
    }
}
