//! Opaque tokens: refresh tokens (`sgr_…`) and service keys (`sgk_…`).
//!
//! Both carry a MAC, so that an invented or garbled one is refused without asking the database, and both are spelled in
//! exactly one way: base64url without padding (RFC 4648 section 5) of a length that leaves no spare bits, decoded
//! strictly. A refresh token is a function of session and generation: nothing of it is stored, and the successor of a
//! token can be computed again for whoever asks within the grace.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::SecretString;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{counter_key::CounterKey, sha256};
use crate::{
    error::Result,
    random::{self, Random},
};

/// What every refresh token begins with, so that secret scanners can find a leaked one. NEVER CHANGE IT: scanners know it.
pub const REFRESH_TOKEN_PREFIX: &str = "sgr_";
/// What every service key begins with. NEVER CHANGE IT: scanners know it.
pub const SERVICE_KEY_PREFIX: &str = "sgk_";

/// The length of the keys that opaque tokens are made with, in bytes.
pub const SECRET_KEY_LENGTH: usize = 32;

const VERSION: u8 = 1;
const MAC_LENGTH: usize = 32;
const REFRESH_BODY_LENGTH: usize = 1 + 1 + 16 + 4;
const SERVICE_BODY_LENGTH: usize = 1 + 16 + 32;

/// A refresh token that is genuine: which one it is, and nothing about whether it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its session.
    pub session_id: Uuid,
    /// Its place in the session's sequence.
    pub generation: u32,
}

/// The key that refresh tokens are made and verified with. Another one makes every token void.
#[derive(Clone)]
pub struct RefreshTokenMaker {
    id: u8,
    key: hmac::Key,
}

impl fmt::Debug for RefreshTokenMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokenMaker")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl RefreshTokenMaker {
    /// A maker with a 32-byte key, which its tokens name by its id.
    #[must_use]
    pub fn new(id: u8, key: &[u8; SECRET_KEY_LENGTH]) -> Self {
        Self {
            id,
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// The text of a token.
    #[must_use]
    pub fn make(&self, token: RefreshToken) -> SecretString {
        let mut bytes = [0; REFRESH_BODY_LENGTH];
        bytes[0] = VERSION;
        bytes[1] = self.id;
        bytes[2..18].copy_from_slice(token.session_id.as_bytes());
        bytes[18..].copy_from_slice(&token.generation.to_be_bytes());
        text(REFRESH_TOKEN_PREFIX, &self.key, &bytes)
    }

    /// The token that a text is, where it is genuine. Asks nobody.
    #[must_use]
    pub fn verify(&self, presented: &str) -> Option<RefreshToken> {
        let bytes = decode::<REFRESH_BODY_LENGTH>(REFRESH_TOKEN_PREFIX, presented)?;
        let (body, mac) = bytes.split_at_checked(REFRESH_BODY_LENGTH)?;
        if body[0] != VERSION || body[1] != self.id {
            return None;
        }
        hmac::verify(&self.key, body, mac).ok()?;
        Some(RefreshToken {
            session_id: Uuid::from_slice(&body[2..18]).ok()?,
            generation: u32::from_be_bytes(body[18..].try_into().ok()?),
        })
    }
}

/// A service key that is genuine: the row that it names, and the digest that the row must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceKeyToken {
    /// The row.
    pub id: Uuid,
    /// SHA-256 of the text.
    pub digest: [u8; 32],
}

/// The key that service keys are made with.
#[derive(Clone)]
pub struct ServiceKeyMaker(hmac::Key);

impl fmt::Debug for ServiceKeyMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceKeyMaker")
    }
}

