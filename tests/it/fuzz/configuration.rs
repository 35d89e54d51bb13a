//! Configurations from a file, the environment and the command line.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};
use sessiongraph::config::{Config, ConfigError, ConfigErrors, KEYS, Sources, args, from_matches};
use tempfile::TempDir;

use super::{
    explore,
    mutation::{Bytes, mutated, mutated_by},
    seeds,
};

const SEEDS: &str = "configuration/seeds.toml";
/// What each secret in the seeds has in it.
const SECRET: &str = "hunter2-hunter2";

/// The values in the seeds, as they are written in the environment.
fn values() -> Vec<Vec<u8>> {
    let lines = seeds(SEEDS);
    let value = |line: &Vec<u8>| {
        let equals = line.iter().position(|byte| *byte == b'=').unwrap();
        let kept = |byte: &u8| !b"\"[]".contains(byte);
        line[equals + 1..]
            .iter()
            .copied()
            .filter(kept)
            .collect::<Vec<_>>()
            .trim_ascii()
            .to_vec()
    };
    lines.iter().map(value).collect()
}

fn key() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(KEYS).prop_map(|key| key.name)
}

/// That the configuration can be shown, or each of its errors says what it is about; and nothing shows a secret, unless it
/// was misplaced: given as the value of a key that is none.
fn check(loaded: Result<Config, ConfigErrors>, misplaced: bool) -> TestCaseResult {
    let errors = match loaded {
        Ok(config) => {
            let shown = format!("{} {config:?}", config.describe());
            prop_assert!(misplaced || !shown.contains(SECRET), "{shown}");
            prop_assert!(!config.issuer().is_empty());
            return Ok(());
        }
        Err(errors) => errors,
    };
    prop_assert!(errors.iter().next().is_some());
    for error in errors.iter() {
        let message = error.to_string();
        match error {
            ConfigError::UnknownKey { .. } => {
                prop_assert!(message.contains("no such key"), "{message}");
            }
            ConfigError::BadValue { key, reason, .. } => {
                prop_assert!(message.contains(*key) && !reason.is_empty(), "{message}");
                prop_assert!(!message.contains(SECRET), "{message}");
            }
            ConfigError::File { .. } => {
                prop_assert!(
                    message.contains("sessiongraph.toml") && !message.contains(SECRET),
                    "{message}"
                );
            }
            _ => prop_assert!(false, "{message}"),
        }
    }
    Ok(())
}

/// The keys of which nothing is shown.
const SECRET_KEYS: [&str; 3] = ["secret", "secret_previous", "hs256_secret"];

fn has(text: &[u8], part: &str) -> bool {
    text.windows(part.len())
        .any(|window| window == part.as_bytes())
}

fn is_misplaced(key: &str, value: &[u8]) -> bool {
    has(value, SECRET) && !SECRET_KEYS.contains(&key)
}

/// As [`is_misplaced`], for a line of a file; a text of several lines may be anybody's.
fn is_misplaced_in(line: &[u8]) -> bool {
    let equals = line
        .iter()
        .position(|byte| *byte == b'=')
        .unwrap_or_default();
    let key = String::from_utf8_lossy(&line[..equals]);
    is_misplaced(key.trim(), line) || has(line, "\"\"\"") || has(line, "'''")
}

/// A folder with a secret in a file, and nothing else.
fn folder() -> (TempDir, Sources) {
    let folder = TempDir::new().unwrap();
    std::fs::write(
        folder.path().join("secret.txt"),
        "hunter2-hunter2-hunter2-hunter2-\n",
    )
    .unwrap();
    let mut sources = Sources::default();
    sources.directory = folder.path().to_owned();
    (folder, sources)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_is_too_odd_to_be_refused() {
    let (folder, sources) = folder();
    let lines = vec(mutated(seeds(SEEDS)), 0..5);
    explore(2_000, &lines, async |lines: Vec<Bytes>| {
        let lines: Vec<_> = lines.into_iter().map(|line| line.0).collect();
        let misplaced = lines.iter().any(|line| is_misplaced_in(line));
        std::fs::write(folder.path().join("sessiongraph.toml"), lines.join(&b'\n')).unwrap();
        check(Config::load(&sources), misplaced)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn no_variable_is_too_odd_to_be_refused() {
    let (_folder, sources) = folder();
    let variables = vec((key(), any::<bool>(), mutated(values())), 0..5);
    explore(2_000, &variables, async |variables| {
        let misplaced = variables
            .iter()
            .any(|(key, _, value)| is_misplaced(key, &value.0));
        let variables = variables.into_iter().map(|(key, known, value)| {
            let name = if known {
                key.to_ascii_uppercase()
            } else {
                value.text()
            };
            (
                OsString::from(format!("SESSIONGRAPH_{name}")),
                OsString::from_vec(value.0),
            )
        });
        // One that names another file is no matter of values.
        let variables = variables.filter(|(name, _)| name != "SESSIONGRAPH_CONFIG");
        let sources = sources.clone().with_environment(variables);
        check(Config::load(&sources), misplaced)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn no_flag_is_too_odd_to_be_refused() {
    let (_folder, sources) = folder();
    let command = clap::Command::new("sessiongraph").args(args());
    let flags = vec((key(), mutated_by(values(), 0..3)), 0..5);
    explore(1_000, &flags, async |flags| {
        let mut line = vec![OsString::from("sessiongraph")];
        let misplaced = flags.iter().any(|(key, value)| is_misplaced(key, &value.0));
        for (key, value) in flags {
            line.push(format!("--{}", key.replace('_', "-")).into());
            line.push(OsString::from_vec(value.0));
        }
        match command.clone().try_get_matches_from(line) {
            Ok(matches) => {
                let mut sources = sources.clone();
                sources.flags = from_matches(&matches);
                check(Config::load(&sources), misplaced)
            }
            Err(error) => {
                prop_assert!(error.to_string().starts_with("error: "), "{error}");
                Ok(())
            }
        }
    });
}
