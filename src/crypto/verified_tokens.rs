//! Access tokens whose signature has been verified: a client shows the same one for minutes, and a signature costs more than
//! everything else that is looked at.
//!
//! What is kept is a function of the token's text and of the key, and of nothing else: whether the key is still there, and
//! what time it is, is asked at every hit.

use std::{fmt, sync::Arc};

use jsonwebtoken::DecodingKey;
use quick_cache::{Weighter, sync::Cache};

use super::{
    access_token::{Claims, SigningAlgorithm, VerifyingKey},
    sha256,
};

/// In bytes.
const CAPACITY: u64 = 16 << 20;
/// What one token takes beside its claims' texts, roughly.
const OVERHEAD: usize = 512;
const EXPECTED: usize = 16 * 1024;

/// A bounded store, by the digest of the token.
pub(super) struct VerifiedTokens(Cache<[u8; 32], Verified, Bytes>);

#[derive(Clone)]
struct Verified {
    kid: Arc<str>,
    algorithm: SigningAlgorithm,
    key: [u8; 32],
    claims: Arc<Claims>,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::with_weighter(EXPECTED, CAPACITY, Bytes))
    }
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens").finish_non_exhaustive()
    }
}

impl VerifiedTokens {
    /// The claims of a token that one of the keys has verified before.
    pub(super) fn get<'a>(
        &self,
        digest: &[u8; 32],
        find_key: impl FnOnce(&str) -> Option<&'a VerifyingKey>,
    ) -> Option<Arc<Claims>> {
        let verified = self.0.get(digest)?;
        let key = find_key(&verified.kid)?;
        // The same id may stand for another key: of another tenant, say.
        let is_same =
            key.algorithm == verified.algorithm && fingerprint(&key.key) == Some(verified.key);
        is_same.then_some(verified.claims)
    }

    /// In bytes, roughly.
    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.0.weight()
    }

    /// Keeps what the key has verified.
    pub(super) fn insert(&self, digest: [u8; 32], key: &VerifyingKey, claims: &Arc<Claims>) {
        let Some(fingerprint) = fingerprint(&key.key) else {
            return;
        };
        let verified = Verified {
            kid: key.kid.as_str().into(),
            algorithm: key.algorithm,
            key: fingerprint,
            claims: Arc::clone(claims),
        };
        self.0.insert(digest, verified);
    }
}

/// `None` of RSA keys, whose signatures are verified quickly.
fn fingerprint(key: &DecodingKey) -> Option<[u8; 32]> {
    key.try_get_as_bytes().ok().map(sha256)
}

#[derive(Clone)]
struct Bytes;

impl Weighter<[u8; 32], Verified> for Bytes {
    fn weight(&self, _digest: &[u8; 32], verified: &Verified) -> u64 {
        let claims = &verified.claims;
        let texts = [
            &claims.iss,
            &claims.aud,
            &claims.client_id,
            &claims.jti,
            &claims.scope,
        ];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        // What hooks add is JSON of any shape: as long as its text, and as much again for its nodes.
        let extra = if claims.extra.is_empty() {
            0
        } else {
            serde_json::to_string(&claims.extra).map_or(0, |text| 4 * text.len())
        };
        (OVERHEAD + texts + extra) as u64
    }
}
