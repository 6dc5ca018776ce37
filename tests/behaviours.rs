//! The behaviours of tests/behaviours.txt through the Rust door: over the pool's own connections and over reqwest's, with the
//! waiting thread driving and with two threads.

#[path = "behaviours/connections.rs"]
mod connections;
#[path = "behaviours/limits.rs"]
mod limits;
#[path = "behaviours/queues.rs"]
mod queues;
#[path = "behaviours/streams.rs"]
mod streams;
mod support;

use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aipool::body::reply::Reply;
use aipool::cancel::Cancel;
use aipool::config::{
    ConnectionConfig, Eviction, HttpVersion, MaxSize, PoolConfig, SessionConfig, TimeLimit, TlsOptions, TransportKind,
};
use aipool::error::Error;
use aipool::error::{Delivery, Detail, Phase, Status};
use aipool::pool::{ConnectionPool, PoolHandle};
use aipool::request::account::{Account, AccountPermit, fingerprint};
use aipool::request::provider::{Admission, Again, Judgement, Provider, Refusal};
use aipool::session::SessionHandle;
use connections::*;
use limits::*;
use queues::*;
use streams::*;
use support::expect::{connect_event, events};
use support::full::FullListener;
use support::port::Port;
use support::raw::RawServer;
use support::{Held, Listener, faulty, get, post, sandbox, trusting, unique, until, wait_gone, wait_held};

