//! Values in, values out: no database and no configuration. Every algorithm is a library's.

pub mod access_token;
pub mod opaque_token;
pub mod password;
pub mod sealed;
