//! Server-sent events: the HTML standard, section 9.2.6, "Interpreting an event stream".

use memchr::memchr;

use super::events::{Event, TooLarge};
use super::lines::{Ends, KEPT, Line, Lines, decode};

pub struct Sse {
    /// They keep the data buffer: each data line with a newline after it.
    lines: Lines,
    most: usize,
    /// The event type buffer.
    name: String,
    /// The last event ID buffer: it outlives the event. Only a complete block shows it, which is when the standard commits it.
    id: String,
    retry: Option<u64>,
}

enum Field {
    Blank,
    Data,
    Name,
    Id,
    Retry,
    /// A comment or a field without meaning.
    Other,
}

impl Sse {
    pub fn new(most: usize) -> Sse {
        Sse { lines: Lines::new(Ends::Any), most, name: String::new(), id: String::new(), retry: None }
    }

    pub fn feed(&mut self, input: &mut &[u8]) -> Result<bool, TooLarge> {
        self.forget();
        while let Some(line) = self.lines.next(input, self.room())? {
            if self.line(line)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn finish(&mut self) -> Result<bool, TooLarge> {
        self.forget();
        if let Some(line) = self.lines.last() {
            self.line(line)?;
        }
        self.dispatch()
    }

    pub fn event(&self) -> Event<'_> {
        Event { name: &self.name, data: self.lines.text(), id: &self.id, retry: self.retry, incomplete: false }
    }

    pub fn held(&self) -> usize {
        self.lines.held() + self.name.capacity() + self.id.capacity()
    }

    /// What name and ID leave for the lines.
    fn room(&self) -> usize {
        self.most - self.name.len() - self.id.len()
    }

    /// Whether the line completed an event.
    fn line(&mut self, line: Line<'_>) -> Result<bool, TooLarge> {
        let bytes = self.lines.bytes(line);
        let (field, from) = field(bytes);
        let value = &bytes[from..];
        let kept = self.lines.kept();
        match field {
            Field::Blank => return self.dispatch(),
            Field::Data => {
                // No more than the line had, so there is room for it.
                self.lines.keep(line, from, self.room());
                self.lines.keep_newline();
            }
            Field::Name => set(&mut self.name, value, self.most - self.id.len() - kept)?,
            Field::Id if !value.contains(&0) => set(&mut self.id, value, self.most - self.name.len() - kept)?,
            Field::Retry => self.retry = number(value).or(self.retry),
            Field::Id | Field::Other => {}
        }
        self.lines.pass(self.room());
        Ok(false)
    }

    fn dispatch(&mut self) -> Result<bool, TooLarge> {
        let Some(len) = self.lines.kept().checked_sub(1) else {
            // The data buffer is empty: no event, and its name is not the next one's.
            self.end_block();
            return Ok(false);
        };
        self.lines.show(len, self.room())?;
        Ok(true)
    }

    fn forget(&mut self) {
        if self.lines.forget() {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        clear(&mut self.name);
        self.retry = None;
    }
}

/// The field that a line holds, and where its value begins.
fn field(line: &[u8]) -> (Field, usize) {
    let colon = match line {
        [] => return (Field::Blank, 0),
        // Nearly every line.
        [b'd', b'a', b't', b'a', b':', ..] => Some(4),
        _ => memchr(b':', line),
    };
    let name = &line[..colon.unwrap_or(line.len())];
    let value = colon.map_or(line.len(), |colon| colon + 1 + usize::from(line.get(colon + 1) == Some(&b' ')));
    let field = match name {
        b"data" => Field::Data,
        b"event" => Field::Name,
        b"id" => Field::Id,
        b"retry" => Field::Retry,
        _ => Field::Other,
    };
    (field, value)
}

/// ASCII digits and nothing else. What u64 cannot hold is its greatest number.
fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    digits.then(|| value.iter().fold(0, add))
}

fn set(text: &mut String, value: &[u8], room: usize) -> Result<(), TooLarge> {
    clear(text);
    decode(value, text, room)
}

fn clear(text: &mut String) {
    text.clear();
    text.shrink_to(KEPT);
}
