//! Names as the system resolves them, in a network namespace whose only name server is the test's: what is asked, how often,
//! and that a name which moved is followed. Nothing outside of the namespace is touched.

#![cfg(target_os = "linux")]

mod support;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use aipool::error::{Delivery, Detail, Phase, Status};
use aipool::transport::dns::{Resolver, SystemLookup};
use support::expect::{bounded, pool, verdict};
use support::raw::RawServer;
use support::{get, session};

const NAME_SERVER: &str = "127.0.0.53";
const INSIDE: &str = "AIPOOL_TEST_IN_NAMESPACE";
/// What the script below says where the system does not let it.
const NOT_PERMITTED: i32 = 77;

/// Brings loopback up, puts the test's files over the system's, and becomes the test.
const ENTER: &str = r#"
ip link set lo up && cd "$1" && mount --bind resolv.conf /etc/resolv.conf && mount --bind hosts /etc/hosts &&
    mount --bind nsswitch.conf /etc/nsswitch.conf || exit 77
exec "$0" --exact "$2" --nocapture --test-threads 1
"#;

/// Runs the test `name` of this binary in a namespace; true there.
fn is_inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(files.path().join(name), text).unwrap();
    write("resolv.conf", &format!("nameserver {NAME_SERVER}\nsearch .\noptions timeout:2 attempts:1\n"));
    write("hosts", "127.0.0.1 localhost\n127.0.0.1 from-hosts.test\n");
    write("nsswitch.conf", "hosts: files dns\n");
    let mut enter = Command::new("unshare");
    enter.args(["-rmn", "sh", "-c", ENTER]).arg(std::env::current_exe().unwrap()).arg(files.path()).arg(name);
    let ended = enter.env(INSIDE, "1").output();
    let permitted = Command::new("unshare").args(["-rmn", "true"]).status().is_ok_and(|status| status.success());
    match ended {
        Ok(output) if permitted && output.status.code() != Some(NOT_PERMITTED) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
            assert!(said.contains("1 passed"), "no test of this name ran: {said}");
        }
        _ => {
            assert_ne!(std::env::var("STRICT").as_deref(), Ok("1"), "no namespaces here");
            println!("SKIP {name}: no namespaces here");
        }
    }
    false
}

/// A name server that knows what it is told, and counts questions for IPv4 addresses.
#[derive(Clone, Default)]
struct NameServer(Arc<Mutex<Zone>>);

#[derive(Default)]
struct Zone {
    addresses: HashMap<String, Ipv4Addr>,
    asked: HashMap<String, usize>,
}

const A: u16 = 1;
const NAME_ERROR: u8 = 3;

impl NameServer {
    fn start() -> NameServer {
        let server = NameServer::default();
        let socket = UdpSocket::bind((NAME_SERVER, 53)).unwrap();
        let serving = server.clone();
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let answer = serving.answer(&question[..length]);
                socket.send_to(&answer, from).unwrap();
            }
        });
        server
    }

    fn set(&self, name: &str, address: [u8; 4]) {
        self.0.lock().unwrap().addresses.insert(name.to_owned(), address.into());
    }

    fn asked(&self, name: &str) -> usize {
        self.0.lock().unwrap().asked.get(name).copied().unwrap_or(0)
    }

    fn answer(&self, message: &[u8]) -> Vec<u8> {
        let (name, end) = name_in(message);
        let kind = u16::from_be_bytes([message[end], message[end + 1]]);
        let mut zone = self.0.lock().unwrap();
        if kind == A {
            *zone.asked.entry(name.clone()).or_default() += 1;
        }
        let address = zone.addresses.get(&name);
        let found = address.filter(|_| kind == A);
        let code = if address.is_some() { 0 } else { NAME_ERROR };
        // An answer, recursion asked and had; then the question again, and what there is.
        let mut answer = [&message[..2], &[0x81, 0x80 | code, 0, 1, 0, u8::from(found.is_some()), 0, 0, 0, 0]].concat();
        answer.extend_from_slice(&message[12..end + 4]);
        if let Some(address) = found {
            // The name as in the question, A, IN, not to be kept, four bytes.
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend_from_slice(&address.octets());
        }
        answer
    }
}

