//! Access tokens: signed JWTs in the shape of RFC 9068.
//!
//! The only file that encodes or decodes a JWT. What is not checked here is time: the caller compares
//! [`Claims::expires_at`] with its own clock, because an expired token is still good for logging out.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{sha256, verified_tokens::VerifiedTokens};
use crate::error::{Error, Result};

/// The `typ` header (RFC 9068 section 2.1), which tells an access token from any other JWT of the same issuer.
const TYPE: &str = "at+jwt";
/// Longer texts are refused unread: nobody's header is that long.
const MAX_TOKEN_LENGTH: usize = 16 * 1024;

/// A JWS algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256: every gateway can verify it.
    #[default]
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits.
    Rs256,
    /// HMAC with SHA-256 under a fixed secret.
    Hs256,
}

impl SigningAlgorithm {
    const ALL: [Self; 4] = [Self::Es256, Self::EdDsa, Self::Rs256, Self::Hs256];

    /// The text in a header's `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm that a text names.
    #[must_use]
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }

    pub(crate) const fn jws(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
            Self::Rs256 => Algorithm::RS256,
            Self::Hs256 => Algorithm::HS256,
        }
    }
}

/// A key that signs access tokens.
#[derive(Clone)]
pub struct SigningKey {
    /// The `kid` header of what it signs.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: SigningAlgorithm,
    /// The private key.
    pub key: EncodingKey,
}

