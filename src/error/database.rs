//! What a failure of the database is to a client.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

use super::{Error, ErrorKind};

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let failure = if is_unavailable(&error) {
            Self::unavailable()
        } else {
            Self::new(ErrorKind::Internal)
        };
        failure.caused_by(error)
    }
}

/// Whether the database could not be asked at all, as opposed to having refused what it was asked.
fn is_unavailable(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            match error.as_ref() {
                SqlxError::Io(_)
                | SqlxError::Tls(_)
                | SqlxError::PoolTimedOut
                | SqlxError::PoolClosed
                | SqlxError::WorkerCrashed => true,
                SqlxError::Database(error) => {
                    error.code().is_some_and(|code| is_unavailable_code(&code))
                }
                _ => false,
            }
        }
        _ => false,
    }
}

/// PostgreSQL: classes 08 (connection), 53 (resources), 57 (operator intervention, time-outs) and 40 (conflicts that a
/// repetition resolves). SQLite's extended result codes end in the primary one: BUSY 5, LOCKED 6, IOERR 10, FULL 13.
fn is_unavailable_code(code: &str) -> bool {
    if code.len() == 5 {
        let mut classes = ["08", "40", "53", "57"].iter();
        return classes.any(|class| code.starts_with(class));
    }
    code.parse::<u32>()
        .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_codes_tell_unavailable_from_refused() {
        for code in ["08006", "57P01", "53300", "40001", "5", "517", "13", "6"] {
            assert!(is_unavailable_code(code), "{code}");
        }
        for code in ["23505", "42601", "1", "19", "2067"] {
            assert!(!is_unavailable_code(code), "{code}");
        }
    }
}
