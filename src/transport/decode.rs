//! A response's body as it was before its content-encoding: gzip, deflate, br, zstd, one or several over each other.

use std::io;

use bytes::{Buf, BytesMut};
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::zstd::params::DParameter;
use compression_codecs::{BrotliDecoder, DecodeV2, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use crate::error::{Delivery, Detail, Error, Phase, Result, Status};

/// What is asked for; the same words that the reqwest transport sends. "deflate" is taken, but means two things to servers.
pub const ACCEPT_ENCODING: &str = "zstd,gzip,br";

/// More codings over each other than any server uses.
const MOST_LAYERS: usize = 4;
/// Up to here a body may grow as it likes.
const BOMB_FLOOR: u64 = 1 << 20;
/// Above the floor: at most so many times what was sent.
const BOMB_RATIO: u64 = 100;
/// What may wait between two layers.
const BETWEEN: usize = 16 << 10;
/// One step's room: enough to be quick, little to clear.
const STEP: std::ops::RangeInclusive<usize> = 1 << 10..=32 << 10;
/// The largest window that RFC 9659 lets a server use: 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;
/// What begins brotli with windows of up to 1 GiB, which RFC 7932 does not have: seven bits of the first byte.
const LARGE_BROTLI: u8 = 0x11;

/// How a call of `decode` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything that can be decoded from what came is in `out`.
    Drained,
    /// `most` bytes were appended; there may be more: call again, with the input that is left, even if that is none.
    Full,
}

/// Decodes one body, piece by piece.
pub struct Decoder {
    /// The first takes what the server sent.
    layers: Vec<Layer>,
    /// What each layer but the last has made and the next has not taken.
    between: Vec<BytesMut>,
    /// Bytes taken of what the server sent.
    taken: u64,
}

impl Decoder {
    /// The decoder for a response with these headers, whose content-encoding and content-length are taken away, as they are
    /// not the decoded body's. `None`, and nothing changed, where no coding is named or one that is not known.
    pub fn for_headers(headers: &mut HeaderMap) -> Result<Option<Decoder>> {
        let Some(codings) = codings(headers) else { return Ok(None) };
        if codings.len() > MOST_LAYERS {
            let message = format!("content-encoding: over {MOST_LAYERS} codings over each other; the server is broken");
            return Err(in_body(Status::Body, message));
        }
        if codings.is_empty() {
            return Ok(None);
        }
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        // The last one named was put on last, so it comes off first.
        let layers: Vec<_> = codings.into_iter().rev().map(Layer::new).collect();
        let between = vec![BytesMut::new(); layers.len() - 1];
        Ok(Some(Decoder { layers, between, taken: 0 }))
    }

    /// Takes from `input` and appends to `out` all that can be decoded, but at most `most` bytes (one or more).
    /// After a failure `out` holds what earlier calls made, and the decoder is spent.
    pub fn decode(&mut self, input: &mut &[u8], out: &mut BytesMut, most: usize) -> Result<Progress> {
        let end = out.len().saturating_add(most);
        loop {
            let mut moved = false;
            for at in 0..self.layers.len() {
                moved |= self.step(at, input, out, end)?;
            }
            if !moved {
                break;
            }
        }
        if out.len() >= end {
            return Ok(Progress::Full);
        }
        let idle = input.is_empty() && self.between.iter().all(BytesMut::is_empty);
        if idle { Ok(Progress::Drained) } else { Err(self.layers[0].broken()) }
    }

    /// The body ended properly, and `decode` has said `Drained`: did the compressed data end, too? A body of no bytes did.
    /// `Truncated` is data that goes on, `Body` would be data that is wrong, which `decode` found. A caller whose body was cut
    /// does not ask.
    pub fn finish(&self) -> Result<()> {
        match self.layers.iter().find(|layer| layer.state == State::Midway) {
            None => Ok(()),
            Some(layer) => {
                let name = layer.coding.name();
                let message =
                    format!("body: its {name} data ended early, the server left it so; the response holds what came");
                Err(in_body(Status::Truncated, message))
            }
        }
    }

