//! Host names and their addresses: asked once for all who wait, kept for a while, renewed behind their backs.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Error, Phase, Result, Status};
use crate::lock::lock;
use crate::{fork_gate, sys, workers};

/// An answer this old is used without a thought.
const FRESH: Duration = Duration::from_secs(60);
/// An answer this old is used while it is renewed: a resolver that stumbles breaks nothing.
const STALE: Duration = Duration::from_secs(600);
/// So long nobody asks again after a failure.
const FAILED: Duration = Duration::from_secs(1);
/// The most hosts remembered.
const MOST_HOSTS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// Asks somebody for a host's addresses.
pub trait Lookup: Send + Sync {
    /// Never blocks the thread that polls.
    fn lookup(&self, host: String) -> Looking;
}

/// A look-up under way.
pub type Looking = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>>> + Send>>;

/// getaddrinfo(3), on a worker thread.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> Looking {
        Box::pin(async move {
            let found = workers::offload(move || look_up(&host)).await;
            let addresses = found.map_err(|error| no_worker(&error))?.map_err(|error| not_resolved(&error))?;
            // The system may name an address once for each kind of socket.
            let mut distinct = Vec::with_capacity(addresses.len());
            for address in addresses.iter().map(SocketAddr::ip) {
                if !distinct.contains(&address) {
                    distinct.push(address);
                }
            }
            Ok(distinct)
        })
    }
}

/// getaddrinfo(3) itself.
pub fn look_up(host: &str) -> io::Result<Vec<SocketAddr>> {
    let found = fork_gate::look_up(|| (host, 0).to_socket_addrs().map(Vec::from_iter));
    found.map_err(|error| shortage().unwrap_or(error))
}

/// Without a descriptor getaddrinfo(3) cannot read its files, and may say that there is no such host.
fn shortage() -> Option<io::Error> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).err().filter(sys::is_shortage)
}

/// The system gave no thread for a look-up.
pub fn no_worker(error: &io::Error) -> Error {
    Error::new(Status::System, format!("system: no thread for a name look-up ({error})"))
        .os_error(error)
        .phase(Phase::Dns)
}

fn not_resolved(error: &io::Error) -> Error {
    if sys::is_shortage(error) {
        return super::tcp::shortage(error).phase(Phase::Dns);
    }
    unknown(error).os_error(error)
}

/// The host has no address.
pub fn unknown(why: impl std::fmt::Display) -> Error {
    Error::new(Status::Dns, format!("url: the host name does not resolve ({why}); check the name"))
        .phase(Phase::Dns)
        .retryable()
}

/// What is known of host names, shared by all who dial.
pub struct Resolver {
    lookup: Box<dyn Lookup>,
    hosts: Mutex<LruCache<String, Host>>,
    lookups: AtomicU64,
}

#[derive(Default)]
struct Host {
    answer: Option<Answer>,
    flight: Option<Flight>,
}

/// The end of a look-up under way, for all who wait for it. Without a sender, it ended with its runtime.
type Flight = watch::Receiver<Option<Result<Addresses>>>;

/// One at least.
pub type Addresses = Arc<[IpAddr]>;

struct Answer {
    found: Result<Addresses>,
    /// Nobody asks again before.
    fresh_until: Instant,
    /// Nobody uses it after.
    good_until: Instant,
}

impl Resolver {
    /// Knows nothing yet and asks `lookup`.
    pub fn new(lookup: impl Lookup + 'static) -> Arc<Resolver> {
        Arc::new(Resolver {
            lookup: Box::new(lookup),
            hosts: Mutex::new(LruCache::new(MOST_HOSTS)),
            lookups: AtomicU64::new(0),
        })
    }

    /// The addresses of `host`, in the order in which the system would have them tried. Addresses, also in brackets, are
    /// their own.
    ///
    /// Needs a tokio runtime: the look-up is a task of its own there, so that who gives up takes it from nobody.
    pub async fn resolve(self: &Arc<Self>, host: &str) -> Result<Addresses> {
        self.find(host, true).await
    }

    /// As `resolve`, and what is no longer fresh is waited for rather than used.
    pub async fn resolve_afresh(self: &Arc<Self>, host: &str) -> Result<Addresses> {
        self.find(host, false).await
    }