/// One test for each behaviour, transport and number of threads; passing writes the behaviour's name for the table.
macro_rules! behaviours {
    ($($name:ident)*) => {
        behaviours!(threads_0 = Over { threads: 0, transport: TransportKind::Engine }; $($name)*);
        behaviours!(threads_2 = Over { threads: 2, transport: TransportKind::Engine }; $($name)*);
        behaviours!(threads_0_reqwest = Over { threads: 0, transport: TransportKind::Reqwest }; $($name)*);
        behaviours!(threads_2_reqwest = Over { threads: 2, transport: TransportKind::Reqwest }; $($name)*);
    };
    ($column:ident = $over:expr; $($name:ident)*) => {
        mod $column {
            use super::{Over, TransportKind};
            $(#[test] fn $name() { super::$name($over); super::passed($over, stringify!($name)); })*
        }
    };
}

behaviours! {
    request_answers_over_http1
    request_answers_over_http2_tls
    warm_connection_is_reused
    headers_keep_duplicates_and_order
    body_round_trips_binary
    relative_url_is_appended_to_base
    absolute_url_goes_to_another_host
    opaque_key_takes_absolute_urls_only
    status_400_is_a_response
    gzip_br_zstd_are_decoded
    body_over_cap_is_too_large_with_what_fitted
    cut_body_is_truncated_with_what_came
    reset_before_response_is_reset_maybe_sent
    refused_connection_is_connect_not_sent
    unresolvable_host_is_dns_not_sent
    untrusted_certificate_is_tls_not_sent
    extra_ca_is_trusted
    total_limit_is_timeout
    cancel_from_another_thread_ends_the_call
    fired_cancel_is_sticky
    same_key_is_same_session
    keys_are_normalised
    lru_evicts_least_recently_used
    fifo_evicts_first_inserted
    lease_is_passed_over
    all_leased_exceeds_max_size
    evicted_handle_is_closed_not_sent
    eviction_lets_in_flight_finish
    close_session_lets_in_flight_finish
    close_all_lets_in_flight_finish
    close_all_cuts_after_drain
    pool_is_usable_after_close_all
    closed_session_is_recreated
    pool_request_recreates
    max_size_off_gives_own_sessions
    other_connection_options_are_refused_by_name
    partition_makes_another_session
    default_headers_and_limits_belong_to_the_handle
    global_pool_is_one
    global_pool_refuses_other_options
    closed_global_pool_is_made_anew
    pool_free_closes_sessions
    bad_url_names_the_field
    bad_header_names_the_field
    stale_handle_is_refused
    warm_opens_connections_before_requests
    queue_full_is_limit_with_occupancy
    queue_limit_is_timeout_with_occupancy
    first_byte_limit_is_timeout
    between_bytes_limit_is_timeout
    redirects_are_followed_on_request
    redirects_are_not_followed_unasked
    retries_follow_retry_after
    trust_anybody_is_insecure_and_shown
    proxy_is_used_when_asked
    reload_tls_replaces_connections
    info_names_connection_and_attempts
    metrics_are_prometheus_text
    events_are_json_lines
    stats_reconcile
    stream_head_comes_before_its_body_ends
    stream_bytes_are_those_the_server_sent
    sse_events_come_parsed_in_order
    ndjson_lines_come_in_order
    missing_end_marker_is_truncated_after_what_came
    freed_stream_leaves_nothing_in_use
    first_event_limit_is_timeout
    between_events_limit_is_timeout
    between_bytes_limit_ends_a_stream_after_what_came
    upload_in_pieces_arrives_whole
    upload_of_another_length_is_refused_by_name
    freed_upload_cancels_its_request
    submitted_requests_end_once_each_with_their_tag
    cancelled_submission_ends_once_as_cancelled
    closing_takes_no_more_and_ends_after_the_last
    requests_given_up_together_leave_the_pool_usable
    wake_brings_a_waiter_back_with_nothing
    readable_comes_after_a_read_in_vain
}

/// Under what a behaviour is shown.
#[derive(Clone, Copy)]
struct Over {
    threads: usize,
    transport: TransportKind,
}

const ENGINE: Over = Over { threads: 0, transport: TransportKind::Engine };

impl Over {
    fn reqwest(self) -> bool {
        self.transport == TransportKind::Reqwest
    }

    /// Over reqwest: true, and what it lacks was refused by this name. False over the engine.
    fn lacks<T>(self, outcome: &aipool::error::Result<T>, field: &str) -> bool {
        if self.reqwest() {
            let error = outcome.as_ref().err().expect(field);
            assert_eq!((error.status, error.delivery), (Status::Unsupported, Delivery::NotSent), "{error}");
            assert!(error.message.starts_with(field), "{error}");
        }
        self.reqwest()
    }
}

/// A pool whose sessions go over the transport that is shown.
struct Pool {
    handle: PoolHandle,
    over: Over,
}

impl std::ops::Deref for Pool {
    type Target = PoolHandle;

    fn deref(&self) -> &PoolHandle {
        &self.handle
    }
}

impl Pool {
    fn options(&self, options: Option<SessionConfig>) -> Option<SessionConfig> {
        let mut options = if self.over.reqwest() { Some(options.unwrap_or_default()) } else { options };
        if let Some(options) = &mut options {
            options.connection.transport = self.over.transport;
        }
        options
    }

    fn get_session(&self, key: &str, options: Option<SessionConfig>) -> aipool::error::Result<SessionHandle> {
        self.handle.get_session(key, self.options(options))
    }

    fn acquire(&self, key: &str, options: Option<SessionConfig>) -> aipool::error::Result<SessionHandle> {
        self.handle.acquire(key, self.options(options))
    }
}

fn session(pool: &Pool, key: &str) -> Arc<SessionHandle> {
    Arc::new(pool.get_session(key, None).unwrap())
}

/// Notes a pass for the table; in one write, as tests run side by side.
fn passed(over: Over, name: &str) {
    use std::io::Write;
    let dir = support::root().join("target/behaviours");
    std::fs::create_dir_all(&dir).unwrap();
    let transport = if over.reqwest() { "reqwest" } else { "engine" };
    let file = dir.join(format!("rust-{}-{transport}.txt", over.threads));
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{name}\n").as_bytes()).unwrap();
}

fn config(over: Over) -> PoolConfig {
    PoolConfig { threads: over.threads, ..PoolConfig::default() }
}

fn pool(over: Over) -> Pool {
    pool_with(over, config(over))
}

fn pool_with(over: Over, config: PoolConfig) -> Pool {
    Pool { handle: PoolHandle::owner(ConnectionPool::new(config).unwrap()), over }
}

fn small_pool(over: Over, size: usize, eviction: Eviction) -> Pool {
    pool_with(over, PoolConfig { max_size: MaxSize::Limit(size), eviction, ..config(over) })
}

/// A handle to the global pool.
fn guest(over: Over, pool: Arc<ConnectionPool>) -> Pool {
    Pool { handle: PoolHandle::guest(pool), over }
}

fn request_answers_over_http1(over: Over) {
    let pool = pool(over);
    let response = session(&pool, &sandbox().http).request(post("/echo", "hello")).unwrap();
    assert_eq!((response.status.as_u16(), response.version_number()), (200, 11));
    assert!(response.body.starts_with(b"POST /echo HTTP/1.1\n") && response.body.ends_with(b"\n\nhello"));
    assert!(response.report.remote.is_some_and(|remote| remote.ip().is_loopback()));
}

fn request_answers_over_http2_tls(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let session = pool.get_session(&listener.https, Some(trusting())).unwrap();
    let response = session.request(post("/echo", "hello")).unwrap();
    assert_eq!((response.status.as_u16(), response.version_number()), (200, 20));
    assert_eq!(listener.count("http2_requests"), 1);
}

fn warm_connection_is_reused(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let session = session(&pool, &listener.http);
    let reused: Vec<_> = (0..5).map(|_| session.request(post("/echo", "x")).unwrap().report.reused).collect();
    assert_eq!(reused, [false, true, true, true, true]);
    assert_eq!((listener.count("connections_opened"), listener.count("requests")), (1, 5));
    let stats = session.stats();
    assert_eq!((stats.connections_opened, stats.requests, stats.requests_reused), (1, 5, 4));
}

fn headers_keep_duplicates_and_order(over: Over) {
    let pool = pool(over);
    let mut request = get("/echo");
    for value in ["one", "two", "three"] {
        request.headers.append("x-many", value.parse().unwrap());
    }
    let response = session(&pool, &sandbox().http).request(request).unwrap();
    let body = String::from_utf8(response.body.to_vec()).unwrap();
    assert!(body.contains("x-many: one\nx-many: two\nx-many: three\n"), "{body}");
    let dups: Vec<_> = response.headers.get_all("x-dup").iter().collect();
    assert_eq!(dups, ["one", "two"]);
}

fn body_round_trips_binary(over: Over) {
    let pool = pool(over);
    let body: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let response = session(&pool, &sandbox().http).request(post("/echo", body.clone())).unwrap();
    assert!(response.body.ends_with(&body));
}

fn relative_url_is_appended_to_base(over: Over) {
    let pool = pool(over);
    for (path, url, status) in [("/status/", "/201", 201), ("/status", "202", 202), ("/status/203", "", 203)] {
        let session = session(&pool, &format!("{}{path}", sandbox().http));
        assert_eq!(session.request(get(url)).unwrap().status, status, "{path} {url}");
    }
    let response = session(&pool, &format!("{}/echo", sandbox().http)).request(get("?q=1")).unwrap();
    assert!(response.body.starts_with(b"GET /echo?q=1 "), "{response:?}");
}

fn absolute_url_goes_to_another_host(over: Over) {
    let (pool, other) = (pool(over), Listener::open());
    let session = session(&pool, &sandbox().http);
    assert_eq!(session.request(get(&format!("{}/echo", other.http))).unwrap().status, 200);
    assert_eq!(other.count("requests"), 1);
}

fn opaque_key_takes_absolute_urls_only(over: Over) {
    let pool = pool(over);
    for key in ["", "my service"] {
        let session = session(&pool, key);
        assert_eq!(session.request(get(&format!("{}/echo", sandbox().http))).unwrap().status, 200);
        let error = session.request(get("/echo")).unwrap_err().error;
        assert_eq!((error.status, error.delivery), (Status::InvalidArgument, Delivery::NotSent));
        assert!(error.message.starts_with("url: "), "{error}");
    }
}

fn status_400_is_a_response(over: Over) {
    let pool = pool(over);
    let session = session(&pool, &sandbox().http);
    for status in [400, 404, 429, 500, 503] {
        assert_eq!(session.request(get(&format!("/status/{status}"))).unwrap().status, status);
    }
}

fn gzip_br_zstd_are_decoded(over: Over) {
    let pool = pool(over);
    let session = session(&pool, &sandbox().http);
    for encoding in ["gzip", "br", "zstd"] {
        let response = session.request(get(&format!("/encoded/{encoding}"))).unwrap();
        assert_eq!(response.body, "hello from the sandbox\n".repeat(1000), "{encoding}");
        assert!(!response.headers.contains_key("content-encoding"));
    }
}

fn body_over_cap_is_too_large_with_what_fitted(over: Over) {
    let pool = pool(over);
    let session = session(&pool, &sandbox().http);
    for url in ["/bytes/100000", "/bytes/100000?chunked=1"] {
        let mut request = get(url);
        request.limits.body = Some(Some(1000));
        let failure = session.request(request.clone()).unwrap_err();
        assert_eq!((failure.error.status, failure.error.delivery), (Status::TooLarge, Delivery::ResponseStarted));
        let response = failure.response.unwrap();
        assert_eq!((response.status.as_u16(), response.body.len()), (200, 1000));
        request.limits.body = Some(Some(100_000));
        assert_eq!(session.request(request).unwrap().body.len(), 100_000);
    }
}

fn cut_body_is_truncated_with_what_came(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let plain = pool.get_session(&listener.http, None).unwrap();
    let tls = pool.get_session(&listener.https, Some(trusting())).unwrap();
    for session in [plain, tls] {
        let failure = session.request(faulty("/bytes/1000", "truncate=40")).unwrap_err();
        assert_eq!((failure.error.status, failure.error.phase), (Status::Truncated, Phase::Body), "{failure:?}");
        assert_eq!((failure.error.http_status, failure.response.unwrap().body.len()), (200, 40));
    }
}

fn reset_before_response_is_reset_maybe_sent(over: Over) {
    let pool = pool(over);
    let session = session(&pool, &Listener::open().http);
    for fault in ["reset", "close"] {
        let error = session.request(faulty("/echo", fault)).unwrap_err().error;
        assert_eq!((error.status, error.delivery), (Status::Reset, Delivery::MaybeSent), "{fault}: {error:?}");
        assert!(!error.retryable);
    }
}

fn refused_connection_is_connect_not_sent(over: Over) {
    let pool = pool(over);
    let nobody = Port::reserve();
    let error = session(&pool, &nobody.http()).request(post("/", "x")).unwrap_err().error;
    assert_eq!((error.status, error.phase), (Status::Connect, Phase::Connect), "{error:?}");
    assert_eq!((error.delivery, error.retryable), (Delivery::NotSent, true));
    assert_ne!(error.os_error, 0);
}

fn unresolvable_host_is_dns_not_sent(over: Over) {
    let pool = pool(over);
    let error = session(&pool, "http://nope.invalid").request(get("/")).unwrap_err().error;
    assert_eq!((error.status, error.phase, error.delivery), (Status::Dns, Phase::Dns, Delivery::NotSent), "{error:?}");
}

fn untrusted_certificate_is_tls_not_sent(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let error = session(&pool, &listener.https).request(get("/echo")).unwrap_err().error;
    assert_eq!((error.status, error.phase, error.delivery), (Status::Tls, Phase::Tls, Delivery::NotSent), "{error:?}");
    assert!(error.message.contains("ca_file"));
    assert_eq!(listener.count("requests"), 0);
}

fn extra_ca_is_trusted(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let [pem, der] = [&sandbox().ca_pem, &sandbox().ca_der].map(|path| std::fs::read(path).unwrap());
    let file = sandbox().ca_pem.to_str().unwrap();
    for (partition, file, bytes) in [("file", file, &[] as &[u8]), ("pem", "", &pem), ("der", "", &der)] {
        let tls = TlsOptions { ca_file: file.to_owned(), ca_bytes: bytes.into(), ..Default::default() };
        let connection = ConnectionConfig { tls, ..Default::default() };
        let config = SessionConfig { partition: partition.to_owned(), connection, ..Default::default() };
        let session = pool.get_session(&listener.https, Some(config)).unwrap();
        assert_eq!(session.request(get("/echo")).unwrap().status, 200, "{partition}");
    }
}

fn total_limit_is_timeout(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let session = session(&pool, &listener.http);
    for (fault, phase, delivery) in
        [("stall-head", Phase::FirstByte, Delivery::MaybeSent), ("stall=10", Phase::Body, Delivery::ResponseStarted)]
    {
        let mut request = faulty("/bytes/100", fault);
        request.limits.total = Some(Some(Duration::from_millis(150)));
        let error = session.request(request).unwrap_err().error;
        assert_eq!((error.status, error.detail), (Status::Timeout, Detail::TotalLimit));
        assert_eq!((error.phase, error.delivery), (phase, delivery));
        assert!(error.elapsed >= Duration::from_millis(150));
    }
}

fn cancel_from_another_thread_ends_the_call(over: Over) {
    let pool = pool(over);
    let session = session(&pool, &sandbox().http);
    let (cancel, name) = (Cancel::new().unwrap(), unique("cancel"));
    let mut request = get(&format!("/hold/{name}"));
    request.cancel = Some(cancel);
    let call = std::thread::spawn(move || session.request(request));
    wait_held(&name, 1);
    assert!(cancel.fire());
    let error = call.join().unwrap().unwrap_err().error;
    assert_eq!((error.status, error.delivery), (Status::Cancelled, Delivery::MaybeSent));
    // The server notices: the request is gone there too.
    wait_gone(&name);
    assert!(cancel.free() && !cancel.free());
}

fn fired_cancel_is_sticky(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let cancel = Cancel::new().unwrap();
    assert!(cancel.fire() && cancel.fire());
    for _ in 0..2 {
        let mut request = get("/echo");
        request.cancel = Some(cancel);
        let error = session(&pool, &listener.http).request(request).unwrap_err().error;
        assert_eq!((error.status, error.phase), (Status::Cancelled, Phase::None));
        assert_eq!(error.delivery, Delivery::NotSent);
    }
    assert_eq!(listener.count("requests"), 0);
    assert!(cancel.free());
}

fn same_key_is_same_session(over: Over) {
    let pool = pool(over);
    let barrier = Barrier::new(50);
    let ids: Vec<_> = std::thread::scope(|scope| {
        let get = || {
            barrier.wait();
            session(&pool, "http://one.example").id()
        };
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(get)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(pool.stats().sessions_created, 1);
}

fn keys_are_normalised(over: Over) {
    let pool = pool(over);
    let id = session(&pool, "https://api.example.com").id();
    for key in ["HTTPS://API.Example.com:443/", "https://api.example.com/", "https://api.example.com:443#x"] {
        assert_eq!(session(&pool, key).id(), id, "{key}");
    }
    for key in ["http://api.example.com", "https://api.example.com/v1", "https://api.example.com:444"] {
        assert_ne!(session(&pool, key).id(), id, "{key}");
    }
}

/// Fills a pool of two with a and b, touches a, adds c: which of a and b is closed?
fn after_touching_a_and_adding_c(over: Over, eviction: Eviction) -> (bool, bool) {
    let pool = small_pool(over, 2, eviction);
    let [a, b] = ["http://a.example", "http://b.example"].map(|key| session(&pool, key));
    session(&pool, "http://a.example");
    session(&pool, "http://c.example");
    assert_eq!((pool.stats().evictions, pool.stats().sessions), (1, 2));
    (a.is_closed(), b.is_closed())
}

fn lru_evicts_least_recently_used(over: Over) {
    assert_eq!(after_touching_a_and_adding_c(over, Eviction::Lru), (false, true));
}

fn fifo_evicts_first_inserted(over: Over) {
    assert_eq!(after_touching_a_and_adding_c(over, Eviction::Fifo), (true, false));
}

fn lease_is_passed_over(over: Over) {
    let pool = small_pool(over, 2, Eviction::Lru);
    let leased = pool.acquire("http://a.example", None).unwrap();
    let other = session(&pool, "http://b.example");
    session(&pool, "http://c.example");
    assert_eq!((leased.is_closed(), other.is_closed()), (false, true));
    let held = session(&pool, "http://a.example");
    drop(leased);
    session(&pool, "http://d.example");
    session(&pool, "http://e.example");
    assert!(held.is_closed());
}

fn all_leased_exceeds_max_size(over: Over) {
    let pool = small_pool(over, 2, Eviction::Lru);
    let leases = ["a", "b", "c"].map(|host| pool.acquire(&format!("http://{host}.example"), None).unwrap());
    let stats = pool.stats();
    assert_eq!((stats.sessions, stats.leased, stats.over_limit, stats.evictions), (3, 3, 1, 0));
    let [first, ..] = leases;
    let session = session(&pool, "http://a.example");
    drop(first);
    assert!(session.is_closed());
    let stats = pool.stats();
    assert_eq!((stats.sessions, stats.over_limit, stats.evictions), (2, 0, 1));
}

fn evicted_handle_is_closed_not_sent(over: Over) {
    let (pool, listener) = (small_pool(over, 1, Eviction::Lru), Listener::open());
    let evicted = session(&pool, &listener.http);
    session(&pool, "http://other.example");
    let error = evicted.request(get("/echo")).unwrap_err().error;
    assert_eq!((error.status, error.detail), (Status::Closed, Detail::Evicted));
    assert_eq!((error.delivery, error.retryable, listener.count("requests")), (Delivery::NotSent, true, 0));
    let fresh = session(&pool, &listener.http);
    assert_ne!(fresh.id(), evicted.id());
    assert_eq!(fresh.request(get("/echo")).unwrap().status, 200);
}

fn eviction_lets_in_flight_finish(over: Over) {
    let (pool, listener) = (small_pool(over, 1, Eviction::Lru), Listener::open());
    let evicted = session(&pool, &listener.http);
    let held = Held::begin(evicted.clone(), &unique("evicted"));
    session(&pool, "http://other.example");
    assert!(evicted.is_closed());
    assert_eq!(held.release().unwrap().status, 200);
    // Nobody refers to the connection any more: it closes.
    listener.wait_connections_open(0);
}

fn close_session_lets_in_flight_finish(over: Over) {
    let pool = pool(over);
    let closing = session(&pool, &Listener::open().http);
    let held = Held::begin(closing.clone(), &unique("closed"));
    pool.close_session("http://unknown.example").unwrap();
    pool.close_session(&closing_key(&closing)).unwrap();
    assert_eq!(closing.request(get("/echo")).unwrap_err().error.detail, Detail::SessionClosed);
    assert_eq!(held.release().unwrap().status, 200);
}

fn closing_key(session: &SessionHandle) -> String {
    match &session.session.base {
        aipool::base_url::BaseUrl::Http(url) => url.to_string(),
        aipool::base_url::BaseUrl::Opaque(text) => text.clone(),
    }
}

fn close_all_lets_in_flight_finish(over: Over) {
    let pool = Arc::new(pool(over));
    let closing = session(&pool, &Listener::open().http);
    let held = Held::begin(closing.clone(), &unique("drained"));
    let closer = pool.clone();
    let close_all = std::thread::spawn(move || closer.close_all(20_000));
    until("the session is closed", || closing.is_closed());
    assert_eq!(held.release().unwrap().status, 200);
    close_all.join().unwrap().unwrap();
    assert_eq!(pool.stats().in_flight, 0);
}

fn close_all_cuts_after_drain(over: Over) {
    let pool = pool(over);
    let name = unique("cut");
    let held = Held::begin(session(&pool, &Listener::open().http), &name);
    let error = pool.close_all(0).unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::DrainLimit));
    let error = held.end().unwrap_err().error;
    assert_eq!((error.status, error.detail), (Status::Closed, Detail::DrainLimit));
    assert_eq!(error.delivery, Delivery::MaybeSent);
    wait_gone(&name);
}

fn pool_is_usable_after_close_all(over: Over) {
    let pool = pool(over);
    let before = session(&pool, &sandbox().http);
    pool.close_all(0).unwrap();
    pool.close_all(0).unwrap();
    assert!(before.is_closed());
    assert_eq!(session(&pool, &sandbox().http).request(get("/echo")).unwrap().status, 200);
}

fn closed_session_is_recreated(over: Over) {
    for eviction in [Eviction::Lru, Eviction::Fifo] {
        let pool = small_pool(over, 2, eviction);
        let closed = session(&pool, &sandbox().http);
        closed.close();
        closed.close();
        assert_eq!(closed.request(get("/echo")).unwrap_err().error.detail, Detail::SessionClosed);
        let fresh = session(&pool, &sandbox().http);
        assert_ne!(fresh.id(), closed.id());
        assert_eq!(fresh.request(get("/echo")).unwrap().status, 200);
        assert_eq!((pool.stats().sessions, pool.stats().evictions), (1, 0));
    }
}

fn pool_request_recreates(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    session(&pool, &listener.http);
    assert_eq!(pool.request(&listener.http, &get("/echo")).unwrap().status, 200);
    session(&pool, &listener.http).close();
    let again = pool.request(&listener.http, &get("/echo")).unwrap();
    assert_eq!((again.status.as_u16(), pool.stats().sessions_created, listener.count("requests")), (200, 2, 2));
    // The new session keeps the options of the closed one: connections over reqwest have no numbers.
    assert_eq!(again.report.connection == 0, over.reqwest());
}

fn max_size_off_gives_own_sessions(over: Over) {
    let pool = pool_with(over, PoolConfig { max_size: MaxSize::Off, ..config(over) });
    let [one, two] = [(); 2].map(|()| session(&pool, &sandbox().http));
    assert_ne!(one.id(), two.id());
    assert_eq!(one.request(get("/echo")).unwrap().status, 200);
    drop(one);
    assert!(!two.is_closed());
    assert_eq!(pool.stats().sessions, 0);
    pool.close_all(0).unwrap();
    assert!(two.is_closed());
}

fn other_connection_options_are_refused_by_name(over: Over) {
    let pool = pool(over);
    let existing = session(&pool, "https://x.example");
    let options = SessionConfig {
        connection: ConnectionConfig { http_version: HttpVersion::Http1, ..Default::default() },
        ..Default::default()
    };
    let refused = |options| pool.get_session("https://x.example", Some(options)).err().unwrap();
    assert!(refused(options).message.starts_with("http_version: "));
    assert!(refused(trusting()).message.starts_with("ca_bytes: "));
    assert_eq!(pool.get_session("https://x.example", None).unwrap().id(), existing.id());
    let same = pool.get_session("https://x.example", Some(SessionConfig::default())).unwrap();
    assert_eq!(same.id(), existing.id());
}

fn partition_makes_another_session(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let plain = session(&pool, &listener.https);
    let config = SessionConfig { partition: "trusting".to_owned(), ..trusting() };
    let trusting = pool.get_session(&listener.https, Some(config)).unwrap();
    assert_ne!(plain.id(), trusting.id());
    assert_eq!(trusting.request(get("/echo")).unwrap().status, 200);
    pool.close_session(&listener.https).unwrap();
    assert!(plain.is_closed() && trusting.is_closed());
}

fn default_headers_and_limits_belong_to_the_handle(over: Over) {
    let pool = pool(over);
    let mut options = SessionConfig::default();
    options.defaults.headers.insert("authorization", "Bearer one".parse().unwrap());
    options.defaults.headers.insert("x-kept", "yes".parse().unwrap());
    options.defaults.limits.body = Some(Some(10));
    let with = pool.get_session(&sandbox().http, Some(options)).unwrap();
    let without = session(&pool, &sandbox().http);
    assert_eq!(with.id(), without.id());
    let mut request = get("/echo");
    request.limits.body = Some(None);
    request.headers.insert("authorization", "Bearer two".parse().unwrap());
    let body = String::from_utf8(with.request(request).unwrap().body.to_vec()).unwrap();
    assert!(body.contains("authorization: Bearer two\n") && body.contains("x-kept: yes\n"), "{body}");
    assert_eq!(with.request(get("/echo")).unwrap_err().error.status, Status::TooLarge);
    let body = String::from_utf8(without.request(get("/echo")).unwrap().body.to_vec()).unwrap();
    assert!(!body.contains("authorization") && !body.contains("x-kept"));
}

/// The global pool is the process's: its tests take turns.
fn the_global_pool() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    ConnectionPool::close_global(0).unwrap();
    turn
}