    /// One turn of one layer: whether anything moved.
    fn step(&mut self, at: usize, input: &mut &[u8], out: &mut BytesMut, end: usize) -> Result<bool> {
        let (before, after) = self.between.split_at_mut(at);
        let source: &[u8] = before.last().map_or(*input, |made| made);
        let (target, end) = match after.first_mut() {
            Some(target) => (target, BETWEEN),
            None => (out, end),
        };
        let layer = &mut self.layers[at];
        let (consumed, written) = layer.turn(source, target, end)?;
        if let Some(made) = before.last_mut() {
            made.advance(consumed);
        } else {
            *input = &input[consumed..];
            self.taken += consumed as u64;
        }
        layer.made += written as u64;
        if layer.made > BOMB_FLOOR && layer.made > self.taken.saturating_mul(BOMB_RATIO) {
            return Err(bomb());
        }
        Ok(consumed + written > 0)
    }
}

/// The codings named, first put on first; without those that change nothing. `None` where one is not known.
fn codings(headers: &HeaderMap) -> Option<Vec<Coding>> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().ok()?.split(',').map(str::trim) {
            if !name.is_empty() && !name.eq_ignore_ascii_case("identity") {
                codings.push(Coding::named(name)?);
            }
        }
    }
    Some(codings)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    fn named(name: &str) -> Option<Coding> {
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "deflate" => Some(Coding::Deflate),
            "br" => Some(Coding::Brotli),
            "zstd" => Some(Coding::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// The codec for data that begins with `first`; `None` for data that no codec of ours shall see.
    fn open(self, first: u8) -> Option<Codec> {
        Some(match self {
            Coding::Gzip => boxed(GzipDecoder::new),
            // With zlib's header, as the standard says, or bare, as some servers send it: bare data would begin with an
            // uncompressed block whose padding is not zero.
            Coding::Deflate if first & 0x0f == 8 => boxed(ZlibDecoder::new),
            Coding::Deflate => boxed(DeflateDecoder::new),
            Coding::Brotli if first & 0x7f == LARGE_BROTLI => return None,
            Coding::Brotli => boxed(BrotliDecoder::new),
            Coding::Zstd => boxed(|| ZstdDecoder::new_with_params(&[DParameter::window_log_max(ZSTD_WINDOW_LOG)])),
        })
    }

    /// Whether a body may be several of these one after the other.
    fn has_members(self) -> bool {
        matches!(self, Coding::Gzip | Coding::Zstd)
    }
}

type Codec = Box<dyn DecodeV2 + Send + Sync>;

/// On a stack frame of its own, gone when it returns: some codecs are made of 40 KiB before they move to the heap, and
/// host threads may have little.
#[inline(never)]
fn boxed<D: DecodeV2 + Send + Sync + 'static>(make: impl FnOnce() -> D) -> Codec {
    Box::new(make())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No byte has come.
    Fresh,
    Midway,
    /// At the end of the data, or of one member of it.
    Ended,
}

struct Layer {
    coding: Coding,
    /// Made when the first byte comes.
    codec: Option<Codec>,
    state: State,
    /// The room was used up, so the codec may hold more.
    holds_more: bool,
    /// Bytes made in all.
    made: u64,
}

impl Layer {
    fn new(coding: Coding) -> Layer {
        Layer { coding, codec: None, state: State::Fresh, holds_more: false, made: 0 }
    }

