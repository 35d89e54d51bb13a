//! Lines of a file of any size, one at a time.

use std::io::{self, BufRead};

/// In bytes. An account needs a tenth of it.
const MAX_LENGTH: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line without its end, or why it is none that can be read.
pub(super) type Line<'a> = Result<&'a str, &'static str>;

pub(super) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    /// Of the line that was read last; the first one is 1.
    pub(super) number: u64,
    /// How much has been read.
    pub(super) bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    /// The next line that is not blank; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            let Some(length) = self.read()? else {
                return Ok(None);
            };
            if length > MAX_LENGTH {
                return Ok(Some(Err("is longer than 64 KiB")));
            }
            if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        Ok(Some(str::from_utf8(line).map_err(|_| "is not UTF-8")))
    }

    /// Reads a line up to its end, and keeps what of it may be needed. Returns how long it is.
    fn read(&mut self) -> io::Result<Option<usize>> {
        self.line.clear();
        let mut length = 0;
        loop {
            let read = self.reader.fill_buf()?;
            if read.is_empty() {
                // The last line needs no end.
                self.number += u64::from(length > 0);
                return Ok((length > 0).then_some(length));
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            length += part.len();
            if length <= MAX_LENGTH {
                self.line.extend_from_slice(part);
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.reader.consume(consumed);
            self.bytes += consumed as u64;
            if end.is_some() {
                self.number += 1;
                return Ok(Some(length));
            }
        }
    }
}
