//! Structs of any bytes, their pointers kept good: shared by tests/fuzz_corpora.rs and the fuzz target. An input's first byte says
//! which struct, then come its bytes, then texts with 0xFE between them. There is always a status, and what is refused is named.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use aipool::error::Status;
use aipool::ffi::args::AIP_NUL_TERMINATED;
use aipool::ffi::call::{aip_call, aip_call_init, aip_message, aip_text};
use aipool::ffi::cancel::{aip_cancel, aip_cancel_fire, aip_cancel_new};
use aipool::ffi::client::{aip_client, aip_client_call, aip_client_free, aip_client_generate, aip_client_new};
use aipool::ffi::client_options::{aip_client_options, aip_client_options_init};
use aipool::ffi::pool::*;
use aipool::ffi::request::{aip_header, aip_request, aip_request_init};
use aipool::ffi::response::aip_response_free;
use aipool::ffi::session::{aip_session, aip_session_free, aip_session_request};
use aipool::ffi::session_options::{aip_session_options, aip_session_options_init};
use aipool::ffi::status::{self, aip_error};

const SEPARATOR: u8 = 0xFE;
const OK: i32 = Status::Ok as i32;
/// Nobody listens there.
const REFUSED: &str = "http://127.0.0.1:1/v1";
/// A text that no message may show: most fields may be credentials, or hold one.
const SECRET: &str = "pl4nted-s3cret";
/// The largest struct that is looked at.
const LARGEST: usize = 4096;
/// What is likely to be said somewhere.
const WORDS: [&[u8]; 24] = [
    b"m",
    b"POST",
    b"/chat",
    b"http://127.0.0.1:1/v1",
    b"https://me:pl4nted-s3cret@h/",
    b"pl4nted-s3cret",
    b"pl4nted-s3cret\n",
    b"x-a\0pl4nted-s3cret\0",
    b"x-a: pl4nted-s3cret\0b\0",
    b"{}",
    b"[]",
    b"[{\"name\":\"f\"}]",
    b"[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]",
    b"{\"model\":\"x\"}",
    b"[",
    b"auto",
    b"required",
    b"GIGACHAT_API_PERS",
    b"http://127.0.0.1:1",
    b"socks5h://me:pl4nted-s3cret@127.0.0.1:1",
    b"a.example=127.0.0.1,::1",
    b"127.0.0.1",
    b"0123456789abcdef0123456789abcdef",
    b"\xFF",
];
/// Never any: it would be read, or written to.
const FILES: [&[u8]; 3] = [b"/no/such/file", b"/", b"no/such\0file"];

/// Takes a struct and gives it to the function it is for.
pub fn check(input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else { return };
    let mut given = Given { bytes, texts: Vec::new() };
    match which % 8 {
        0 => pool(&mut given, false),
        1 => pool(&mut given, true),
        2 => session(&mut given),
        3 => request(&mut given),
        4 => client(&mut given),
        5 => call(&mut given, which / 8, false),
        6 => call(&mut given, which / 8, true),
        _ => inits(&mut given),
    }
}

/// Bytes to make structs of, and the texts that they point to.
struct Given<'a> {
    bytes: &'a [u8],
    texts: Vec<Box<[u8]>>,
}

