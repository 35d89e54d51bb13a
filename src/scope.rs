//! Scopes of service keys, and permissions of accounts: both are RFC 6749 scope tokens.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::error::{Error, Result};

/// What a service key may do. None includes another; yet a backend that may write accounts or sessions can in the end
/// act as any account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Read every account.
    AccountsRead,
    /// Create and change accounts.
    AccountsWrite,
    /// Read every session, and hear its events.
    SessionsRead,
    /// Open and end sessions of every account.
    SessionsWrite,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [
        Self::AccountsRead,
        Self::AccountsWrite,
        Self::SessionsRead,
        Self::SessionsWrite,
    ];

    /// The scope's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountsRead => "accounts:read",
            Self::AccountsWrite => "accounts:write",
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
        }
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| {
                let all = Self::ALL.map(Self::as_str).join(", ");
                Error::bad_user_input("scope", format!("must be one of {all}"))
            })
    }
}

/// A set of scopes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Whether a scope is in the set.
    #[must_use]
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a space-separated list; what it does not know, it does not grant.
    pub(crate) fn from_stored(text: &str) -> Self {
        Self(
            text.split_ascii_whitespace()
                .filter_map(|scope| scope.parse().ok())
                .collect(),
        )
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// Separated by one space.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(|scope| scope.as_str()).collect();
        f.write_str(&texts.join(" "))
    }
}

const MAX_PERMISSION_LENGTH: usize = 100;
const MAX_PERMISSIONS_LENGTH: usize = 2_048;

/// An account's permissions as one `scope` claim: duplicates go, the order stays.
///
/// # Errors
///
/// `BAD_USER_INPUT`, field `permissions`, where one is no scope token (RFC 6749 section 3.3) or too long, or all
/// together are.
pub(crate) fn permissions_claim(permissions: &[String]) -> Result<String> {
    let mut unique: Vec<&str> = Vec::new();
    for permission in permissions {
        let is_token = permission
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if permission.is_empty() || permission.len() > MAX_PERMISSION_LENGTH || !is_token {
            return Err(Error::bad_user_input(
                "permissions",
                "each has 1 to 100 printable ASCII characters, without space, quotation mark and backslash",
            ));
        }
        if !unique.contains(&permission.as_str()) {
            unique.push(permission);
        }
    }
    let claim = unique.join(" ");
    if claim.len() > MAX_PERMISSIONS_LENGTH {
        return Err(Error::bad_user_input(
            "permissions",
            "all together have 2,048 characters at most",
        ));
    }
    Ok(claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_a_set_of_scope_tokens() {
        let claim = |permissions: &[&str]| {
            permissions_claim(
                &permissions
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(claim(&["b", "a", "b"]).unwrap(), "b a");
        assert_eq!(claim(&[]).unwrap(), "");
        for bad in ["", "a b", "\"", "\\", "ä", &"x".repeat(101)] {
            assert_eq!(
                claim(&[bad]).unwrap_err().field(),
                Some("permissions"),
                "{bad}"
            );
        }
        let many: Vec<_> = (0..30).map(|n| format!("{n:0>100}")).collect();
        assert!(permissions_claim(&many).is_err());
    }

    #[test]
    fn scopes_are_read_and_written() {
        let scopes: Scopes = [Scope::SessionsWrite, Scope::AccountsRead]
            .into_iter()
            .collect();
        assert_eq!(scopes.to_string(), "accounts:read sessions:write");
        assert_eq!(
            Scopes::from_stored("accounts:read unknown sessions:write"),
            scopes
        );
        assert_eq!(
            "accounts".parse::<Scope>().unwrap_err().field(),
            Some("scope")
        );
    }
}