fn global_pool_is_one(over: Over) {
    let _turn = the_global_pool();
    let pools: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..20).map(|_| scope.spawn(|| ConnectionPool::global(Some(config(over))).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(pools.iter().all(|pool| Arc::ptr_eq(pool, &pools[0])));
    // A handle's end is not the pool's.
    drop(PoolHandle::guest(pools[0].clone()));
    let handle = guest(over, ConnectionPool::global(None).unwrap());
    assert_eq!(session(&handle, &sandbox().http).request(get("/echo")).unwrap().status, 200);
    ConnectionPool::close_global(1000).unwrap();
}

fn global_pool_refuses_other_options(over: Over) {
    let _turn = the_global_pool();
    let pool = ConnectionPool::global(Some(config(over))).unwrap();
    let other = PoolConfig { max_size: MaxSize::Limit(3), ..config(over) };
    let error = ConnectionPool::global(Some(other)).err().unwrap();
    assert!(error.message.starts_with("options: "), "{error}");
    assert!(Arc::ptr_eq(&pool, &ConnectionPool::global(Some(config(over))).unwrap()));
    ConnectionPool::close_global(0).unwrap();
}

fn closed_global_pool_is_made_anew(over: Over) {
    let _turn = the_global_pool();
    let old = guest(over, ConnectionPool::global(Some(config(over))).unwrap());
    let held = session(&old, &sandbox().http);
    ConnectionPool::close_global(0).unwrap();
    ConnectionPool::close_global(0).unwrap();
    assert_eq!(old.get_session("http://x.example", None).err().unwrap().detail, Detail::PoolClosed);
    assert_eq!(held.request(get("/echo")).unwrap_err().error.detail, Detail::PoolClosed);
    let new = ConnectionPool::global(None).unwrap();
    assert!(!Arc::ptr_eq(&new, &old));
    ConnectionPool::close_global(0).unwrap();
}

fn pool_free_closes_sessions(over: Over) {
    let pool = pool(over);
    let session = session(&pool, &Listener::open().http);
    let held = Held::begin(session.clone(), &unique("freed"));
    drop(pool);
    assert_eq!(session.request(get("/echo")).unwrap_err().error.detail, Detail::PoolClosed);
    assert_eq!(held.release().unwrap().status, 200);
}

fn bad_url_names_the_field(over: Over) {
    let pool = pool(over);
    let session = session(&pool, &sandbox().http);
    for url in ["http://", "http://[::1", "ftp://host/x", "//host/x", "http://user:secret@host/"] {
        let error = session.request(get(url)).unwrap_err().error;
        assert_eq!((error.status, error.delivery), (Status::InvalidArgument, Delivery::NotSent), "{url}");
        assert!(error.message.starts_with("url: ") && !error.message.contains("secret"), "{error}");
    }
    let error = pool.get_session("http://user:secret@host", None).err().unwrap();
    assert!(error.message.starts_with("key: ") && !error.message.contains("secret"), "{error}");
}

fn bad_header_names_the_field(_over: Over) {
    for (block, starts) in [
        (&b"x-a\0ok\0x-b\0two\r\nlines\0"[..], "headers[1]: value of x-b "),
        (b"bad name\0v\0", "headers[0]: name is no HTTP token (byte 3)"),
        (b"x-key: lines\0v\0", "headers[0]: name is no HTTP token (byte 5)"),
        (b"x-a\0", "headers[0]: has a name but no value"),
        (b"x-a\0v", "headers: does not end with a NUL"),
    ] {
        let error = aipool::ffi::request::packed_headers("headers", block).unwrap_err();
        assert!(error.message.starts_with(starts) && !error.message.contains("lines"), "{error}");
    }
}

fn stale_handle_is_refused(over: Over) {
    use aipool::ffi::{handle, pool::aip_pool};
    let handle = handle::insert::<aip_pool>(pool(over).handle).unwrap();
    assert!(handle::get(handle).is_ok());
    handle::free(handle).unwrap();
    assert_eq!(handle::get(handle).err().unwrap().status, Status::InvalidHandle);
    assert_eq!(handle::free(handle).unwrap_err().status, Status::InvalidHandle);
}

#[test]
fn a_cancel_that_is_fired_and_freed_at_once_still_ends_its_request() {
    for threads in [0, 2] {
        let pool = pool(Over { threads, ..ENGINE });
        let session = session(&pool, &sandbox().http);
        let (cancel, name) = (Cancel::new().unwrap(), unique("fired-and-freed"));
        let mut request = get(&format!("/hold/{name}"));
        request.cancel = Some(cancel);
        let call = std::thread::spawn(move || session.request(request));
        wait_held(&name, 1);
        assert!(cancel.fire() && cancel.free() && !cancel.fire() && !cancel.free());
        assert_eq!(call.join().unwrap().unwrap_err().error.status, Status::Cancelled);
        let mut late = get("/echo");
        late.cancel = Some(cancel);
        let error = pool.request(&sandbox().http, &late).unwrap_err().error;
        assert_eq!((error.status, error.delivery), (Status::InvalidHandle, Delivery::NotSent));
    }
}

#[test]
fn a_closed_session_makes_room_before_an_open_one_goes() {
    let pool = small_pool(ENGINE, 2, Eviction::Lru);
    let [open, closed] = ["http://b.example", "http://a.example"].map(|key| session(&pool, key));
    closed.close();
    session(&pool, "http://c.example");
    assert_eq!((open.is_closed(), pool.stats().sessions, pool.stats().evictions), (false, 2, 0));
}

#[test]
fn over_http2_a_dialer_that_gives_up_fails_nobody_else() {
    let (pool, server) = (pool(ENGINE), FullListener::bind("127.0.0.1:0").unwrap());
    let session = Arc::new(pool.get_session(&server.http(), Some(support::http2())).unwrap());
    let cancel = Cancel::new().unwrap();
    let mut first = get("/echo");
    first.cancel = Some(cancel);
    let (dialing, waiting) = (session.clone(), session.clone());
    let dialer = std::thread::spawn(move || dialing.request(first));
    until("the first dials", || session.stats().in_flight == 1);
    let waiter = std::thread::spawn(move || waiting.request(get("/echo")));
    until("the second waits", || session.stats().requests == 2);
    cancel.fire();
    assert_eq!(dialer.join().unwrap().unwrap_err().error.status, Status::Cancelled);
    pass_on_to_the_sandbox(server.empty());
    assert_eq!(waiter.join().unwrap().unwrap().status, 200);
    cancel.free();
}

/// Passes every connection on to the sandbox.
fn pass_on_to_the_sandbox(listener: std::net::TcpListener) {
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = std::net::TcpStream::connect(sandbox().http.strip_prefix("http://").unwrap()).unwrap();
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server.try_clone().unwrap(), client.try_clone().unwrap()),
            ] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
}