    /// Decodes from `source` to the end of `target`, which is not to grow beyond `end`: bytes consumed, bytes written.
    fn turn(&mut self, source: &[u8], target: &mut BytesMut, end: usize) -> Result<(usize, usize)> {
        let start = target.len();
        let room = end.saturating_sub(start).min(source.len().saturating_mul(4).clamp(*STEP.start(), *STEP.end()));
        if room == 0 || (source.is_empty() && !self.holds_more) {
            return Ok((0, 0));
        }
        self.prepare(source)?;
        let Some(codec) = &mut self.codec else { return Err(self.broken()) };
        target.resize(start + room, 0);
        let mut from = PartialBuffer::new(source);
        let mut to = WriteBuffer::new_initialized(&mut target[start..]);
        let decoded = codec.decode(&mut from, &mut to);
        let (consumed, written) = (from.written_len(), to.written_len());
        target.truncate(start + written);
        match decoded {
            Ok(true) => (self.state, self.holds_more) = (State::Ended, false),
            Ok(false) => self.holds_more = written == room,
            Err(error) if source.is_empty() && written == 0 && self.says_no_progress(&error) => self.holds_more = false,
            Err(_) => return Err(self.broken()),
        }
        Ok((consumed, written))
    }

    /// Opens the codec at the first byte, and again for a next member. Bytes behind the end are an error, as they are to
    /// curl and to Go: no checksum covers them, and to drop them could be to drop a part of the answer.
    fn prepare(&mut self, source: &[u8]) -> Result<()> {
        let Some(first) = source.first() else { return Ok(()) };
        match self.state {
            State::Midway => return Ok(()),
            State::Fresh => self.codec = self.coding.open(*first),
            State::Ended if self.coding.has_members() => {
                let reopened = self.codec.as_mut().is_some_and(|codec| codec.reinit().is_ok());
                if !reopened {
                    return Err(self.broken());
                }
            }
            State::Ended => return Err(self.broken()),
        }
        self.state = State::Midway;
        Ok(())
    }

    /// What flate2 answers when it was asked for more and has none.
    fn says_no_progress(&self, error: &io::Error) -> bool {
        matches!(self.coding, Coding::Gzip | Coding::Deflate) && error.kind() == io::ErrorKind::Other
    }

    fn broken(&self) -> Error {
        let name = self.coding.name();
        in_body(
            Status::Body,
            format!("body: is not the {name} that its content-encoding says; the server sent broken data"),
        )
    }
}

fn bomb() -> Error {
    let message = format!(
        "body: decodes to over {BOMB_RATIO} times what was sent and over 1 MiB, which is how bombs are made; if it is none, \
         ask for it without compression (accept-encoding: identity)"
    );
    in_body(Status::TooLarge, message).detail(Detail::Bomb)
}