/// The name that is asked for, and where it ends.
fn name_in(message: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while message[at] != 0 {
        let length = usize::from(message[at]);
        labels.push(String::from_utf8_lossy(&message[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    (labels.join("."), at + 1)
}

#[test]
fn a_herd_asks_once_and_the_next_request_not_at_all() {
    if !is_inside("a_herd_asks_once_and_the_next_request_not_at_all") {
        return;
    }
    let (names, server, pool) = (NameServer::start(), RawServer::answering(), pool(0));
    names.set("herd.test", [127, 0, 0, 1]);
    let session = session(&pool, &server.http.replace("127.0.0.1", "herd.test"));
    let together = Arc::new(Barrier::new(50));
    let herd: Vec<_> = (0..50)
        .map(|_| {
            let (session, together) = (session.clone(), together.clone());
            std::thread::spawn(move || {
                together.wait();
                session.request(bounded(get("/"))).expect("an answer").body
            })
        })
        .collect();
    for request in herd {
        assert_eq!(request.join().unwrap(), "ok");
    }
    pool.reload_tls().unwrap();
    assert!(!session.request(bounded(get("/"))).unwrap().report.reused, "over a new connection");
    assert_eq!(names.asked("herd.test"), 1);
}

#[test]
fn a_name_that_is_unknown_is_a_failure_of_dns() {
    if !is_inside("a_name_that_is_unknown_is_a_failure_of_dns") {
        return;
    }
    let (names, pool) = (NameServer::start(), pool(0));
    let session = session(&pool, "http://nobody.test");
    for _ in 0..3 {
        let failure = session.request(bounded(get("/"))).expect_err("nobody has this name");
        assert_eq!(verdict(&failure), (Status::Dns, Detail::None, Phase::Dns, Delivery::NotSent), "{failure:?}");
        assert!(failure.error.message.starts_with("url: the host name does not resolve ("), "{failure:?}");
    }
    assert!((1..=3).contains(&names.asked("nobody.test")));
}

#[test]
fn the_systems_file_of_hosts_comes_first() {
    if !is_inside("the_systems_file_of_hosts_comes_first") {
        return;
    }
    let (names, server, pool) = (NameServer::start(), RawServer::answering(), pool(0));
    let url = server.http.replace("127.0.0.1", "from-hosts.test");
    assert_eq!(session(&pool, &url).request(bounded(get("/"))).unwrap().body, "ok");
    assert_eq!(names.asked("from-hosts.test"), 0);
}

#[test]
fn a_name_that_moved_is_followed_when_the_answer_is_no_longer_fresh() {
    if !is_inside("a_name_that_moved_is_followed_when_the_answer_is_no_longer_fresh") {
        return;
    }
    let names = NameServer::start();
    let [here, there] = [[127, 0, 0, 1], [127, 0, 0, 2]];
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    clock.block_on(async {
        let resolver = Resolver::new(SystemLookup);
        names.set("moves.test", here);
        let addresses = async || resolver.resolve("moves.test").await.unwrap().to_vec();
        assert_eq!(addresses().await, [IpAddr::from(here)]);
        names.set("moves.test", there);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(addresses().await, [IpAddr::from(here)]);
        tokio::time::advance(Duration::from_secs(1)).await;
        // What is in hand comes at once, and what is new is fetched meanwhile.
        assert_eq!(addresses().await, [IpAddr::from(here)]);
        assert_eq!(resolver.resolve_afresh("moves.test").await.unwrap().to_vec(), [IpAddr::from(there)]);
        assert_eq!(addresses().await, [IpAddr::from(there)]);
        assert_eq!((resolver.lookups(), names.asked("moves.test")), (2, 2));
    });
}