impl Given<'_> {
    /// A struct of the next bytes, zero where there are no more.
    fn any<T>(&mut self) -> Box<Room<T>> {
        let (mine, rest) = self.bytes.split_at(self.bytes.len().min(size_of::<T>()));
        self.bytes = rest;
        let mut room = Box::new(Room { any: [0; LARGEST], of: std::marker::PhantomData });
        room.any[..mine.len()].copy_from_slice(mine);
        room
    }

    /// One that starts with its size: 0 stands for the right one, and of any other as much may be read.
    fn sized<T>(&mut self) -> Box<Room<T>> {
        let mut room = self.any::<T>();
        if room.any[..8] == [0; 8] {
            room.any[..8].copy_from_slice(&size_of::<T>().to_ne_bytes());
        }
        room.any[LARGEST - 1] = (self.bytes.len() % 2) as u8;
        room
    }

    /// The next text; its NUL is behind it.
    fn next(&mut self) -> &[u8] {
        let mut parts = self.bytes.splitn(2, |byte| *byte == SEPARATOR);
        let (text, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        self.bytes = rest;
        self.keep(text)
    }

    fn keep(&mut self, text: &[u8]) -> &[u8] {
        self.texts.push([text, &b"\0"[..]].concat().into_boxed_slice());
        self.texts.last().expect("was pushed")
    }

    /// A good pointer and length in place of any: NULL, one of the words, or the next text.
    fn mend(&mut self, place: &mut *const c_char, len: &mut usize) {
        let wanted = place.addr();
        if wanted == 0 {
            return;
        }
        let text = if wanted % 2 == 0 { self.keep(WORDS[wanted / 2 % WORDS.len()]) } else { self.next() };
        // Of an impossible length nothing is read.
        if isize::try_from(*len).is_ok() {
            *len = if *len == 0 { text.len() - 1 } else { *len % text.len() };
        }
        *place = text.as_ptr().cast();
    }

    /// One of the names that are no file's, whole: the beginning of a name may be that of a file to be.
    fn mend_file(&mut self, place: &mut *const c_char, len: &mut usize) {
        if place.is_null() {
            return;
        }
        let name = self.keep(FILES[place.addr() % FILES.len()]);
        if isize::try_from(*len).is_ok() {
            *len = name.len() - 1;
        }
        *place = name.as_ptr().cast();
    }

    /// As `mend`, where a length has no word for the end.
    fn mend_bytes(&mut self, place: &mut *const u8, len: &mut usize) {
        let mut chars = place.cast();
        *len = if *len == AIP_NUL_TERMINATED { 1 } else { *len };
        self.mend(&mut chars, len);
        *place = chars.cast();
    }
}

/// Room for a struct and its tail.
#[repr(C, align(8))]
struct Room<T> {
    any: [u8; LARGEST],
    of: std::marker::PhantomData<T>,
}

impl<T> Room<T> {
    fn get(&mut self) -> &mut T {
        // SAFETY: aligned, larger than any struct, and any bytes are a valid one.
        unsafe { &mut *self.any.as_mut_ptr().cast::<T>() }
    }

    fn place(&self) -> *const T {
        self.any.as_ptr().cast()
    }
}

/// Texts of `$options` by their fields, lengths beside them.
macro_rules! mend {
    ($given:expr, $options:expr; $($field:ident, $len:ident;)*) => {
        $($given.mend(&mut $options.$field, &mut $options.$len);)*
    };
}

/// The names of a struct's fields, as the header has them.
fn fields(name: &str) -> BTreeSet<&'static str> {
    const HEADER: &str = include_str!("../../include/aipool.h");
    let body = HEADER.split(&format!("typedef struct {name} {{\n")).nth(1).expect("is in the header");
    let lines = body.lines().take_while(|line| !line.starts_with('}')).filter(|line| line.ends_with(';'));
    let word = |line: &'static str| line.trim_end_matches(';').rsplit([' ', '*']).next().expect("a name");
    lines.map(|line| word(line).split('[').next().expect("a name")).collect()
}

/// Calls with an error to write to. What is refused says which field, and what is not says nothing.
fn call_with(argument: &str, of: &str, call: impl FnOnce(*mut aip_error) -> i32) -> i32 {
    let mut error = MaybeUninit::<aip_error>::zeroed();
    let status = call(error.as_mut_ptr());
    // SAFETY: any bytes are a valid error.
    let error = unsafe { error.assume_init() };
    // SAFETY: the library's own text, or ours, each with a NUL.
    let (name, message) = unsafe { (status::name(status), CStr::from_ptr(error.message.as_ptr())) };
    let message = message.to_str().expect("is UTF-8");
    assert!(name != c"AIP_UNKNOWN" && status != Status::Panic as i32, "{name:?} {message}");
    assert_eq!(error.status, status, "{message}");
    assert_eq!(message.is_empty(), status == OK, "{message}");
    // The name of a server is none.
    assert!(message.starts_with("server_name: ") || !message.contains(SECRET), "{message}");
    if status == Status::InvalidArgument as i32 || status == Status::Unsupported as i32 {
        let field = message.strip_prefix(argument).and_then(|rest| rest.strip_prefix('.')).unwrap_or(message);
        let word = field.split([':', '[', '.']).next().expect("a word");
        // A call may lack what its client's options could have had, and a client what its session's could.
        let structs = [of, "aip_client_options", "aip_session_options"];
        let known = word == argument || structs.iter().any(|name| fields(name).contains(word));
        assert!(known, "names no field: {message}");
    }
    status
}

