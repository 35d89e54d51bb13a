//! `export`.

use std::io::{self, BufWriter, Write};

use clap::Args;
use serde::Serialize;
use sessiongraph::{entity::account::Model, page::Page, services::Services};

use super::{CommandResult, format::Format, instant};

const PAGE_LENGTH: u32 = 1_000;

#[derive(Args)]
pub(super) struct Export {
    /// How to write them
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// With the hashes of the passwords; without them, nobody can sign in with a password where this is imported
    #[arg(long)]
    with_password_hashes: bool,
}

/// An account as `import` takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<&'a str>,
    permissions: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated_at: Option<String>,
    created_at: String,
    updated_at: String,
}

impl<'a> Record<'a> {
    fn new(row: &'a Model, with_password_hashes: bool) -> Self {
        let password_hash = row.password_hash.as_deref();
        Self {
            id: row.id.to_string(),
            username: row.username.as_deref(),
            email: row.email.as_deref(),
            email_verified: row.email_verified,
            password_hash: password_hash.filter(|_| with_password_hashes),
            permissions: row.permission_list().collect(),
            deactivated_at: row.deactivated_at.map(instant),
            created_at: instant(row.created_at),
            updated_at: instant(row.updated_at),
        }
    }

    /// In the order of [`HEADER`].
    fn cells(self) -> [String; 9] {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        [
            self.id,
            text(self.username),
            text(self.email),
            self.email_verified.to_string(),
            text(self.password_hash),
            self.permissions.join(" "),
            self.deactivated_at.unwrap_or_default(),
            self.created_at,
            self.updated_at,
        ]
    }
}

const HEADER: [&str; 9] = [
    "id",
    "username",
    "email",
    "emailVerified",
    "passwordHash",
    "permissions",
    "deactivatedAt",
    "createdAt",
    "updatedAt",
];

enum Writer<W: Write> {
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Writer<W> {
    fn new(format: Format, out: W) -> csv::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Jsonl(out),
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record(HEADER)?;
                Self::Csv(Box::new(csv))
            }
        })
    }

    fn write(&mut self, record: Record<'_>) -> io::Result<()> {
        match self {
            Self::Jsonl(out) => {
                serde_json::to_writer(&mut *out, &record)?;
                out.write_all(b"\n")
            }
            Self::Csv(csv) => Ok(csv.write_record(record.cells())?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Jsonl(out) => out.flush(),
            Self::Csv(csv) => csv.flush(),
        }
    }
}

/// Oldest first, a page at a time.
pub(super) async fn export(services: &Services, export: Export) -> CommandResult {
    let mut out = Writer::new(export.format, BufWriter::new(io::stdout()))?;
    let mut page = Page {
        length: PAGE_LENGTH,
        from_end: true,
        after: None,
        before: None,
    };
    let mut count = 0;
    loop {
        let slice = services.accounts.page(page).await?;
        for row in slice.rows.iter().rev() {
            out.write(Record::new(row, export.with_password_hashes))?;
            count += 1;
        }
        page.before = slice.rows.first().map(|row| row.id);
        if !slice.has_previous {
            break;
        }
    }
    out.flush()?;
    writeln!(io::stderr(), "{count} accounts")?;
    Ok(())
}
