//! A pool's connections: opened early, bounded, replaced, observed.

use aipool::config::{ConnectionCaps, NetworkOptions, ProxyOptions, ProxyUrl, Trust};
use aipool::events::CloseReason;

use super::*;

pub fn warm_opens_connections_before_requests(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let session = session(&pool, &listener.http);
    let warmed = session.warm(3, Duration::from_secs(10));
    if over.lacks(&warmed, "warm: ") {
        return;
    }
    assert_eq!((warmed.unwrap(), listener.count("requests")), (3, 0));
    let name = unique("warm");
    let url = format!("/hold/{name}");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| session.request(get(&url)))).collect();
        wait_held(&name, 3);
        support::release(&name);
        threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.report.reused));
    assert_eq!(listener.count("connections_opened"), 3);
    assert_eq!(session.warm(2, Duration::from_secs(10)).unwrap(), 3);
}

/// One connection to an origin, and one request that may wait for it.
fn narrow_pool(over: Over) -> Pool {
    let connections = ConnectionCaps { per_origin: 1, queue: 1, ..ConnectionCaps::default() };
    pool_with(over, PoolConfig { connections, ..config(over) })
}

pub fn queue_full_is_limit_with_occupancy(over: Over) {
    let (pool, listener) = (narrow_pool(over), Listener::open());
    let session = session(&pool, &listener.http);
    let held = Held::begin(session.clone(), &unique("full"));
    let queued = session.clone();
    let queued = std::thread::spawn(move || queued.request(get("/echo")));
    if over.reqwest() {
        // There connections have no bound, so nobody waits.
        assert_eq!(queued.join().unwrap().unwrap().status, 200);
        assert_eq!(session.request(get("/echo")).unwrap().status, 200);
        assert_eq!(held.release().unwrap().status, 200);
        return;
    }
    until("a request waits", || pool.stats().connections.now.waiting == 1);
    let error = session.request(get("/echo")).unwrap_err().error;
    assert_eq!((error.status, error.detail), (Status::Limit, Detail::QueueFull), "{error:?}");
    assert_eq!((error.delivery, error.retryable), (Delivery::NotSent, true));
    let counted = "max_queue: 1 of 1 connections to the origin in use, 1 waiting";
    assert!(error.message.starts_with(counted), "{error}");
    assert_eq!(held.release().unwrap().status, 200);
    assert_eq!(queued.join().unwrap().unwrap().status, 200);
}

pub fn queue_limit_is_timeout_with_occupancy(over: Over) {
    let (pool, listener) = (narrow_pool(over), Listener::open());
    let session = session(&pool, &listener.http);
    let held = Held::begin(session.clone(), &unique("queue"));
    let mut request = get("/echo");
    request.limits.queue = Some(Some(Duration::from_millis(50)));
    let outcome = session.request(request).map_err(|failure| failure.error);
    assert_eq!(held.release().unwrap().status, 200);
    if over.lacks(&outcome, "queue_timeout_ms: ") {
        return;
    }
    let error = outcome.unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::QueueLimit), "{error:?}");
    assert_eq!((error.phase, error.delivery, error.retryable), (Phase::Queue, Delivery::NotSent, true));
    let counted = "queue_timeout_ms: 50 ms ran out: 1 of 1 connections to the origin in use";
    assert!(error.message.starts_with(counted), "{error}");
}

fn with_tls(tls: TlsOptions) -> SessionConfig {
    SessionConfig { connection: ConnectionConfig { tls, ..Default::default() }, ..Default::default() }
}

pub fn trust_anybody_is_insecure_and_shown(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let options = with_tls(TlsOptions { trust: Trust::Anybody, ..Default::default() });
    let session = pool.get_session(&listener.https, Some(options));
    if over.lacks(&session, "trust: ") {
        return;
    }
    let report = session.unwrap().request(get("/echo")).unwrap().report;
    assert!(report.insecure && report.tls.is_some_and(|tls| !tls.resumed));
    assert_eq!(pool.stats().connections.now.insecure, 1);
    assert!(connect_event(&listener.https).contains("\"insecure\":true"));
}

pub fn proxy_is_used_when_asked(over: Over) {
    let (pool, proxy) = (pool(over), Listener::open());
    let through = ProxyOptions::Through { url: ProxyUrl(proxy.http.clone()), except: String::new() };
    let network = NetworkOptions { proxy: through, ..Default::default() };
    let connection = ConnectionConfig { network, ..Default::default() };
    let session = pool.get_session("http://nope.invalid", Some(SessionConfig { connection, ..Default::default() }));
    if over.lacks(&session, "proxy") {
        return;
    }
    let body = session.unwrap().request(get("/echo")).unwrap().body;
    assert!(String::from_utf8(body.to_vec()).unwrap().contains("\nhost: nope.invalid\n"), "{body:?}");
    assert_eq!(proxy.count("requests"), 1);
}

