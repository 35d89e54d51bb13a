//! Keys as an operator sees them.

use chrono::{DateTime, Utc};

use super::Keyring;
use crate::entity::signing_key;

/// What a key is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and ready to sign.
    Standby,
    /// It signs.
    Signing,
    /// It signs no more; its tokens are still good.
    Retired,
    /// Taken out after a leak.
    Revoked,
}

impl KeyState {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

/// A key as an operator sees it.
#[derive(Debug, Clone)]
pub struct KeySummary {
    /// Its id.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: String,
    /// What it is doing.
    pub state: KeyState,
    /// Since when it is published.
    pub published_at: DateTime<Utc>,
    /// When a rotation that was asked for makes it sign.
    pub activates_at: Option<DateTime<Utc>>,
    /// Since when it signs.
    pub activated_at: Option<DateTime<Utc>>,
    /// Until when its tokens are good.
    pub verifies_until: Option<DateTime<Utc>>,
}

impl Keyring {
    /// All keys, oldest first. None with HS256.
    #[must_use]
    pub fn list(&self) -> Vec<KeySummary> {
        if self.ensure_keyring().is_err() {
            return Vec::new();
        }
        self.loaded()
            .signing_rows
            .iter()
            .map(|row| KeySummary {
                kid: row.kid.clone(),
                algorithm: row.algorithm.clone(),
                state: state(row),
                published_at: row.published_at,
                activates_at: row.activates_at,
                activated_at: row.activated_at,
                verifies_until: row.verifies_until,
            })
            .collect()
    }
}

fn state(row: &signing_key::Model) -> KeyState {
    if row.revoked_at.is_some() {
        KeyState::Revoked
    } else if row.retired_at.is_some() {
        KeyState::Retired
    } else if row.activated_at.is_some() {
        KeyState::Signing
    } else {
        KeyState::Standby
    }
}
