//! Dials over real sockets: names, limits, happy eyeballs, unix sockets, proxies, and what a socket's state tells.

#![cfg(unix)]

mod support;

use std::future::{Future, pending};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aipool::config::{NetworkOptions, Override, ProxyOptions, ProxyUrl};
use aipool::error::{Delivery, Detail, Error, Phase, Result, Status};
use aipool::transport::dial::{DialLimits, DialObserver, Dialer, Target};
use aipool::transport::dns::{Looking, Lookup, Resolver};
use aipool::transport::link::{Link, Secure, Securing, Stream, TlsFacts, Via};
use aipool::transport::socket_state::SocketState;
use support::full::FullListener;
use support::port::Port;
use support::until;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

const SECRET: &str = "hunter2";

// ---- What dials ----

/// Names as the test has them; any other hangs.
struct Names(Vec<(&'static str, Vec<IpAddr>)>);

impl Lookup for Names {
    fn lookup(&self, host: String) -> Looking {
        match self.0.iter().find(|(name, _)| *name == host) {
            Some((_, addresses)) => Box::pin(std::future::ready(Ok(addresses.clone()))),
            None => Box::pin(pending()),
        }
    }
}

/// No TLS: says whom it would verify, to the test and over the stream, so that the peer can see where it begins.
struct Plain(Mutex<Vec<String>>);

impl Secure for Plain {
    fn secure<'a>(&'a self, host: &'a str, mut stream: Box<dyn Stream>) -> Securing<'a> {
        self.0.lock().unwrap().push(host.into());
        Box::pin(async move {
            stream.write_all(format!("hello {host}\n").as_bytes()).await.unwrap();
            Ok((stream, TlsFacts { http2: true, resumed: false }))
        })
    }
}

struct Hanging;

impl Secure for Hanging {
    fn secure<'a>(&'a self, _host: &'a str, stream: Box<dyn Stream>) -> Securing<'a> {
        Box::pin(async move {
            let _open = stream;
            pending().await
        })
    }
}

struct Untrusted;

impl Secure for Untrusted {
    fn secure<'a>(&'a self, _host: &'a str, _stream: Box<dyn Stream>) -> Securing<'a> {
        let error = Error::new(Status::Tls, "tls: the certificate's issuer is not trusted");
        Box::pin(std::future::ready(Err(error.detail(Detail::UntrustedIssuer))))
    }
}

#[derive(Default)]
struct Phases(Mutex<Vec<Phase>>);

impl DialObserver for Phases {
    fn enter(&self, phase: Phase) {
        self.0.lock().unwrap().push(phase);
    }
}

/// One dial, as a test sets it up.
struct Dial {
    network: NetworkOptions,
    names: Vec<(&'static str, Vec<IpAddr>)>,
    tls: Option<Arc<dyn Secure>>,
    proxy_tls: Option<Arc<dyn Secure>>,
    limits: DialLimits,
}

fn dial() -> Dial {
    let limit = Some(Duration::from_secs(20));
    let network = NetworkOptions { proxy: ProxyOptions::Off, ..Default::default() };
    let limits = DialLimits { dns: limit, connect: limit, tls: limit };
    Dial { network, names: Vec::new(), tls: None, proxy_tls: None, limits }
}

impl Dial {
    fn name(mut self, name: &'static str, addresses: &[&str]) -> Self {
        self.names.push((name, addresses.iter().map(|address| address.parse().unwrap()).collect()));
        self
    }

    fn proxy(mut self, url: &str) -> Self {
        self.network.proxy = ProxyOptions::Through { url: ProxyUrl(url.into()), except: String::new() };
        self
    }

    /// Runs in a runtime of its own, with what the test does to the link.
    fn run<F: Future>(self, target: &Target, then: impl FnOnce(Result<Link>, Vec<Phase>) -> F) -> F::Output {
        runtime().block_on(async {
            let (phases, resolver) = (Phases::default(), Resolver::new(Names(self.names)));
            let dialer = Dialer::new(self.network, resolver, self.tls, self.proxy_tls).unwrap();
            let linked = dialer.dial(target, self.limits, &phases).await;
            if let Err(error) = &linked {
                assert_eq!(error.delivery, Delivery::NotSent);
                assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
            }
            then(linked, phases.0.into_inner().unwrap()).await
        })
    }

    fn stands(self, target: &Target) -> (Option<SocketAddr>, Vec<Phase>) {
        self.run(target, async |linked, phases| (linked.unwrap().remote, phases))
    }

    fn fails(self, target: &Target) -> (Error, Vec<Phase>) {
        self.run(target, async |linked, phases| (linked.err().expect("fails"), phases))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn http(host: &str, port: u16) -> Target {
    Target { https: false, host: host.into(), port }
}

fn https(host: &str, port: u16) -> Target {
    Target { https: true, host: host.into(), port }
}

// ---- What is dialed ----

/// A server of one connection, in a thread; what it says at its end is what the test waits for.
fn serve<T: Send + 'static>(work: impl FnOnce(TcpStream) -> T + Send + 'static) -> (u16, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, (say, said)) = (listener.local_addr().unwrap().port(), channel());
    thread::spawn(move || say.send(work(listener.accept().unwrap().0)));
    (port, said)
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Reads a head up to its blank line.
fn head(stream: &TcpStream) -> Vec<String> {
    let lines = BufReader::with_capacity(1, stream).lines();
    lines.map_while(io::Result::ok).take_while(|line| !line.is_empty()).collect()
}

fn line(stream: &TcpStream) -> String {
    let mut line = String::new();
    BufReader::with_capacity(1, stream).read_line(&mut line).unwrap();
    line
}

// ---- Names and addresses ----

#[test]
fn an_address_is_dialed_without_a_lookup_and_its_bytes_are_counted() {
    let (port, said) = serve(|mut stream| {
        let mut five = [0; 5];
        stream.read_exact(&mut five).unwrap();
        stream.write_all(b"answer").unwrap();
        five
    });
    dial().run(&http("127.0.0.1", port), async |linked, phases| {
        let mut link = linked.unwrap();
        assert_eq!(phases, [Phase::Connect]);
        assert_eq!(link.remote.unwrap().port(), port);
        assert_eq!((link.times.dns, link.times.tls), (Duration::ZERO, Duration::ZERO));
        assert!(link.times.connect > Duration::ZERO && link.tls.is_none() && matches!(link.via, Via::Nobody));
        assert!(link.stream.is_write_vectored());
        let slices = [io::IoSlice::new(b"he"), io::IoSlice::new(b"llo")];
        assert_eq!(link.stream.write_vectored(&slices).await.unwrap(), 5);
        let mut answer = [0; 6];
        link.stream.read_exact(&mut answer).await.unwrap();
        assert_eq!((&answer, link.socket.written(), link.socket.read()), (b"answer", 5, 6));
    });
    assert_eq!(&said.recv().unwrap(), b"hello");
}

#[test]
fn a_name_is_looked_up_and_an_override_is_not() {
    let (_listener, port) = listener();
    let (_, phases) = dial().name("host.test", &["127.0.0.1"]).stands(&http("host.test", port));
    assert_eq!(phases, [Phase::Dns, Phase::Connect]);
    let mut over = dial();
    let given = Override { host: "Host.test".into(), addresses: vec!["127.0.0.1".parse().unwrap()] };
    over.network.overrides = Arc::new([given]);
    assert_eq!(over.stands(&http("host.test", port)).1, [Phase::Connect]);
    let nowhere = Override { host: "host.test".into(), addresses: Vec::new() };
    let network = NetworkOptions { overrides: Arc::new([nowhere]), ..dial().network };
    let error = Dialer::new(network, Resolver::new(Names(Vec::new())), None, None).err().unwrap();
    assert!(error.message.starts_with("resolve: "), "{error}");
}

/// One address for every name, until it is another.
#[derive(Clone)]
struct Moving(Arc<Mutex<Result<Vec<IpAddr>>>>);

impl Lookup for Moving {
    fn lookup(&self, _: String) -> Looking {
        Box::pin(std::future::ready(self.0.lock().unwrap().clone()))
    }
}

#[test]
fn an_address_is_a_names_until_the_name_leads_elsewhere() {
    let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse::<IpAddr>().unwrap());
    let moving = Moving(Arc::new(Mutex::new(Ok(vec![here]))));
    let dialer = |proxy| {
        let network = NetworkOptions { proxy, ..NetworkOptions::default() };
        Dialer::new(network, Resolver::new(moving.clone()), None, None).unwrap()
    };
    let (direct, target) = (dialer(ProxyOptions::Off), http("host.test", 80));
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    clock.block_on(async {
        assert!(direct.still_leads_to(&target, here).await);
        *moving.0.lock().unwrap() = Err(Error::new(Status::Dns, "url: no answer"));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(direct.still_leads_to(&target, here).await, "no answer says nothing");
        *moving.0.lock().unwrap() = Ok(vec![there]);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(!direct.still_leads_to(&target, here).await);
        assert!(direct.still_leads_to(&target, there).await);
        let through =
            dialer(ProxyOptions::Through { url: ProxyUrl("http://127.0.0.1:1".into()), except: String::new() });
        assert!(!through.still_leads_to(&target, there).await, "behind a proxy nobody knows");
    });
}

#[test]
fn ipv6_hosts_come_with_brackets_or_without() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let port = listener.local_addr().unwrap().port();
    for host in ["[::1]", "::1"] {
        let plain = Arc::new(Plain(Mutex::default()));
        let remote = Dial { tls: Some(plain.clone()), ..dial() }.stands(&https(host, port)).0;
        assert_eq!(remote.unwrap(), listener.local_addr().unwrap());
        assert_eq!(plain.0.lock().unwrap()[..], ["::1"]);
    }
}

/// One port at two addresses, the first a black hole. Another process may have the second just then.
fn hole_and_works(hole: &str) -> io::Result<(FullListener, TcpListener)> {
    for _ in 0..100 {
        let hole = FullListener::bind(hole)?;
        match TcpListener::bind(("127.0.0.1", hole.address.port())) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            works => return Ok((hole, works?)),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[test]
fn a_black_hole_gives_way_to_the_next_address_of_either_family() {
    for (hole, host) in [("[::1]:0", "::1"), ("127.0.0.2:0", "127.0.0.2")] {
        // Elsewhere than on Linux 127.0.0.1 is all there is of loopback, and some machines have no IPv6.
        let (hole, works) = match hole_and_works(hole) {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => continue,
            bound => bound.unwrap(),
        };
        let target = http("host.test", hole.address.port());
        let (remote, _) = dial().name("host.test", &[host, "127.0.0.1"]).stands(&target);
        assert_eq!(remote.unwrap(), works.local_addr().unwrap());
    }
}

// Elsewhere 127.0.0.1 is all there is of loopback.
#[cfg(target_os = "linux")]
#[test]
fn connections_come_from_the_local_address() {
    let (port, said) = serve(|stream| stream.peer_addr().unwrap().ip().to_string());
    let mut from = dial();
    from.network.local_address = Some("127.0.0.3".parse().unwrap());
    from.name("host.test", &["::1", "127.0.0.1"]).stands(&http("host.test", port));
    assert_eq!(said.recv().unwrap(), "127.0.0.3");
    let mut foreign = dial();
    foreign.network.local_address = Some("192.0.2.1".parse().unwrap());
    let (error, _) = foreign.fails(&http("127.0.0.1", port));
    assert!(error.status == Status::Connect && error.message.starts_with("local_address: "), "{error}");
}

// ---- Failures and limits ----

#[test]
fn a_refused_port_says_so() {
    let (error, _) = dial().fails(&http("127.0.0.1", Port::reserve().number));
    assert_eq!((error.status, error.detail, error.phase), (Status::Connect, Detail::None, Phase::Connect));
    assert_eq!(io::Error::from_raw_os_error(error.os_error).kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.retryable && error.message.starts_with("url: cannot connect ("), "{error}");
}

fn assert_limit(error: &Error, detail: Detail, phase: Phase, message: &str) {
    assert_eq!((error.status, error.detail, error.phase), (Status::Timeout, detail, phase), "{error}");
    assert!(error.retryable && error.message.starts_with(message), "{error}");
}

#[test]
fn each_limit_ends_its_part_and_connect_ends_any() {
    let brief = Some(Duration::from_millis(50));
    let hole = FullListener::bind("127.0.0.1:0").unwrap();
    let (_listener, port) = listener();
    let (here, there) = (http("127.0.0.1", hole.address.port()), http("unknown.test", port));
    let secure = https("127.0.0.1", port);
    let with = |limits| Dial { limits, tls: Some(Arc::new(Hanging)), ..dial() };
    let connect = DialLimits { connect: brief, ..dial().limits };

    let (error, _) = with(connect).fails(&here);
    assert_limit(&error, Detail::ConnectLimit, Phase::Connect, "connect_timeout_ms: 50 ms ran out before");
    let (error, _) = with(connect).fails(&there);
    assert_limit(&error, Detail::ConnectLimit, Phase::Dns, "connect_timeout_ms: 50 ms");
    let (error, phases) = with(connect).fails(&secure);
    assert_limit(&error, Detail::ConnectLimit, Phase::Tls, "connect_timeout_ms: 50 ms");
    assert_eq!(phases, [Phase::Connect, Phase::Tls]);
    let (error, phases) = with(DialLimits { dns: brief, ..dial().limits }).fails(&there);
    assert_limit(&error, Detail::DnsLimit, Phase::Dns, "dns_timeout_ms: 50 ms ran out before the host name");
    assert_eq!(phases, [Phase::Dns]);
    let (error, _) = with(DialLimits { tls: brief, ..dial().limits }).fails(&secure);
    assert_limit(&error, Detail::TlsLimit, Phase::Tls, "tls_timeout_ms: 50 ms ran out before TLS stood");
}

#[test]
fn a_host_without_an_address_is_a_failure_of_dns() {
    let (error, _) = dial().name("host.test", &[]).fails(&http("host.test", 80));
    assert_eq!((error.status, error.phase, error.retryable), (Status::Dns, Phase::Dns, true));
    assert!(error.message.starts_with("url: the host name does not resolve"), "{error}");
}

#[test]
fn tls_says_what_it_agreed_on_or_why_not() {
    let (_listener, port) = listener();
    let target = https("127.0.0.1", port);
    Dial { tls: Some(Arc::new(Plain(Mutex::default()))), ..dial() }.run(&target, async |linked, phases| {
        assert_eq!(linked.unwrap().tls, Some(TlsFacts { http2: true, resumed: false }));
        assert_eq!(phases, [Phase::Connect, Phase::Tls]);
    });
    let (error, _) = Dial { tls: Some(Arc::new(Untrusted)), ..dial() }.fails(&target);
    assert_eq!((error.status, error.detail, error.phase), (Status::Tls, Detail::UntrustedIssuer, Phase::Tls));
}

/// Runs the test `name` alone in a process of its own, in which `is_child` is true.
fn in_child(name: &str, variables: &[(&str, &str)]) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name]).env("AIPOOL_DIAL_CHILD", name).envs(variables.iter().copied());
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn is_child() -> bool {
    std::env::var_os("AIPOOL_DIAL_CHILD").is_some()
}

#[test]
fn no_descriptor_left_is_the_systems_failure() {
    if !is_child() {
        return in_child("no_descriptor_left_is_the_systems_failure", &[]);
    }
    let (_listener, port) = listener();
    runtime().block_on(async {
        let dialer = Dialer::new(dial().network, Resolver::new(Names(Vec::new())), None, None).unwrap();
        let _taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).take(1 << 20).collect();
        let linked = dialer.dial(&http("127.0.0.1", port), dial().limits, &Phases::default()).await;
        let error = linked.err().expect("fails");
        assert_eq!((error.status, error.os_error, error.delivery), (Status::System, libc::EMFILE, Delivery::NotSent));
    });
}

// ---- Unix sockets ----

#[test]
fn a_unix_socket_takes_the_place_of_host_and_proxy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let server = UnixListener::bind(&path).unwrap();
    let over = |path| {
        let mut over = dial().proxy("http://proxy.test");
        over.network.unix_socket = Some(path);
        over
    };
    over(path).run(&http("unknown.test", 80), async |linked, phases| {
        let mut link = linked.unwrap();
        assert_eq!((phases, link.remote), (vec![Phase::Connect], None));
        link.stream.write_all(b"hello").await.unwrap();
        let mut peer = server.accept().unwrap().0;
        peer.write_all(b"!").unwrap();
        assert_eq!((link.stream.read_u8().await.unwrap(), link.socket.written(), link.socket.read()), (b'!', 5, 1));
        drop(peer);
        assert_no_sigpipe(&mut link.stream).await;
    });
    let (error, _) = over(directory.path().join("none")).fails(&http("unknown.test", 80));
    assert!(error.status == Status::Connect && error.message.starts_with("unix_socket: "), "{error}");
}