#[test]
fn http2_is_spoken_without_tls_by_prior_knowledge() {
    let (pool, listener) = (pool(ENGINE), Listener::open());
    let session = pool.get_session(&listener.http, Some(support::http2())).unwrap();
    assert_eq!(session.request(post("/echo", "x")).unwrap().version_number(), 20);
    assert_eq!(listener.count("http2_requests"), 1);
}

#[test]
fn an_unlimited_pool_keeps_every_session() {
    let pool = pool_with(ENGINE, PoolConfig { max_size: MaxSize::Unlimited, ..config(ENGINE) });
    let first = session(&pool, "http://host0.example");
    for n in 1..200 {
        session(&pool, &format!("http://host{n}.example"));
    }
    assert_eq!((pool.stats().sessions, pool.stats().evictions, first.is_closed()), (200, 0, false));
}

#[test]
fn connect_limit_is_timeout_not_sent() {
    let (pool, full) = (pool(ENGINE), FullListener::bind("127.0.0.1:0").unwrap());
    let mut request = post("/", "x");
    request.limits.connect = Some(Some(Duration::from_millis(200)));
    let error = session(&pool, &full.http()).request(request).unwrap_err().error;
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::ConnectLimit), "{error:?}");
    assert_eq!((error.phase, error.delivery, error.retryable), (Phase::Connect, Delivery::NotSent, true));
    assert!(error.message.starts_with("connect_timeout_ms: 200 ms"), "{error}");
}

