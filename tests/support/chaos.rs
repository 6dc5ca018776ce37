//! A TCP proxy that misbehaves on demand, also on connections that are open already.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::sleep;

use super::counter::Counter;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What one way does to its bytes. The default does nothing to them.
#[derive(Clone, Debug, Default)]
pub struct Toxics {
    /// Waits so long before it passes a piece on.
    pub latency: Duration,
    /// Waits up to so much longer, by the seed.
    pub jitter: Duration,
    /// Bytes a second; 0 for all there are.
    pub bandwidth: u64,
    /// Waits so long before it passes an end on.
    pub slow_close: Duration,
    /// Resets the connection, both ways, when so many bytes went this way.
    pub reset_at: Option<u64>,
    /// Ends this way, properly, when so many bytes went it.
    pub limit: Option<u64>,
    /// Passes pieces of so many bytes, and waits so long after each; (0, _) for whole ones.
    pub slices: (usize, Duration),
}

type Weathers = watch::Receiver<Weather>;

#[derive(Clone, Default)]
struct Weather {
    up: Toxics,
    down: Toxics,
    /// The first so many connections are cut.
    cut: u64,
    /// The first so many connections pass nothing on.
    stalled: u64,
    /// New connections are accepted and then never served.
    black_hole: bool,
}

impl Weather {
    fn of(&self, way: Way) -> &Toxics {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }
}

/// The proxy; it ends, and its connections are cut, when this is dropped.
pub struct Chaos {
    weather: watch::Sender<Weather>,
    address: SocketAddr,
    /// Whose end is every connection's.
    _runtime: Runtime,
    pub counts: Counts,
}

/// What the proxy saw.
#[derive(Clone, Default)]
pub struct Counts {
    pub accepted: Counter,
    /// Connections of clients that are open.
    pub open: Counter,
}

impl Chaos {
    /// A proxy on a free loopback port before `target`, an address or a URL with one.
    pub fn start(target: &str) -> Chaos {
        Chaos::seeded(target, 0)
    }

    /// The same; what is left to chance goes by `seed`.
    pub fn seeded(target: &str, seed: u64) -> Chaos {
        let target = target.rsplit_once("//").map_or(target, |(_, host)| host).replace("localhost", "127.0.0.1");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, changes) = watch::channel(Weather::default());
        let counts = Counts::default();
        runtime.spawn(accept(listener, target, changes, seed, counts.clone()));
        Chaos { weather, address, _runtime: runtime, counts }
    }

    pub fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn https(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Changes what `way` does from now on.
    pub fn set(&self, way: Way, toxics: Toxics) {
        self.weather.send_modify(|weather| match way {
            Way::Up => weather.up = toxics,
            Way::Down => weather.down = toxics,
        });
    }

    /// Both ways do nothing harmful from now on, and new connections are served.
    pub fn calm(&self) {
        self.weather.send_modify(|weather| {
            *weather = Weather { cut: weather.cut, stalled: weather.stalled, ..Weather::default() }
        });
    }

    /// Stops the bytes of every connection there is now, for good, and closes none: a peer dead without a word.
    pub fn stall_open(&self) {
        let accepted = self.counts.accepted.get() as u64;
        self.weather.send_modify(|weather| weather.stalled = accepted);
    }

    /// New connections are accepted, and nothing ever comes of them.
    pub fn swallow_new(&self) {
        self.weather.send_modify(|weather| weather.black_hole = true);
    }

    /// Resets every connection there is now.
    pub fn cut(&self) {
        let accepted = self.counts.accepted.get() as u64;
        self.weather.send_modify(|weather| weather.cut = accepted);
    }

    /// The same, and waits until they are gone; nobody may open one meanwhile.
    pub fn cut_all(&self) {
        self.cut();
        self.counts.open.wait_until(|open| open == 0);
    }
}

async fn accept(listener: TcpListener, target: String, weather: Weathers, seed: u64, counts: Counts) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // No descriptor is free just now.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let serial = counts.accepted.add(1) as u64;
        counts.open.add(1);
        let (target, counts) = (target.clone(), counts.clone());
        let link = Link { serial, weather: weather.clone(), seed };
        tokio::spawn(async move {
            serve(client, &target, link).await;
            counts.open.sub(1);
        });
    }
}

