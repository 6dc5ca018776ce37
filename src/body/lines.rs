//! Cuts a body into lines, and holds what has to be held: what the event keeps so far, and the line whose end is to come.

use std::mem;

use memchr::{memchr, memchr2};

use super::events::TooLarge;

/// An idle buffer that is larger is given back.
pub const KEPT: usize = 4096;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What ends a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// LF alone: a CR is a byte like others.
    Lf,
    /// CR LF, LF or CR.
    Any,
}

/// Where a line's bytes are.
#[derive(Clone, Copy)]
pub enum Line<'i> {
    /// All in the input.
    Input(&'i [u8]),
    /// In the buffer, because it came in pieces.
    Held,
}

pub struct Lines {
    ends: Ends,
    /// The first line is to come; a byte order mark may lead it.
    first: bool,
    /// The input ended in a CR: an LF in front of the next belongs to it.
    after_cr: bool,
    /// What the event keeps, then the pieces of the line that is being read. One buffer, so that neither is there twice.
    bytes: Vec<u8>,
    kept: usize,
    /// The event's text, in the same memory: there are bytes or there is text.
    text: String,
    shown: bool,
}

impl Lines {
    pub fn new(ends: Ends) -> Lines {
        Lines { ends, first: true, after_cr: false, bytes: Vec::new(), kept: 0, text: String::new(), shown: false }
    }

    /// The next line that ends in `input`; without one all of `input` is taken and held. `room` is for all that is held.
    pub fn next<'i>(&mut self, input: &mut &'i [u8], room: usize) -> Result<Option<Line<'i>>, TooLarge> {
        if !input.is_empty() && mem::take(&mut self.after_cr) && input[0] == b'\n' {
            *input = &input[1..];
        }
        let found = match self.ends {
            Ends::Lf => memchr(b'\n', input),
            Ends::Any => memchr2(b'\n', b'\r', input),
        };
        let (piece, rest) = input.split_at(found.unwrap_or(input.len()));
        // Counted before it is held, and no matter whether it will be, so that the limit falls alike however the body is cut.
        if self.bytes.len() + piece.len() > room {
            return Err(TooLarge);
        }
        let Some((end, rest)) = rest.split_first() else {
            *input = rest;
            self.add(piece, room);
            return Ok(None);
        };
        *input = rest;
        if *end == b'\r' {
            // The line is complete at once: its LF may be long in coming.
            self.after_cr = rest.is_empty();
            *input = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        if self.bytes.len() == self.kept {
            return Ok(Some(self.without_bom(Line::Input(piece))));
        }
        self.add(piece, room);
        Ok(Some(self.without_bom(Line::Held)))
    }

    /// The line that has no end, once the body has ended.
    pub fn last(&mut self) -> Option<Line<'static>> {
        (self.bytes.len() > self.kept).then(|| self.without_bom(Line::Held))
    }

    fn without_bom<'i>(&mut self, line: Line<'i>) -> Line<'i> {
        if !mem::take(&mut self.first) {
            return line;
        }
        if let Line::Input(bytes) = line {
            return Line::Input(bytes.strip_prefix(BOM).unwrap_or(bytes));
        }
        if self.bytes.starts_with(BOM) {
            self.bytes.drain(..BOM.len());
        }
        line
    }

    pub fn bytes<'a>(&'a self, line: Line<'a>) -> &'a [u8] {
        match line {
            Line::Input(bytes) => bytes,
            Line::Held => &self.bytes[self.kept..],
        }
    }

    /// How much the event keeps.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Keeps the line from `start` on.
    pub fn keep(&mut self, line: Line<'_>, start: usize, room: usize) {
        match line {
            Line::Input(bytes) => self.add(&bytes[start..], room),
            Line::Held => drop(self.bytes.drain(self.kept..self.kept + start)),
        }
        self.kept = self.bytes.len();
    }

    /// Keeps a newline, for which `add` always leaves a place.
    pub fn keep_newline(&mut self) {
        self.bytes.push(b'\n');
        self.kept += 1;
    }

    /// Lets go of a line. `room` may have shrunk by what it said, and the buffer shrinks with it.
    pub fn pass(&mut self, room: usize) {
        self.bytes.truncate(self.kept);
        self.bytes.shrink_to(room.saturating_add(1).max(KEPT));
    }

    /// Makes text of the first `len` bytes that were kept.
    pub fn show(&mut self, len: usize, room: usize) -> Result<(), TooLarge> {
        self.bytes.truncate(len);
        self.kept = 0;
        match String::from_utf8(mem::take(&mut self.bytes)) {
            Ok(text) => self.text = text,
            Err(broken) => decode(broken.as_bytes(), &mut self.text, room)?,
        }
        self.shown = true;
        Ok(())
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Forgets the text, if there is one.
    pub fn forget(&mut self) -> bool {
        if !mem::take(&mut self.shown) {
            return false;
        }
        let mut bytes = mem::take(&mut self.text).into_bytes();
        bytes.clear();
        if bytes.capacity() <= KEPT {
            self.bytes = bytes;
        }
        true
    }

    pub fn held(&self) -> usize {
        self.bytes.capacity() + self.text.capacity()
    }

    fn add(&mut self, piece: &[u8], room: usize) {
        let needed = self.bytes.len() + piece.len() + 1;
        if needed > self.bytes.capacity() {
            // Doubled as a Vec does it, but not beyond the room.
            let aim = (2 * self.bytes.capacity()).max(256).min(room).max(needed);
            self.bytes.reserve_exact(aim - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
    }
}

/// Appends `bytes` as text, if that has no more than `room` bytes. Broken UTF-8 is replaced as the Encoding standard says.
///
/// Decoding line by line is the same as decoding the stream: line ends, colons and spaces are ASCII, which no sequence of
/// several bytes contains, and before which the stream's decoder too replaces a sequence that was cut short.
pub fn decode(bytes: &[u8], text: &mut String, room: usize) -> Result<(), TooLarge> {
    let chunks = || bytes.utf8_chunks().flat_map(|chunk| [chunk.valid(), replacement(chunk.invalid())]);
    let whole = std::str::from_utf8(bytes);
    let size = whole.map_or_else(|_| chunks().map(str::len).sum(), str::len);
    if size > room {
        return Err(TooLarge);
    }
    text.reserve_exact(size);
    match whole {
        Ok(whole) => text.push_str(whole),
        Err(_) => text.extend(chunks()),
    }
    Ok(())
}

fn replacement(invalid: &[u8]) -> &'static str {
    if invalid.is_empty() { "" } else { "\u{FFFD}" }
}