#[test]
fn planted_secrets_reach_no_error() {
    let pool = pool(ENGINE);
    let [http, tls] = [Listener::open(), Listener::open()];
    let (nobody, full) = (Port::reserve(), FullListener::bind("127.0.0.1:0").unwrap());
    let secret = "s3cr3t-token";
    let faults = ["reset", "close", "truncate=10", "stall=10", "stall-head", "reset-body=10"];
    let cases = faults.map(|fault| (http.http.clone(), fault)).into_iter().chain([
        (tls.https.clone(), ""),
        (nobody.http(), ""),
        ("http://nope.invalid".to_owned(), ""),
        (full.http(), ""),
    ]);
    for (base, fault) in cases {
        let mut request = post(&format!("/bytes/1000?key={secret}"), secret);
        request.headers.insert("authorization", format!("Bearer {secret}").parse().unwrap());
        if !fault.is_empty() {
            request.headers.insert("x-sandbox", fault.parse().unwrap());
        }
        request.limits.total = Some(Some(Duration::from_millis(300)));
        request.method = http::Method::GET;
        let failure = session(&pool, &base).request(request).unwrap_err();
        assert!(!format!("{failure:?}").contains(secret), "{base} {fault}: {failure:?}");
    }
    let bad_value = format!("authorization\0{secret}\r\n\0");
    let error = aipool::ffi::request::packed_headers("headers", bad_value.as_bytes()).unwrap_err();
    assert!(!format!("{error:?}").contains(secret));
}

