//! Password hashes as accounts have them: our own, and those that were brought along from another system.
//!
//! | form | made by |
//! | --- | --- |
//! | `$argon2id$…`, `$argon2i$…`, `$argon2d$…` | this server, and whoever else writes PHC strings |
//! | `$2a$…`, `$2b$…`, `$2y$…` | bcrypt, in modular form |
//! | `$scrypt$ln=…,r=…,p=…$…` | scrypt, as a PHC string |
//! | `$7$…` | scrypt, in modular form, as crypt(5) and libsodium have it |
//! | base64 of 96 bytes that begin with `scrypt` | npm's scrypt-kdf: the header of a file that Tarsnap's scrypt encrypts |
//!
//! Libraries do the work and compare in constant time. What a hash costs to verify is bounded where it is imported, by
//! [`StoredHash::ensure_affordable`]; our own costs what the configuration says.

use std::fmt;

use argon2::{
    Algorithm, Argon2, Params, PasswordVerifier as _, Version,
    password_hash::{self, phc::PasswordHash},
};
use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use bcrypt::HashParts;
use scrypt::Scrypt;
use thiserror::Error;
use zeroize::Zeroizing;

use super::sha256;
use crate::error::{Error, Result};

/// The most memory that an imported hash may take.
const MAX_MEMORY_KIB: u64 = 256 * 1024;
/// The most memory times passes that an imported Argon2 hash may take: about a second.
const MAX_ARGON2_KIB_PASSES: u64 = 1024 * 1024;
/// The most memory times `p` that an imported scrypt hash may take: about a second.
const MAX_SCRYPT_KIB_LANES: u64 = 256 * 1024;
/// The highest cost of an imported bcrypt hash: about a second.
const MAX_BCRYPT_COST: u32 = 14;
/// Four S-boxes and the subkeys.
const BCRYPT_MEMORY_KIB: u64 = 5;
/// In bytes; Argon2 takes none that is shorter.
const MIN_SALT_LENGTH: usize = 8;

/// Why a text is no hash that can be used. The text itself is in no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum HashError {
    #[error(
        "must be an argon2 or scrypt PHC string, bcrypt as $2a$, $2b$ or $2y$, scrypt as $7$, or the base64 of scrypt-kdf"
    )]
    UnknownForm,
    #[error("is damaged, or has parameters that {0} does not know")]
    Damaged(&'static str),
    #[error("takes more than 256 MiB of memory to verify")]
    TooMuchMemory,
    #[error("takes too long to verify: memory times passes is more than 1 GiB")]
    TooManyPasses,
    #[error("takes too long to verify: memory times p is more than 256 MiB")]
    TooManyLanes,
    #[error("takes too long to verify: its cost is more than 14")]
    TooManyRounds,
}

/// A hash that has been read.
#[derive(Clone)]
pub(crate) enum StoredHash {
    Argon2 {
        hash: Box<PasswordHash>,
        params: Params,
    },
    Bcrypt {
        text: String,
        cost: u32,
    },
    Scrypt {
        hash: Box<PasswordHash>,
        cost: ScryptCost,
    },
    ScryptModular {
        hash: scrypt::mcf::PasswordHash,
        cost: ScryptCost,
    },
    ScryptKdf {
        bytes: Box<[u8; 96]>,
        cost: ScryptCost,
    },
}

/// A hash stays out of every log.
impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHash")
    }
}

impl StoredHash {
    /// Reads a hash.
    pub(crate) fn parse(text: &str) -> std::result::Result<Self, HashError> {
        let Some(modular) = text.strip_prefix('$') else {
            return scrypt_kdf(text);
        };
        match modular.split('$').next() {
            Some("argon2id" | "argon2i" | "argon2d") => {
                argon2(text).ok_or(HashError::Damaged("argon2"))
            }
            Some("scrypt") => scrypt_phc(text).ok_or(HashError::Damaged("scrypt")),
            Some("7") => scrypt_modular(text).ok_or(HashError::Damaged("scrypt")),
            Some("2a" | "2b" | "2y") => bcrypt(text).ok_or(HashError::Damaged("bcrypt")),
            _ => Err(HashError::UnknownForm),
        }
    }