/// A key that verifies access tokens.
#[derive(Clone)]
pub struct VerifyingKey {
    /// The `kid` header of what it verifies.
    pub kid: String,
    /// The algorithm that this `kid` stands for: a token that names another one is refused (RFC 8725 section 3.1).
    pub algorithm: SigningAlgorithm,
    /// The public key, or the shared one of HS256.
    pub key: DecodingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The claims of an access token (RFC 9068 section 2.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for: one string, because gateways differ about lists.
    pub aud: String,
    /// The account.
    pub sub: Uuid,
    /// The session.
    pub sid: Uuid,
    /// The audience again, as RFC 9068 wants one.
    pub client_id: String,
    /// `<random>.<generation>`: see [`Claims::generation`].
    pub jti: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// Before when it is not to be accepted, in seconds since 1970. Tokens issued here have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The account's permissions, separated by spaces.
    pub scope: String,
    /// What hooks added.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The claims that hooks cannot replace.
pub(crate) const RESERVED_CLAIMS: [&str; 12] = [
    "iss",
    "aud",
    "sub",
    "sid",
    "client_id",
    "jti",
    "iat",
    "exp",
    "nbf",
    "scope",
    "typ",
    "kid",
];

impl Claims {
    /// The generation of the session that the token was issued with: `iat` is too coarse to tell generations apart.
    #[must_use]
    pub fn generation(&self) -> Option<u32> {
        self.jti.rsplit_once('.')?.1.parse().ok()
    }

    /// When the token expires.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.exp, 0).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

/// Signs claims.
///
/// # Errors
///
/// `INTERNAL_SERVER_ERROR` when the key does not fit its algorithm.
pub fn sign(key: &SigningKey, claims: &Claims) -> Result<SecretString> {
    let mut header = Header::new(key.algorithm.jws());
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(key.kid.clone());
    jsonwebtoken::encode(&header, claims, &key.key)
        .map(SecretString::from)
        .map_err(Error::internal)
}

/// Why a text is no access token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Malformed, bad signature, wrong issuer or audience.
    NotGenuine,
    /// No key has this `kid`, or none any more.
    UnknownKey,
    /// A genuine JWT of this issuer that is no access token.
    WrongKind,
}

/// Checks signatures, issuer, audience and type.
#[derive(Debug)]
pub struct Verifier {
    /// One for each algorithm: none accepts two.
    validations: Vec<Validation>,
    verified: VerifiedTokens,
}

impl Verifier {
    /// A verifier that requires this issuer and this audience.
    #[must_use]
    pub fn new(issuer: &str, audience: &str) -> Self {
        let validations = SigningAlgorithm::ALL.map(|algorithm| {
            let mut validation = Validation::new(algorithm.jws());
            validation.set_issuer(&[issuer]);
            validation.set_audience(&[audience]);
            // Both are checked only where they are present, so they are required (RFC 8725 sections 3.8 and 3.9).
            validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
            // Time is the caller's.
            validation.validate_exp = false;
            validation
        });
        Self {
            validations: validations.into(),
            verified: VerifiedTokens::default(),
        }
    }

    /// The claims of a token, expired or not. A signature is verified once, as long as there is room to remember it.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] where the text is no access token that one of the keys signed for us.
    pub fn verify<'a>(
        &self,
        token: &str,
        find_key: impl Fn(&str) -> Option<&'a VerifyingKey>,
    ) -> Result<Arc<Claims>, Refusal> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(Refusal::NotGenuine);
        }
        let digest = sha256(token.as_bytes());
        if let Some(claims) = self.verified.get(&digest, &find_key) {
            return Ok(claims);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::NotGenuine)?;
        let kid = header.kid.as_deref().ok_or(Refusal::NotGenuine)?;
        let key = find_key(kid).ok_or(Refusal::UnknownKey)?;
        // No extension that a `crit` header could demand is understood here (RFC 7515 section 4.1.11).
        if header.alg != key.algorithm.jws() || header.crit.is_some() {
            return Err(Refusal::NotGenuine);
        }
        let mut validations = self.validations.iter();
        let validation = validations
            .find(|validation| validation.algorithms == [header.alg])
            .ok_or(Refusal::NotGenuine)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.key, validation)
            .map_err(|_| Refusal::NotGenuine)?
            .claims;
        // Media types are case-insensitive, and `application/` may be written out (RFC 9068 section 4).
        let typ = header.typ.unwrap_or_default().to_ascii_lowercase();
        if typ.strip_prefix("application/").unwrap_or(&typ) != TYPE {
            return Err(Refusal::WrongKind);
        }
        if claims.generation().is_none() {
            return Err(Refusal::NotGenuine);
        }
        let claims = Arc::new(claims);
        self.verified.insert(digest, key, &claims);
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn keys() -> (SigningKey, VerifyingKey) {
        let secret = b"a secret for tests of thirty-two bytes";
        let kid = "k1".to_owned();
        let algorithm = SigningAlgorithm::Hs256;
        (
            SigningKey {
                kid: kid.clone(),
                algorithm,
                key: EncodingKey::from_secret(secret),
            },
            VerifyingKey {
                kid,
                algorithm,
                key: DecodingKey::from_secret(secret),
            },
        )
    }

    fn claims() -> Claims {
        Claims {
            iss: "http://issuer".into(),
            aud: "audience".into(),
            sub: Uuid::from_u128(1),
            sid: Uuid::from_u128(2),
            client_id: "audience".into(),
            jti: "abc.3".into(),
            iat: 1_000,
            exp: 1_300,
            nbf: None,
            scope: "a b".into(),
            extra: Map::new(),
        }
    }

    fn verify(token: &str, issuer: &str, audience: &str) -> Result<Claims, Refusal> {
        let (_, key) = keys();
        let verifier = Verifier::new(issuer, audience);
        let claims = verifier.verify(token, |kid| (kid == key.kid).then_some(&key));
        claims.map(|claims| (*claims).clone())
    }

    #[test]
    fn what_is_remembered_asks_for_its_key_again() {
        let (signing, verifying) = keys();
        let verifier = Verifier::new("http://issuer", "audience");
        let token = sign(&signing, &claims()).unwrap();
        let token = token.expose_secret();
        let known = |kid: &str| (kid == verifying.kid).then_some(&verifying);
        for _ in 0..2 {
            assert_eq!(*verifier.verify(token, known).unwrap(), claims());
        }
        assert_eq!(verifier.verify(token, |_| None), Err(Refusal::UnknownKey));
        // Another key of the same id.
        let other = VerifyingKey {
            key: DecodingKey::from_secret(b"another secret of thirty-two bytes"),
            ..verifying.clone()
        };
        assert_eq!(
            verifier.verify(token, |_| Some(&other)),
            Err(Refusal::NotGenuine)
        );
        // One of the same bytes that is for another algorithm.
        let other = VerifyingKey {
            algorithm: SigningAlgorithm::Es256,
            ..verifying.clone()
        };
        assert_eq!(
            verifier.verify(token, |_| Some(&other)),
            Err(Refusal::NotGenuine)
        );
        assert_eq!(*verifier.verify(token, known).unwrap(), claims());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (signing, verifying) = keys();
        let verifier = Verifier::new("http://issuer", "audience");
        let padding = "p".repeat(10_000);
        for n in 0..600 {
            let mut claims = claims();
            claims
                .extra
                .insert("padding".into(), padding.clone().into());
            claims.jti = format!("{n}.0");
            let token = sign(&signing, &claims).unwrap();
            assert!(
                verifier
                    .verify(token.expose_secret(), |_| Some(&verifying))
                    .is_ok()
            );
        }
        assert!(verifier.verified.weight() <= 16 << 20);
    }

    #[test]
    fn what_is_signed_verifies_for_its_issuer_and_audience_only() {
        let (key, _) = keys();
        let token = sign(&key, &claims()).unwrap();
        let token = token.expose_secret();
        assert_eq!(
            verify(token, "http://issuer", "audience").unwrap(),
            claims()
        );
        assert_eq!(
            verify(token, "http://other", "audience"),
            Err(Refusal::NotGenuine)
        );
        assert_eq!(
            verify(token, "http://issuer", "other"),
            Err(Refusal::NotGenuine)
        );
        assert_eq!(claims().generation(), Some(3));
    }

    #[test]
    fn no_changed_byte_is_accepted() {
        let (key, _) = keys();
        let token = sign(&key, &claims()).unwrap();
        let token = token.expose_secret();
        for at in 0..token.len() {
            for replacement in ["A", "b", "9", "-", "."] {
                if &token[at..=at] == replacement {
                    continue;
                }
                let changed = format!("{}{replacement}{}", &token[..at], &token[at + 1..]);
                assert!(
                    verify(&changed, "http://issuer", "audience").is_err(),
                    "byte {at}: {replacement}"
                );
            }
        }
    }

    #[test]
    fn another_type_is_a_token_of_the_wrong_kind() {
        let (key, _) = keys();
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(key.kid.clone());
        let token = jsonwebtoken::encode(&header, &claims(), &key.key).unwrap();
        assert_eq!(
            verify(&token, "http://issuer", "audience"),
            Err(Refusal::WrongKind)
        );
    }
}
