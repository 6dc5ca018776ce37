//! TCP to the first of a host's addresses that answers.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_service::Service;

use super::failure::Chain;
use crate::config::{Keepalive, NetworkOptions};
use crate::error::{Error, Phase, Result, Status};
use crate::sys;

/// The next address is tried after so long, or at once when one fails (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;
/// Sent bytes that nobody acknowledges for so long: the peer is gone.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Opens sockets with one set of options.
pub struct Tcp {
    connector: HttpConnector,
    local_address: Option<IpAddr>,
}

impl Tcp {
    pub fn new(network: &NetworkOptions) -> Tcp {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_local_address(network.local_address);
        if let Keepalive::After(idle) = network.keepalive {
            connector.set_keepalive(Some(idle));
            connector.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
            connector.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        }
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        Tcp { connector, local_address: network.local_address }
    }

    /// A stream to the first address that takes it, each given a head start over the next.
    pub async fn connect(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream> {
        let mut race = JoinSet::new();
        let mut failure = None;
        for address in self.in_turn(addresses) {
            race.spawn(self.open(SocketAddr::new(address, port)));
            // Who fails at once gives way at once; who is slow stays in the race.
            match timeout(STAGGER, race.join_next()).await {
                Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
                Ok(Some(Ok(Err(error)))) => drop(failure.get_or_insert(error)),
                _ => {}
            }
        }
        while let Some(ended) = race.join_next().await {
            match ended {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => drop(failure.get_or_insert(error)),
                Err(_) => {}
            }
        }
        Err(self.explain(failure))
    }

    fn open(&self, address: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        let mut connector = self.connector.clone();
        async move {
            // An address for a host is not looked up.
            let place = format!("http://{address}/").parse::<Uri>().map_err(io::Error::other)?;
            connector.call(place).await.map(TokioIo::into_inner).map_err(|error| cause(&error))
        }
    }

    /// The addresses that can be tried from here, families taking turns, the system's favourite first.
    fn in_turn(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let reachable = |address: &IpAddr| self.local_address.is_none_or(|own| own.is_ipv4() == address.is_ipv4());
        let reachable: Vec<_> = addresses.iter().copied().filter(reachable).collect();
        let favourite_is_v4 = reachable.first().is_some_and(IpAddr::is_ipv4);
        let (one, other): (Vec<_>, Vec<_>) = reachable.iter().partition(|address| address.is_ipv4() == favourite_is_v4);
        let turns = one.len().max(other.len());
        (0..turns).flat_map(|turn| one.get(turn).into_iter().chain(other.get(turn))).copied().collect()
    }

    fn explain(&self, failure: Option<io::Error>) -> Error {
        let Some(error) = failure else {
            let message = "url: the host has no address that can be tried; check the name, resolve and local_address";
            return Error::new(Status::Connect, message).phase(Phase::Connect);
        };
        if sys::is_shortage(&error) {
            return shortage(&error).phase(Phase::Connect);
        }
        let message = match error.kind() {
            io::ErrorKind::AddrNotAvailable if self.local_address.is_some() => {
                format!("local_address: cannot be used ({error}); give an address of this machine")
            }
            _ => format!("url: cannot connect ({error}); check host, port and network"),
        };
        Error::new(Status::Connect, message).os_error(&error).phase(Phase::Connect).retryable()
    }
}

/// The system is out of something, which may be over in a moment.
pub fn shortage(error: &io::Error) -> Error {
    let message = "system: out of descriptors or memory; raise the limit (ulimit -n) or close some";
    Error::new(Status::System, message).os_error(error)
}

/// The system's own error below a connector's.
fn cause(error: &(dyn StdError + 'static)) -> io::Error {
    let number = Chain(error).io().and_then(io::Error::raw_os_error);
    number.map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(local: Option<&str>, addresses: &[&str]) -> Vec<String> {
        let network = NetworkOptions { local_address: local.map(|own| own.parse().unwrap()), ..Default::default() };
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Tcp::new(&network).in_turn(&addresses).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn families_take_turns_and_the_systems_favourite_is_first() {
        let all = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"];
        assert_eq!(turns(None, &all), ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"]);
        assert_eq!(turns(None, &["192.0.2.1", "2001:db8::1"]), ["192.0.2.1", "2001:db8::1"]);
    }

    #[test]
    fn a_local_address_leaves_its_own_family() {
        assert_eq!(turns(Some("127.0.0.1"), &["2001:db8::1", "192.0.2.1"]), ["192.0.2.1"]);
        assert!(turns(Some("127.0.0.1"), &["::1"]).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn sockets_are_prompt_and_notice_a_dead_peer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let opened = |keepalive| {
            let tcp = Tcp::new(&NetworkOptions { keepalive, ..Default::default() });
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let stream = runtime.block_on(tcp.connect(&[address.ip()], address.port())).unwrap();
            let socket = socket2::SockRef::from(&stream);
            assert!(socket.tcp_nodelay().unwrap());
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
            socket.keepalive().unwrap().then(|| {
                let (idle, interval) = (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
                (idle.as_secs(), interval.as_secs(), socket.tcp_keepalive_retries().unwrap())
            })
        };
        assert_eq!(opened(Keepalive::default()), Some((30, 15, 4)));
        assert_eq!(opened(Keepalive::After(Duration::from_secs(7))), Some((7, 15, 4)));
        assert_eq!(opened(Keepalive::Off), None);
    }
}
