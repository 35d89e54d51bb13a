//! The keys that tokens are made with, and where they come from.
//!
//! [`TokenKeys`] is asked for each request, so that another tenant can have other keys. Two are ready-made: the
//! [`Keyring`] in the database, which rotates, and the [`FixedSecret`].

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    crypto::{
        access_token::{SigningKey, VerifyingKey},
        counter_key::CounterKey,
        opaque_token::{RefreshTokenMaker, ServiceKeyMaker},
    },
    error::Result,
    request::SessionRequest,
};

mod fixed_secret;
mod generate;
mod keyring;
mod master_secret;
mod options;
mod revocation;
mod rotation;
mod stored;
mod summary;

pub use fixed_secret::FixedSecret;
pub use keyring::Keyring;
pub use options::KeyringOptions;
pub use rotation::Rotation;
pub use summary::{KeyState, KeySummary};

/// All keys of one tenant.
#[derive(Debug, Clone)]
pub struct KeySet {
    /// Signs access tokens.
    pub signing: SigningKey,
    /// Verify access tokens; the standby key is among them.
    pub verifying: Vec<VerifyingKey>,
    /// Make and verify refresh tokens.
    pub refresh: RefreshTokenMaker,
    /// Makes and verifies service keys.
    pub service: ServiceKeyMaker,
}

impl KeySet {
    /// The verifying key that a `kid` names.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifying.iter().find(|key| key.kid == kid)
    }
}

/// Gives the keys for a request; may differ by tenant. Another tenant's token, of either kind, is then
/// `TOKEN_VERIFICATION_FAILED`.
#[doc(alias = "getTokenSecret")]
#[async_trait]
pub trait TokenKeys: fmt::Debug + Send + Sync + 'static {
    /// The keys for a request. Called several times a request: keep them in memory.
    async fn keys(&self, request: &SessionRequest) -> Result<Arc<KeySet>>;

    /// The key under which counters of limits are kept: one for all requests, or clients could choose where they are
    /// counted. Unless overridden it comes from the keys of an empty request.
    async fn counter_key(&self) -> Result<CounterKey> {
        let keys = self.keys(&SessionRequest::new()).await?;
        Ok(keys.service.counter_key())
    }

    /// The keys for a request after a token named a key that is not among them: they may have changed elsewhere. An
    /// implementation that asks a database limits itself to once a second.
    async fn keys_again(&self, request: &SessionRequest) -> Result<Arc<KeySet>> {
        self.keys(request).await
    }
}
