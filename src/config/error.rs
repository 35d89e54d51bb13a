//! What can be wrong with a configuration, and where it came from.
//!
//! # Why no error holds a value
//!
//! Any key may be mistaken for another, so a secret can stand where a port was expected. The errors
//! here are made of key names, layers and fixed sentences only; there is no field that a value could
//! get into.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from. Displayed as `default`, the path of the file,
/// `environment variable SESSIONGRAPH_LISTEN` or `--listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layer {
    /// Built in, or derived from other settings.
    Default,
    /// The configuration file at this path.
    File(PathBuf),
    /// The environment variable of this name.
    Environment(String),
    /// The command-line flag of this name, without its dashes.
    Flag(&'static str),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {}", name.escape_debug()),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key that does not exist.
    #[error("`{}` from {layer}: there is no such key", key.escape_debug())]
    UnknownKey {
        /// The key as it was written; from the environment in lower case, without the prefix.
        key: String,
        /// Where it was written.
        layer: Layer,
    },
    /// A value that is not allowed, by itself or beside the others.
    #[error("`{key}` from {layer}: {reason}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// Where the value was written.
        layer: Layer,
        /// What is allowed. Never the value.
        reason: String,
    },
    /// A configuration file that cannot be used.
    #[error("configuration file {}{}: {reason}", path.display(), naming(named_by.as_ref()))]
    File {
        /// The file.
        path: PathBuf,
        /// What named the file, or `None` for the one in the working directory.
        named_by: Option<Layer>,
        /// What is wrong. Never a line of the file.
        reason: String,
    },
}

fn naming(layer: Option<&Layer>) -> String {
    layer.map_or_else(String::new, |layer| format!(" (named by {layer})"))
}

/// Everything that is wrong with a configuration, displayed one error a line; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub(super) Vec<ConfigError>);

impl ConfigErrors {
    /// The single errors: files and unknown keys first, then bad values in the order of
    /// [`KEYS`](super::KEYS), then what does not fit together.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