#[test]
fn too_many_headers_are_refused_not_a_panic() {
    let (pool, mut request) = (pool(ENGINE), get("/echo"));
    for n in 0..10_001 {
        request.headers.append(http::HeaderName::try_from(format!("x-{n}")).unwrap(), "v".parse().unwrap());
    }
    let error = session(&pool, &sandbox().http).request(request).unwrap_err().error;
    assert_eq!((error.status, error.delivery), (Status::InvalidArgument, Delivery::NotSent));
    assert!(error.message.starts_with("headers: "), "{error}");
}

#[test]
fn a_url_too_long_for_http_is_refused_not_sent() {
    let pool = pool(ENGINE);
    let error = session(&pool, &sandbox().http).request(get(&"x".repeat(70_000))).unwrap_err().error;
    assert_eq!((error.status, error.delivery), (Status::InvalidArgument, Delivery::NotSent));
}

#[test]
fn a_body_that_cannot_be_decoded_is_body_without_a_response() {
    let pool = pool(ENGINE);
    let server = undecodable_server();
    let failure = session(&pool, &server.http).request(get("/")).unwrap_err();
    assert_eq!((failure.error.status, failure.error.http_status), (Status::Body, 200), "{failure:?}");
    assert!(failure.response.is_none());
}

/// Answers with gzip that is none.
fn undecodable_server() -> RawServer {
    RawServer::start(|conn| {
        conn.read_head()?;
        conn.write("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip!")
    })
}