    /// Whether it costs what a server can spend on anybody who tries to sign in. What costs no more than its own hashes
    /// always does.
    pub(crate) fn ensure_affordable(&self, own: &Params) -> std::result::Result<(), HashError> {
        if self.memory_kib() > MAX_MEMORY_KIB.max(own.m_cost().into()) {
            return Err(HashError::TooMuchMemory);
        }
        let (effort, limit, error) = match self {
            Self::Argon2 { params, .. } => (
                kib_passes(params),
                MAX_ARGON2_KIB_PASSES.max(kib_passes(own)),
                HashError::TooManyPasses,
            ),
            Self::Bcrypt { cost, .. } => (
                u64::from(*cost),
                u64::from(MAX_BCRYPT_COST),
                HashError::TooManyRounds,
            ),
            Self::Scrypt { cost, .. }
            | Self::ScryptModular { cost, .. }
            | Self::ScryptKdf { cost, .. } => (
                cost.memory_kib() * u64::from(cost.p),
                MAX_SCRYPT_KIB_LANES,
                HashError::TooManyLanes,
            ),
        };
        if effort > limit {
            return Err(error);
        }
        Ok(())
    }

    /// How much memory a verification takes, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        match self {
            Self::Argon2 { params, .. } => params.m_cost().into(),
            Self::Bcrypt { .. } => BCRYPT_MEMORY_KIB,
            Self::Scrypt { cost, .. }
            | Self::ScryptModular { cost, .. }
            | Self::ScryptKdf { cost, .. } => cost.memory_kib(),
        }
    }

    /// Whether it is what would be made today.
    pub(crate) fn is_argon2id_with(&self, own: &Params) -> bool {
        let Self::Argon2 { hash, params } = self else {
            return false;
        };
        params == own
            && hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
    }

    /// Whether a password is the one that it was made of.
    pub(crate) fn verify(&self, password: &[u8]) -> Result<bool> {
        match self {
            Self::Argon2 { hash, .. } => {
                verified(Argon2::default().verify_password(password, hash.as_ref()))
            }
            Self::Scrypt { hash, .. } => {
                verified(Scrypt::new().verify_password(password, hash.as_ref()))
            }
            Self::ScryptModular { hash, .. } => {
                verified(Scrypt::new().verify_password(password, hash))
            }
            // Like every bcrypt that may have made it, this one takes the first 72 bytes.
            Self::Bcrypt { text, .. } => bcrypt::verify(password, text).map_err(Error::internal),
            Self::ScryptKdf { bytes, cost } => {
                let params = cost.params().ok_or_else(|| Error::internal("scrypt"))?;
                let mut keys = Zeroizing::new([0; 64]);
                scrypt::scrypt(password, &bytes[16..48], &params, keys.as_mut())
                    .map_err(Error::internal)?;
                let key = hmac::Key::new(hmac::HMAC_SHA256, &keys[32..]);
                Ok(hmac::verify(&key, &bytes[..64], &bytes[64..]).is_ok())
            }
        }
    }
}

fn verified(verified: password_hash::Result<()>) -> Result<bool> {
    match verified {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(Error::internal(error)),
    }
}

