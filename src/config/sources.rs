//! Where settings come from, gathered so that a test can make up all of it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;

use super::cli::{file_from_matches, from_matches};

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "SESSIONGRAPH_";

/// The raw material of a configuration. `Sources::default()` has nothing but the working directory.
///
/// It has no `Debug`, as there may be secrets in it.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
    /// Where `sessiongraph.toml` is looked for and relative file names start; empty for the working
    /// directory of the process.
    pub directory: PathBuf,
    /// Keys with their text, as of [`from_matches`].
    pub flags: Vec<(&'static str, String)>,
    pub(super) environment: Vec<(OsString, OsString)>,
}

impl Sources {
    /// The environment and working directory of this process, and its command line.
    #[must_use]
    pub fn from_process(matches: &ArgMatches) -> Self {
        Self {
            file: file_from_matches(matches),
            flags: from_matches(matches),
            ..Self::default()
        }
        .with_environment(std::env::vars_os())
    }

    /// Takes these environment variables instead; only those that begin with `SESSIONGRAPH_` are kept.
    #[must_use]
    pub fn with_environment<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        self.environment = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
            .collect();
        // The environment has no order of its own, but errors should.
        self.environment.sort();
        self
    }
}
