//! Bodies in pieces: whatever the cut, the same events; whatever the body, bounded memory.

#[path = "events/cuts.rs"]
mod cuts;
#[path = "events/pieces.rs"]
mod pieces;
#[path = "events/vectors.rs"]
mod vectors;

use std::collections::BTreeSet;

use aipool::body::events::{Event, Events, Format, TooLarge};
use cuts::Random;
use pieces::{Owned, check, parse};
use vectors::{NDJSON, SSE, Vector};

fn in_every_chunking(format: Format, vectors: &[Vector]) {
    for (name, body, events) in vectors {
        let expected = (events.iter().copied().map(Owned::from).collect::<Vec<_>>(), false);
        let same = |pieces: &[&[u8]]| {
            let found = parse(format, 1 << 20, pieces.iter().copied());
            assert_eq!(
                found,
                expected,
                "{name}: {:?}",
                pieces.iter().map(|p| p.escape_ascii().to_string()).collect::<Vec<_>>()
            );
        };
        same(&[body]);
        for size in 1..=body.len() {
            same(&body.chunks(size).collect::<Vec<_>>());
        }
        for first in 0..=body.len() {
            let (head, tail) = body.split_at(first);
            same(&[head, tail]);
            for second in (0..=tail.len()).filter(|_| body.len() <= 64) {
                same(&[head, &tail[..second], &tail[second..]]);
            }
        }
        check(format, body);
    }
    let names: BTreeSet<_> = vectors.iter().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), vectors.len(), "a name stands twice");
}

#[test]
fn server_sent_events_are_the_standards_in_every_chunking() {
    in_every_chunking(Format::Sse, SSE);
}

#[test]
fn lines_of_json_are_the_same_in_every_chunking() {
    in_every_chunking(Format::Ndjson, NDJSON);
}

#[test]
fn random_bodies_are_the_same_in_every_chunking() {
    let words: &[&[u8]] = &[
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b":",
        b" ",
        b"data",
        b"data: ",
        b"event:",
        b"id: ",
        b"retry: ",
        b"1",
        b"9999999999999",
        b"a",
        b"\0",
        b"{}",
        b"\xEF\xBB\xBF",
        b"\xEF",
        b"\xBB",
        b"\x80",
        b"\xE2\x82",
        b"\xF0\x9F\x98\x80",
        b"\xFF",
    ];
    let mut random = Random(0x5eed);
    for _ in 0..8_000 {
        let body = (0..random.below(24)).map(|_| words[random.below(words.len())]).collect::<Vec<_>>().concat();
        check(Format::Sse, &body);
        check(Format::Ndjson, &body);
    }
}

/// Feeds all of `body`, which holds one event at most.
fn feed(events: &mut Events, mut body: &[u8]) -> Result<bool, TooLarge> {
    let found = events.feed(&mut body);
    assert!(found != Ok(true) || body.is_empty());
    found
}

#[test]
fn an_event_is_complete_with_its_last_cr() {
    let mut events = Events::new(Format::Sse, 100);
    assert_eq!(feed(&mut events, b"data: a\r\n\r"), Ok(true));
    assert_eq!(events.event(), Event { data: "a", ..Event::default() });
    // The LF that was still to come ends no line.
    assert_eq!(feed(&mut events, b""), Ok(false));
    assert_eq!(feed(&mut events, b"\ndata: b\n"), Ok(false));
    assert_eq!(feed(&mut events, b"\n"), Ok(true));
    assert_eq!(events.event().data, "b");
}

#[test]
fn a_feed_stops_behind_an_event() {
    let mut events = Events::new(Format::Sse, 100);
    let mut input: &[u8] = b"data: a\n\ndata: b\r\n\r\ndata: c";
    assert_eq!((events.feed(&mut input), events.event().data, input.len()), (Ok(true), "a", 18));
    assert_eq!((events.feed(&mut input), events.event().data, input), (Ok(true), "b", &b"data: c"[..]));
    assert_eq!((events.feed(&mut input), events.event(), input), (Ok(false), Event::default(), &b""[..]));
    assert!(events.finish() && events.event() == Event { data: "c", incomplete: true, ..Event::default() });
    assert!(!events.finish() && events.event() == Event::default());
}

