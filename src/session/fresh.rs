//! Fresh sign-ins: for what one should not be able to do on a machine that was left signed in.

use std::time::Duration;

use super::{CurrentSession, Sessions};
use crate::error::{ErrorKind, Result};

impl Sessions {
    /// That a session was opened at most this long ago. Refreshing makes it no younger: only signing in again does, which
    /// opens another one.
    ///
    /// # Errors
    ///
    /// `FORBIDDEN` with reason `SIGN_IN_TOO_OLD` and action `SIGN_IN`.
    pub fn require_fresh(&self, current: &CurrentSession, max_age: Duration) -> Result<()> {
        let age = self.clock().now() - current.session.created_at;
        // A clock that is behind the one that opened it makes it no older.
        if age.to_std().unwrap_or_default() <= max_age {
            return Ok(());
        }
        let max_age = max_age.as_secs();
        Err(ErrorKind::SignInTooOld { max_age }.into())
    }
}
