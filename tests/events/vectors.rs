//! Bodies and their events: written from the HTML standard's sections 9.2.5 and 9.2.6, not from the parser.

use aipool::body::events::Event;

/// Its name, the body, its events.
pub type Vector = (&'static str, &'static [u8], &'static [Event<'static>]);

const NONE: Event<'static> = Event { name: "", data: "", id: "", retry: None, incomplete: false };

const fn data(data: &'static str) -> Event<'static> {
    Event { data, ..NONE }
}

const fn named(name: &'static str, data: &'static str) -> Event<'static> {
    Event { name, data, ..NONE }
}

const fn with_id(id: &'static str, data: &'static str) -> Event<'static> {
    Event { id, data, ..NONE }
}

const fn retry(retry: u64, data: &'static str) -> Event<'static> {
    Event { retry: Some(retry), data, ..NONE }
}

const fn unfinished(event: Event<'static>) -> Event<'static> {
    Event { incomplete: true, ..event }
}

pub const SSE: &[Vector] = &[
    // The standard's own examples.
    (
        "three messages",
        b"data: This is the first message.\n\ndata: This is the second message, it\ndata: has two lines.\n\ndata: This is the third message.\n\n",
        &[
            data("This is the first message."),
            data("This is the second message, it\nhas two lines."),
            data("This is the third message."),
        ],
    ),
    (
        "event types",
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
        &[named("add", "73857293"), named("remove", "2153"), named("add", "113411")],
    ),
    ("stock quote", b"data: YHOO\ndata: +2\ndata: 10\n\n", &[data("YHOO\n+2\n10")]),
    (
        "four blocks",
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
        &[with_id("1", "first event"), data("second event"), unfinished(data(" third event"))],
    ),
    ("empty data and two newlines", b"data\n\ndata\ndata\n\ndata:\n", &[data(""), data("\n"), unfinished(data(""))]),
    ("with and without the space", b"data:test\n\ndata: test\n\n", &[data("test"), data("test")]),
    // Line ends.
    ("CR", b"data: a\rdata: b\r\rdata: c\r\r", &[data("a\nb"), data("c")]),
    ("CR LF", b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", &[data("a\nb"), data("c")]),
    ("mixed ends", b"data: a\ndata: b\r\ndata: c\rdata: d\n\r\ndata: e\r\r\n", &[data("a\nb\nc\nd"), data("e")]),
    ("CR LF is one end", b"data: a\r\nevent: n\r\n\r\n", &[named("n", "a")]),
    ("LF CR is two", b"data: a\n\rdata: b\n\r", &[data("a"), data("b")]),
    ("CR CR LF is two", b"data: a\r\r\ndata: b\n\n", &[data("a"), data("b")]),
    ("other line separators are text", "data: a\u{2028}b\u{2029}c\u{85}d\n\n".as_bytes(), &[data("a\u{2028}b\u{2029}c\u{85}d")]),
    ("vertical tab and form feed are text", b"data: a\x0Bb\x0Cc\n\n", &[data("a\x0Bb\x0Cc")]),
    ("blank lines alone", b"\n\n\r\n\r\r\n", &[]),
    ("nothing", b"", &[]),
    // The byte order mark.
    ("one BOM", b"\xEF\xBB\xBFdata: a\n\n", &[data("a")]),
    ("two BOMs: a field of another name", b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\ndata: b\n\n", &[data("b")]),
    ("a BOM later", b"data: a\n\n\xEF\xBB\xBFdata: b\n\ndata: \xEF\xBB\xBFc\n\n", &[data("a"), data("\u{FEFF}c")]),
    ("a BOM and a blank line", b"\xEF\xBB\xBF\ndata: a\n\n", &[data("a")]),
    ("a BOM alone", b"\xEF\xBB\xBF", &[]),
    ("half a BOM", b"\xEF\xBBdata: a\n\ndata: b\n\n", &[data("b")]),
    ("half a BOM alone", b"\xEF\xBB", &[]),
    // Fields.
    ("one space is cut", b"data:  a \n\n", &[data(" a ")]),
    ("a tab is not", b"data:\ta\n\n", &[data("\ta")]),
    ("a space alone", b"data: \n\n", &[data("")]),
    ("two spaces alone", b"data:  \n\n", &[data(" ")]),
    ("colons in the value", b"data:a:b: c\n\ndata::\n\n", &[data("a:b: c"), data(":")]),
    ("names are case-sensitive", b"Data: a\nDATA: b\ndata: c\n\n", &[data("c")]),
    ("a space before the name", b" data: a\n\ndata: b\n\n", &[data("b")]),
    ("a space before the colon", b"data : a\n\ndata: b\n\n", &[data("b")]),
    ("unknown fields", b"foo: bar\ndatas: x\ndat: x\ndata: a\nfoo\nevents: x\n\n", &[data("a")]),
    ("comments", b": a\n:\n:data: x\ndata: b\n: c\n\n", &[data("b")]),
    ("a comment parts no lines", b"data: a\n:\ndata: b\n\n", &[data("a\nb")]),
    ("empty lines of data", b"data\ndata: a\ndata:\n\n", &[data("\na\n")]),
    ("NUL in data, name and unknown", b"da\0ta: x\nevent: a\0b\ndata: a\0b\n\n", &[named("a\0b", "a\0b")]),
    // The event type.
    ("the last name counts", b"event: a\nevent: b\ndata: x\n\n", &[named("b", "x")]),
    ("an empty name", b"event: a\nevent\ndata: x\n\n", &[data("x")]),
    ("a name for one event", b"event: a\ndata: x\n\ndata: y\n\n", &[named("a", "x"), data("y")]),
    ("no data, no event, no name", b"event: a\n\ndata: x\n\n", &[data("x")]),
    ("a name after the data", b"data: x\nevent: a\n\n", &[named("a", "x")]),
    // The last event ID.
    ("an ID persists", b"id: 1\ndata: a\n\ndata: b\n\n", &[with_id("1", "a"), with_id("1", "b")]),
    ("an ID without data persists", b"id: 7\n\ndata: a\n\n", &[with_id("7", "a")]),
    ("an empty ID resets", b"id: 1\ndata: a\n\nid:\ndata: b\n\nid: 2\ndata: c\nid\n\n", &[with_id("1", "a"), data("b"), data("c")]),
    ("an ID with NUL is ignored", b"id: 1\nid: 2\0\ndata: a\n\nid: \0\ndata: b\n\n", &[with_id("1", "a"), with_id("1", "b")]),
    ("the last ID counts", b"id: 1\ndata: a\nid: 2\n\n", &[with_id("2", "a")]),
    ("an ID with spaces", b"id:  1 \ndata: a\n\n", &[with_id(" 1 ", "a")]),
    // The reconnection time.
    ("a retry", b"retry: 3000\ndata: a\n\ndata: b\n\n", &[retry(3000, "a"), data("b")]),
    ("a retry without data", b"retry: 3000\n\ndata: a\n\n", &[data("a")]),
    ("zeros in front", b"retry: 0012\ndata: a\n\n", &[retry(12, "a")]),
    ("no digits alone", b"retry: 1s\nretry: -1\nretry: +1\nretry: 1.5\nretry:  1\nretry: 1 \nretry\nretry:\ndata: a\n\n", &[data("a")]),
    ("no ASCII digits", "retry: \u{661}\ndata: a\n\n".as_bytes(), &[data("a")]),
    ("a bad retry leaves the good one", b"retry: 5\nretry: x\ndata: a\n\n", &[retry(5, "a")]),
    ("the greatest retry", b"retry: 18446744073709551615\ndata: a\n\n", &[retry(u64::MAX, "a")]),
    ("a greater one", b"retry: 99999999999999999999999999\ndata: a\n\n", &[retry(u64::MAX, "a")]),
    // UTF-8.
    ("two, three and four bytes", "data: é€😀\n\n".as_bytes(), &[data("é€😀")]),
    ("UTF-8 in name and ID", "event: é\nid: 😀\ndata: x\n\n".as_bytes(), &[Event { name: "é", id: "😀", ..data("x") }]),
    ("a lone byte", b"data: a\x80b\xFFc\n\n", &[data("a\u{FFFD}b\u{FFFD}c")]),
    ("cut short before the end", b"data: \xF0\x9F\x98\n\ndata: \xE2\x82\r\r", &[data("\u{FFFD}"), data("\u{FFFD}")]),
    ("cut short before another", b"data: \xE2\x82\xE2\x82\xAC\n\n", &[data("\u{FFFD}€")]),
    ("overlong, surrogate, too great", b"data: \xC0\xAF \xED\xA0\x80 \xF4\x90\x80\x80\n\n", &[data("\u{FFFD}\u{FFFD} \u{FFFD}\u{FFFD}\u{FFFD} \u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}")]),
    ("a line end does not join halves", b"data: \xE2\ndata: \x82\xAC\n\n", &[data("\u{FFFD}\n\u{FFFD}\u{FFFD}")]),
    ("broken name, ID and field", b"event: \xFF\nid: \xC3\ndata\xFF: x\ndata: y\n\n", &[Event { name: "\u{FFFD}", id: "\u{FFFD}", ..data("y") }]),
    // The end of the body.
    ("no blank line", b"data: a\n\ndata: b\n", &[data("a"), unfinished(data("b"))]),
    ("no line end", b"event: n\nid: 1\ndata: a", &[unfinished(Event { name: "n", ..with_id("1", "a") })]),
    ("no line end after CR", b"data: a\r", &[unfinished(data("a"))]),
    ("an end without data", b"data: a\n\nevent: n\nid: 5\nretry: 1\n", &[data("a")]),
    ("half a field", b"data: a\n\ndat", &[data("a")]),
    ("half a sequence", b"data: \xE2\x82", &[unfinished(data("\u{FFFD}"))]),
    // What AI servers send.
    (
        "a chat completion",
        b"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n",
        &[data("{\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}"), data("[DONE]")],
    ),
    (
        "named deltas and a ping",
        b"event: ping\ndata: {\"type\": \"ping\"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        &[named("ping", "{\"type\": \"ping\"}"), named("message_stop", "{\"type\":\"message_stop\"}")],
    ),
    ("keep-alive comments", b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {}\n\n", &[data("{}")]),
    ("a priming event", b"id: s-1\nretry: 500\ndata:\n\n", &[Event { id: "s-1", ..retry(500, "") }]),
];

pub const NDJSON: &[Vector] = &[
    ("two lines", b"{\"a\":1}\n{\"b\":2}\n", &[data("{\"a\":1}"), data("{\"b\":2}")]),
    ("CR LF", b"{\"a\":1}\r\n[2]\r\n", &[data("{\"a\":1}"), data("[2]")]),
    ("one CR is cut", b"1\r\r\n", &[data("1\r")]),
    ("a CR is no line end", b"1\r2\n", &[data("1\r2")]),
    ("blank lines", b"\n\r\n \n\t \r\n1\n\n\n2\n  ", &[data("1"), data("2")]),
    ("spaces stay", b" 1 \n", &[data(" 1 ")]),
    ("no last end", b"1\n{\"a\":", &[data("1"), unfinished(data("{\"a\":"))]),
    ("half a last end", b"1\n2\r", &[data("1"), unfinished(data("2"))]),
    ("a BOM", b"\xEF\xBB\xBF1\n\xEF\xBB\xBF2\n", &[data("1"), data("\u{FEFF}2")]),
    ("a BOM and a blank line", b"\xEF\xBB\xBF\n1\n", &[data("1")]),
    ("a BOM alone", b"\xEF\xBB\xBF", &[]),
    ("half a BOM", b"\xEF\xBB", &[unfinished(data("\u{FFFD}"))]),
    ("nothing", b"", &[]),
    ("UTF-8", "\"é€😀\u{2028}\"\n".as_bytes(), &[data("\"é€😀\u{2028}\"")]),
    (
        "broken UTF-8",
        b"\"\xE2\x82\"\n\xFF\n\x80",
        &[data("\"\u{FFFD}\""), data("\u{FFFD}"), unfinished(data("\u{FFFD}"))],
    ),
    ("NUL", b"\"\0\"\n", &[data("\"\0\"")]),
    ("no SSE", b"data: {}\n: c\n", &[data("data: {}"), data(": c")]),
    ("no JSON", b"oops\n", &[data("oops")]),
];