fn kib_passes(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// A PHC string with all of its parts, and these parameters only, each once: `keyid` and `data` of Argon2 stand for what
/// only the system that made the hash has.
fn phc(text: &str, names: [&str; 3]) -> Option<PasswordHash> {
    let hash = PasswordHash::new(text).ok()?;
    let salt = hash.salt.as_ref()?;
    let complete = hash.hash.is_some()
        && salt.len() >= MIN_SALT_LENGTH
        && hash.params.iter().count() == names.len()
        && names.iter().all(|name| hash.params.get(*name).is_some());
    complete.then_some(hash)
}

fn argon2(text: &str) -> Option<StoredHash> {
    let mut hash = phc(text, ["m", "t", "p"])?;
    // Argon2's first version wrote none (its reference implementation's `decode_string`).
    let version = *hash.version.get_or_insert(Version::V0x10.into());
    Version::try_from(version).ok()?;
    let params = Params::try_from(&hash).ok()?;
    Some(StoredHash::Argon2 {
        hash: Box::new(hash),
        params,
    })
}

fn scrypt_phc(text: &str) -> Option<StoredHash> {
    let hash = phc(text, ["ln", "r", "p"])?;
    let number = |name| hash.params.get_decimal(name);
    let cost = ScryptCost::new(number("ln")?, number("r")?, number("p")?)?;
    let hash = Box::new(hash);
    hash.version
        .is_none()
        .then_some(StoredHash::Scrypt { hash, cost })
}

/// The logarithm of N, `r`, `p` and the salt as one field, and 32 bytes, the last character of which has four bits.
fn scrypt_modular(text: &str) -> Option<StoredHash> {
    let hash = scrypt::mcf::PasswordHash::new(text).ok()?;
    let fields: Vec<_> = text.split('$').collect();
    let ["", "7", settings, output] = fields[..] else {
        return None;
    };
    let [log_n, r @ .., p0, p1, p2, p3, p4] = settings.as_bytes().first_chunk::<11>()?;
    let number = |digits: &[u8]| {
        let mut digits = digits.iter().rev().copied().map(crypt_digit);
        digits.try_fold(0, |number, digit| Some(number << 6 | digit?))
    };
    let cost = ScryptCost::new(
        crypt_digit(*log_n)?,
        number(r)?,
        number(&[*p0, *p1, *p2, *p3, *p4])?,
    )?;
    let complete = settings.len() - 11 >= MIN_SALT_LENGTH
        && output.len() == 43
        && output.bytes().all(|byte| crypt_digit(byte).is_some())
        && output.bytes().last().and_then(crypt_digit)? < 16;
    complete.then_some(StoredHash::ScryptModular { hash, cost })
}

/// What a character of crypt(5) stands for.
fn crypt_digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'.' | b'/' => byte - b'.',
        b'0'..=b'9' => byte - b'0' + 2,
        b'A'..=b'Z' => byte - b'A' + 12,
        b'a'..=b'z' => byte - b'a' + 38,
        _ => return None,
    }))
}

fn bcrypt(text: &str) -> Option<StoredHash> {
    let cost = text.parse::<HashParts>().ok()?.get_cost();
    (4..=31).contains(&cost).then(|| StoredHash::Bcrypt {
        text: text.to_owned(),
        cost,
    })
}

/// Seven bytes of magic and version, nine of cost, 32 of salt, 16 of a digest of all that, and an HMAC of what is before it.
fn scrypt_kdf(text: &str) -> std::result::Result<StoredHash, HashError> {
    let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
    if !bytes.starts_with(b"scrypt\0") {
        return Err(HashError::UnknownForm);
    }
    let read = || {
        let bytes: Box<[u8; 96]> = bytes.try_into().ok()?;
        let number = |at: usize| Some(u32::from_be_bytes(*bytes[at..].first_chunk()?));
        let cost = ScryptCost::new(bytes[7].into(), number(8)?, number(12)?)?;
        let intact = sha256(&bytes[..48])[..16] == bytes[48..64];
        intact.then_some(StoredHash::ScryptKdf { bytes, cost })
    };
    read().ok_or(HashError::Damaged("scrypt-kdf"))
}

/// Scrypt's parameters (RFC 7914 section 2), none of them beyond what fits into a `u64` when multiplied.
#[derive(Clone, Copy)]
pub(crate) struct ScryptCost {
    log_n: u8,
    r: u32,
    p: u32,
}

impl ScryptCost {
    fn new(log_n: u32, r: u32, p: u32) -> Option<Self> {
        const MOST: std::ops::RangeInclusive<u32> = 1..=4096;
        let log_n = u8::try_from(log_n)
            .ok()
            .filter(|log_n| (1..=30).contains(log_n))?;
        (MOST.contains(&r) && MOST.contains(&p)).then_some(Self { log_n, r, p })
    }

    /// 128 times `r` times N bytes.
    fn memory_kib(self) -> u64 {
        (u64::from(self.r) << self.log_n).div_ceil(8)
    }

    fn params(self) -> Option<scrypt::Params> {
        scrypt::Params::new(self.log_n, self.r, self.p).ok()
    }
}

#[cfg(test)]
mod tests;