// ---- What a socket's state tells ----

static SIGPIPES: AtomicUsize = AtomicUsize::new(0);

/// Writes to a peer that is gone until that is noticed.
async fn assert_no_sigpipe(stream: &mut Box<dyn Stream>) {
    extern "C" fn count(_: libc::c_int) {
        SIGPIPES.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler only adds to an atomic.
    unsafe { libc::signal(libc::SIGPIPE, count as *const () as libc::sighandler_t) };
    while stream.write_vectored(&[io::IoSlice::new(b"a"), io::IoSlice::new(b"b")]).await.is_ok() {}
    assert_eq!(SIGPIPES.load(Ordering::Relaxed), 0);
}

#[test]
fn a_write_to_a_closed_peer_raises_no_signal() {
    let (port, said) = serve(drop);
    dial().run(&http("127.0.0.1", port), async |linked, _| {
        let mut link = linked.unwrap();
        said.recv().unwrap();
        assert_no_sigpipe(&mut link.stream).await;
    });
}

#[test]
fn an_idle_wire_is_readable_when_bytes_or_the_end_came_or_it_is_closed() {
    let (listener, port) = listener();
    dial().run(&http("127.0.0.1", port), async |linked, _| {
        let mut link = linked.unwrap();
        let mut peer = listener.accept().unwrap().0;
        assert!(!link.socket.is_readable());
        peer.write_all(b"!").unwrap();
        until("a byte came", || link.socket.is_readable());
        assert_eq!(link.stream.read_u8().await.unwrap(), b'!', "a look takes nothing");
        assert!(!link.socket.is_readable());
        drop(peer);
        until("the end came", || link.socket.is_readable());
    });
    dial().run(&http("127.0.0.1", port), async |linked, _| {
        let Link { stream, socket, .. } = linked.unwrap();
        drop(stream);
        assert!(socket.is_readable());
    });
    assert!(!SocketState::default().is_readable(), "memory has no socket to look at");
}

// ---- Proxies ----

/// An HTTP proxy that answers a tunnel's head with `answer`; says the head and the first line through the tunnel.
fn http_proxy(answer: &'static str) -> (u16, Receiver<(Vec<String>, String)>) {
    serve(|mut stream| {
        let head = head(&stream);
        stream.write_all(answer.as_bytes()).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        (head, line(&stream))
    })
}

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

fn with_tls(dial: Dial) -> Dial {
    Dial { tls: Some(Arc::new(Plain(Mutex::default()))), ..dial }
}

#[test]
fn https_goes_through_a_tunnel_and_the_credential_stays_at_the_proxy() {
    let (port, said) = http_proxy(ESTABLISHED);
    let dial = with_tls(dial()).proxy(&format!("http://user:{SECRET}@127.0.0.1:{port}"));
    dial.run(&https("host.test", 443), async |linked, phases| {
        let link = linked.unwrap();
        assert!(link.tls.is_some() && matches!(link.via, Via::Tunnel));
        assert_eq!(phases, [Phase::Connect, Phase::Tls], "the proxy looks the name up");
    });
    let (head, through) = said.recv().unwrap();
    assert_eq!(head[0], "CONNECT host.test:443 HTTP/1.1");
    assert!(head.contains(&"Proxy-Authorization: Basic dXNlcjpodW50ZXIy".into()), "{head:?}");
    assert_eq!(through, "hello host.test\n");
}

#[test]
fn http_is_forwarded_without_a_tunnel() {
    let (_listener, port) = listener();
    dial().proxy(&format!("http://user:{SECRET}@127.0.0.1:{port}")).run(&http("host.test", 80), async |linked, _| {
        let link = linked.unwrap();
        assert_eq!((link.socket.written(), link.remote.unwrap().port()), (0, port));
        let Via::Forward(Some(credential)) = link.via else { panic!("not forwarded") };
        assert!(credential == "Basic dXNlcjpodW50ZXIy" && credential.is_sensitive());
    });
}

#[test]
fn an_https_proxy_is_greeted_with_tls_of_its_own() {
    let (port, said) = serve(|mut stream| {
        let greeting = line(&stream);
        let request = head(&stream)[0].clone();
        stream.write_all(ESTABLISHED.as_bytes()).unwrap();
        [greeting, request, line(&stream)]
    });
    let dial = Dial { proxy_tls: Some(Arc::new(Plain(Mutex::default()))), ..with_tls(dial()) };
    let dial = dial.name("proxy.test", &["127.0.0.1"]).proxy(&format!("https://proxy.test:{port}"));
    assert_eq!(dial.stands(&https("[::1]", 8443)).1, [Phase::Dns, Phase::Connect, Phase::Tls]);
    assert_eq!(said.recv().unwrap(), ["hello proxy.test\n", "CONNECT [::1]:8443 HTTP/1.1", "hello ::1\n"]);
}

#[test]
fn a_tunnel_refused_says_what_to_mend() {
    for (answer, mend, retryable) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "proxy: refused the tunnel (407); check user and",
            false,
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy: refused the tunnel; check that it may", true),
        ("SSH-2.0-x\r\n\r\n", "proxy: refused the tunnel", true),
        ("", "proxy: closed before the tunnel stood", true),
    ] {
        let (port, _said) = http_proxy(answer);
        let dial = with_tls(dial()).proxy(&format!("http://user:{SECRET}@127.0.0.1:{port}"));
        let (error, _) = dial.fails(&https("host.test", 443));
        assert_eq!((error.status, error.detail, error.phase), (Status::Connect, Detail::Proxy, Phase::Connect));
        assert!(error.message.starts_with(mend) && error.retryable == retryable, "{answer}: {error:?}");
    }
}

