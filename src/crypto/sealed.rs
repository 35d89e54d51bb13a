//! Sealing: what must be kept in the database, and must not be readable there.
//!
//! AES-256-GCM under a key derived from the master secret (HKDF-SHA-256, RFC 5869). A sealed value is bound to a context
//! text: the row's identity and dates. Text moved to another row, or a row whose dates were edited, does not open.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, Salt},
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};

const SALT: &[u8] = b"sessiongraph";
const INFO: &[&[u8]] = &[b"seal v1"];
const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;

/// The fewest bytes that a master secret may have.
pub(crate) const MIN_SECRET_LENGTH: usize = 32;

/// The master secret that seals, and earlier ones that still open.
pub(crate) struct SealingKeys {
    current: RandomizedNonceKey,
    previous: Vec<RandomizedNonceKey>,
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKeys").finish_non_exhaustive()
    }
}

impl SealingKeys {
    /// Derives the keys.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` with field `secret` or `secret_previous` where one has fewer than [`MIN_SECRET_LENGTH`] bytes.
    pub(crate) fn new(current: &SecretString, previous: &[SecretString]) -> Result<Self> {
        Ok(Self {
            current: derive("secret", current)?,
            previous: previous
                .iter()
                .map(|secret| derive("secret_previous", secret))
                .collect::<Result<_>>()?,
        })
    }

    /// Seals bytes, bound to a context.
    ///
    /// # Errors
    ///
    /// `INTERNAL_SERVER_ERROR` when the system's randomness fails.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .current
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut sealed)
            .map_err(|_| Error::internal("sealing failed"))?;
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) made under the current secret or an earlier one; `None` where neither opens it
    /// in this context.
    #[must_use]
    pub(crate) fn open(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LENGTH)?;
        std::iter::once(&self.current)
            .chain(&self.previous)
            .find_map(|key| {
                let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
                let mut buffer = sealed.to_vec();
                let opened = key
                    .open_in_place(nonce, Aad::from(context.as_bytes()), &mut buffer)
                    .ok()?
                    .len();
                let plain = Zeroizing::new(buffer[..opened].to_vec());
                buffer.zeroize();
                Some(plain)
            })
    }
}

fn derive(field: &'static str, secret: &SecretString) -> Result<RandomizedNonceKey> {
    let secret = secret.expose_secret().as_bytes();
    if secret.len() < MIN_SECRET_LENGTH {
        return Err(Error::bad_user_input(
            field,
            format!("must have at least {MIN_SECRET_LENGTH} bytes"),
        ));
    }
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    Salt::new(HKDF_SHA256, SALT)
        .extract(secret)
        .expand(INFO, HKDF_SHA256)
        .and_then(|derived| derived.fill(key.as_mut()))
        .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()))
        .map_err(|_| Error::internal("deriving the sealing key failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: &str, previous: &[&str]) -> SealingKeys {
        let previous: Vec<_> = previous
            .iter()
            .map(|secret| SecretString::from(*secret))
            .collect();
        SealingKeys::new(&SecretString::from(current), &previous).unwrap()
    }

    const OLD: &str = "an old secret of thirty-two bytes or more";
    const NEW: &str = "a new secret of thirty-two bytes or more!";

    #[test]
    fn what_is_sealed_opens_in_its_context_only() {
        let sealed = keys(NEW, &[]).seal("row 1", b"private").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"private"));
        assert_eq!(
            keys(NEW, &[]).open("row 1", &sealed).unwrap().as_slice(),
            b"private"
        );
        assert!(keys(NEW, &[]).open("row 2", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(
                keys(NEW, &[]).open("row 1", &changed).is_none(),
                "byte {at}"
            );
        }
        assert!(keys(NEW, &[]).open("row 1", &sealed[..5]).is_none());
    }

    #[test]
    fn an_earlier_secret_opens_and_a_foreign_one_does_not() {
        let sealed = keys(OLD, &[]).seal("row", b"private").unwrap();
        assert!(keys(NEW, &[OLD]).open("row", &sealed).is_some());
        assert!(keys(NEW, &[]).open("row", &sealed).is_none());
    }

    #[test]
    fn a_short_secret_is_refused() {
        let error = SealingKeys::new(&SecretString::from("short"), &[]).unwrap_err();
        assert_eq!(error.field(), Some("secret"));
    }
}
