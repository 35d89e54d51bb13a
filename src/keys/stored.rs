//! Sealed rows: how keys lie in the database.

use chrono::{DateTime, Utc};
use sea_orm::ActiveEnum;
use zeroize::Zeroizing;

use crate::{
    crypto::sealed::SealingKeys,
    entity::{secret_key, signing_key},
    error::{Error, Result},
};

/// What a signing key's row is bound to: whoever can write the table can neither put a key of his own there, nor bring a
/// retired or revoked one back.
fn signing_key_context(row: &signing_key::Model) -> String {
    let date = |date: Option<DateTime<Utc>>| {
        date.map_or_else(
            || "-".to_owned(),
            |date| date.timestamp_micros().to_string(),
        )
    };
    format!(
        "signing key {} {} {} {} {} {} {} {} {}",
        row.kid,
        row.algorithm,
        row.public_jwk,
        date(Some(row.published_at)),
        date(row.activates_at),
        date(row.activated_at),
        date(row.retired_at),
        date(row.verifies_until),
        date(row.revoked_at),
    )
}

/// Of two keys of one purpose the later one makes tokens, so its date is bound as well.
fn secret_key_context(row: &secret_key::Model) -> String {
    let created_at = row.created_at.timestamp_micros();
    format!(
        "secret key {} {} {created_at}",
        row.purpose.to_value(),
        row.key_id
    )
}

/// Seals the private key into its row as the row now stands. A retired or
/// revoked key needs none: its row is sealed empty.
pub(super) fn seal_signing_key(
    sealing: &SealingKeys,
    row: &mut signing_key::Model,
    private: &[u8],
) -> Result<()> {
    row.sealed_private_key = sealing.seal(&signing_key_context(row), private)?;
    Ok(())
}

pub(super) fn open_signing_key(
    sealing: &SealingKeys,
    row: &signing_key::Model,
) -> Result<Zeroizing<Vec<u8>>> {
    sealing
        .open(&signing_key_context(row), &row.sealed_private_key)
        .ok_or_else(sealed_with_another_secret)
}

pub(super) fn seal_secret_key(
    sealing: &SealingKeys,
    row: &mut secret_key::Model,
    key: &[u8],
) -> Result<()> {
    row.sealed_key = sealing.seal(&secret_key_context(row), key)?;
    Ok(())
}

pub(super) fn open_secret_key(
    sealing: &SealingKeys,
    row: &secret_key::Model,
) -> Result<Zeroizing<Vec<u8>>> {
    sealing
        .open(&secret_key_context(row), &row.sealed_key)
        .ok_or_else(sealed_with_another_secret)
}

fn sealed_with_another_secret() -> Error {
    Error::bad_user_input(
        "secret",
        "the keys in the database are sealed with another secret (or were changed by hand): give the earlier secret in \
         `secret_previous`, then run `sessiongraph secret rotate`",
    )
}
