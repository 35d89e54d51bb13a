//! Taking a leaked signing key out.

use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use super::{
    Keyring,
    keyring::{insert_if_absent, new_signing_key, signs, stands_by},
    rotation::write_if,
    stored,
};
use crate::{
    crypto::access_token::SigningAlgorithm,
    database,
    entity::signing_key,
    error::{Error, Result},
};

impl Keyring {
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
}