impl ServiceKeyMaker {
    /// A maker with a 32-byte key.
    #[must_use]
    pub fn new(key: &[u8; SECRET_KEY_LENGTH]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The text of a new service key for a row, and the digest to keep in it.
    ///
    /// # Errors
    ///
    /// `INTERNAL_SERVER_ERROR` when the source of randomness fails.
    pub fn make(&self, id: Uuid, random: &dyn Random) -> Result<(SecretString, [u8; 32])> {
        let mut bytes = Zeroizing::new([0; SERVICE_BODY_LENGTH]);
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(id.as_bytes());
        bytes[17..].copy_from_slice(&random::bytes::<32>(random)?);
        let text = text(SERVICE_KEY_PREFIX, &self.0, bytes.as_ref());
        let digest = sha256(secrecy::ExposeSecret::expose_secret(&text).as_bytes());
        Ok((text, digest))
    }

    /// A key of its own for counters, derived from this one: it is there wherever service keys are, the same on every
    /// replica, and a new master secret changes neither.
    #[must_use]
    pub fn counter_key(&self) -> CounterKey {
        CounterKey::new(hmac::sign(&self.0, b"counters").as_ref())
    }

    /// The key that a text is, where it is genuine. Asks nobody.
    #[must_use]
    pub(crate) fn verify(&self, presented: &str) -> Option<ServiceKeyToken> {
        let bytes = decode::<SERVICE_BODY_LENGTH>(SERVICE_KEY_PREFIX, presented)?;
        let (body, mac) = bytes.split_at_checked(SERVICE_BODY_LENGTH)?;
        if body[0] != VERSION {
            return None;
        }
        hmac::verify(&self.0, body, mac).ok()?;
        Some(ServiceKeyToken {
            id: Uuid::from_slice(&body[1..17]).ok()?,
            digest: sha256(presented.as_bytes()),
        })
    }
}

fn text(prefix: &str, key: &hmac::Key, body: &[u8]) -> SecretString {
    let mut bytes = Zeroizing::new(body.to_vec());
    bytes.extend_from_slice(hmac::sign(key, body).as_ref());
    let mut text = String::with_capacity(prefix.len() + bytes.len().div_ceil(3) * 4);
    text.push_str(prefix);
    BASE64_URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
    SecretString::from(text)
}

/// The bytes behind the prefix, where their number is right and the spelling is the one that `text` writes.
fn decode<const BODY: usize>(prefix: &str, presented: &str) -> Option<Zeroizing<Vec<u8>>> {
    let encoded = presented.strip_prefix(prefix)?;
    if encoded.len() != (BODY + MAC_LENGTH) * 4 / 3 {
        return None;
    }
    BASE64_URL_SAFE_NO_PAD
        .decode(encoded)
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn both_lengths_leave_no_spare_bits() {
        assert_eq!((REFRESH_BODY_LENGTH + MAC_LENGTH) % 3, 0);
        assert_eq!((SERVICE_BODY_LENGTH + MAC_LENGTH) % 3, 0);
    }

    #[test]
    fn a_token_says_what_it_was_made_of() {
        let keys = RefreshTokenMaker::new(7, &[1; 32]);
        let token = RefreshToken {
            session_id: Uuid::from_u128(42),
            generation: 9,
        };
        let text = keys.make(token);
        assert_eq!(text.expose_secret().len(), 4 + 72);
        assert_eq!(keys.verify(text.expose_secret()), Some(token));
        assert_eq!(keys.make(token).expose_secret(), text.expose_secret());
    }

    #[test]
    fn no_changed_byte_is_accepted() {
        let keys = RefreshTokenMaker::new(7, &[1; 32]);
        let maker = ServiceKeyMaker::new(&[3; 32]);
        let refresh = keys.make(RefreshToken {
            session_id: Uuid::from_u128(42),
            generation: 9,
        });
        let (service, _) = maker.make(Uuid::from_u128(42), &SystemRandom).unwrap();
        for text in [refresh.expose_secret(), service.expose_secret()] {
            for at in 0..text.len() {
                for replacement in "AZaz09-_=+/. ".chars() {
                    let mut changed: Vec<char> = text.chars().collect();
                    if changed[at] == replacement {
                        continue;
                    }
                    changed[at] = replacement;
                    let changed: String = changed.into_iter().collect();
                    assert!(
                        keys.verify(&changed).is_none() && maker.verify(&changed).is_none(),
                        "{at} {replacement}"
                    );
                }
            }
            assert!(
                keys.verify(&format!("{text}=")).is_none()
                    && keys.verify(&format!("{text}A")).is_none()
            );
        }
    }

    #[test]
    fn keys_are_told_apart() {
        let token = RefreshToken {
            session_id: Uuid::from_u128(42),
            generation: 9,
        };
        let old = RefreshTokenMaker::new(1, &[1; 32]).make(token);
        let rotated = RefreshTokenMaker::new(2, &[2; 32]);
        assert!(rotated.verify(old.expose_secret()).is_none());
        assert!(
            RefreshTokenMaker::new(1, &[9; 32])
                .verify(old.expose_secret())
                .is_none()
        );
    }

    #[test]
    fn a_service_key_names_its_row_and_digest() {
        let maker = ServiceKeyMaker::new(&[3; 32]);
        let (text, digest) = maker.make(Uuid::from_u128(42), &SystemRandom).unwrap();
        assert_eq!(
            maker.verify(text.expose_secret()),
            Some(ServiceKeyToken {
                id: Uuid::from_u128(42),
                digest
            })
        );
        assert!(
            ServiceKeyMaker::new(&[4; 32])
                .verify(text.expose_secret())
                .is_none()
        );
    }
}
