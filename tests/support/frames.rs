//! HTTP/2 by hand, for a server that may break its rules: frames, and headers that need no table.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::raw::{Conn, RawServer};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const NO_ERROR: u32 = 0;
pub const INTERNAL_ERROR: u32 = 2;
pub const REFUSED_STREAM: u32 = 7;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// Starts a server of HTTP/2 by prior knowledge that runs `script` after the client's preface, and says nothing itself.
pub fn h2_server(script: impl Fn(&mut H2<'_>) -> io::Result<()> + Send + Sync + 'static) -> RawServer {
    RawServer::start(move |conn| {
        let mut preface = [0; PREFACE.len()];
        conn.stream.read_exact(&mut preface)?;
        if preface != PREFACE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let writer = Writer { stream: conn.stream.try_clone()? };
        script(&mut H2 { conn, writer })
    })
}

/// A server that behaves, with `most` streams a connection.
pub fn polite_server(most: u32) -> RawServer {
    h2_server(move |h2| {
        h2.settings(most)?;
        h2.answer_all()
    })
}

pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// One connection in the hands of its script.
pub struct H2<'a> {
    pub conn: &'a mut Conn,
    writer: Writer,
}

impl H2<'_> {
    /// Another hand that writes, for a thread that answers later.
    pub fn writer(&self) -> io::Result<Writer> {
        Ok(Writer { stream: self.writer.stream.try_clone()? })
    }

    pub fn read_frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.conn.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.conn.stream.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads to the next request's head and returns its stream; acknowledges settings and pings on the way.
    pub fn next_head(&mut self) -> io::Result<u32> {
        self.next(|frame| frame.kind == HEADERS)
    }

    /// Reads to the end of the next request that came whole, counts it and returns its stream.
    pub fn next_request(&mut self) -> io::Result<u32> {
        let whole = |frame: &Frame| matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
        let stream = self.next(whole)?;
        self.conn.counts.requests.add(1);
        Ok(stream)
    }

    fn next(&mut self, wanted: impl Fn(&Frame) -> bool) -> io::Result<u32> {
        loop {
            let frame = self.read_frame()?;
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[])?,
                PING if frame.flags & ACK == 0 => self.frame(PING, ACK, 0, &frame.payload)?,
                _ if wanted(&frame) => return Ok(frame.stream),
                _ => {}
            }
        }
    }

    /// Answers `ok` to whatever comes, until the client is gone.
    pub fn answer_all(&mut self) -> io::Result<()> {
        loop {
            let stream = self.next_request()?;
            self.respond(stream, "ok")?;
        }
    }

    /// The first answer of a server: how many streams at a time, with windows that never fill.
    pub fn settings(&mut self, most_streams: u32) -> io::Result<()> {
        let mut payload = Vec::new();
        for (name, value) in [(MAX_CONCURRENT_STREAMS, most_streams), (INITIAL_WINDOW_SIZE, 1 << 24)] {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        self.frame(SETTINGS, 0, 0, &payload)?;
        self.frame(WINDOW_UPDATE, 0, 0, &(1u32 << 24).to_be_bytes())
    }
}

impl std::ops::Deref for H2<'_> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

/// The writing side.
pub struct Writer {
    stream: TcpStream,
}

impl Writer {
    pub fn frame(&self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(payload);
        self.raw(&bytes)
    }

    pub fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.stream).write_all(bytes)
    }

    /// A whole answer, 200.
    pub fn respond(&self, stream: u32, body: &str) -> io::Result<()> {
        self.frame(HEADERS, END_HEADERS, stream, &[STATUS_200])?;
        self.frame(DATA, END_STREAM, stream, body.as_bytes())
    }

    pub fn goaway(&self, last: u32, code: u32) -> io::Result<()> {
        self.frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
    }

    pub fn rst(&self, stream: u32, code: u32) -> io::Result<()> {
        self.frame(RST_STREAM, 0, stream, &code.to_be_bytes())
    }
}

/// `:status: 200`, whole, from the static table.
pub const STATUS_200: u8 = 0x88;

/// A header that goes in no table.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        // Lengths of one byte do for tests.
        assert!(text.len() < 127);
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}