fn in_body(status: Status, message: String) -> Error {
    Error::new(status, message).phase(Phase::Body).delivery(Delivery::ResponseStarted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use compression_codecs::brotli::params::EncoderParams;
    use compression_codecs::core::Level;
    use compression_codecs::{BrotliEncoder, DeflateEncoder, EncodeV2, GzipEncoder, ZlibEncoder, ZstdEncoder};

    /// As content-encoding names them, and "raw" for deflate without zlib's header.
    const ALL: [&str; 5] = ["gzip", "deflate", "raw", "br", "zstd"];

    fn encoder(name: &str) -> Box<dyn EncodeV2> {
        match name {
            "gzip" => Box::new(GzipEncoder::new(Level::Default.into())),
            "deflate" => Box::new(ZlibEncoder::new(Level::Default.into())),
            "raw" => Box::new(DeflateEncoder::new(Level::Default.into())),
            "br" => Box::new(BrotliEncoder::new(EncoderParams::default())),
            _ => Box::new(ZstdEncoder::new(3)),
        }
    }

    /// Each part flushed, so that it can be decoded at once; the end is a piece of its own.
    fn flushed(name: &str, parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut encoder = encoder(name);
        let mut room = vec![0; 1 << 20];
        let mut pieces = Vec::new();
        for part in parts {
            let mut to = WriteBuffer::new_initialized(&mut room);
            let mut from = PartialBuffer::new(*part);
            while !from.unwritten().is_empty() {
                encoder.encode(&mut from, &mut to).unwrap();
            }
            while !encoder.flush(&mut to).unwrap() {}
            pieces.push(to.written().to_vec());
        }
        let mut to = WriteBuffer::new_initialized(&mut room);
        while !encoder.finish(&mut to).unwrap() {}
        pieces.push(to.written().to_vec());
        pieces
    }

    fn encoded(name: &str, text: &[u8]) -> Vec<u8> {
        flushed(name, &[text]).concat()
    }

    fn decoder(names: &str) -> Decoder {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, names.replace("raw", "deflate").parse().unwrap());
        Decoder::for_headers(&mut headers).unwrap().unwrap()
    }

    fn feed(decoder: &mut Decoder, mut piece: &[u8], out: &mut BytesMut) -> Result<()> {
        let progress = decoder.decode(&mut piece, out, usize::MAX)?;
        assert_eq!((progress, piece.len()), (Progress::Drained, 0));
        Ok(())
    }

    fn whole(names: &str, data: &[u8]) -> Result<Vec<u8>> {
        let (mut decoder, mut out) = (decoder(names), BytesMut::new());
        feed(&mut decoder, data, &mut out)?;
        decoder.finish()?;
        Ok(out.to_vec())
    }

    fn text() -> Vec<u8> {
        (0..200).flat_map(|n| format!("data: {{\"token\": {}}}\n\n", n * n % 97).into_bytes()).collect()
    }

    /// Does not shrink: a compressed body of many blocks.
    fn noise(len: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..len).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn every_coding_is_decoded_however_it_is_split() {
        for name in ALL {
            let data = encoded(name, &text());
            for split in 0..=data.len() {
                let (mut decoder, mut out) = (decoder(name), BytesMut::new());
                feed(&mut decoder, &data[..split], &mut out).unwrap();
                feed(&mut decoder, &data[split..], &mut out).unwrap();
                decoder.finish().unwrap();
                assert_eq!(out, text(), "{name} at {split}");
            }
            let (mut decoder, mut out) = (decoder(name), BytesMut::new());
            for byte in &data {
                feed(&mut decoder, &[*byte], &mut out).unwrap();
            }
            decoder.finish().unwrap();
            assert_eq!(out, text(), "{name} byte by byte");
        }
    }

    #[test]
    fn large_bodies_come_whole() {
        let large = [noise(700_000), text(), vec![0; 100_000]].concat();
        for name in ALL {
            assert_eq!(whole(name, &encoded(name, &large)).unwrap(), large, "{name}");
        }
    }

    #[test]
    fn what_was_flushed_is_decoded_at_once() {
        let events: Vec<_> = (0..50).map(|n| format!("data: {n}\n\n").into_bytes()).collect();
        let parts: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
        for name in ALL {
            let (mut decoder, mut out) = (decoder(name), BytesMut::new());
            let pieces = flushed(name, &parts);
            for (event, piece) in events.iter().zip(&pieces) {
                feed(&mut decoder, piece, &mut out).unwrap();
                assert_eq!(out.split(), event, "{name}");
            }
            feed(&mut decoder, &pieces[events.len()], &mut out).unwrap();
            decoder.finish().unwrap();
            assert!(out.is_empty());
        }
    }

    #[test]
    fn stacked_codings_come_off_in_turn() {
        for (first, second) in [("gzip", "br"), ("br", "gzip"), ("zstd", "deflate"), ("gzip", "gzip")] {
            let data = encoded(second, &encoded(first, &text()));
            let names = format!("{first}, {second}");
            assert_eq!(whole(&names, &data).unwrap(), text(), "{names}");
            let (mut decoder, mut out) = (decoder(&names), BytesMut::new());
            for byte in &data {
                feed(&mut decoder, &[*byte], &mut out).unwrap();
            }
            decoder.finish().unwrap();
            assert_eq!(out, text(), "{names} byte by byte");
        }
        let large = noise(300_000);
        let data = encoded("br", &encoded("gzip", &large));
        assert_eq!(whole("gzip, br", &data).unwrap(), large);
    }

    #[test]
    fn no_call_appends_more_than_it_may() {
        for name in ["gzip", "deflate", "raw", "br", "zstd", "zstd, gzip"] {
            let large = [noise(5_000), vec![b'x'; 60_000]].concat();
            let data = name.split(", ").fold(large.clone(), |data, name| encoded(name, &data));
            for most in [1, 7, 1000, 65_000] {
                let (mut decoder, mut out) = (decoder(name), BytesMut::new());
                let mut left = &data[..];
                loop {
                    let before = out.len();
                    let progress = decoder.decode(&mut left, &mut out, most).unwrap();
                    assert!(out.len() - before <= most);
                    if progress == Progress::Drained {
                        break;
                    }
                    assert_eq!(out.len() - before, most);
                }
                assert!(left.is_empty());
                decoder.finish().unwrap();
                assert_eq!(out, large, "{name} by {most}");
            }
        }
    }

    #[test]
    fn a_bomb_is_named_before_it_fills_memory() {
        let bomb = vec![0; 8 << 20];
        for name in ["gzip", "br", "zstd", "gzip, gzip"] {
            let mut data = bomb.clone();
            for name in name.split(", ") {
                let mut encoder = encoder(name);
                let mut room = vec![0; 1 << 20];
                let mut to = WriteBuffer::new_initialized(&mut room);
                encoder.encode(&mut PartialBuffer::new(&data), &mut to).unwrap();
                while !encoder.finish(&mut to).unwrap() {}
                data = to.written().to_vec();
            }
            let (mut decoder, mut out) = (decoder(name), BytesMut::new());
            let error = feed(&mut decoder, &data, &mut out).unwrap_err();
            assert_eq!((error.status, error.detail), (Status::TooLarge, Detail::Bomb), "{name}");
            assert_eq!((error.phase, error.delivery), (Phase::Body, Delivery::ResponseStarted));
            assert!(out.len() < 2 << 20, "{name}: {} bytes", out.len());
            assert!(error.message.contains("accept-encoding: identity"));
        }
    }

    #[test]
    fn small_bodies_may_shrink_as_they_like() {
        let million = vec![b' '; 1_000_000];
        for name in ALL {
            assert_eq!(whole(name, &encoded(name, &million)).unwrap(), million, "{name}");
        }
    }

    #[test]
    fn data_that_ends_early_is_truncated_and_kept() {
        for name in ALL {
            let pieces = flushed(name, &[b"first", b"second"]);
            let all = pieces.concat();
            for cut in 1..all.len() {
                let (mut decoder, mut out) = (decoder(name), BytesMut::new());
                feed(&mut decoder, &all[..cut], &mut out).unwrap();
                let error = decoder.finish().unwrap_err();
                assert_eq!(error.status, Status::Truncated, "{name} at {cut}");
                assert!(error.message.contains("ended early"));
                assert!(out.starts_with(b"first") || cut < pieces[0].len(), "{name} at {cut}");
            }
        }
    }

    #[test]
    fn broken_data_is_a_body_error_and_what_came_before_is_kept() {
        let pieces = flushed("gzip", &[b"first", &noise(3000)]);
        for wrong in [0, 1, 2] {
            let mut data = pieces.concat();
            data[wrong] ^= 0xff;
            assert_eq!(whole("gzip", &data).unwrap_err().status, Status::Body, "header byte {wrong}");
        }
        for from_end in 1..=8 {
            let mut data = pieces.concat();
            let at = data.len() - from_end;
            data[at] ^= 1;
            let (mut decoder, mut out) = (decoder("gzip"), BytesMut::new());
            assert_eq!(feed(&mut decoder, &data, &mut out).unwrap_err().status, Status::Body, "checksum {from_end}");
            assert_eq!(out.len(), 3005);
        }
        for name in ["gzip", "deflate", "br", "zstd"] {
            let error = whole(name, b"not compressed at all, whatever was said").unwrap_err();
            assert_eq!(error.status, Status::Body, "{name}");
            assert!(error.message.contains(name));
        }
        let (mut decoder, mut out) = (decoder("gzip"), BytesMut::new());
        feed(&mut decoder, &pieces[0], &mut out).unwrap();
        assert_eq!(feed(&mut decoder, &[0xff; 64], &mut out).unwrap_err().status, Status::Body);
        assert_eq!(out, b"first"[..]);
    }

    #[test]
    fn any_byte_wrong_never_panics_and_never_hangs() {
        for name in ALL {
            let data = encoded(name, &text());
            for at in 0..data.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut data = data.clone();
                    data[at] ^= flip;
                    let _ = whole(name, &data);
                }
            }
        }
    }

    #[test]
    fn members_follow_each_other_and_garbage_does_not() {
        for name in ["gzip", "zstd"] {
            let two = [encoded(name, b"one "), encoded(name, b"two")].concat();
            assert_eq!(whole(name, &two).unwrap(), b"one two", "{name}");
            let (mut decoder, mut out) = (decoder(name), BytesMut::new());
            for byte in &two {
                feed(&mut decoder, &[*byte], &mut out).unwrap();
            }
            decoder.finish().unwrap();
            assert_eq!(out, b"one two"[..], "{name} byte by byte");
        }
        for name in ALL {
            let (mut decoder, mut out) = (decoder(name), BytesMut::new());
            feed(&mut decoder, &encoded(name, b"one"), &mut out).unwrap();
            assert_eq!(feed(&mut decoder, b"garbage", &mut out).unwrap_err().status, Status::Body, "{name}");
            assert_eq!(out, b"one"[..]);
        }
    }

    #[test]
    fn a_body_of_no_bytes_is_no_error() {
        for name in ALL {
            assert_eq!(whole(name, b"").unwrap(), b"");
            assert_eq!(whole(name, &encoded(name, b"")).unwrap(), b"", "{name}");
        }
    }

    #[test]
    fn windows_beyond_the_standards_are_refused() {
        // A frame that wants a window of 2^30 bytes; brotli's large window of as many.
        let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x01, 0, 0];
        assert_eq!(whole("zstd", &zstd).unwrap_err().status, Status::Body);
        assert_eq!(whole("br", &[0x11, 0x1e, 0, 0]).unwrap_err().status, Status::Body);
    }

    #[test]
    fn headers_say_what_is_decoded() {
        let parsed = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_LENGTH, "5".parse().unwrap());
            for value in values {
                headers.append(CONTENT_ENCODING, value.parse().unwrap());
            }
            let decoder = Decoder::for_headers(&mut headers);
            (decoder.map(|found| found.map(|found| found.layers.len())), headers.len())
        };
        for one in [&["gzip"][..], &["X-GZIP"], &["identity, br"], &["zstd, identity"], &[" deflate "]] {
            let (decoder, left) = parsed(one);
            assert_eq!((decoder.unwrap(), left), (Some(1), 0), "{one:?}");
        }
        assert_eq!(parsed(&["gzip, br"]).0.unwrap(), Some(2));
        assert_eq!(parsed(&["gzip", "br"]).0.unwrap(), Some(2));
        for none in [&["identity"][..], &[""], &["gzip, compress"], &["aws-chunked"]] {
            let (decoder, left) = parsed(none);
            assert_eq!((decoder.unwrap(), left), (None, 2), "{none:?}");
        }
        assert!(parsed(&[]).0.unwrap().is_none());
        assert_eq!(parsed(&["gzip, gzip, gzip, gzip, gzip"]).0.unwrap_err().status, Status::Body);
    }
}
