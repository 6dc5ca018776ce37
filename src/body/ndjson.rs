//! JSON texts, one a line. Whether they are JSON is not looked at.

use super::events::TooLarge;
use super::lines::{Ends, Line, Lines};

pub struct Ndjson {
    lines: Lines,
    most: usize,
}

impl Ndjson {
    pub fn new(most: usize) -> Ndjson {
        Ndjson { lines: Lines::new(Ends::Lf), most }
    }

    pub fn feed(&mut self, input: &mut &[u8]) -> Result<bool, TooLarge> {
        self.lines.forget();
        while let Some(line) = self.lines.next(input, self.most)? {
            if self.line(line)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn finish(&mut self) -> Result<bool, TooLarge> {
        self.lines.forget();
        self.lines.last().map_or(Ok(false), |line| self.line(line))
    }

    pub fn data(&self) -> &str {
        self.lines.text()
    }

    pub fn held(&self) -> usize {
        self.lines.held()
    }

    /// Whether the line is an event: a blank one is none.
    fn line(&mut self, line: Line<'_>) -> Result<bool, TooLarge> {
        let bytes = self.lines.bytes(line);
        if bytes.trim_ascii().is_empty() {
            self.lines.pass(self.most);
            return Ok(false);
        }
        let len = bytes.strip_suffix(b"\r").unwrap_or(bytes).len();
        self.lines.keep(line, 0, self.most);
        self.lines.show(len, self.most)?;
        Ok(true)
    }
}
