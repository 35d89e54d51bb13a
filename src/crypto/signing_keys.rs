//! Private keys that have been read before.
//!
//! `jsonwebtoken` reads a key for each token that it signs, and checking that it is a point on its curve costs as much as
//! signing does. It lets a program put its own signer in place of its own.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use jsonwebtoken::{
    Algorithm, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, aws_lc::DEFAULT_PROVIDER},
    errors::ErrorKind,
    signature::{Error, Signer},
};
use quick_cache::sync::Cache;

use super::sha256;

/// More than there are keys that sign at a time, also where each tenant has one.
const CAPACITY: usize = 1_024;

static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(|| CryptoProvider {
    signer_factory: signer,
    ..DEFAULT_PROVIDER.clone()
});

/// By the digest of their DER.
static KEYS: LazyLock<Cache<[u8; 32], Arc<EcdsaKeyPair>>> = LazyLock::new(|| Cache::new(CAPACITY));

/// From now on, a private key of ES256 is read once in this process, not once for each token that it signs.
///
/// This is the process's setting of `jsonwebtoken`: call it once when the program begins. `false` where one has been made
/// before, which then stays.
pub fn keep_signing_keys() -> bool {
    LazyLock::force(&PROVIDER).install_default().is_ok()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library's signature")]
fn signer(
    algorithm: &Algorithm,
    key: &EncodingKey,
) -> jsonwebtoken::errors::Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::ES256 {
        return (DEFAULT_PROVIDER.signer_factory)(algorithm, key);
    }
    let der = key.as_bytes();
    let pair = KEYS.get_or_insert_with(&sha256(der), || {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map(Arc::new)
            .map_err(|_| ErrorKind::InvalidEcdsaKey)
    })?;
    Ok(Box::new(Es256(pair)))
}

struct Es256(Arc<EcdsaKeyPair>);

impl Signer<Vec<u8>> for Es256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.0.sign(&SystemRandom::new(), message);
        let signature = signature.map_err(Error::from_source)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl JwtSigner for Es256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::KeyPair;
    use jsonwebtoken::{DecodingKey, Header, Validation};

    use super::*;

    #[test]
    fn what_is_signed_with_a_key_that_was_kept_verifies_and_each_key_is_its_own() {
        let pairs =
            [(); 2].map(|()| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
        let keys = pairs
            .each_ref()
            .map(|pair| EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()));
        let header = Header::new(Algorithm::ES256);
        let claims = serde_json::json!({ "sub": "ada", "exp": 4_000_000_000_i64 });
        keep_signing_keys();
        for _ in 0..3 {
            for (index, key) in keys.iter().enumerate() {
                let token = jsonwebtoken::encode(&header, &claims, key).unwrap();
                for (other, pair) in pairs.iter().enumerate() {
                    let public = DecodingKey::from_ec_der(pair.public_key().as_ref());
                    let decoded = jsonwebtoken::decode::<serde_json::Value>(
                        &token,
                        &public,
                        &Validation::new(Algorithm::ES256),
                    );
                    assert_eq!(decoded.is_ok(), index == other);
                }
            }
        }
        // What is no key of this kind is refused as before, and other algorithms are not touched.
        let no_key = EncodingKey::from_ec_der(b"no key");
        assert!(jsonwebtoken::encode(&header, &claims, &no_key).is_err());
        let secret = EncodingKey::from_secret(&[7; 32]);
        assert!(jsonwebtoken::encode(&header, &claims, &secret).is_err());
        assert!(jsonwebtoken::encode(&Header::default(), &claims, &secret).is_ok());
    }
}