fn pool(given: &mut Given<'_>, global: bool) {
    let mut room = given.sized::<aip_pool_options>();
    let options = room.get();
    // Many threads are only slow.
    if options.threads <= 256 {
        options.threads %= 3;
    }
    let mut pool = null_mut();
    let status = call_with("options", "aip_pool_options", |error| {
        // SAFETY: the room holds every size; the places are ours.
        unsafe {
            if global {
                aip_pool_global(room.place(), &raw mut pool, error)
            } else {
                aip_pool_new(room.place(), &raw mut pool, error)
            }
        }
    });
    assert_eq!(status == OK, !pool.is_null());
    // SAFETY: ours, or NULL.
    unsafe {
        assert_eq!(aip_pool_free(pool), OK);
        assert_eq!(aip_pool_close_global(0, null_mut()), OK);
    }
}

fn mend_session(given: &mut Given<'_>, options: &mut aip_session_options) {
    mend!(given, options;
        partition, partition_len; headers, headers_len; server_name, server_name_len; proxy, proxy_len;
        no_proxy, no_proxy_len; resolve, resolve_len; local_address, local_address_len;);
    given.mend_file(&mut options.ca_file, &mut options.ca_file_len);
    given.mend_file(&mut options.client_cert_file, &mut options.client_cert_file_len);
    given.mend_file(&mut options.client_key_file, &mut options.client_key_file_len);
    given.mend_file(&mut options.unix_socket, &mut options.unix_socket_len);
    given.mend_file(&mut options.key_log_file, &mut options.key_log_file_len);
    given.mend_bytes(&mut options.ca_bytes, &mut options.ca_bytes_len);
    given.mend_bytes(&mut options.client_cert_bytes, &mut options.client_cert_bytes_len);
    given.mend_bytes(&mut options.client_key_bytes, &mut options.client_key_bytes_len);
    given.mend_bytes(&mut options.pins, &mut options.pins_len);
}

fn session(given: &mut Given<'_>) {
    let mut room = given.sized::<aip_session_options>();
    mend_session(given, room.get());
    let (pool, mut session) = (ground().pool, null_mut());
    // Of a key that nothing else has, so that no other options stand in the way.
    let key = "http://127.0.0.1:2";
    let status = call_with("options", "aip_session_options", |error| {
        // SAFETY: the room holds every size, the texts live, the places are ours.
        unsafe { aip_pool_get_session(pool, key.as_ptr().cast(), key.len(), room.place(), &raw mut session, error) }
    });
    assert_eq!(status == OK, !session.is_null());
    // SAFETY: the text lives; the handles are ours, or NULL.
    unsafe {
        assert_eq!(aip_session_free(session), OK);
        assert_eq!(aip_pool_close_session(pool, key.as_ptr().cast(), key.len(), null_mut()), OK);
    }
}

/// What stays for the whole run: a pool, and what nobody waits for.
struct Ground {
    pool: *mut aip_pool,
    session: *mut aip_session,
    /// Fired: nothing is sent.
    cancel: *mut aip_cancel,
    clients: Vec<*mut aip_client>,
}

// SAFETY: handles may be used from any thread.
unsafe impl Send for Ground {}
// SAFETY: as above.
unsafe impl Sync for Ground {}

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let (mut pool, mut session, mut cancel) = (null_mut(), null_mut(), null_mut());
        let key = REFUSED.as_ptr().cast();
        // SAFETY: the texts live; what is made is ours, and stays.
        unsafe {
            assert_eq!(aip_pool_new(null(), &raw mut pool, null_mut()), OK);
            assert_eq!(aip_pool_get_session(pool, key, REFUSED.len(), null(), &raw mut session, null_mut()), OK);
            assert_eq!((aip_cancel_new(&raw mut cancel, null_mut()), aip_cancel_fire(cancel)), (OK, OK));
        }
        Ground { pool, session, cancel, clients: (1..8).map(|kind| client_of(pool, kind)).collect() }
    })
}

