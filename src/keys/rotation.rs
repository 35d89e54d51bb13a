//! Rotation of the signing key.
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
//! Every step is one transaction of conditional writes: of several that rotate at once, one succeeds and the others find it
//! done. What is done by schedule is done by the replica that holds the lease.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    sea_query::Expr,
};

use super::{
    Keyring,
    keyring::{has_run_out, new_signing_key, signs, stands_by},
    stored,
};
use crate::{
    crypto::access_token::SigningAlgorithm,
    database,
    entity::signing_key,
    error::{Error, Result},
};

/// The lease on rotation by schedule.
const LEASE: &str = "rotate-signing-key";
/// How long a replica keeps it: far longer than a rotation takes.
const LEASE_DURATION: Duration = Duration::from_secs(30);
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

impl Keyring {
    /// Lets the standby key sign as soon as it has been published for long enough, or `at_once`. Asking again while it
    /// waits, or has just taken over, changes nothing, unless `at_once`.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` with HS256, which has no keyring, and what the database says.
    pub async fn rotate(&self, at_once: bool) -> Result<Rotation> {
        self.ensure_keyring()?;
        self.reload().await?;
        let standby = self.standby()?;
        if let Some(kid) = self.just_rotated().filter(|_| !at_once) {
            return Ok(Rotation::Done { kid });
        }
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

    /// Rotates where it was asked for or the signing key is old enough, and drops keys whose last token has expired. Of
    /// several replicas one does it, by a lease; the others do nothing.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn rotate_when_due(&self) -> Result<()> {
        let now = self.clock.now();
        let standby = self.standby_when_due(now)?;
        let of_other_algorithms = self.of_other_algorithms(now);
        let loaded = self.loaded();
        let run_out = loaded.signing_rows.iter().any(|row| has_run_out(row, now));
        let is_due = standby.is_some() || !of_other_algorithms.is_empty() || run_out;
        if !is_due || !self.leases.acquire(LEASE, LEASE_DURATION).await? {
            return Ok(());
        }
        if let Some(standby) = standby {
            self.activate(&standby).await?;
        }
        for row in of_other_algorithms {
            self.retire_or_drop(&row, now).await?;
        }
        if run_out {
            signing_key::Entity::delete_many()
                .filter(signing_key::Column::VerifiesUntil.lte(now))
                .filter(signing_key::Column::RevokedAt.is_null())
                .exec(&self.db)
                .await?;
            self.reload().await?;
        }
        Ok(())
    }

    /// The standby key, where it is time that it signs.
    fn standby_when_due(&self, now: DateTime<Utc>) -> Result<Option<signing_key::Model>> {
        if self.options.algorithm == SigningAlgorithm::Hs256 {
            return Ok(None);
        }
        let standby = self.standby()?;
        let asked_for = standby.activates_at.is_some_and(|at| at <= now);
        let loaded = self.loaded();
        let signing = loaded
            .signing_rows
            .iter()
            .find(|row| self.is_ours(row) && signs(row));
        let old = signing
            .and_then(|row| row.activated_at)
            .zip(self.options.rotation)
            .is_some_and(|(since, rotation)| {
                since + rotation <= now && standby.published_at + self.options.publish_ahead <= now
            });
        Ok((asked_for || old).then_some(standby))
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

    pub(super) async fn start_signing(
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
    /// once this one has run for as long as a standby key is published ahead. Keys that have come since it was started are
    /// of an algorithm that is configured by now: this replica is the one to be restarted.
    fn of_other_algorithms(&self, now: DateTime<Utc>) -> Vec<signing_key::Model> {
        if self.opened_at + self.options.publish_ahead > now {
            return Vec::new();
        }
        let loaded = self.loaded();
        let earlier = |row: &&signing_key::Model| {
            !self.is_ours(row)
                && row.published_at < self.opened_at
                && (signs(row) || stands_by(row))
        };
        loaded
            .signing_rows
            .iter()
            .filter(earlier)
            .cloned()
            .collect()
    }

    async fn retire_or_drop(&self, row: &signing_key::Model, now: DateTime<Utc>) -> Result<()> {
        if signs(row) {
            self.retire(&self.db, row, now).await?;
        } else {
            signing_key::Entity::delete_by_id(&row.kid)
                .filter(signing_key::Column::ActivatedAt.is_null())
                .exec(&self.db)
                .await?;
        }
        Ok(())
    }

    /// The key that signs, where it took over less than a publishing time ago: asked again, a rotation is done already.
    fn just_rotated(&self) -> Option<String> {
        let loaded = self.loaded();
        let signing = loaded
            .signing_rows
            .iter()
            .find(|row| self.is_ours(row) && signs(row))?;
        let took_over = signing
            .activated_at
            .filter(|at| *at > signing.published_at)?;
        (took_over + self.options.publish_ahead > self.clock.now()).then(|| signing.kid.clone())
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

    pub(super) fn ensure_keyring(&self) -> Result<()> {
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
pub(super) async fn write_if(
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
