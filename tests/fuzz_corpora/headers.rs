//! Headers of callers and of peers: shared by tests/fuzz_corpora.rs and the fuzz target. An input is names and values with 0xFE
//! between them. What HTTP allows passes byte by byte, both ways; the rest is refused, and no message shows a value.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use aipool::error::{Result, Status};
use aipool::ffi::args::AIP_NUL_TERMINATED;
use aipool::ffi::pool::{aip_pool, aip_pool_get_session, aip_pool_new};
use aipool::ffi::request::{aip_header, aip_request, aip_request_init, parse};
use aipool::ffi::response::{
    aip_response, aip_response_free, aip_response_header_at, aip_response_header_count, aip_response_headers_copy,
};
use aipool::ffi::session::{aip_session, aip_session_request};

use super::peer::Peer;

const SEPARATOR: u8 = 0xFE;
const OK: i32 = Status::Ok as i32;
/// Of a response over HTTP/1.1.
const MOST_HEADERS: usize = 100;
/// What means something to the connection or to the library.
const SPECIAL: [&str; 16] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-should-retry",
];

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;
/// Values by their names in lower case, in their order.
type ByName = BTreeMap<String, Vec<Vec<u8>>>;

/// The same headers as an array, as C strings, as a packed block, over the wire and from it.
pub fn check(input: &[u8]) {
    let mut fields = input.split(|byte| *byte == SEPARATOR).map(<[u8]>::to_vec);
    let pairs: Pairs = std::iter::from_fn(|| Some((fields.next()?, fields.next()?))).collect();
    let given = parsed("headers", &pairs, |pairs| as_array(pairs, false));
    let cut = |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    let ended: Pairs = pairs.iter().map(|(name, value)| (cut(name), cut(value))).collect();
    parsed("headers", &ended, |pairs| as_array(pairs, true));
    let block = packed(&pairs);
    let mut parts = block.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let unpacked: Pairs = std::iter::from_fn(|| Some((parts.next()?, parts.next()?))).collect();
    parsed("packed_headers", &unpacked, as_block);
    if given {
        goes_out(&pairs);
    }
    comes_in(&pairs);
}

fn packed(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    pairs.iter().flat_map(|(name, value)| [name, &b"\0"[..], value, &b"\0"[..]].concat()).collect()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| is_token(*byte))
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}

fn is_good((name, value): &(Vec<u8>, Vec<u8>)) -> bool {
    is_name(name) && value.iter().all(|byte| is_text(*byte))
}

fn by_name<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> ByName {
    let mut all = ByName::new();
    for (name, value) in pairs {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        all.entry(name).or_default().push(value.to_vec());
    }
    all
}

fn borrowed(pairs: &Pairs) -> impl Iterator<Item = (&[u8], &[u8])> {
    pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
}

/// Gives them in one way: the first bad one is named, and its message is the same whatever the letters of what it may not show.
fn parsed(field: &str, pairs: &Pairs, give: impl Fn(&Pairs) -> Result<ByName>) -> bool {
    let bad = pairs.iter().position(|pair| !is_good(pair));
    match (give(pairs), bad) {
        (Ok(passed), None) => assert_eq!(passed, by_name(borrowed(pairs))),
        (Err(error), Some(bad)) => {
            assert_eq!(error.status, Status::InvalidArgument);
            assert!(error.message.starts_with(&format!("{field}[{bad}]: ")), "{bad}: {error}");
            let masked = |bytes: &[u8], fits: fn(u8) -> bool| -> Vec<u8> {
                bytes.iter().map(|byte| if fits(*byte) { b'x' } else { *byte }).collect()
            };
            let hide = |(name, value): &(Vec<u8>, Vec<u8>)| {
                let name = if is_name(name) { name.clone() } else { masked(name, is_token) };
                (name, masked(value, is_text))
            };
            let hidden = give(&pairs.iter().map(hide).collect()).expect_err("is as bad");
            assert_eq!(hidden.message, error.message, "the message depends on what it may not show");
        }
        (given, bad) => panic!("{given:?}, and {bad:?} is bad"),
    }
    bad.is_none()
}

/// A request without headers; as large as it says it is.
fn request() -> aip_request {
    let mut request = MaybeUninit::<aip_request>::uninit();
    // SAFETY: as large as it is said to be; then every field is set.
    unsafe {
        aip_request_init(request.as_mut_ptr(), size_of::<aip_request>());
        request.assume_init()
    }
}

fn passed(request: &aip_request) -> Result<ByName> {
    // SAFETY: its pointers are of living texts.
    let request = unsafe { parse(request) }?;
    Ok(by_name(request.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))))
}

fn header(name: (*const c_char, usize), value: (*const c_char, usize)) -> aip_header {
    aip_header { name: name.0, name_len: name.1, value: value.0, value_len: value.1, reserved: [0; 2] }
}

/// With lengths, or as C strings of what has no NUL.
fn as_array(pairs: &Pairs, nul: bool) -> Result<ByName> {
    let texts: Vec<[CString; 2]> = pairs
        .iter()
        .filter(|_| nul)
        .map(|(name, value)| [name, value].map(|text| CString::new(text.clone()).expect("was cut at its NUL")))
        .collect();
    let of = |text: &[u8]| (text.as_ptr().cast(), text.len());
    let ended = |text: &CString| (text.as_ptr(), AIP_NUL_TERMINATED);
    let headers: Vec<aip_header> = if nul {
        texts.iter().map(|[name, value]| header(ended(name), ended(value))).collect()
    } else {
        pairs.iter().map(|(name, value)| header(of(name), of(value))).collect()
    };
    passed(&aip_request { headers: headers.as_ptr(), header_count: headers.len(), ..request() })
}

