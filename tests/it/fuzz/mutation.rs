//! How seeds are changed.

use std::fmt;

use proptest::{collection::vec, prelude::*, sample::Index};

/// Bytes that a failure prints so that they can be read.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

impl Bytes {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// What breaks parsers: quotes and brackets, ends of text, numbers out of range, bytes that are no UTF-8, and the words
/// of the languages that are spoken here.
const PIECES: [&[u8]; 56] = [
    b"\"",
    b"\\",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b",",
    b";",
    b":",
    b"=",
    b"&",
    b"%",
    b"%00",
    b"%zz",
    b".",
    b"..",
    b"...",
    b"-",
    b"/",
    b"#",
    b"$",
    b"@",
    b"!",
    b"\0",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\x83",
    b"\\u0000",
    b"\\ud800",
    b"0",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"null",
    b"true",
    b"\"\"\"",
    b"__typename",
    b"_entities",
    b"@skip(if: true)",
    b"fragment F on Query { ...F }",
    b"sgr_",
    b"sgk_",
    b"Bearer ",
    b"{access}",
    b"{refresh}",
    b"{key}",
    b"off",
];

/// One change to a text of bytes.
#[derive(Debug, Clone)]
enum Edit {
    Insert(Index, &'static [u8]),
    Replace(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    CutAt(Index),
    GoOnAs(Index, Index),
}

fn edits() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), proptest::sample::select(&PIECES[..])).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        3 => (at(), 1..24_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        1 => (at(), 1..24_usize, 1..300_usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        1 => at().prop_map(Edit::CutAt),
        2 => (at(), at()).prop_map(|(at, seed)| Edit::GoOnAs(at, seed)),
    ]
}

impl Edit {
    fn apply(self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = |at: Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match self {
            Self::Insert(at, piece) => {
                let at = place(at, bytes);
                bytes.splice(at..at, piece.iter().copied());
            }
            Self::Replace(at, byte) => {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            Self::Remove(at, length) => {
                let at = place(at, bytes);
                let end = (at + length).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Repeat(at, length, times) => {
                let at = place(at, bytes);
                let end = (at + length).min(bytes.len());
                let repeated = bytes[at..end].repeat(times);
                bytes.splice(at..at, repeated);
            }
            Self::CutAt(at) => {
                let at = place(at, bytes);
                bytes.truncate(at);
            }
            Self::GoOnAs(at, seed) => {
                let at = place(at, bytes);
                let other = seed.get(seeds);
                bytes.truncate(at);
                bytes.extend(&other[at.min(other.len())..]);
            }
        }
    }
}

/// A seed with some changes, or none.
pub(super) fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Bytes> + Clone {
    mutated_by(seeds, 0..4)
}

/// A seed with so many changes.
pub(super) fn mutated_by(
    seeds: Vec<Vec<u8>>,
    changes: std::ops::Range<usize>,
) -> impl Strategy<Value = Bytes> + Clone {
    let edits = vec(edits().boxed(), changes);
    let seeds = std::sync::Arc::new(seeds);
    (any::<Index>(), edits).prop_map(move |(seed, edits)| {
        let mut bytes = seed.get(&seeds).clone();
        for edit in edits {
            edit.apply(&mut bytes, &seeds);
        }
        Bytes(bytes)
    })
}
