//! The layers: which values each key has, and where from.
//!
//! # Why figment only reads
//!
//! figment parses the file and is the model of values, but does not merge: a bad value is an error in
//! whatever layer it stands, so the values below the one in force are needed too; and its own type
//! errors print what they found.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::error::{ConfigError, Layer};
use super::keys::{KEYS, Key};
use super::kind::Kind;
use super::sources::{PREFIX, Sources};

/// The file that is read without being named.
const DEFAULT_FILE: &str = "sessiongraph.toml";
/// The variable that names the file. It is no key.
const FILE_VARIABLE: &str = "SESSIONGRAPH_CONFIG";
/// What Kubernetes puts into the environment beside a service that is called sessiongraph.
const KUBERNETES: [&str; 2] = ["SESSIONGRAPH_SERVICE_", "SESSIONGRAPH_PORT"];

/// The values of each key, the one in force last.
#[derive(Default)]
pub(super) struct Layers {
    values: BTreeMap<&'static str, Vec<(Layer, Value)>>,
}

impl Layers {
    /// Reads all layers, from the weakest to the strongest.
    pub(super) fn collect(sources: &Sources, errors: &mut Vec<ConfigError>) -> Self {
        let mut layers = Self::default();
        for key in KEYS {
            if let Some(default) = key.default {
                layers.add(key.name, Layer::Default, Value::from(default), errors);
            }
        }
        layers.add_file(sources, errors);
        layers.add_environment(sources, errors);
        for (key, text) in &sources.flags {
            let flag = Key::named(key).map_or(*key, |key| key.flag);
            layers.add(key, Layer::Flag(flag), Value::from(text.as_str()), errors);
        }
        layers
    }

    fn add(&mut self, name: &str, layer: Layer, value: Value, errors: &mut Vec<ConfigError>) {
        match Key::named(name) {
            Some(key) => self
                .values
                .entry(key.name)
                .or_default()
                .push((layer, value)),
            None => errors.push(ConfigError::UnknownKey {
                key: name.to_owned(),
                layer,
            }),
        }
    }

    fn add_file(&mut self, sources: &Sources, errors: &mut Vec<ConfigError>) {
        let (path, named_by) = file(sources);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && named_by.is_none() => return,
            Err(error) => {
                let reason = format!("cannot be read: {error}");
                errors.push(ConfigError::File {
                    path,
                    named_by,
                    reason,
                });
                return;
            }
        };
        match Toml::from_str::<Dict>(&text) {
            Ok(values) => {
                for (key, value) in values {
                    self.add(&key, Layer::File(path.clone()), value, errors);
                }
            }
            // The parser's message shows the line, with all that is in it.
            Err(error) => {
                let reason = format!("is no valid TOML{}", place(&text, error.span()));
                errors.push(ConfigError::File {
                    path,
                    named_by,
                    reason,
                });
            }
        }
    }

    fn add_environment(&mut self, sources: &Sources, errors: &mut Vec<ConfigError>) {
        for (variable, value) in &sources.environment {
            let variable = variable.to_string_lossy().into_owned();
            if variable == FILE_VARIABLE || KUBERNETES.iter().any(|name| variable.starts_with(name))
            {
                continue;
            }
            let name = variable.strip_prefix(PREFIX).unwrap_or(&variable);
            let key = name.to_ascii_lowercase();
            // Only the upper-case name is a key's, or two variables could set one key.
            let known = Key::named(&key).filter(|_| key.to_ascii_uppercase() == name);
            let layer = Layer::Environment(variable);
            match (known, value.to_str()) {
                (None, _) => errors.push(ConfigError::UnknownKey { key, layer }),
                (Some(known), Some(text)) => self.add(known.name, layer, Value::from(text), errors),
                (Some(known), None) => {
                    let reason = "must be UTF-8".into();
                    errors.push(ConfigError::BadValue {
                        key: known.name,
                        layer,
                        reason,
                    });
                }
            }
        }
    }

    /// The value of the key that is in force, or `None` where it is bad. A bad value below it is an
    /// error too.
    pub(super) fn read<K: Kind>(
        &self,
        key: &'static str,
        errors: &mut Vec<ConfigError>,
    ) -> Option<K::Value> {
        let mut in_force = K::absent();
        for (layer, value) in self.values.get(key).into_iter().flatten() {
            in_force = K::parse(value);
            if in_force.is_none() {
                let reason = format!("must be {}", K::allowed());
                errors.push(ConfigError::BadValue {
                    key,
                    layer: layer.clone(),
                    reason,
                });
            }
        }
        in_force
    }

    /// Where the value of the key that is in force comes from.
    pub(super) fn of(&self, key: &str) -> Layer {
        let value = self.values.get(key).and_then(|values| values.last());
        value.map_or(Layer::Default, |(layer, _)| layer.clone())
    }

    /// The layer of each key that has a value.
    pub(super) fn in_force(&self) -> BTreeMap<&'static str, Layer> {
        self.values.keys().map(|key| (*key, self.of(key))).collect()
    }
}

/// The configuration file, and what names it.
fn file(sources: &Sources) -> (PathBuf, Option<Layer>) {
    let variable = sources
        .environment
        .iter()
        .find(|(name, _)| name == FILE_VARIABLE);
    let (path, named_by) = match (&sources.file, variable) {
        (Some(path), _) => (path.as_path(), Some(Layer::Flag("config"))),
        (None, Some((_, path))) => (
            Path::new(path),
            Some(Layer::Environment(FILE_VARIABLE.to_owned())),
        ),
        (None, None) => (Path::new(DEFAULT_FILE), None),
    };
    (sources.directory.join(path), named_by)
}

/// ` at line 3, column 7`, in characters.
fn place(text: &str, span: Option<Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else {
        return String::new();
    };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!(" at line {line}, column {column}")
}