#[test]
fn a_provider_lets_each_attempt_out_and_judges_each_refusal() {
    struct Counting(Arc<Account>, Mutex<Vec<u16>>);
    impl Provider for Counting {
        fn admit<'a>(&'a self, _: &'a mut http::HeaderMap, patience: TimeLimit) -> Admission<'a> {
            Box::pin(async move {
                let permit = self.0.admit(patience).await;
                self.1.lock().unwrap().push(0);
                permit
            })
        }
        fn occupied(&self) -> String {
            self.0.occupied()
        }
        fn failed(&self, permit: AccountPermit, error: &Error) {
            permit.failed(error);
        }
        fn ran_out(&self, error: &Error, probes: bool) {
            self.0.ran_out(error, probes);
        }
        fn answered(&self, permit: &mut AccountPermit, status: http::StatusCode, headers: &http::HeaderMap) {
            permit.answered(status, headers);
        }
        fn begins_stream(&self, _: &http::HeaderMap) -> bool {
            true
        }
        fn judge(&self, _: &AccountPermit, refusal: &Refusal<'_>) -> Judgement {
            self.1.lock().unwrap().push(refusal.status.as_u16());
            let error = Error::new(Status::Provider, "");
            Judgement { again: Again::Surely(Some(Duration::from_millis(1))), error, reply: Reply::default() }
        }
        fn read(&self, _: &[u8]) -> (Reply, Result<(), Error>) {
            (Reply::default(), Ok(()))
        }
    }
    let account = Account::get(fingerprint(&[b"a_provider_lets"]), 1, 0, true);
    let provider = Arc::new(Counting(account.clone(), Mutex::default()));
    let pool = pool(ENGINE);
    let session = pool.get_session(&sandbox().http, None).unwrap();
    let mut request = faulty("/echo", "status=500");
    request.persistence.retries = Some(1);
    request.provider = Some(provider.clone());
    let failure = session.request(request).unwrap_err();
    assert_eq!((failure.error.status, failure.error.http_status), (Status::Provider, 500));
    assert_eq!(failure.response.unwrap().status, 500);
    assert_eq!(*provider.1.lock().unwrap(), [0, 500, 0, 500]);
    assert_eq!(account.running(), 0);
}

