//! Values in, values out: no database and no configuration. Every algorithm is a library's.

pub mod access_token;
pub mod counter_key;
pub mod opaque_token;
pub mod password;
mod pem_keys;
pub(crate) mod sealed;
mod signing_keys;
pub(crate) mod stored_hash;
mod verified_tokens;

use aws_lc_rs::digest;

pub use self::signing_keys::keep_signing_keys;

/// SHA-256 (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
