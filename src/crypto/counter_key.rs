//! Names of counters: what is counted, as an HMAC, so that the database tells nobody who has been trying to sign in, nor
//! what somebody has typed into the wrong field.

use std::fmt;

use aws_lc_rs::hmac;

/// The key that counters are named with.
#[derive(Clone)]
pub struct CounterKey(hmac::Key);

impl fmt::Debug for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CounterKey")
    }
}

impl CounterKey {
    /// A key of any length from 32 bytes on.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The name of a counter: its kind, and an HMAC of kind and parts. Names sort by kind.
    #[must_use]
    pub(crate) fn name(&self, kind: u8, parts: &[&str]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&[kind]);
        for part in parts {
            // Its length first: no two lists of parts are the same bytes.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut name = vec![kind];
        name.extend_from_slice(context.sign().as_ref());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_key_one_kind_and_one_list_of_parts() {
        let key = CounterKey::new(&[1; 32]);
        let name = key.name(1, &["username", "ada"]);
        assert_eq!(name.len(), 33);
        assert_eq!(
            name,
            CounterKey::new(&[1; 32]).name(1, &["username", "ada"])
        );
        for other in [
            CounterKey::new(&[2; 32]).name(1, &["username", "ada"]),
            key.name(2, &["username", "ada"]),
            key.name(1, &["usernamea", "da"]),
            key.name(1, &["usernameada"]),
            key.name(1, &["username", "ada", ""]),
        ] {
            assert_ne!(name[1..], other[1..]);
        }
    }
}
