//! The configuration: what can be set, from which layers, and whether it makes sense.
//!
//! Layers, the later ones stronger: built-in defaults; a TOML file (`sessiongraph.toml` in the working
//! directory if there is one, or what `--config` or else `SESSIONGRAPH_CONFIG` names); environment
//! variables, `SESSIONGRAPH_` and the key in upper case; command-line flags, the key in kebab case.
//! [`KEYS`] is the table of all keys.
//!
//! Texts mean the same in every layer; the file may have native integers, booleans and arrays as well.
//! Durations are `10s`, `10m` or `7d`; rates `10/15m`; sizes bytes or `256KiB`; lists comma-separated
//! or arrays. An unknown key or a bad value is an error that names key and layer, also where a stronger
//! layer hides it, and all errors are reported together. None of them ever contains a value.
//!
//! This module makes no secret where none is given, opens no database, and reads no file but the
//! configuration and `secret_file`.

mod check;
mod cli;
mod describe;
mod error;
mod keys;
mod kind;
mod layers;
mod numbers;
mod reference;
mod sources;
#[cfg(test)]
mod tests;
mod texts;
mod traces;
mod types;
mod urls;

use clap::ArgMatches;

pub use self::cli::{args, file_from_matches, from_matches};
pub use self::error::{ConfigError, ConfigErrors, Layer};
pub use self::keys::{Config, KEYS, Key};
pub use self::reference::reference;
pub use self::sources::Sources;
pub use self::traces::TraceExport;
pub use self::types::{
    ForwardedHeader, LogFormat, Origin, Rate, SigningAlgorithm, UserAgentBinding,
};

impl Config {
    /// Reads and checks the configuration. Reads the configuration file and `secret_file`, nothing
    /// else outside of `sources`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in one [`ConfigErrors`].
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let layers = layers::Layers::collect(sources, &mut errors);
        let mut draft = keys::Draft::read(&layers, &mut errors);
        check::Check {
            draft: &mut draft,
            layers: &layers,
            errors: &mut errors,
        }
        .run(&sources.directory);
        match draft.finish(&layers) {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// Reads and checks the configuration of this process, whose command line `matches` is.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn from_process(matches: &ArgMatches) -> Result<Self, ConfigErrors> {
        Self::load(&Sources::from_process(matches))
    }

    /// The `iss` of access tokens: `public_url` without the slash that a URL of an origin alone ends
    /// with, `http://127.0.0.1:4000`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        urls::issuer(&self.public_url)
    }

    /// The server's own origin, as a browser on a page of its own sends it.
    #[must_use]
    pub fn own_origin(&self) -> Origin {
        Origin(self.public_url.origin().ascii_serialization())
    }

    /// Whether the database is PostgreSQL; else it is SQLite.
    #[must_use]
    pub fn uses_postgres(&self) -> bool {
        urls::is_postgres(&self.database_url)
    }
}