    async fn find(self: &Arc<Self>, host: &str, also_stale: bool) -> Result<Addresses> {
        if let Some(address) = literal(host) {
            return Ok(Arc::new([address]));
        }
        let mut flight = match self.look(host, also_stale) {
            Known::Answer(found) => return found,
            Known::Soon(flight) => flight,
        };
        match flight.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(found)) => found.clone(),
            _ => Err(Error::new(Status::System, "system: a name look-up ended before its answer; try again")
                .phase(Phase::Dns)
                .retryable()),
        }
    }

    /// How often somebody was asked so far.
    pub fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::Relaxed)
    }

    /// The answer in hand, or the look-up that will bring one; starts one where it is due.
    fn look(self: &Arc<Self>, host: &str, also_stale: bool) -> Known {
        let now = Instant::now();
        let mut hosts = lock(&self.hosts);
        let known = hosts.get_or_insert_mut_ref(host, Host::default);
        let good = known.answer.as_ref().filter(|answer| now < answer.good_until);
        if let Some(answer) = good.filter(|answer| now < answer.fresh_until) {
            return Known::Answer(answer.found.clone());
        }
        let stale = good.filter(|_| also_stale).map(|answer| answer.found.clone());
        // A flight without a sender died with its runtime.
        let flying = known.flight.take().filter(|flight| flight.has_changed().is_ok());
        let flight = flying.unwrap_or_else(|| self.depart(host.to_owned()));
        known.flight = Some(flight.clone());
        stale.map_or(Known::Soon(flight), Known::Answer)
    }

    /// Starts a look-up, as a task of its own.
    fn depart(self: &Arc<Self>, host: String) -> Flight {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let (landed, flight) = watch::channel(None);
        let resolver = Arc::clone(self);
        tokio::spawn(async move {
            let found = resolver.lookup.lookup(host.clone()).await;
            let found = match found {
                Ok(none) if none.is_empty() => Err(unknown("it has no address")),
                found => found.map(Addresses::from),
            };
            resolver.learn(host, &found);
            landed.send_replace(Some(found));
        });
        flight
    }

    fn learn(&self, host: String, found: &Result<Addresses>) {
        let now = Instant::now();
        let mut hosts = lock(&self.hosts);
        let known = hosts.get_or_insert_mut(host, Host::default);
        known.flight = None;
        match (found, &mut known.answer) {
            (Ok(_), answer) => {
                *answer = Some(Answer { found: found.clone(), fresh_until: now + FRESH, good_until: now + STALE });
            }
            // A failed renewal leaves what is known, for its time.
            (Err(_), Some(answer)) if answer.found.is_ok() && now < answer.good_until => {
                answer.fresh_until = now + FAILED;
            }
            // That the system is short of something says nothing about the host.
            (Err(error), answer) if error.status == Status::Dns => {
                *answer = Some(Answer { found: found.clone(), fresh_until: now + FAILED, good_until: now + FAILED });
            }
            (Err(_), answer) => *answer = None,
        }
    }
}

enum Known {
    Answer(Result<Addresses>),
    Soon(Flight),
}

/// The address that `host` is, with or without brackets.
pub fn literal(host: &str) -> Option<IpAddr> {
    bare(host).parse().ok()
}