#[test]
fn a_reload_that_fails_for_one_session_changes_none() {
    let dir = tempfile::tempdir().unwrap();
    let pool = pool(ENGINE);
    let files = ["one.pem", "two.pem"].map(|name| dir.path().join(name));
    let identities = files.clone().map(|file| {
        std::fs::copy(&sandbox().ca_pem, &file).unwrap();
        let tls = TlsOptions { ca_file: file.to_str().unwrap().to_owned(), ..Default::default() };
        let connection = ConnectionConfig { tls: tls.clone(), ..Default::default() };
        let options = SessionConfig { partition: tls.ca_file.clone(), connection, ..Default::default() };
        // Kept by its pool.
        drop(pool.get_session("https://localhost", Some(options)).unwrap());
        aipool::transport::TlsIdentity::of(&tls).unwrap()
    });
    pool.reload_tls().unwrap();
    assert_eq!(identities.each_ref().map(|identity| identity.generation()), [1, 1]);
    for broken in &files {
        std::fs::write(broken, "no certificate").unwrap();
        let error = pool.reload_tls().unwrap_err();
        assert!(error.message.starts_with("ca_file: "), "{error}");
        assert_eq!(identities.each_ref().map(|identity| identity.generation()), [1, 1]);
        std::fs::copy(&sandbox().ca_pem, broken).unwrap();
    }
}

#[test]
fn every_behaviour_of_the_list_is_here() {
    let here = [
        include_str!("behaviours.rs"),
        include_str!("behaviours/connections.rs"),
        include_str!("behaviours/limits.rs"),
        include_str!("behaviours/queues.rs"),
        include_str!("behaviours/streams.rs"),
    ]
    .concat();
    for name in include_str!("behaviours.txt").lines() {
        assert!(here.contains(&format!("fn {name}(")), "{name}");
    }
}
