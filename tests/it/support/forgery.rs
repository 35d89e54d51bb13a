//! What requests of foreign pages look like, and what the documentation says of them.
//!
//! The judgement is written from the documented rule alone, and shares nothing with the server's.

/// The server's own origin.
pub(crate) const OWN: &str = "https://auth.example.com";
/// An origin on the allow list.
pub(crate) const FRIEND: &str = "https://app.example.org";

/// Flags of a server at [`OWN`] that trusts [`FRIEND`].
pub(crate) const FLAGS: [(&str, &str); 2] = [("public_url", OWN), ("allowed_origins", FRIEND)];

/// The `Origin` headers of a request, each with its own line.
pub(crate) const ORIGINS: &[&[&str]] = &[
    &[OWN],
    &[FRIEND],
    &[],
    &["null"],
    &[""],
    // Of the same site.
    &["https://evil.example.com"],
    &["https://evil.auth.example.com"],
    &["https://example.com"],
    // Nearly the own one, or the allowed one.
    &["https://auth.example.com:8443"],
    &["https://auth.example.com:443"],
    &["http://auth.example.com"],
    &["HTTPS://AUTH.EXAMPLE.COM"],
    &["https://auth.example.com/"],
    &["https://auth.example.com/page"],
    &["https://auth.example.com."],
    &["https://auth.example.com@evil.test"],
    &["https://app.example.org.evil.test"],
    // Of another site.
    &["https://auth.example.com.evil.test"],
    &["https://evil.test"],
    // More than one.
    &[OWN, OWN],
    &[OWN, "https://evil.test"],
    &["https://evil.test", OWN],
    &["https://auth.example.com https://evil.test"],
    &["https://auth.example.com, https://app.example.org"],
];

/// The `Sec-Fetch-Site` headers of a request.
pub(crate) const SITES: &[&[&str]] = &[
    &["same-origin"],
    &["same-site"],
    &["cross-site"],
    &["none"],
    &[],
    &["same-origin", "same-origin"],
    &["same-origin, cross-site"],
];

/// Whether a page of this origin is trusted.
pub(crate) fn is_trusted(origins: &[&str]) -> bool {
    origins == [OWN] || origins == [FRIEND]
}

/// Whether cookies count on a request with a JSON body: "an `Origin` that is the server's own or on the allow list, or,
/// where there is no `Origin`, `Sec-Fetch-Site: same-origin`".
pub(crate) fn cookies_count(origins: &[&str], sites: &[&str]) -> bool {
    is_trusted(origins) || (origins.is_empty() && sites == ["same-origin"])
}
