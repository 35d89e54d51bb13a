//! What the values mean together: derived defaults, the file with the secret, and contradictions.
//!
//! A check says nothing where one of its values is missing: there is an error about that already.

use std::path::Path;

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::error::{ConfigError, Layer};
use super::keys::Draft;
use super::layers::Layers;
use super::texts::Secret;
use super::types::SigningAlgorithm;
use super::urls::{is_postgres, url_of};

/// A draft under examination.
pub(super) struct Check<'a> {
    pub(super) draft: &'a mut Draft,
    pub(super) layers: &'a Layers,
    pub(super) errors: &'a mut Vec<ConfigError>,
}

impl Check<'_> {
    /// Completes the draft and reports what cannot be meant.
    pub(super) fn run(&mut self, directory: &Path) {
        self.derive_defaults();
        self.read_secret_file(directory);
        self.cookies();
        self.keys();
        self.lifetimes();
        self.hashing();
    }

    fn refuse(&mut self, key: &'static str, reason: impl Into<String>) {
        let (layer, reason) = (self.layers.of(key), reason.into());
        self.errors
            .push(ConfigError::BadValue { key, layer, reason });
    }

    fn is_default(&self, key: &str) -> bool {
        self.layers.of(key) == Layer::Default
    }

    fn derive_defaults(&mut self) {
        if self.is_default("public_url") {
            self.draft.public_url = self.draft.listen.and_then(url_of);
        }
        // Who shortens the life of sessions has said what they want; only a contradiction that was
        // written out is an error.
        let Some(max) = self.draft.session_max_ttl else {
            return;
        };
        if self.is_default("session_idle_ttl") {
            self.draft.session_idle_ttl = self.draft.session_idle_ttl.map(|ttl| ttl.min(max));
        }
        if self.is_default("access_token_ttl") {
            self.draft.access_token_ttl = self.draft.access_token_ttl.map(|ttl| ttl.min(max));
        }
    }

    fn read_secret_file(&mut self, directory: &Path) {
        let Some(Some(path)) = &self.draft.secret_file else {
            return;
        };
        if !self.is_default("secret") {
            self.refuse(
                "secret_file",
                format!(
                    "is one too many beside `secret` from {}",
                    self.layers.of("secret")
                ),
            );
            return;
        }
        let secret = match std::fs::read_to_string(directory.join(path)).map(Zeroizing::new) {
            Ok(text) => {
                Secret::from_text(&text).ok_or("the file must hold at least 32 bytes".to_owned())
            }
            Err(error) => Err(format!("the file cannot be read: {error}")),
        };
        // A secret that cannot be had is not the same as none.
        self.draft.secret = None;
        match secret {
            Ok(secret) => self.draft.secret = Some(Some(secret)),
            Err(reason) => self.refuse("secret_file", reason),
        }
    }

    fn cookies(&mut self) {
        let insecure = self.draft.cookie_secure == Some(false);
        if insecure
            && self
                .draft
                .public_url
                .as_ref()
                .is_some_and(|url| url.scheme() == "https")
        {
            let url = self.layers.of("public_url");
            self.refuse(
                "cookie_secure",
                format!("cannot be `false` with the https `public_url` from {url}"),
            );
        }
    }

    fn keys(&mut self) {
        if let (Some(database), Some(None), Some(None)) = (
            &self.draft.database_url,
            &self.draft.secret,
            &self.draft.secret_file,
        ) && is_postgres(database)
        {
            self.refuse(
                "database_url",
                "with PostgreSQL `secret` or `secret_file` must be given: all replicas need the same \
                 one, so none of them can make it up",
            );
        }
        let (Some(algorithm), Some(hs256_secret)) =
            (self.draft.signing_algorithm, &self.draft.hs256_secret)
        else {
            return;
        };
        let same = matches!(
            (hs256_secret, &self.draft.secret),
            (Some(hs256), Some(Some(secret))) if hs256.expose_secret() == secret.expose_secret()
        );
        let (is_hs256, has_secret) = (algorithm == SigningAlgorithm::Hs256, hs256_secret.is_some());
        if is_hs256 && !has_secret {
            self.refuse("signing_algorithm", "HS256 needs `hs256_secret`");
        }
        if has_secret && !is_hs256 {
            let layer = self.layers.of("signing_algorithm");
            let reason = format!("does nothing unless `signing_algorithm`, from {layer}, is HS256");
            self.refuse("hs256_secret", reason);
        }
        if same {
            self.refuse(
                "hs256_secret",
                "must not be `secret`: who verifies tokens with it could then open everything",
            );
        }
    }

    fn lifetimes(&mut self) {
        let Some(max) = self.draft.session_max_ttl else {
            return;
        };
        for (key, ttl) in [
            ("session_idle_ttl", self.draft.session_idle_ttl),
            ("access_token_ttl", self.draft.access_token_ttl),
        ] {
            if ttl.is_some_and(|ttl| ttl > max) {
                let layer = self.layers.of("session_max_ttl");
                self.refuse(
                    key,
                    format!("cannot be longer than `session_max_ttl` from {layer}"),
                );
            }
        }
    }

    fn hashing(&mut self) {
        if let (Some(memory), Some(lanes)) =
            (self.draft.argon2_memory_kib, self.draft.argon2_parallelism)
            && memory < 8 * lanes
        {
            let layer = self.layers.of("argon2_parallelism");
            self.refuse(
                "argon2_memory_kib",
                format!("must be at least eight times `argon2_parallelism` from {layer}"),
            );
        }
    }
}
