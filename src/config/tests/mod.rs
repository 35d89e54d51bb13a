//! What the configuration promises, by topic.

mod checks;
mod command_line;
mod describe;
mod layers;
mod numbers;
mod urls;
mod values;

use std::path::Path;

use super::{Config, ConfigErrors, Sources};

const SECRET: &str = "0123456789012345678901234567890123456789";
const OTHER_SECRET: &str = "a-secret, \"quoted\", of thirty-two bytes";

/// Sources with an empty directory of their own, which lives as long as the test.
struct Lab {
    directory: tempfile::TempDir,
    sources: Sources,
}

impl Lab {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sources = Sources {
            directory: directory.path().into(),
            ..Sources::default()
        };
        Self { directory, sources }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    fn toml(self, text: &str) -> Self {
        self.file("sessiongraph.toml", text)
    }

    fn env(mut self, variables: &[(&str, &str)]) -> Self {
        self.sources = self.sources.with_environment(variables.iter().copied());
        self
    }

    fn flags(mut self, flags: &[(&'static str, &str)]) -> Self {
        self.sources.flags = flags
            .iter()
            .map(|(key, text)| (*key, (*text).to_owned()))
            .collect();
        self
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(&self.sources)
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The errors' texts, the directory's name in them cut out.
    fn errors(&self) -> Vec<String> {
        let errors = self
            .load()
            .expect_err("the configuration should be refused");
        let directory = format!("{}/", self.path().display());
        errors
            .iter()
            .map(|error| error.to_string().replace(&directory, ""))
            .collect()
    }
}

/// What comes of these flags.
fn with(flags: &[(&'static str, &str)]) -> Config {
    Lab::new().flags(flags).config()
}

/// The errors that come of these flags.
fn refused(flags: &[(&'static str, &str)]) -> Vec<String> {
    Lab::new().flags(flags).errors()
}

/// Asserts that there is exactly one error and that it begins and goes on like this.
#[track_caller]
fn assert_one(errors: &[String], start: &str, part: &str) {
    let [error] = errors else {
        panic!("not one error: {errors:#?}")
    };
    assert!(error.starts_with(start), "{error}");
    assert!(error.contains(part), "{error}");
}