/// `host` without the brackets of an IPv6 address.
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio::task::yield_now;
    use tokio::time::advance;

    use super::*;

    /// Answers with the address of the moment, or with its failure, once it is let.
    #[derive(Clone)]
    struct Script(Arc<(Mutex<Result<Vec<IpAddr>>>, Semaphore)>);

    impl Lookup for Script {
        fn lookup(&self, _host: String) -> Looking {
            let script = self.clone();
            Box::pin(async move {
                script.0.1.acquire().await.unwrap().forget();
                script.0.0.lock().unwrap().clone()
            })
        }
    }

    impl Script {
        fn new(answer: u8, lookups: usize) -> (Script, Arc<Resolver>) {
            let script = Script(Arc::new((Mutex::new(Ok(vec![address(answer)])), Semaphore::new(lookups))));
            (script.clone(), Resolver::new(script))
        }

        fn set(&self, answer: Result<Vec<IpAddr>>) {
            *self.0.0.lock().unwrap() = answer;
        }

        fn release(&self, lookups: usize) {
            self.0.1.add_permits(lookups);
        }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn gone() -> Error {
        unknown("gone")
    }

    fn on_paused_clock(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test);
    }

    async fn first(resolver: &Arc<Resolver>, host: &str) -> Result<IpAddr> {
        resolver.resolve(host).await.map(|addresses| addresses[0])
    }

    /// Lets what was spawned run to its next wait.
    async fn settle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[test]
    fn fifty_callers_share_one_lookup_and_one_that_gives_up_takes_it_from_nobody() {
        on_paused_clock(async {
            let (script, resolver) = Script::new(1, 0);
            let callers: Vec<_> = (0..50)
                .map(|_| {
                    let resolver = Arc::clone(&resolver);
                    tokio::spawn(async move { first(&resolver, "host").await })
                })
                .collect();
            settle().await;
            // Also the first, who had it started.
            callers[0].abort();
            settle().await;
            script.release(1);
            for caller in callers.into_iter().skip(1) {
                assert_eq!(caller.await.unwrap().unwrap(), address(1));
            }
            assert_eq!(resolver.lookups(), 1);
        });
    }

    #[test]
    fn an_answer_is_fresh_for_a_minute_then_renewed_behind_the_callers_back() {
        on_paused_clock(async {
            let (script, resolver) = Script::new(1, 1);
            first(&resolver, "host").await.unwrap();
            script.set(Ok(vec![address(2)]));
            advance(Duration::from_millis(59_999)).await;
            assert_eq!((first(&resolver, "host").await.unwrap(), resolver.lookups()), (address(1), 1));
            advance(Duration::from_millis(1)).await;
            // The look-up hangs, and nobody waits for it.
            for _ in 0..3 {
                assert_eq!((first(&resolver, "host").await.unwrap(), resolver.lookups()), (address(1), 2));
            }
            script.release(1);
            settle().await;
            assert_eq!((first(&resolver, "host").await.unwrap(), resolver.lookups()), (address(2), 2));
        });
    }

    #[test]
    fn who_asks_afresh_waits_for_the_renewal() {
        on_paused_clock(async {
            let (script, resolver) = Script::new(1, 100);
            assert_eq!(resolver.resolve_afresh("host").await.unwrap()[0], address(1));
            script.set(Ok(vec![address(2)]));
            advance(Duration::from_millis(59_999)).await;
            assert_eq!(resolver.resolve_afresh("host").await.unwrap()[0], address(1));
            advance(Duration::from_millis(1)).await;
            assert_eq!(resolver.resolve_afresh("host").await.unwrap()[0], address(2));
            assert_eq!(resolver.lookups(), 2);
        });
    }

    #[test]
    fn a_failed_renewal_leaves_the_answer_for_its_ten_minutes() {
        on_paused_clock(async {
            let (script, resolver) = Script::new(1, 100);
            first(&resolver, "host").await.unwrap();
            script.set(Err(gone()));
            advance(FRESH).await;
            for _ in 0..3 {
                assert_eq!(first(&resolver, "host").await.unwrap(), address(1));
                settle().await;
            }
            assert_eq!(resolver.lookups(), 2, "a failed renewal is not tried again at once");
            advance(FAILED).await;
            assert_eq!(first(&resolver, "host").await.unwrap(), address(1));
            assert_eq!(resolver.lookups(), 3);
            settle().await;
            advance(Duration::from_secs(600 - 60 - 1)).await;
            assert_eq!(first(&resolver, "host").await.unwrap_err().status, Status::Dns);
        });
    }

    #[test]
    fn a_failure_is_remembered_for_a_second() {
        on_paused_clock(async {
            let (script, resolver) = Script::new(1, 100);
            script.set(Err(gone()));
            for _ in 0..3 {
                let error = first(&resolver, "host").await.unwrap_err();
                assert_eq!((error.status, error.phase, error.retryable), (Status::Dns, Phase::Dns, true));
            }
            assert_eq!(resolver.lookups(), 1);
            script.set(Ok(vec![address(1)]));
            advance(FAILED).await;
            assert_eq!(first(&resolver, "host").await.unwrap(), address(1));
        });
    }

    #[test]
    fn a_shortage_of_the_system_is_not_remembered() {
        on_paused_clock(async {
            let (script, resolver) = Script::new(1, 100);
            script.set(Err(no_worker(&io::Error::from_raw_os_error(11))));
            let error = first(&resolver, "host").await.unwrap_err();
            assert_eq!((error.status, error.os_error), (Status::System, 11));
            script.set(Ok(vec![address(1)]));
            assert_eq!(first(&resolver, "host").await.unwrap(), address(1));
        });
    }

    #[test]
    fn a_host_without_an_address_does_not_resolve() {
        on_paused_clock(async {
            let (script, resolver) = Script::new(1, 100);
            script.set(Ok(Vec::new()));
            let error = first(&resolver, "host").await.unwrap_err();
            assert!(error.message.starts_with("url: the host name does not resolve (it has no address)"), "{error}");
        });
    }

    #[test]
    fn addresses_are_never_looked_up() {
        on_paused_clock(async {
            let (_script, resolver) = Script::new(1, 0);
            for host in ["127.0.0.1", "::1", "[::1]"] {
                assert!(first(&resolver, host).await.unwrap().is_loopback());
            }
            assert_eq!(resolver.lookups(), 0);
        });
    }

    #[test]
    fn the_memory_for_hosts_is_bounded() {
        on_paused_clock(async {
            let (_script, resolver) = Script::new(1, usize::MAX >> 4);
            for n in 0..2 * MOST_HOSTS.get() {
                first(&resolver, &format!("host{n}")).await.unwrap();
            }
            assert_eq!(lock(&resolver.hosts).len(), MOST_HOSTS.get());
        });
    }

    #[test]
    fn a_lookup_that_dies_with_its_runtime_is_started_anew() {
        let (script, resolver) = Script::new(1, 0);
        on_paused_clock({
            let resolver = Arc::clone(&resolver);
            async move {
                drop(tokio::spawn(async move { first(&resolver, "host").await }));
                settle().await;
            }
        });
        script.release(1);
        on_paused_clock(async {
            assert_eq!((first(&resolver, "host").await.unwrap(), resolver.lookups()), (address(1), 2));
        });
    }

    #[test]
    fn the_system_knows_localhost() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let resolver = Resolver::new(SystemLookup);
        assert!(runtime.block_on(first(&resolver, "localhost")).unwrap().is_loopback());
    }
}
