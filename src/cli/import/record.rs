//! From a line to an account.

use std::fmt;

use chrono::{DateTime, Utc};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, error::Category};
use sessiongraph::{
    account::ImportedAccount,
    error::{Error, ErrorKind},
};

const FIELDS: [&str; 10] = [
    "id",
    "username",
    "email",
    "emailVerified",
    "passwordHash",
    "permissions",
    "deactivated",
    "deactivatedAt",
    "createdAt",
    "updatedAt",
];

/// What is wrong with a line. No value of it is in here: it may be a hash, in the wrong place.
pub(super) struct BadLine {
    pub(super) field: Option<String>,
    pub(super) reason: String,
}

impl BadLine {
    pub(super) fn whole(reason: impl Into<String>) -> Self {
        Self {
            field: None,
            reason: reason.into(),
        }
    }

    fn field(name: &str, reason: impl Into<String>) -> Self {
        // Somebody else's text goes to a terminal.
        let name = name.chars().take(64).flat_map(char::escape_debug);
        Self {
            field: Some(name.collect()),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl From<Error> for BadLine {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::BadUserInput { field, message } => Self::field(field, &**message),
            _ => Self::whole(error.to_string()),
        }
    }
}

/// How lines are read.
pub(super) enum Records {
    JsonLines,
    Csv(Box<Csv>),
}

impl Records {
    pub(super) fn read(&mut self, line: &str) -> Result<ImportedAccount, BadLine> {
        match self {
            Self::JsonLines => account(json(line)?),
            Self::Csv(csv) => account(csv.record(line)?),
        }
    }
}

/// The members of an object in their order, none of them lost where two have one name.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

fn json(line: &str) -> Result<Vec<(String, Value)>, BadLine> {
    let members: Result<Members, _> = serde_json::from_str(line);
    members.map(|members| members.0).map_err(|error| {
        BadLine::whole(match error.classify() {
            Category::Data => "is not a JSON object".to_owned(),
            Category::Eof => "is JSON that is cut off".to_owned(),
            Category::Syntax | Category::Io => {
                format!("is not JSON, from column {}", error.column())
            }
        })
    })
}

/// Comma-separated values (RFC 4180). Each line is read by itself: no field of an account has a line break in it, and a
/// quotation mark that is missing costs no more than its own line.
pub(super) struct Csv {
    reader: Reader,
    names: Vec<String>,
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl Csv {
    /// Reads the first line, with the names.
    pub(super) fn new(header: &str) -> Result<Self, BadLine> {
        let mut csv = Self {
            reader: ReaderBuilder::new()
                .terminator(Terminator::Any(b'\n'))
                .build(),
            names: Vec::new(),
            output: Vec::new(),
            ends: Vec::new(),
        };
        let names = csv.cells(header)?;
        for (index, name) in names.iter().enumerate() {
            if !FIELDS.contains(&name.as_str()) {
                return Err(unknown(name));
            }
            if names[..index].contains(name) {
                return Err(BadLine::field(name, "is there twice"));
            }
        }
        csv.names = names;
        Ok(csv)
    }

    fn record(&mut self, line: &str) -> Result<Vec<(String, Value)>, BadLine> {
        let cells = self.cells(line)?;
        if cells.len() != self.names.len() {
            let (has, names) = (cells.len(), self.names.len());
            return Err(BadLine::whole(format!(
                "has {has} fields, and the first line names {names}"
            )));
        }
        let members = self.names.iter().cloned().zip(cells);
        Ok(members
            .map(|(name, cell)| {
                let value = value(&name, cell);
                (name, value)
            })
            .collect())
    }

    fn cells(&mut self, line: &str) -> Result<Vec<String>, BadLine> {
        self.reader.reset();
        self.output.resize(line.len() + 1, 0);
        self.ends.resize(line.len() + 2, 0);
        let input = [line.as_bytes(), b"\n"].concat();
        let (result, _, _, count) =
            self.reader
                .read_record(&input, &mut self.output, &mut self.ends);
        if !matches!(result, ReadRecordResult::Record) {
            return Err(BadLine::whole("has a quotation mark that is not closed"));
        }
        let mut start = 0;
        let cells = self.ends[..count].iter().map(|end| {
            let cell = String::from_utf8_lossy(&self.output[start..*end]);
            start = *end;
            cell.into_owned()
        });
        Ok(cells.collect())
    }
}

/// What a cell stands for. An empty one is absent; `t`, `f`, `1` and `0` are what databases write.
fn value(name: &str, cell: String) -> Value {
    match (name, cell.as_str()) {
        (_, "") => Value::Null,
        ("emailVerified" | "deactivated", "true" | "t" | "1") => true.into(),
        ("emailVerified" | "deactivated", "false" | "f" | "0") => false.into(),
        ("permissions", cell) => cell.split(' ').collect(),
        _ => cell.into(),
    }
}

fn account(members: Vec<(String, Value)>) -> Result<ImportedAccount, BadLine> {
    let mut account = ImportedAccount::default();
    let mut seen: Vec<String> = Vec::with_capacity(members.len());
    for (name, value) in members {
        if !FIELDS.contains(&name.as_str()) {
            return Err(unknown(&name));
        }
        if seen.contains(&name) {
            return Err(BadLine::field(&name, "is there twice"));
        }
        if !value.is_null() {
            let set = set(&mut account, &name, value);
            set.map_err(|reason| BadLine::field(&name, reason))?;
        }
        seen.push(name);
    }
    Ok(account)
}

fn unknown(name: &str) -> BadLine {
    let known = FIELDS.join(", ");
    BadLine::field(
        name,
        format!("is no field of an account; there are {known}"),
    )
}

fn set(account: &mut ImportedAccount, name: &str, value: Value) -> Result<(), &'static str> {
    match name {
        "id" => account.id = Some(text(value)?.parse().map_err(|_| "must be a UUID")?),
        "username" => account.username = Some(text(value)?),
        "email" => account.email = Some(text(value)?),
        "emailVerified" => account.email_verified = flag(&value)?,
        "passwordHash" => account.password_hash = Some(text(value)?.into()),
        "permissions" => account.permissions = texts(value)?,
        "deactivated" => account.deactivated = Some(flag(&value)?),
        "deactivatedAt" => account.deactivated_at = Some(instant(value)?),
        "createdAt" => account.created_at = Some(instant(value)?),
        _ => account.updated_at = Some(instant(value)?),
    }
    Ok(())
}

fn text(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err("must be a text"),
    }
}

fn texts(value: Value) -> Result<Vec<String>, &'static str> {
    match value {
        Value::Array(values) => values.into_iter().map(text).collect(),
        _ => Err("must be a list of texts"),
    }
}

fn flag(value: &Value) -> Result<bool, &'static str> {
    value.as_bool().ok_or("must be true or false")
}

fn instant(value: Value) -> Result<DateTime<Utc>, &'static str> {
    let at = DateTime::parse_from_rfc3339(&text(value)?);
    at.map(|at| at.to_utc())
        .map_err(|_| "must be an instant as in RFC 3339, such as 2026-11-24T09:30:00Z")
}
