//! The files that accounts come in and leave in.

use std::path::Path;

use clap::ValueEnum;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A JSON object on each line
    Jsonl,
    /// Comma-separated values; the first line has the names of the fields
    Csv,
}

impl Format {
    /// What was asked for, or what the name of the file says; JSON lines where it says nothing.
    pub(super) fn of(asked: Option<Self>, file: Option<&Path>) -> Self {
        let is_csv = |file: &Path| {
            file.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
        };
        asked.unwrap_or(if file.is_some_and(is_csv) {
            Self::Csv
        } else {
            Self::Jsonl
        })
    }
}
