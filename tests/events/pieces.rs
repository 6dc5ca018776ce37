//! What holds for every body, however it is cut: shared by tests/events.rs and the fuzz targets.

use aipool::body::events::{Event, Events, Format};

use super::cuts::{Random, cut};

/// Beyond its limit a parser holds three small buffers.
const SMALL_CHANGE: usize = 3 * 4096 + 1;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    pub name: String,
    pub data: String,
    pub id: String,
    pub retry: Option<u64>,
    pub incomplete: bool,
}

impl From<Event<'_>> for Owned {
    fn from(event: Event<'_>) -> Owned {
        let Event { name, data, id, retry, incomplete } = event;
        Owned { name: name.to_owned(), data: data.to_owned(), id: id.to_owned(), retry, incomplete }
    }
}

/// The events found, and whether the body was too large.
pub type Outcome = (Vec<Owned>, bool);

pub fn parse<'a>(format: Format, most: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut events = Events::new(format, most);
    let mut found: Vec<Owned> = Vec::new();
    for mut piece in pieces {
        loop {
            let had = piece.len();
            let Ok(complete) = events.feed(&mut piece) else {
                assert_eq!(Owned::from(events.event()), Owned::default());
                assert!(events.feed(&mut &b"data: x\n\n"[..]).is_err() && !events.finish());
                return (found, true);
            };
            assert!(events.held() <= most.saturating_add(SMALL_CHANGE), "{} of {most}", events.held());
            if !complete {
                assert!(piece.is_empty());
                assert_eq!(Owned::from(events.event()), Owned::default());
                break;
            }
            assert!(piece.len() < had);
            let event = events.event();
            assert!(event.name.len() + event.data.len() + event.id.len() <= most);
            found.push(event.into());
        }
    }
    if events.finish() {
        found.push(events.event().into());
    }
    // Only a text that its replacements make too large fails this late.
    let too_large = events.feed(&mut &b""[..]).is_err();
    (found, too_large)
}

/// A body alone repeats its run: FNV-1a, and never zero.
fn seed(body: &[u8]) -> u64 {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    body.iter().fold(0xcbf2_9ce4_8422_2325, hash) | 1
}

/// A body's events are those that the standard's words give, and the same in any pieces and under any limit.
pub fn check(format: Format, body: &[u8]) {
    let plain = match format {
        Format::Sse => sse_in_plain_words(body),
        Format::Ndjson => ndjson_in_plain_words(body),
    };
    let mut random = Random(seed(body));
    for most in [usize::MAX, random.below(64), random.below(2 * body.len() + 1)] {
        let whole = parse(format, most, [body]);
        if most == usize::MAX {
            assert_eq!(whole, (plain.clone(), false), "{}", body.escape_ascii());
        }
        assert!(plain.starts_with(&whole.0) && (whole.1 || whole.0.len() == plain.len()), "{}", body.escape_ascii());
        assert_eq!(parse(format, most, body.chunks(1)), whole, "byte by byte under {most}: {}", body.escape_ascii());
        let pieces = cut(body, &mut random);
        assert_eq!(parse(format, most, pieces), whole, "in pieces under {most}: {}", body.escape_ascii());
    }
}

/// The stream decoded first and then cut, as the standard is written: the complete lines, and the one without its end.
fn decoded(body: &[u8]) -> String {
    String::from_utf8_lossy(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)).into_owned()
}

fn sse_in_plain_words(body: &[u8]) -> Vec<Owned> {
    let text = decoded(body).replace("\r\n", "\n").replace('\r', "\n");
    let (complete, last) = text.rsplit_once('\n').map_or(("", &*text), |(complete, last)| (complete, last));
    let lines = if text.contains('\n') { complete.split('\n').collect() } else { Vec::new() };
    let (mut found, mut event) = (Vec::new(), Owned::default());
    let field = |event: &mut Owned, line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => event.data.extend([value, "\n"]),
            "event" => value.clone_into(&mut event.name),
            "id" if !value.contains('\0') => value.clone_into(&mut event.id),
            "retry" if !value.is_empty() && value.chars().all(|char| char.is_ascii_digit()) => {
                event.retry = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    };
    for line in lines {
        if !line.is_empty() {
            field(&mut event, line);
            continue;
        }
        let next = Owned { id: event.id.clone(), ..Owned::default() };
        if event.data.pop().is_some() {
            found.push(event);
        }
        event = next;
    }
    if !last.is_empty() {
        field(&mut event, last);
    }
    if event.data.pop().is_some() {
        found.push(Owned { incomplete: true, ..event });
    }
    found
}

fn ndjson_in_plain_words(body: &[u8]) -> Vec<Owned> {
    let text = decoded(body);
    let lines =
        text.split_inclusive('\n').filter(|line| !line.trim_matches([' ', '\t', '\r', '\n', '\x0C']).is_empty());
    let event = |line: &str| {
        let data = line.strip_suffix('\n').unwrap_or(line);
        let data = data.strip_suffix('\r').unwrap_or(data).to_owned();
        Owned { data, incomplete: !line.ends_with('\n'), ..Owned::default() }
    };
    lines.map(event).collect()
}
