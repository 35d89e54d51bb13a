//! How each kind of value is read from a layer and shown again: the trait, and kinds made of kinds.
//!
//! To add a kind: a unit struct, its [`Kind`], and a key in `keys.rs` that uses it. [`Kind::parse`]
//! says yes or no and [`Kind::allowed`] says what would have been right: so the value that was wrong
//! cannot get into an error message.

use std::marker::PhantomData;

use figment::value::Value;

use super::describe::quote;

/// One way to write a value.
pub(super) trait Kind {
    /// What it is in the program.
    type Value;

    /// Whether the value, or a part of it, must not be shown.
    const SECRET: bool = false;

    /// What is allowed, to follow "must be".
    fn allowed() -> String;

    /// The value, or `None` where it is not allowed.
    fn parse(value: &Value) -> Option<Self::Value>;

    /// The value as TOML, secrets masked; `None` where there is none.
    fn show(value: &Self::Value) -> Option<String>;

    /// The value of a key that no layer has, where that can be.
    fn absent() -> Option<Self::Value> {
        None
    }
}

/// Text without the white space around it.
pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim)
}

/// A key that may be absent.
pub(super) struct Maybe<K>(PhantomData<K>);

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;
    const SECRET: bool = K::SECRET;

    fn allowed() -> String {
        K::allowed()
    }

    fn parse(value: &Value) -> Option<Self::Value> {
        K::parse(value).map(Some)
    }

    fn show(value: &Self::Value) -> Option<String> {
        value.as_ref().and_then(K::show)
    }

    fn absent() -> Option<Self::Value> {
        Some(None)
    }
}

/// A key that can be switched off.
pub(super) struct OrOff<K>(PhantomData<K>);

impl<K: Kind> Kind for OrOff<K> {
    type Value = Option<K::Value>;
    const SECRET: bool = K::SECRET;

    fn allowed() -> String {
        format!("{}; or `off`", K::allowed())
    }

    fn parse(value: &Value) -> Option<Self::Value> {
        if text(value) == Some("off") {
            return Some(None);
        }
        K::parse(value).map(Some)
    }

    fn show(value: &Self::Value) -> Option<String> {
        value.as_ref().map_or_else(|| Some(quote("off")), K::show)
    }
}

/// A TOML array, or text with commas. Empty elements are dropped.
pub(super) struct List<K>(PhantomData<K>);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;
    const SECRET: bool = K::SECRET;

    fn allowed() -> String {
        format!("a list, each element of it {}", K::allowed())
    }

    fn parse(value: &Value) -> Option<Self::Value> {
        let elements = match value {
            Value::Array(_, elements) => elements.clone(),
            Value::String(_, elements) => elements.split(',').map(Value::from).collect(),
            _ => return None,
        };
        elements
            .iter()
            .filter(|element| text(element) != Some(""))
            .map(K::parse)
            .collect()
    }

    fn show(value: &Self::Value) -> Option<String> {
        let elements: Vec<_> = value.iter().filter_map(K::show).collect();
        Some(format!("[{}]", elements.join(", ")))
    }
}
