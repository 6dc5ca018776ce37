//! The events of a body, whichever its framing: fed with pieces cut anywhere, they come out one at a time.

use std::fmt;

use http::HeaderValue;

use super::ndjson::Ndjson;
use super::sse::Sse;

/// Which framing a body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Server-sent events: the HTML standard, section 9.2.6.
    Sse,
    /// A JSON text a line.
    Ndjson,
}

const NDJSON: [&[u8]; 5] = [
    b"application/x-ndjson",
    b"application/ndjson",
    b"application/jsonl",
    b"application/x-jsonlines",
    b"application/jsonlines",
];

impl Format {
    /// By content type, parameters ignored.
    pub fn of(content_type: Option<&HeaderValue>) -> Option<Format> {
        let kind = content_type?.as_bytes().split(|&byte| byte == b';').next()?.trim_ascii();
        if kind.eq_ignore_ascii_case(b"text/event-stream") {
            return Some(Format::Sse);
        }
        NDJSON.iter().any(|name| kind.eq_ignore_ascii_case(name)).then_some(Format::Ndjson)
    }
}

/// An event or a line had more bytes than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event or line of the body is too large")
    }
}

impl std::error::Error for TooLarge {}

/// One event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The type; empty where none was given, which a client may call "message". Empty for NDJSON.
    pub name: &'a str,
    /// The data lines, joined by newlines; for NDJSON the line. Broken UTF-8 is replaced by U+FFFD.
    pub data: &'a str,
    /// The last event ID, of this event or of one before. Empty for NDJSON.
    pub id: &'a str,
    /// Milliseconds, where this event's lines set the reconnection time.
    pub retry: Option<u64>,
    /// The body ended before the event did. By the standard a client discards it, its id too.
    pub incomplete: bool,
}

/// Finds the events in a body, fed piece by piece. Where the pieces are cut changes nothing.
pub struct Events {
    parser: Parser,
    state: State,
}

enum Parser {
    Sse(Sse),
    Ndjson(Ndjson),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reads,
    Shows,
    ShowsUnfinished,
    Failed,
}

impl Events {
    /// `most` bounds the memory. For SSE it counts an event's data, name and ID and the line that is being read, for NDJSON
    /// the line, both as they came and with broken UTF-8 replaced; a byte order mark counts with its line.
    pub fn new(format: Format, most: usize) -> Events {
        let parser = match format {
            Format::Sse => Parser::Sse(Sse::new(most)),
            Format::Ndjson => Parser::Ndjson(Ndjson::new(most)),
        };
        Events { parser, state: State::Reads }
    }

    /// Takes from the front of `input` up to the end of one event: true where one is complete, which `event` then shows until
    /// the next call; false where all input is taken. After `TooLarge` every later call fails too.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<bool, TooLarge> {
        if self.state == State::Failed {
            return Err(TooLarge);
        }
        let found = match &mut self.parser {
            Parser::Sse(sse) => sse.feed(input),
            Parser::Ndjson(ndjson) => ndjson.feed(input),
        };
        self.settle(found, State::Shows)
    }

    /// The body has ended: true where `event` shows a last event whose end is missing: data lines without a blank line after
    /// them, the last of them perhaps without its line end; for NDJSON a line without its end.
    ///
    /// The standard's clients discard it (section 9.2.6). AI servers forget the last blank line, so the caller decides.
    pub fn finish(&mut self) -> bool {
        if self.state == State::Failed {
            return false;
        }
        let found = match &mut self.parser {
            Parser::Sse(sse) => sse.finish(),
            Parser::Ndjson(ndjson) => ndjson.finish(),
        };
        self.settle(found, State::ShowsUnfinished) == Ok(true)
    }

    /// The event that the last call found; without one all is empty.
    pub fn event(&self) -> Event<'_> {
        if matches!(self.state, State::Reads | State::Failed) {
            return Event::default();
        }
        let event = match &self.parser {
            Parser::Sse(sse) => sse.event(),
            Parser::Ndjson(ndjson) => Event { data: ndjson.data(), ..Event::default() },
        };
        Event { incomplete: self.state == State::ShowsUnfinished, ..event }
    }

    /// The memory held now, in bytes: at most `most` and some 12 KiB. While text is decoded that is not UTF-8, or while a
    /// name or an ID is taken from a line that came in pieces, its bytes are there twice.
    pub fn held(&self) -> usize {
        match &self.parser {
            Parser::Sse(sse) => sse.held(),
            Parser::Ndjson(ndjson) => ndjson.held(),
        }
    }

    fn settle(&mut self, found: Result<bool, TooLarge>, shows: State) -> Result<bool, TooLarge> {
        self.state = match found {
            Ok(true) => shows,
            Ok(false) => State::Reads,
            Err(TooLarge) => {
                // Its memory is of no use any more.
                self.parser = Parser::Ndjson(Ndjson::new(0));
                State::Failed
            }
        };
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_tells_the_format() {
        let of = |text: &[u8]| Format::of(Some(&HeaderValue::from_bytes(text).unwrap()));
        for sse in
            ["text/event-stream", "Text/Event-Stream", "text/event-stream;charset=utf-8", " text/event-stream ; a"]
        {
            assert_eq!(of(sse.as_bytes()), Some(Format::Sse), "{sse}");
        }
        assert_eq!(of(b"text/event-stream; a=\xff"), Some(Format::Sse));
        for name in NDJSON {
            assert_eq!(of(name), Some(Format::Ndjson));
            assert_eq!(of(&name.to_ascii_uppercase()), Some(Format::Ndjson));
        }
        for other in
            ["", ";", "application/json", "text/event-streams", "text/event", "application/json-seq", "text/plain"]
        {
            assert_eq!(of(other.as_bytes()), None, "{other}");
        }
        assert_eq!(Format::of(None), None);
    }
}
