//! Rotating the master secret: every sealed row is sealed anew.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Set,
};

use super::{Keyring, keyring::new_secret_key, stored};
use crate::{
    database,
    entity::{
        secret_key::{self, SecretKeyPurpose},
        signing_key,
    },
    error::Result,
};

impl Keyring {
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
}
