//! Pages of lists that are ordered newest first, by time-ordered id (Relay's Cursor Connections Specification).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::error::{Error, Result};

/// A page's length where neither `first` nor `last` says otherwise.
pub const DEFAULT_LENGTH: u32 = 20;
/// The longest page.
pub const MAX_LENGTH: u32 = 100;

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// How many.
    pub length: u32,
    /// Whether they are the last ones of what lies between the cursors, not the first.
    pub from_end: bool,
    /// Only what comes after this id, that is older ones.
    pub after: Option<Uuid>,
    /// Only what comes before this id, that is newer ones.
    pub before: Option<Uuid>,
}

impl Page {
    /// Reads the arguments of a connection field.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` naming the argument.
    pub fn from_arguments(
        first: Option<i32>,
        after: Option<&str>,
        last: Option<i32>,
        before: Option<&str>,
    ) -> Result<Self> {
        if first.is_some() && last.is_some() {
            return Err(Error::bad_user_input(
                "last",
                "is not for a request with `first`",
            ));
        }
        let length = match (first, last) {
            (Some(first), _) => length("first", first)?,
            (None, Some(last)) => length("last", last)?,
            (None, None) => DEFAULT_LENGTH,
        };
        let cursor = |field, text: Option<&str>| text.map(|text| decode(field, text)).transpose();
        Ok(Self {
            length,
            from_end: last.is_some(),
            after: cursor("after", after)?,
            before: cursor("before", before)?,
        })
    }

    /// Makes a slice of rows that were read in the direction of this page, one more than it is long.
    #[must_use]
    pub fn slice<T>(&self, mut rows: Vec<T>) -> Slice<T> {
        let length = self.length as usize;
        let more = rows.len() > length;
        rows.truncate(length);
        if self.from_end {
            rows.reverse();
        }
        Slice {
            rows,
            has_previous: if self.from_end {
                more
            } else {
                self.after.is_some()
            },
            has_next: if self.from_end {
                self.before.is_some()
            } else {
                more
            },
        }
    }
}

/// One page, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether there are newer ones.
    pub has_previous: bool,
    /// Whether there are older ones.
    pub has_next: bool,
}

/// The cursor of a row.
#[must_use]
pub fn cursor(id: Uuid) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(id.as_bytes())
}

fn decode(field: &'static str, cursor: &str) -> Result<Uuid> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes
        .and_then(|bytes| Uuid::from_slice(&bytes).ok())
        .ok_or_else(|| Error::bad_user_input(field, "is not a cursor of this list"))
}

fn length(field: &'static str, length: i32) -> Result<u32> {
    u32::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_LENGTH)
        .ok_or_else(|| Error::bad_user_input(field, format!("must be from 0 to {MAX_LENGTH}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_checked() {
        let field = |first, after, last, before| {
            Page::from_arguments(first, after, last, before)
                .unwrap_err()
                .field()
                .map(str::to_owned)
        };
        assert_eq!(field(Some(101), None, None, None).as_deref(), Some("first"));
        assert_eq!(field(Some(-1), None, None, None).as_deref(), Some("first"));
        assert_eq!(field(None, None, Some(101), None).as_deref(), Some("last"));
        assert_eq!(field(Some(1), None, Some(1), None).as_deref(), Some("last"));
        assert_eq!(field(None, Some("!"), None, None).as_deref(), Some("after"));
        assert_eq!(
            field(None, None, None, Some("AAAA")).as_deref(),
            Some("before")
        );
        let id = Uuid::from_u128(7);
        assert_eq!(
            Page::from_arguments(None, Some(&cursor(id)), None, None)
                .unwrap()
                .after,
            Some(id)
        );
    }

    #[test]
    fn a_slice_tells_what_lies_beyond() {
        let page = |from_end| Page {
            length: 2,
            from_end,
            after: None,
            before: None,
        };
        let forward = page(false).slice(vec![9, 8, 7]);
        assert_eq!(
            (forward.rows, forward.has_previous, forward.has_next),
            (vec![9, 8], false, true)
        );
        let backward = page(true).slice(vec![1, 2, 3]);
        assert_eq!(
            (backward.rows, backward.has_previous, backward.has_next),
            (vec![2, 1], true, false)
        );
    }
}
