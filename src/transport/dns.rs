//! Host names and their addresses: asked once for all who wait, kept for a while, renewed behind their backs.

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Error, Phase, Result, Status};
use crate::{sys, workers};

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
            let found = workers::offload(move || (host.as_str(), 0).to_socket_addrs().map(Vec::from_iter)).await;
            let addresses = found.map_err(|error| no_worker(&error))?.map_err(|error| not_resolved(&error))?;
            // The system may name an address once for each kind of socket.
            let mut distinct = Vec::with_capacity(addresses.len());
            for address in addresses.iter().map(std::net::SocketAddr::ip) {
                if !distinct.contains(&address) {
                    distinct.push(address);
                }
            }
            Ok(distinct)
        })
    }
}

fn no_worker(error: &io::Error) -> Error {
    Error::new(Status::System, format!("system: no thread for a name look-up ({error})"))
        .os_error(error.raw_os_error().unwrap_or(0))
        .phase(Phase::Dns)
}

fn not_resolved(error: &io::Error) -> Error {
    if sys::is_shortage(error) {
        return super::tcp::shortage(error).phase(Phase::Dns);
    }
    unknown(error).os_error(error.raw_os_error().unwrap_or(0))
}

fn unknown(why: impl std::fmt::Display) -> Error {
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
        if let Some(address) = literal(host) {
            return Ok(Arc::new([address]));
        }
        let mut flight = match self.look(host) {
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
    fn look(self: &Arc<Self>, host: &str) -> Known {
        let now = Instant::now();
        let mut hosts = self.hosts();
        let known = hosts.get_or_insert_mut_ref(host, Host::default);
        let good = known.answer.as_ref().filter(|answer| now < answer.good_until);
        if let Some(answer) = good.filter(|answer| now < answer.fresh_until) {
            return Known::Answer(answer.found.clone());
        }
        let stale = good.map(|answer| answer.found.clone());
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
            let found = found.and_then(|found| match found.is_empty() {
                true => Err(unknown("it has no address")),
                false => Ok(Addresses::from(found)),
            });
            resolver.learn(host, &found);
            landed.send_replace(Some(found));
        });
        flight
    }

    fn learn(&self, host: String, found: &Result<Addresses>) {
        let now = Instant::now();
        let mut hosts = self.hosts();
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

    fn hosts(&self) -> MutexGuard<'_, LruCache<String, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
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