#[test]
fn a_limit_is_kept_to_the_byte() {
    // The line counts while it is read, and then what was kept of it.
    let cases: [(Format, &[u8], usize); 11] = [
        (Format::Sse, b"data: 12345\n\n", 11),
        (Format::Sse, b"data: 12345", 11),
        (Format::Sse, b": 12345\n", 7),
        // 12 LF, then the line.
        (Format::Sse, b"data:12\ndata:34\n\n", 10),
        (Format::Sse, b"id:12\nevent:ab\ndata:3\n\n", 10),
        // Replaced bytes count as what replaces them, also where the blank line comes last.
        (Format::Sse, b"data:\xFF\xFF\xFF\n\n", 9),
        (Format::Sse, b"data:\xFF\xFF\xFF", 9),
        (Format::Sse, b"event:\xFF\xFF\xFF\n\n", 9),
        (Format::Sse, b"data:123\nevent:\xFF\xFF\xFF\xFF\n", 16),
        (Format::Sse, b"data:123\nid:\xFF\xFF\xFF\xFF\n", 16),
        (Format::Ndjson, b"123456\r\n", 7),
    ];
    for (format, body, most) in cases {
        assert!(!parse(format, most, [body]).1, "{}", body.escape_ascii());
        for size in 1..=body.len() {
            assert!(parse(format, most - 1, body.chunks(size)).1, "{} by {size}", body.escape_ascii());
        }
    }
}

#[test]
fn too_large_is_final_and_holds_nothing() {
    for format in [Format::Sse, Format::Ndjson] {
        let mut events = Events::new(format, 100_000);
        assert_eq!(feed(&mut events, &vec![b'a'; 100_000]), Ok(false));
        assert!(events.held() >= 100_000);
        assert_eq!(feed(&mut events, b"a"), Err(TooLarge));
        assert_eq!(events.held(), 0);
        assert_eq!(feed(&mut events, b"\n\ndata: a\n\n"), Err(TooLarge));
        assert_eq!(feed(&mut events, b""), Err(TooLarge));
        assert!(!events.finish() && events.event() == Event::default());
    }
}

#[test]
fn a_line_without_end_is_held_up_to_the_limit_and_no_further() {
    // No power of two, to which a buffer that doubles would come by itself.
    const MOST: usize = 600_000;
    for (format, head) in
        [(Format::Sse, "data: a\ndata: "), (Format::Sse, ": "), (Format::Sse, "id: "), (Format::Ndjson, "")]
    {
        let mut events = Events::new(format, MOST);
        assert_eq!(feed(&mut events, head.as_bytes()), Ok(false));
        let mut fed = 0;
        while feed(&mut events, &[b'a'; 1000]).is_ok() {
            fed += 1000;
            assert!(events.held() <= MOST + 20_000);
        }
        assert!(fed > MOST - 2000 && fed <= MOST, "{head} {fed}");
    }
}

#[test]
fn memory_stays_in_its_bounds_while_large_fields_take_turns() {
    let [data, name, id, comment] =
        ["data: ", "event: ", "id: ", ": "].map(|field| format!("{field}{}\n", "x".repeat(60_000)));
    let body = [
        // An event, its buffer as large as it may be; a name and an ID without data.
        &*data,
        &comment,
        "\n",
        &name,
        "\n",
        &id,
        "\n",
        // The name takes what the comment's line left over.
        &data[..20_000],
        "\n",
        &comment[..30_000],
        "\n",
        &name[..30_000],
        "\n",
        "\n",
        "data\n\n",
    ];
    for size in [1, 7, 4096, usize::MAX] {
        let body = body.concat();
        // Checks what is held after each piece.
        let (events, too_large) = parse(Format::Sse, 125_000, body.as_bytes().chunks(size));
        assert!(!too_large && events.len() == 3, "by {size}: {}", events.len());
    }
}

#[test]
fn a_large_event_leaves_no_large_buffer_behind() {
    let mut events = Events::new(Format::Sse, 1 << 20);
    let body = format!("event: {0}\ndata: {0}\n\n", "x".repeat(100_000));
    assert_eq!(feed(&mut events, body.as_bytes()), Ok(true));
    assert_eq!(feed(&mut events, b": still here\n\n"), Ok(false));
    assert!(events.held() < 10_000, "{}", events.held());
}
