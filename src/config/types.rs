//! The value types that are this configuration's own.

use std::fmt;
use std::time::Duration;

use super::numbers::span_text;

/// So many events in so much time, written `10/15m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many events are allowed within [`per`](Self::per); at least one.
    pub count: u32,
    /// The length of the window; longer than nothing.
    pub per: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, span_text(self.per))
    }
}

/// A web origin, `scheme://host[:port]`, in the text that a browser sends in its `Origin` header:
/// lower case, international names in Punycode, without the scheme's own port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(pub(super) String);

impl Origin {
    /// The origin as text, to be compared byte by byte with an `Origin` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An enum of which each variant has one text in the configuration.
pub(super) trait Choice: Copy + 'static {
    /// Every variant with its text.
    const ALL: &'static [(&'static str, Self)];

    /// The variant's text.
    fn as_str(self) -> &'static str;
}

macro_rules! choice {
    (
        $(#[$meta:meta])*
        $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$variant_meta])* $variant, )* }

        impl $name {
            /// The text that stands for it in the configuration.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Choice for $name {
            const ALL: &'static [(&'static str, Self)] = &[ $( ($text, Self::$variant), )* ];

            fn as_str(self) -> &'static str {
                self.as_str()
            }
        }
    };
}

choice! {
    /// What signs access tokens.
    SigningAlgorithm {
        /// ECDSA on P-256 with SHA-256, which every gateway can verify.
        Es256 = "ES256",
        /// Ed25519.
        EdDsa = "EdDSA",
        /// RSA with PKCS #1 v1.5 padding and SHA-256.
        Rs256 = "RS256",
        /// HMAC with SHA-256 under `hs256_secret`: there is no keyring then, and the JWKS is empty.
        Hs256 = "HS256",
    }
}

choice! {
    /// How alike the user agent of a refresh must be to the one that opened the session.
    UserAgentBinding {
        /// Browser and operating system must match as families, whatever their versions.
        Family = "family",
        /// The texts must be equal.
        Exact = "exact",
        /// Any user agent will do.
        Off = "off",
    }
}

choice! {
    /// The one header in which trusted proxies report the client's address.
    ForwardedHeader {
        /// `X-Forwarded-For`.
        XForwardedFor = "x-forwarded-for",
        /// `Forwarded`, RFC 7239.
        Forwarded = "forwarded",
    }
}

choice! {
    /// How log lines are written.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}