pub fn reload_tls_replaces_connections(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let session = pool.get_session(&listener.https, Some(trusting())).unwrap();
    let reused = || session.request(get("/echo")).unwrap().report.reused;
    assert_eq!((reused(), reused()), (false, true));
    pool.reload_tls().unwrap();
    // reqwest's connections are not the pool's to replace.
    assert_eq!(reused(), over.reqwest());
    assert_eq!(listener.count("tls_handshakes"), if over.reqwest() { 1 } else { 2 });
    let closed = || pool.stats().connections.closed[CloseReason::Reloaded.index()];
    until("the connection closed", || over.reqwest() || closed() == 1);
}

pub fn info_names_connection_and_attempts(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let plain = session(&pool, &listener.http);
    let [first, second] = [(); 2].map(|()| plain.request(get("/echo")).unwrap().report);
    assert_eq!((first.connection != 0, second.connection), (!over.reqwest(), first.connection));
    assert_eq!((first.attempts, second.attempts, first.redirects), (1, 1, 0));
    assert!(!first.insecure && first.tls.is_none());
    // A connection that stood already took no time.
    let dial = second.dial;
    assert!(second.reused && (dial.dns + dial.connect + dial.tls).is_zero());
    let secure = pool.get_session(&listener.https, Some(trusting())).unwrap();
    let secure = secure.request(get("/echo")).unwrap().report;
    assert_eq!(secure.tls.is_some(), !over.reqwest());
    assert_eq!(!secure.dial.tls.is_zero(), !over.reqwest());
    assert_eq!(secure.connection != first.connection, !over.reqwest());
}

pub fn metrics_are_prometheus_text(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let session = session(&pool, &listener.http);
    for _ in 0..2 {
        session.request(get("/echo")).unwrap();
    }
    let text = pool.metrics();
    let opened = u8::from(!over.reqwest());
    for part in [
        "# TYPE aipool_requests_total counter\naipool_requests_total 2\n",
        "\naipool_requests_reused_total 1\n",
        "\naipool_connections_closed_total{reason=\"idle\"} 0\n",
        &format!("\naipool_connections_opened_total {opened}\n"),
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(text.ends_with('\n') && text.lines().all(|line| line.starts_with("# ") || line.starts_with("aipool_")));
}

pub fn events_are_json_lines(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    session(&pool, &listener.http).request(get("/echo?secret")).unwrap();
    let connected = connect_event(&listener.http);
    assert_eq!(connected.is_empty(), over.reqwest());
    pool.reload_tls().unwrap();
    let lines = events();
    assert!(lines.iter().all(|line| line.starts_with("{\"seq\":") && line.ends_with('}')));
    assert!(!lines.iter().any(|line| line.contains("secret")));
    if over.reqwest() {
        return;
    }
    let pool = connected.split(',').find(|part| part.starts_with("\"pool\":")).unwrap();
    let answered = "\"event\":\"request\",\"host\":\"127.0.0.1\",\"status\":0,\"http_status\":200,\"attempts\":1,\"reused\":false,";
    for words in [answered, "\"event\":\"reload\",\"ok\":true}"] {
        assert!(
            lines.iter().any(|line| line.contains(&format!("{pool},")) && line.contains(words)),
            "{words}: {lines:?}"
        );
    }
}

pub fn stats_reconcile(over: Over) {
    let (pool, plain, secure) = (pool(over), Listener::open(), Listener::open());
    let closing = session(&pool, &plain.http);
    let staying = pool.get_session(&secure.https, Some(trusting())).unwrap();
    for _ in 0..3 {
        closing.request(get("/echo")).unwrap();
        staying.request(get("/echo")).unwrap();
    }
    closing.close();
    plain.wait_connections_open(0);
    let closed = || pool.stats().connections.closed[CloseReason::NoSession.index()];
    until("the connection closed", || over.reqwest() || closed() == 1);
    let stats = pool.stats();
    let counted = |name| plain.count(name) + secure.count(name);
    assert_eq!((stats.requests, stats.requests_reused), (counted("requests"), 4));
    assert_eq!(stats.connections_opened, counted("connections_opened"));
    let (connections, closed) = (stats.connections, stats.connections.closed.iter().sum::<u64>());
    let shown = u64::from(!over.reqwest());
    assert_eq!((closed, connections.handshakes_full), (shown, secure.count("tls_handshakes") * shown));
    assert_eq!(connections.now.standing as u64, (stats.connections_opened - 1) * shown);
    assert_eq!((connections.failed, connections.now.waiting, connections.now.dialing), (0, 0, 0));
}
