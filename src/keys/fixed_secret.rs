//! One fixed secret for everything: HS256.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{KeySet, TokenKeys};
use crate::{
    crypto::{
        access_token::{SigningAlgorithm, SigningKey, VerifyingKey},
        opaque_token::{RefreshTokenMaker, SECRET_KEY_LENGTH, ServiceKeyMaker},
        sealed::MIN_SECRET_LENGTH,
    },
    error::{Error, Result},
    request::SessionRequest,
};

/// Keys from one fixed secret: access tokens are HS256 under it, refresh tokens and service keys have keys derived from
/// it. Simple, and without rotation: another secret signs everybody out, and whoever verifies tokens can also make them.
///
/// ```
/// use sessiongraph::keys::FixedSecret;
///
/// # fn main() -> sessiongraph::error::Result<()> {
/// let keys = FixedSecret::new(&"at least thirty-two bytes of secret".into())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FixedSecret(Arc<KeySet>);

impl FixedSecret {
    /// Derives the keys.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `secret`, where it has fewer than 32 bytes.
    pub fn new(secret: &SecretString) -> Result<Self> {
        let (signing, verifying) = hs256("secret", secret)?;
        let refresh = RefreshTokenMaker::new(1, &*derive(secret, b"refresh token")?);
        let service = ServiceKeyMaker::new(&*derive(secret, b"service key")?);
        Ok(Self(Arc::new(KeySet {
            signing,
            verifying: vec![verifying],
            refresh,
            service,
        })))
    }
}

#[async_trait]
impl TokenKeys for FixedSecret {
    async fn keys(&self, _request: &SessionRequest) -> Result<Arc<KeySet>> {
        Ok(Arc::clone(&self.0))
    }
}

/// The pair of HS256 keys that a secret is. Its `kid` tells secrets apart, so that a token under an earlier one is of an
/// unknown key, not a forgery.
pub(super) fn hs256(
    field: &'static str,
    secret: &SecretString,
) -> Result<(SigningKey, VerifyingKey)> {
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_SECRET_LENGTH {
        return Err(Error::bad_user_input(
            field,
            format!("must have at least {MIN_SECRET_LENGTH} bytes"),
        ));
    }
    let kid = BASE64_URL_SAFE_NO_PAD.encode(&derive(secret, b"kid")?[..12]);
    let algorithm = SigningAlgorithm::Hs256;
    let signing = SigningKey {
        kid: kid.clone(),
        algorithm,
        key: EncodingKey::from_secret(bytes),
    };
    let verifying = VerifyingKey {
        kid,
        algorithm,
        key: DecodingKey::from_secret(bytes),
    };
    Ok((signing, verifying))
}

fn derive(secret: &SecretString, purpose: &[u8]) -> Result<Zeroizing<[u8; SECRET_KEY_LENGTH]>> {
    let mut key = Zeroizing::new([0; SECRET_KEY_LENGTH]);
    Salt::new(HKDF_SHA256, b"sessiongraph fixed secret")
        .extract(secret.expose_secret().as_bytes())
        .expand(&[purpose], HKDF_SHA256)
        .and_then(|derived| derived.fill(key.as_mut()))
        .map_err(|_| Error::internal("deriving a key failed"))?;
    Ok(key)
}
