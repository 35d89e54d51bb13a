//! New key pairs, and reading them back.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{self, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use jsonwebtoken::{
    DecodingKey, EncodingKey,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use zeroize::Zeroizing;

use crate::{
    crypto::access_token::{SigningAlgorithm, VerifyingKey},
    error::{Error, Result},
};

/// A fresh key pair.
pub(super) struct KeyPair {
    /// The RFC 7638 thumbprint of the public key.
    pub(super) kid: String,
    /// The public key (RFC 7517), as JSON text.
    pub(super) public_jwk: String,
    /// PKCS#8 (RFC 5208), DER.
    pub(super) private: Zeroizing<Vec<u8>>,
}

/// Makes a key pair. RSA takes a noticeable time: call it on a blocking thread.
pub(super) fn generate(algorithm: SigningAlgorithm) -> Result<KeyPair> {
    let private = Zeroizing::new(match algorithm {
        SigningAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1())
            .map(|document| document.as_ref().to_vec())
            .map_err(failed)?,
        SigningAlgorithm::EdDsa => Ed25519KeyPair::generate()
            .and_then(|pair| pair.to_pkcs8v1())
            .map(|document| document.as_ref().to_vec())
            .map_err(failed)?,
        SigningAlgorithm::Rs256 => {
            let pair = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            let document: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            document.as_ref().to_vec()
        }
        SigningAlgorithm::Hs256 => return Err(Error::internal("HS256 has no key pairs")),
    });
    let mut jwk = Jwk::from_encoding_key(&encoding_key(algorithm, &private)?, algorithm.jws())
        .map_err(Error::internal)?;
    let kid = jwk
        .thumbprint(ThumbprintHash::SHA256)
        .map_err(Error::internal)?;
    jwk.common.key_id = Some(kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(KeyPair {
        kid,
        public_jwk: serde_json::to_string(&jwk).map_err(Error::internal)?,
        private,
    })
}

/// The private key of a PKCS#8 document.
pub(super) fn encoding_key(algorithm: SigningAlgorithm, private: &[u8]) -> Result<EncodingKey> {
    match algorithm {
        SigningAlgorithm::Es256 => Ok(EncodingKey::from_ec_der(private)),
        SigningAlgorithm::EdDsa => Ok(EncodingKey::from_ed_der(private)),
        // As DER it would have to be PKCS#1; as PEM both are taken.
        SigningAlgorithm::Rs256 => {
            let pem = Zeroizing::new(pem::encode(&pem::Pem::new("PRIVATE KEY", private)));
            EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(Error::internal)
        }
        SigningAlgorithm::Hs256 => Err(Error::internal("HS256 has no key pairs")),
    }
}

/// The verifying key of a public JWK.
pub(super) fn verifying_key(
    kid: &str,
    algorithm: SigningAlgorithm,
    public_jwk: &str,
) -> Result<VerifyingKey> {
    let jwk: Jwk = serde_json::from_str(public_jwk).map_err(Error::internal)?;
    let key = DecodingKey::from_jwk(&jwk).map_err(Error::internal)?;
    Ok(VerifyingKey {
        kid: kid.to_owned(),
        algorithm,
        key,
    })
}

fn failed(_: aws_lc_rs::error::Unspecified) -> Error {
    Error::internal("generating a key failed")
}
