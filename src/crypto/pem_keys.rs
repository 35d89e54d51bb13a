//! Keys of access tokens from PEM texts (RFC 7468), for a `TokenKeys` of one's own.

use jsonwebtoken::{DecodingKey, EncodingKey, errors};
use secrecy::{ExposeSecret, SecretString};

use super::access_token::{SigningAlgorithm, SigningKey, VerifyingKey};
use crate::error::{Error, Result};

impl SigningKey {
    /// The private key of a PEM text: PKCS#8 (RFC 5208), and for RS256 PKCS#1 too.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `key`, where it is none of this algorithm; HS256 has no such keys.
    pub fn from_pem(
        kid: impl Into<String>,
        algorithm: SigningAlgorithm,
        pem: &SecretString,
    ) -> Result<Self> {
        let read: fn(&[u8]) -> errors::Result<EncodingKey> = match algorithm {
            SigningAlgorithm::Es256 => EncodingKey::from_ec_pem,
            SigningAlgorithm::EdDsa => EncodingKey::from_ed_pem,
            SigningAlgorithm::Rs256 => EncodingKey::from_rsa_pem,
            SigningAlgorithm::Hs256 => return Err(not_of(algorithm)),
        };
        Ok(Self {
            kid: kid.into(),
            algorithm,
            key: read(pem.expose_secret().as_bytes()).map_err(|_| not_of(algorithm))?,
        })
    }
}

impl VerifyingKey {
    /// The public key of a PEM text: SubjectPublicKeyInfo (RFC 5280 section 4.1), and for RS256 PKCS#1 too.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `key`, where it is none of this algorithm; HS256 has no such keys.
    pub fn from_pem(
        kid: impl Into<String>,
        algorithm: SigningAlgorithm,
        pem: &str,
    ) -> Result<Self> {
        let read: fn(&[u8]) -> errors::Result<DecodingKey> = match algorithm {
            SigningAlgorithm::Es256 => DecodingKey::from_ec_pem,
            SigningAlgorithm::EdDsa => DecodingKey::from_ed_pem,
            SigningAlgorithm::Rs256 => DecodingKey::from_rsa_pem,
            SigningAlgorithm::Hs256 => return Err(not_of(algorithm)),
        };
        Ok(Self {
            kid: kid.into(),
            algorithm,
            key: read(pem.as_bytes()).map_err(|_| not_of(algorithm))?,
        })
    }
}

/// Without the reader's own words: they may repeat what was read.
fn not_of(algorithm: SigningAlgorithm) -> Error {
    let message = format!("must be a key of {} as PEM", algorithm.as_str());
    Error::bad_user_input("key", message)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
    };
    use serde_json::Map;
    use uuid::Uuid;

    use super::*;
    use crate::crypto::access_token::{Claims, Verifier, sign};

    fn pem(tag: &str, der: &[u8]) -> String {
        pem::encode(&pem::Pem::new(tag, der))
    }

    /// Private and public.
    fn pair(algorithm: SigningAlgorithm) -> (SecretString, String) {
        let (private, public) = if algorithm == SigningAlgorithm::Es256 {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            (
                pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
                public.as_ref().to_vec(),
            )
        } else {
            let pair = Ed25519KeyPair::generate().unwrap();
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            (
                pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
                public.as_ref().to_vec(),
            )
        };
        (
            pem("PRIVATE KEY", &private).into(),
            pem("PUBLIC KEY", &public),
        )
    }

    #[test]
    fn what_the_private_key_signs_the_public_one_verifies() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
            let (private, public) = pair(algorithm);
            let signing = SigningKey::from_pem("k", algorithm, &private).unwrap();
            let verifying = VerifyingKey::from_pem("k", algorithm, &public).unwrap();
            let claims = Claims {
                iss: "issuer".into(),
                aud: "audience".into(),
                sub: Uuid::from_u128(1),
                sid: Uuid::from_u128(2),
                client_id: "audience".into(),
                jti: "abc.3".into(),
                iat: 1_000,
                exp: 1_300,
                nbf: None,
                scope: String::new(),
                extra: Map::new(),
            };
            let token = sign(&signing, &claims).unwrap();
            let verifier = Verifier::new("issuer", "audience");
            let found = verifier.verify(token.expose_secret(), |_| Some(&verifying));
            assert_eq!(*found.unwrap(), claims);
            let (_, other) = pair(algorithm);
            let other = VerifyingKey::from_pem("k", algorithm, &other).unwrap();
            assert!(
                verifier
                    .verify(token.expose_secret(), |_| Some(&other))
                    .is_err()
            );
        }
    }

    #[test]
    fn a_key_of_another_kind_is_refused_without_its_text() {
        let (private, public) = pair(SigningAlgorithm::Es256);
        for algorithm in [
            SigningAlgorithm::EdDsa,
            SigningAlgorithm::Rs256,
            SigningAlgorithm::Hs256,
        ] {
            let errors = [
                SigningKey::from_pem("k", algorithm, &private).unwrap_err(),
                VerifyingKey::from_pem("k", algorithm, &public).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.field(), Some("key"));
                assert!(!format!("{error:?}").contains("BEGIN"));
            }
        }
        assert!(SigningKey::from_pem("k", SigningAlgorithm::Es256, &"nonsense".into()).is_err());
    }
}
