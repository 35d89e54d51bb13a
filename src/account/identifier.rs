//! User names and e-mail addresses, in the form in which they are stored and compared.

use crate::error::{Error, Result};

const RESERVED: [&str; 11] = [
    "admin",
    "administrator",
    "anonymous",
    "me",
    "null",
    "root",
    "security",
    "support",
    "system",
    "undefined",
    "viewer",
];
const MAX_EMAIL_LENGTH: usize = 254;

/// A user name, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Reads a user name.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `username`.
    pub fn parse(text: &str) -> Result<Self> {
        let name = text.to_ascii_lowercase();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(3..=32).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(Error::bad_user_input(
                "username",
                "has 3 to 32 characters of a-z, 0-9 and _",
            ));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(Error::bad_user_input("username", "is reserved"));
        }
        Ok(Self(name))
    }

    /// The stored form.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// An e-mail address, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Reads an e-mail address as HTML's e-mail inputs take it (HTML Standard, "valid e-mail address"): a deliberate
    /// deviation from RFC 5322, which allows comments and quoted strings that no user types.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, field `email`.
    pub fn parse(text: &str) -> Result<Self> {
        let is_address = text.len() <= MAX_EMAIL_LENGTH
            && text
                .split_once('@')
                .is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain));
        if !is_address {
            return Err(Error::bad_user_input(
                "email",
                "must be an e-mail address of at most 254 characters",
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The stored form.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

fn is_local_part(local: &str) -> bool {
    !local.is_empty()
        && local
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte))
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// What somebody signs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifier {
    /// A user name.
    Username(Username),
    /// An e-mail address.
    Email(Email),
}

impl Identifier {
    /// Reads what was typed; `None` where it can be nobody's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.contains('@') {
            Email::parse(text).ok().map(Self::Email)
        } else {
            Username::parse(text).ok().map(Self::Username)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_case_insensitive_and_some_are_reserved() {
        assert_eq!(Username::parse("Ada_1").unwrap().into_string(), "ada_1");
        for bad in [
            "ab",
            "",
            "a b c",
            "ada-1",
            "ädä",
            "Admin",
            "VIEWER",
            &"a".repeat(33),
            "ada\0",
        ] {
            assert_eq!(
                Username::parse(bad).unwrap_err().field(),
                Some("username"),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn addresses_are_those_that_html_takes() {
        assert_eq!(
            Email::parse("Ada.L+x@Example.ORG").unwrap().into_string(),
            "ada.l+x@example.org"
        );
        assert!(Email::parse("ada@localhost").is_ok());
        let long = format!("{}@example.org", "a".repeat(250));
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a@b@c",
            "a b@c",
            "ada@-x.org",
            "ada@x..org",
            "ä@x.org",
            &long,
        ] {
            assert_eq!(
                Email::parse(bad).unwrap_err().field(),
                Some("email"),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn an_identifier_with_an_at_sign_is_an_address() {
        assert!(matches!(
            Identifier::parse(" ada@example.org "),
            Some(Identifier::Email(_))
        ));
        assert!(matches!(
            Identifier::parse("Ada"),
            Some(Identifier::Username(_))
        ));
        assert_eq!(Identifier::parse("no such thing"), None);
    }
}
