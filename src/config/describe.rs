//! The configuration in force, as TOML: what `sessiongraph config` prints.

use std::fmt::Write as _;

use super::{Config, Layer};

/// What is shown in the place of a secret.
pub(super) const MASK: &str = "********";

impl Config {
    /// What is in force as TOML, one key a line in the order of [`KEYS`](super::KEYS), each with a
    /// comment that names its layer. Secrets are masked, the password in `database_url` too. A key
    /// that has no value is a comment.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut toml = String::new();
        for (key, value) in self.shown() {
            let layer = comment(&self.layer_of(key).to_string());
            let from_file = key == "secret" && self.secret_file.is_some();
            // Writing into a string cannot fail.
            let _ = match value {
                Some(value) if from_file => writeln!(toml, "# {key} = {value} # from secret_file"),
                Some(value) => writeln!(toml, "{key} = {value} # {layer}"),
                None => writeln!(toml, "# {key} is not set"),
            };
        }
        toml
    }

    /// Where the value of this key comes from; [`Layer::Default`] for a key that does not exist.
    #[must_use]
    pub(crate) fn layer_of(&self, key: &str) -> &Layer {
        self.layers.get(key).unwrap_or(&Layer::Default)
    }
}

/// Text as a TOML basic string.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Text that may stand in a TOML comment: the name of a file can hold any character.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}