#[test]
fn a_proxy_out_of_reach_is_not_taken_for_the_host() {
    let nobody = Port::reserve();
    let (error, _) = dial().proxy(&nobody.http()).fails(&http("host.test", 80));
    assert_eq!((error.status, error.detail, error.retryable), (Status::Connect, Detail::Proxy, true));
    assert!(error.message.starts_with("proxy: cannot connect"), "{error}");
    let (error, _) = dial().name("proxy.test", &[]).proxy("socks5://proxy.test").fails(&http("host.test", 80));
    assert_eq!((error.status, error.detail, error.phase), (Status::Dns, Detail::Proxy, Phase::Dns));
    assert!(error.message.starts_with("proxy: the host name does not resolve"), "{error}");
    let (_listener, port) = listener();
    let dial = Dial { proxy_tls: Some(Arc::new(Untrusted)), ..dial() };
    let (error, _) = dial.proxy(&format!("https://127.0.0.1:{port}")).fails(&http("host.test", 80));
    assert_eq!((error.status, error.detail, error.phase), (Status::Tls, Detail::UntrustedIssuer, Phase::Connect));
    assert!(error.message.starts_with("proxy: the certificate's issuer"), "{error}");
}

#[test]
fn the_connect_limit_ends_a_silent_proxy_and_closes_its_connection() {
    let (port, said) = serve(|mut stream| io::copy(&mut stream, &mut io::sink()).unwrap());
    let limits = DialLimits { connect: Some(Duration::from_millis(50)), ..dial().limits };
    let dial = Dial { limits, ..with_tls(dial()) }.proxy(&format!("http://127.0.0.1:{port}"));
    let (error, _) = dial.fails(&https("host.test", 443));
    assert_limit(&error, Detail::ConnectLimit, Phase::Connect, "connect_timeout_ms: 50 ms");
    assert!(said.recv().unwrap() > 0);
}