/// What one connection goes by.
#[derive(Clone)]
struct Link {
    serial: u64,
    weather: Weathers,
    seed: u64,
}

impl Link {
    fn toxics(&self, way: Way) -> Toxics {
        self.weather.borrow().of(way).clone()
    }

    /// Waits until `what`, the first so many connections, includes this one; for ever when the proxy has gone.
    async fn until(&self, what: impl Fn(&Weather) -> u64) {
        if self.weather.clone().wait_for(|weather| what(weather) >= self.serial).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// One connection to its end: both ways ended, a reset by toxic, a cut, or a client that gave up.
async fn serve(mut client: TcpStream, target: &str, link: Link) {
    let mut server = None;
    let reset = tokio::select! {
        ended = pass(&mut client, &mut server, target, &link) => ended.is_err(),
        () = link.until(|weather| weather.cut) => true,
    };
    if reset {
        // Closed with nothing lingering, a socket sends RST.
        let _ = (client.set_zero_linger(), server.map(|server| server.set_zero_linger()));
    }
}

/// Both ways, to their ends. An error resets the connection.
async fn pass(client: &mut TcpStream, server: &mut Option<TcpStream>, target: &str, link: &Link) -> io::Result<()> {
    if !link.weather.borrow().black_hole {
        let Ok(connected) = TcpStream::connect(target).await else { return Ok(()) };
        let server = server.insert(connected);
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pump(Way::Up, from_client, to_server, link);
        let down = pump(Way::Down, from_server, to_client, link);
        tokio::select! {
            ended = async { tokio::try_join!(up, down) } => return ended.map(drop),
            () = link.until(|weather| weather.stalled) => {}
        }
    }
    gone(client).await;
    Ok(())
}

/// Waits until the client has closed, and reads nothing of what it sends.
async fn gone(client: &TcpStream) {
    while client.ready(Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {
        // As if nothing were there: the next event is waited for.
        let _ = client.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}

/// One way, to its end. An error resets the connection.
async fn pump(way: Way, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, link: &Link) -> io::Result<()> {
    let mut chance = Rng::with_seed(link.seed ^ (link.serial << 1 | u64::from(way == Way::Up)));
    let mut buffer = vec![0; 64 << 10];
    let mut passed = 0;
    loop {
        let read = from.read(&mut buffer).await?;
        let toxics = link.toxics(way);
        if read == 0 {
            pause(toxics.slow_close).await;
            return to.shutdown().await;
        }
        pause(toxics.latency + toxics.jitter.mul_f64(chance.f64())).await;
        let mut left = &buffer[..read];
        while !left.is_empty() {
            // Asked anew for each slice, so that a change falls between two.
            let toxics = link.toxics(way);
            let room = [toxics.limit, toxics.reset_at]
                .into_iter()
                .flatten()
                .min()
                .map_or(u64::MAX, |most| most - passed.min(most));
            let slice = if toxics.slices.0 == 0 { left.len() } else { left.len().min(toxics.slices.0) };
            let slice = slice.min(usize::try_from(room).unwrap_or(usize::MAX));
            to.write_all(&left[..slice]).await?;
            passed += slice as u64;
            left = &left[slice..];
            if toxics.reset_at.is_some_and(|at| passed >= at) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if toxics.limit.is_some_and(|limit| passed >= limit) {
                return to.shutdown().await;
            }
            pause(after(&toxics, slice)).await;
        }
    }
}

/// How long to wait after a slice.
fn after(toxics: &Toxics, slice: usize) -> Duration {
    let cut = if toxics.slices.0 == 0 { Duration::ZERO } else { toxics.slices.1 };
    let slow = Duration::from_secs(slice as u64).checked_div(u32::try_from(toxics.bandwidth).unwrap_or(u32::MAX));
    cut + slow.unwrap_or_default()
}

/// As `sleep`, which makes a millisecond of nothing.
async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}
