//! How a keyring works.

use std::time::Duration;

use secrecy::SecretString;

use crate::crypto::access_token::SigningAlgorithm;

/// How a [`Keyring`](super::Keyring) works.
#[derive(Debug)]
pub struct KeyringOptions {
    /// The master secret.
    pub secret: SecretString,
    /// Earlier master secrets, which still open.
    pub secret_previous: Vec<SecretString>,
    /// What new keys sign with.
    pub algorithm: SigningAlgorithm,
    /// The secret of HS256, needed with that algorithm and with no other.
    pub hs256_secret: Option<SecretString>,
    /// How old the signing key gets before the standby key takes over; `None` for ever.
    pub rotation: Option<Duration>,
    /// How long a key is published before it signs, so that gateways know it.
    pub publish_ahead: Duration,
    /// How long an access token lives, clock skew included.
    pub token_lifetime: Duration,
}

impl KeyringOptions {
    /// The defaults under a master secret: ES256, rotated every 30 days, published 20 minutes ahead, for access tokens of
    /// the default lifetime and clock skew.
    #[must_use]
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self {
            secret: secret.into(),
            secret_previous: Vec::new(),
            algorithm: SigningAlgorithm::default(),
            hs256_secret: None,
            rotation: Some(Duration::from_hours(30 * 24)),
            publish_ahead: Duration::from_mins(20),
            token_lifetime: Duration::from_mins(5) + Duration::from_secs(5),
        }
    }
}
