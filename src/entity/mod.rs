//! The rows, as `SeaORM` entities: what the database holds, and nothing else.
//!
//! To add a table: a migration in `migration/`, a file here with its `Model`, and a line below.

pub mod account;
pub(crate) mod by_ids;
pub mod session;
pub mod session_record;

// Not for programs that use this crate: their rows are read and written by the engine alone.
#[doc(hidden)]
pub mod counter;
#[doc(hidden)]
pub mod lease;
#[doc(hidden)]
pub mod secret_key;
#[doc(hidden)]
pub mod service_key;
#[doc(hidden)]
pub mod signing_key;

use sea_orm::{
    DbErr, QueryResult, TryGetable,
    sqlx::{ColumnIndex, Row, ValueRef},
};

/// The columns of a row from one place on, one after the other: looking each up by its name costs more than reading it.
struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl Columns<'_> {
    fn next<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let column = self.row.try_get_by_index(self.next);
        self.next += 1;
        column
    }

    /// One that may be null. `SeaORM` finds a null to be an error, writes its text, and then drops it.
    fn next_nullable<T: TryGetable>(&mut self) -> Result<Option<T>, DbErr> {
        if self.is_null() {
            self.next += 1;
            return Ok(None);
        }
        self.next()
    }

    fn is_null(&self) -> bool {
        #[cfg(feature = "sqlite")]
        if let Some(row) = self.row.try_as_sqlite_row() {
            return is_null(row, self.next);
        }
        #[cfg(feature = "postgres")]
        if let Some(row) = self.row.try_as_pg_row() {
            return is_null(row, self.next);
        }
        false
    }
}

fn is_null<R: Row>(row: &R, index: usize) -> bool
where
    usize: ColumnIndex<R>,
{
    row.try_get_raw(index).is_ok_and(|value| value.is_null())
}