/// A SOCKS5 proxy that wants a password and ends with `reply`; says the destination and the first line to it.
fn socks_proxy(accepts: bool, reply: u8) -> (u16, Receiver<(Vec<u8>, String)>) {
    serve(move |stream| {
        let take = |length: usize| {
            let mut bytes = vec![0; length];
            (&stream).read_exact(&mut bytes).map(|()| bytes).unwrap_or_default()
        };
        assert_eq!(take(3), [5, 1, 2]);
        (&stream).write_all(&[5, 2]).unwrap();
        assert_eq!(take(14), [&[1, 4], &b"user"[..], &[7], SECRET.as_bytes()].concat());
        (&stream).write_all(&[1, u8::from(!accepts)]).unwrap();
        if !accepts {
            return Default::default();
        }
        let start = take(4);
        let destination = match start[3] {
            1 => take(4 + 2),
            _ => take(1).into_iter().flat_map(|length| take(usize::from(length) + 2)).collect(),
        };
        (&stream).write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        (destination, line(&stream))
    })
}

#[test]
fn socks5h_hands_the_name_on_and_socks5_an_address() {
    for (scheme, destination) in [("socks5h", &b"host.test\x01\xbb"[..]), ("socks5", &[192, 0, 2, 7, 1, 0xbb])] {
        let (port, said) = socks_proxy(true, 0);
        let dial = with_tls(dial()).name("host.test", &["2001:db8::1", "192.0.2.7"]);
        dial.proxy(&format!("{scheme}://user:{SECRET}@127.0.0.1:{port}")).stands(&https("host.test", 443));
        let (asked, through) = said.recv().unwrap();
        assert_eq!((&asked[..], through.as_str()), (destination, "hello host.test\n"), "{scheme}");
    }
}