fn client_of(pool: *mut aip_pool, kind: u32) -> *mut aip_client {
    let (mut options, mut client) = (MaybeUninit::<aip_client_options>::uninit(), null_mut());
    // SAFETY: as large as it is said to be; then every field is set; texts live.
    unsafe {
        aip_client_options_init(options.as_mut_ptr(), size_of::<aip_client_options>());
        let mut options = options.assume_init();
        options.kind = kind;
        (options.base_url, options.base_url_len) = (REFUSED.as_ptr().cast(), REFUSED.len());
        (options.access_token, options.access_token_len) = (c"t".as_ptr(), 1);
        (options.folder, options.folder_len) = (c"f".as_ptr(), 1);
        if kind != 3 && kind != 4 {
            (options.api_key, options.api_key_len) = (c"k".as_ptr(), 1);
        }
        assert_eq!(aip_client_new(pool, &raw const options, &raw mut client, null_mut()), OK);
    }
    client
}

fn request(given: &mut Given<'_>) {
    let ground = ground();
    let mut room = given.sized::<aip_request>();
    let request = room.get();
    mend!(given, request;
        method, method_len; url, url_len; packed_headers, packed_headers_len; end_marker, end_marker_len;);
    given.mend_bytes(&mut request.body, &mut request.body_len);
    let mut headers: Vec<Box<Room<aip_header>>> = Vec::new();
    let mut list: Vec<aip_header> = Vec::new();
    if !request.headers.is_null() {
        for _ in 0..request.header_count.min(3) {
            let mut header = given.any::<aip_header>();
            let one = header.get();
            mend!(given, one; name, name_len; value, value_len;);
            headers.push(header);
        }
        // SAFETY: any bytes are a header, and what they point to is kept.
        list.extend(headers.iter().map(|header| unsafe { header.place().read() }));
        request.headers = list.as_ptr();
        // Of too many none is read.
        if request.header_count <= 10_000 {
            request.header_count = list.len();
        }
    }
    if request.cancel.is_null() {
        request.cancel = ground.cancel;
    }
    let mut response = null_mut();
    let status = call_with("request", "aip_request", |error| {
        // SAFETY: the room holds every size, the texts live, the places are ours; handles may be any bits.
        unsafe { aip_session_request(ground.session, room.place(), &raw mut response, error) }
    });
    assert!(status != OK && response.is_null(), "it is cancelled, or refused");
}

fn client(given: &mut Given<'_>) {
    let ground = ground();
    let mut room = given.sized::<aip_client_options>();
    let options = room.get();
    mend!(given, options;
        base_url, base_url_len; auth_url, auth_url_len; api_key, api_key_len; access_token, access_token_len;
        user, user_len; password, password_len; client_id, client_id_len; client_secret, client_secret_len;
        oauth_token, oauth_token_len; scope, scope_len; folder, folder_len; organization, organization_len;
        model, model_len; embedding_model, embedding_model_len; affinity, affinity_len;
        operations_url, operations_url_len;);
    let mut session = (!options.session.is_null()).then(|| given.sized::<aip_session_options>());
    options.session = session.as_mut().map_or(null(), |session| {
        mend_session(given, session.get());
        session.place()
    });
    let mut client = null_mut();
    let status = call_with("options", "aip_client_options", |error| {
        // SAFETY: the rooms hold every size, the texts live, the places are ours.
        unsafe { aip_client_new(ground.pool, room.place(), &raw mut client, error) }
    });
    assert_eq!(status == OK, !client.is_null());
    // SAFETY: ours, or NULL.
    unsafe { assert_eq!(aip_client_free(client), OK) };
}