fn as_block(pairs: &Pairs) -> Result<ByName> {
    let block = packed(pairs);
    passed(&aip_request { packed_headers: block.as_ptr().cast(), packed_headers_len: block.len(), ..request() })
}

/// A session of the peer's, for the whole run.
struct Way {
    session: *mut aip_session,
    peer: Peer,
}

// SAFETY: a handle may be used from any thread.
unsafe impl Send for Way {}
// SAFETY: as above.
unsafe impl Sync for Way {}

fn way() -> &'static Way {
    static WAY: OnceLock<Way> = OnceLock::new();
    WAY.get_or_init(|| {
        let peer = Peer::open();
        let (mut pool, mut session): (*mut aip_pool, _) = (null_mut(), null_mut());
        // SAFETY: the text lives; what is made is ours, and stays.
        unsafe {
            assert_eq!(aip_pool_new(null(), &raw mut pool, null_mut()), OK);
            let key = peer.url().as_ptr().cast();
            let made = aip_pool_get_session(pool, key, peer.url().len(), null(), &raw mut session, null_mut());
            assert_eq!(made, OK);
        }
        Way { session, peer }
    })
}

/// What a request came to, and what the peer saw of it.
struct Exchange {
    status: i32,
    response: *mut aip_response,
    seen: Vec<u8>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // SAFETY: ours; NULL is fine.
        unsafe { aip_response_free(self.response) };
    }
}

fn exchange(packed: &[u8], answer: Vec<u8>) -> Exchange {
    let (way, mut response) = (way(), null_mut());
    way.peer.answers(answer);
    let request = aip_request { packed_headers: packed.as_ptr().cast(), packed_headers_len: packed.len(), ..request() };
    // SAFETY: all of the request lives; what is made is ours.
    let status = unsafe { aip_session_request(way.session, &raw const request, &raw mut response, null_mut()) };
    Exchange { status, response, seen: way.peer.saw() }
}

/// A caller's good headers are on the wire as they are.
fn goes_out(pairs: &Pairs) {
    if pairs.iter().any(|(name, _)| SPECIAL.contains(&&*String::from_utf8_lossy(name).to_ascii_lowercase())) {
        return;
    }
    let exchange = exchange(&packed(pairs), b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec());
    assert_eq!(exchange.status, OK);
    let head = exchange.seen.strip_suffix(b"\r\n\r\n").expect("a head");
    let lines = head.split(|byte| *byte == b'\n').skip(1).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let seen = by_name(lines.map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').expect("a header");
        (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]))
    }));
    for (name, values) in by_name(borrowed(pairs)) {
        assert_eq!(seen.get(&name), Some(&values), "{name}");
    }
}

/// A peer's headers: a line each, as they come.
fn comes_in(pairs: &Pairs) {
    let mut head = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n".to_vec();
    let lines: Vec<Vec<u8>> = pairs.iter().map(|(name, value)| [name, &b": "[..], value].concat()).collect();
    for line in &lines {
        head.extend([line, &b"\r\n"[..]].concat());
    }
    head.extend(b"\r\n");
    let exchange = exchange(b"", head);
    assert!(exchange.status != Status::Panic as i32 && exchange.status != Status::InvalidArgument as i32);
    let plain: Option<Pairs> = lines.iter().map(|line| in_plain_words(line)).collect();
    let Some(mut plain) = plain else { return };
    if !plain.iter().all(is_good) {
        assert_eq!((exchange.status, exchange.response), (Status::Protocol as i32, null_mut()));
        return;
    }
    if plain.iter().any(|(name, _)| SPECIAL.contains(&&*String::from_utf8_lossy(name).to_ascii_lowercase())) {
        return;
    }
    plain.push((b"connection".to_vec(), b"close".to_vec()));
    if plain.len() > MOST_HEADERS {
        assert_eq!((exchange.status, exchange.response), (Status::Protocol as i32, null_mut()));
        return;
    }
    assert_eq!(exchange.status, OK);
    let expected = by_name(borrowed(&plain));
    assert_eq!(one_by_one(exchange.response), expected);
    assert_eq!(copied(exchange.response), expected);
}

/// A line of a head as RFC 9112, 5 has it; `None` where it is several lines.
fn in_plain_words(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if line.iter().any(|byte| b"\r\n".contains(byte)) {
        return None;
    }
    let colon = line.iter().position(|byte| *byte == b':')?;
    let mut value = &line[colon + 1..];
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    Some((line[..colon].to_vec(), value.to_vec()))
}

fn one_by_one(response: *mut aip_response) -> ByName {
    // SAFETY: a live handle of ours; texts are borrowed until it is freed.
    unsafe {
        let at = |index| {
            let (mut name, mut name_len, mut value, mut value_len) = (null(), 0, null(), 0);
            let places = (&raw mut name, &raw mut name_len, &raw mut value, &raw mut value_len);
            assert_eq!(aip_response_header_at(response, index, places.0, places.1, places.2, places.3), OK);
            let bytes = |text: *const c_char, len| std::slice::from_raw_parts(text.cast::<u8>(), len);
            (bytes(name, name_len), bytes(value, value_len))
        };
        by_name((0..aip_response_header_count(response)).map(at))
    }
}

fn copied(response: *mut aip_response) -> ByName {
    let mut block = vec![0; 1 << 16];
    let mut needed = 0;
    let (place, cap) = (block.as_mut_ptr().cast(), block.len());
    // SAFETY: room for as much as it says.
    let status = unsafe { aip_response_headers_copy(response, place, cap, &raw mut needed, null_mut()) };
    assert_eq!(status, OK);
    let parts: Vec<&[u8]> = block[..needed].strip_suffix(b"\0").expect("a NUL").split(|byte| *byte == 0).collect();
    by_name(parts.chunks(2).map(|pair| (pair[0], pair[1])))
}