#[test]
fn socks_refusals_tell_a_password_from_a_host() {
    for (accepts, retryable, mend) in [(false, false, "check user and password"), (true, true, "check the URL's host")]
    {
        let (port, _said) = socks_proxy(accepts, 4);
        let dial = with_tls(dial()).proxy(&format!("socks5h://user:{SECRET}@127.0.0.1:{port}"));
        let (error, _) = dial.fails(&https("host.test", 443));
        assert_eq!((error.status, error.detail, error.retryable), (Status::Connect, Detail::Proxy, retryable));
        assert!(error.message.starts_with("proxy: refused the tunnel (") && error.message.contains(mend), "{error}");
    }
}

#[test]
fn the_environments_proxy_is_read_when_the_dialer_is_made() {
    let (port, said) = http_proxy(ESTABLISHED);
    let name = "the_environments_proxy_is_read_when_the_dialer_is_made";
    if !is_child() {
        let proxy = format!("http://127.0.0.1:{port}");
        in_child(name, &[("https_proxy", &proxy), ("HTTPS_PROXY", &proxy), ("no_proxy", ""), ("NO_PROXY", "")]);
        assert_eq!(said.recv().unwrap().0[0], "CONNECT host.test:443 HTTP/1.1");
        return;
    }
    let mut dial = with_tls(dial());
    dial.network.proxy = ProxyOptions::Environment;
    dial.stands(&https("host.test", 443));
}