/// Lists of a call: structs of the next bytes, whose texts are kept.
fn texts(given: &mut Given<'_>, wanted: bool, count: &mut usize) -> Vec<aip_text> {
    let mut list = Vec::new();
    for _ in 0..(*count).min(3).min(usize::from(wanted) * 3) {
        let mut text = given.any::<aip_text>();
        let one = text.get();
        mend!(given, one; data, len;);
        // SAFETY: any bytes are a text, and what it points to is kept.
        list.push(unsafe { text.place().read() });
    }
    // Of too many none is read.
    if wanted && *count <= 1_000_000 {
        *count = list.len();
    }
    list
}

fn messages(given: &mut Given<'_>, wanted: bool, count: &mut usize) -> Vec<aip_message> {
    let mut list = Vec::new();
    for _ in 0..(*count).min(3).min(usize::from(wanted) * 3) {
        let mut message = given.any::<aip_message>();
        let one = message.get();
        mend!(given, one;
            content, content_len; name, name_len; call_id, call_id_len; tool_calls, tool_calls_len;
            state, state_len; raw, raw_len;);
        // SAFETY: any bytes are a message, and what it points to is kept.
        list.push(unsafe { message.place().read() });
    }
    if wanted && *count <= 1_000_000 {
        *count = list.len();
    }
    list
}

fn call(given: &mut Given<'_>, kind: u8, generate: bool) {
    let ground = ground();
    let mut room = given.sized::<aip_call>();
    let call = room.get();
    mend!(given, call;
        system, system_len; prompt, prompt_len; model, model_len; tools, tools_len; tool_choice, tool_choice_len;
        json_schema, json_schema_len; state, state_len; extra, extra_len; method, method_len; url, url_len;
        content_type, content_type_len; headers, headers_len; idempotency_key, idempotency_key_len;);
    given.mend_bytes(&mut call.body, &mut call.body_len);
    let talk = messages(given, !call.messages.is_null(), &mut call.message_count);
    let stop = texts(given, !call.stop.is_null(), &mut call.stop_count);
    let inputs = texts(given, !call.inputs.is_null(), &mut call.input_count);
    call.messages = if call.messages.is_null() { null() } else { talk.as_ptr() };
    call.stop = if call.stop.is_null() { null() } else { stop.as_ptr() };
    call.inputs = if call.inputs.is_null() { null() } else { inputs.as_ptr() };
    if call.cancel.is_null() {
        call.cancel = ground.cancel;
    }
    let client = ground.clients[usize::from(kind) % ground.clients.len()];
    let mut response = null_mut();
    let status = call_with("call", "aip_call", |error| {
        // SAFETY: the room holds every size, the texts and lists live, the places are ours; handles may be any bits.
        unsafe {
            if generate {
                aip_client_generate(client, c"Hi".as_ptr(), 2, room.place(), &raw mut response, error)
            } else {
                aip_client_call(client, room.place(), &raw mut response, error)
            }
        }
    });
    // SAFETY: ours, or NULL.
    unsafe { aip_response_free(response) };
    assert!(status != OK, "it is cancelled, or refused");
}

/// An init function writes as many bytes as it was told, or none.
fn inits(given: &mut Given<'_>) {
    let (which, bytes) = given.bytes.split_first().unwrap_or((&0, &[]));
    let mut size = [0; 8];
    size[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
    let size = usize::from_ne_bytes(size);
    let mut room = Box::new(Room::<aip_call> { any: [0xAA; LARGEST], of: std::marker::PhantomData });
    let place = room.any.as_mut_ptr();
    // SAFETY: the room holds every size that is written.
    unsafe {
        match which % 5 {
            0 => aip_pool_options_init(place.cast(), size),
            1 => aip_session_options_init(place.cast(), size),
            2 => aip_request_init(place.cast(), size),
            3 => aip_client_options_init(place.cast(), size),
            _ => aip_call_init(place.cast(), size),
        }
    }
    let written = if (8..=LARGEST).contains(&size) { size } else { 0 };
    assert!(room.any[written..].iter().all(|byte| *byte == 0xAA), "beyond its size");
    if written > 0 {
        assert_eq!(room.any[..8], size.to_ne_bytes());
        assert!(room.any[8..written].iter().all(|byte| *byte == 0));
    }
}
