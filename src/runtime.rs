//! Who drives the I/O: the thread that waits, or the guard thread when nobody waits or too many do.
//!
//! The guard is in one of five modes. WATCH: nobody waits, it drives, asleep in the poller. STANDBY: somebody waits and
//! drives; the guard looks in every five milliseconds and goes back to WATCH after ten quiet ones, so a serial loop of requests
//! hands nothing over, even when its thread loses the processor for a while. PARKED: the same waiter was there at two looks; no timer runs, and the last waiter to leave wakes
//! the guard. ALERT: nobody waits, but an operation is on board, and the guard drives if that stays so for a moment. CROWD: many wait; handing the driver round would cost more than it saves, so the guard drives.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use crate::cancel::{self, Cancel};
use crate::error::{Delivery, Detail, Error, Result, Status};
use crate::stats::Driving;
use crate::sys;

/// With this many waiters the guard drives; with fewer than `CROWD_ENDS` it lets go again.
const CROWD_BEGINS: u64 = 4;
const CROWD_ENDS: u64 = 2;
/// Shorter looks cost serial callers more tail latency than a crowd gains from being seen sooner.
const LOOK: Duration = Duration::from_millis(5);
/// How long nobody may wait before the guard drives again. An operation that comes on board meanwhile wakes the guard.
const QUIET: Duration = Duration::from_millis(10);
/// The same where an operation is on board: a host that submits and takes in one loop waits again before that.
const GRACE: Duration = Duration::from_micros(150);

const WATCH: u8 = 0;
const STANDBY: u8 = 1;
const PARKED: u8 = 2;
const CROWD: u8 = 3;
/// A multi-thread runtime drives itself.
const THREADS: u8 = 4;
/// As STANDBY while nobody waits though something is on board: the guard looks again in a moment, unasked.
const ALERT: u8 = 5;

/// One pool's runtime. Clones share it; `stop` ends it once those who are inside have left.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

struct Shared {
    /// Emptied by the guard at the end. Whoever is inside holds a read lock, so the guard's write waits for them.
    tokio: RwLock<Option<tokio::runtime::Runtime>>,
    handle: Handle,
    mode: AtomicU8,
    /// Waiters in the low half, entries ever in the high half: one word, so that a look sees both at once.
    traffic: AtomicU64,
    /// Spawned operations that somebody waits for without driving.
    passengers: AtomicUsize,
    stopping: AtomicBool,
    bell_watched: AtomicBool,
    guard: OnceLock<Thread>,
    /// Ends the guard's own drive.
    recall: Notify,
    sigpipe: Sigpipe,
    driving: Arc<Driving>,
}

/// What a thread that drives does about SIGPIPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sigpipe {
    /// Nothing: every write is one that raises none.
    Untouched,
    /// Blocked while it drives: some writes would raise it.
    Blocked,
}

impl Sigpipe {
    /// For the engine's own sockets: only on Linux and on Apple's systems can a vectored write do without.
    pub const OF_ENGINE: Sigpipe = if cfg!(any(target_os = "linux", target_os = "android", target_vendor = "apple")) {
        Sigpipe::Untouched
    } else {
        Sigpipe::Blocked
    };
}

impl Runtime {
    /// Starts the guard thread, which builds and owns the runtime, so that every thread below it takes no signals.
    pub fn start(threads: usize, sigpipe: Sigpipe, driving: Arc<Driving>) -> Result<Runtime> {
        let (built, ready) = mpsc::sync_channel(1);
        let spawned = sys::spawn_thread("aipool-guard", move || match build(threads) {
            Ok(tokio) => {
                let runtime = Runtime(Arc::new(Shared::new(tokio, threads, sigpipe, driving)));
                let _ = runtime.0.guard.set(thread::current());
                let guard = runtime.clone();
                let _ = built.send(Ok(runtime));
                guard.0.guard();
            }
            Err(error) => drop(built.send(Err(error))),
        });
        let failed = |error: std::io::Error| {
            Error::new(Status::System, format!("pool: cannot start its runtime: {error}")).os_error(&error)
        };
        spawned.map_err(failed)?;
        ready.recv().map_err(|_| failed(std::io::Error::other("the guard thread ended")))?.map_err(failed)
    }

    /// Runs `future` to its end on this thread, which drives the I/O meanwhile.
    pub fn wait<F: Future>(&self, future: F) -> Result<F::Output> {
        // Moved once here, not at each step below.
        let future = std::pin::pin!(future);
        self.inside(|tokio| {
            let _quiet = (self.0.sigpipe == Sigpipe::Blocked).then(sys::NoSigpipe::enter);
            let _seat = Seat::take(&self.0);
            tokio.block_on(future)
        })
    }

    /// As `wait`, for `limit` at most: `None` where that ran out. Also while the runtime ends: then the guard drives what is on
    /// board, and this thread only sleeps.
    pub fn wait_at_most<F: Future>(&self, future: F, limit: Duration) -> Result<Option<F::Output>> {
        let mut future = std::pin::pin!(future);
        let deadline = Instant::now() + limit;
        let waited = self.wait(async { tokio::time::timeout(limit, future.as_mut()).await.ok() });
        match waited {
            Err(error) if error.status == Status::Closed => {
                Ok(sleep_at_most(future, deadline.saturating_duration_since(Instant::now())))
            }
            waited => waited,
        }
    }

    /// Runs `future` on the runtime while this thread only sleeps, so that a signal handler of the host ends the wait:
    /// then `interrupt` is fired and the future, which must watch it, says how far it got.
    #[cfg(unix)]
    pub fn wait_interruptibly<T, F>(&self, future: F, interrupt: Cancel) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let bell = Arc::new(sys::Bell::new().map_err(|error| {
            Error::new(Status::System, format!("request: no descriptor for an interruptible wait: {error}"))
                .os_error(&error)
        })?);
        // On board before `inside` looks: the guard then drives on, however soon the pool is stopped.
        let passenger = Passenger::board(&self.0);
        self.inside(|_| {
            let (done, result) = mpsc::sync_channel(1);
            let ring = RingWhenDropped(bell.clone());
            self.spawn_boarded(passenger, async move {
                let _ring = ring;
                let done = done;
                let _ = done.send(future.await);
            });
            while !bell.wait() {
                interrupt.fire();
            }
            result.recv().map_err(|_| {
                Error::new(Status::Panic, "bug: a request's task panicked; please report it")
                    .delivery(Delivery::MaybeSent)
            })
        })?
    }

    #[cfg(not(unix))]
    pub fn wait_interruptibly<T, F>(&self, future: F, _: Cancel) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.wait(future)
    }

    /// Starts an operation that nobody may be driving for: the guard is woken if so.
    pub fn spawn(&self, operation: impl Future<Output = ()> + Send + 'static) {
        self.spawn_boarded(Passenger::board(&self.0), operation);
    }

    /// Starts a task that nobody waits for, such as a connection's: whoever drives moves it on, and it ends with the runtime.
    pub fn spawn_background(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.handle.spawn(task);
    }

    fn spawn_boarded(&self, passenger: Passenger, operation: impl Future<Output = ()> + Send + 'static) {
        // Boxed, or the task would have room for it twice: before it is begun, and after.
        let operation = Box::pin(operation);
        self.0.handle.spawn(async move {
            let _passenger = passenger;
            operation.await;
        });
        self.0.wake_guard_if_nobody_drives();
    }

    /// Makes fired cancel flags wake their waits on this runtime.
    pub fn watch_cancels(&self) {
        if !self.0.bell_watched.swap(true, Ordering::AcqRel) {
            let shared = self.0.clone();
            self.0.handle.spawn(async move {
                cancel::wake_on_bell().await;
                // It ends only where there was no bell yet or no room to watch it: the next wait tries again.
                shared.bell_watched.store(false, Ordering::Release);
            });
        }
    }

    /// Signals the end: the guard tears down when everybody inside has left. Never blocks.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        self.0.recall.notify_one();
        if let Some(guard) = self.0.guard.get() {
            guard.unpark();
        }
    }

    /// Whether it takes nothing new: what is on board goes on.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping()
    }

    /// Whether nobody waits now and the guard drives.
    pub fn guard_watches(&self) -> bool {
        self.0.mode() == WATCH
    }

    /// Whether many wait now and the guard drives for them.
    pub fn guard_drives_a_crowd(&self) -> bool {
        self.0.mode() == CROWD
    }

    fn inside<T>(&self, body: impl FnOnce(&tokio::runtime::Runtime) -> T) -> Result<T> {
        if Handle::try_current().is_ok() {
            return Err(Error::invalid(
                "thread",
                "is inside a tokio runtime; call blocking functions from another thread",
            ));
        }
        let closed = || Error::closed(Detail::PoolClosed);
        if self.0.stopping() {
            return Err(closed());
        }
        // A writer waits or is done: the runtime is going away.
        let tokio = self.0.tokio.try_read().map_err(|_| closed())?;
        let tokio = tokio.as_ref().ok_or_else(closed)?;
        Ok(body(tokio))
    }
}

/// Polls `future` whenever it is woken, for `limit` at most: drives nothing.
pub fn sleep_at_most<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (mut future, deadline) = (std::pin::pin!(future), Instant::now() + limit);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        thread::park_timeout(left);
    }
}

fn build(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.max(1)).thread_name("aipool-driver").enable_io().enable_time().build()
}

impl Shared {
    fn new(tokio: tokio::runtime::Runtime, threads: usize, sigpipe: Sigpipe, driving: Arc<Driving>) -> Shared {
        Shared {
            handle: tokio.handle().clone(),
            tokio: RwLock::new(Some(tokio)),
            mode: AtomicU8::new(if threads == 0 { STANDBY } else { THREADS }),
            traffic: AtomicU64::new(0),
            passengers: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            bell_watched: AtomicBool::new(false),
            guard: OnceLock::new(),
            recall: Notify::new(),
            sigpipe,
            driving,
        }
    }

    /// The guard thread's life.
    fn guard(&self) {
        self.driving.guards.fetch_add(1, Ordering::Relaxed);
        let mut seen = self.traffic();
        while !self.may_end() {
            if self.mode() == THREADS {
                thread::park();
                continue;
            }
            if waiters(seen) == 0 {
                self.drive(WATCH, self.recall.notified());
            }
            seen = self.stand_by();
        }
        // Waits for those inside, who drive themselves; then nobody can enter any more.
        let ended = self.tokio.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tokio) = ended {
            tokio.shutdown_background();
        }
        self.driving.guards.fetch_sub(1, Ordering::Relaxed);
    }

    /// Looks in until the guard has to drive again or the end has come; returns the traffic last seen.
    fn stand_by(&self) -> u64 {
        let mut seen = self.traffic();
        loop {
            self.sleep_until_a_look(seen);
            self.driving.looks.fetch_add(1, Ordering::Relaxed);
            let now = self.traffic();
            let same = now == seen;
            seen = now;
            match waiters(now) {
                0 if same || self.stopping() => return now,
                0 => {}
                CROWD_BEGINS.. => self.drive(CROWD, self.crowd_disperses()),
                _ if same => self.park_until_the_last_leaves(),
                _ => {}
            }
        }
    }

    fn sleep_until_a_look(&self, seen: u64) {
        let on_board = self.passengers.load(Ordering::SeqCst) > 0;
        match (waiters(seen), on_board) {
            (0, true) => {
                self.mode.store(ALERT, Ordering::SeqCst);
                thread::park_timeout(GRACE);
                self.mode.store(STANDBY, Ordering::SeqCst);
            }
            (0, false) => thread::park_timeout(QUIET),
            _ => thread::park_timeout(LOOK),
        }
    }

    fn drive(&self, mode: u8, until: impl Future<Output = ()>) {
        self.mode.store(mode, Ordering::SeqCst);
        // Whoever came before the mode was visible found no guard to recall.
        let missed = mode == WATCH && (waiters(self.traffic()) > 0 || self.may_end());
        let tokio = self.tokio.read().unwrap_or_else(PoisonError::into_inner);
        if let (false, Some(tokio)) = (missed, tokio.as_ref()) {
            self.driving.guard_drives.fetch_add(1, Ordering::Relaxed);
            tokio.block_on(until);
        }
        self.mode.store(STANDBY, Ordering::SeqCst);
    }

    async fn crowd_disperses(&self) {
        while !self.stopping() {
            self.recall.notified().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            if waiters(self.traffic()) < CROWD_ENDS {
                return;
            }
        }
    }

    fn park_until_the_last_leaves(&self) {
        self.mode.store(PARKED, Ordering::SeqCst);
        if waiters(self.traffic()) > 0 {
            thread::park();
        }
        self.mode.store(STANDBY, Ordering::SeqCst);
    }

    fn wake_guard_if_nobody_drives(&self) {
        if waiters(self.traffic()) == 0 && matches!(self.mode(), STANDBY | PARKED) {
            self.unpark_guard();
        }
    }

    fn unpark_guard(&self) {
        if let Some(guard) = self.guard.get() {
            guard.unpark();
        }
    }

    fn may_end(&self) -> bool {
        self.stopping() && self.passengers.load(Ordering::SeqCst) == 0
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn mode(&self) -> u8 {
        self.mode.load(Ordering::SeqCst)
    }

    fn traffic(&self) -> u64 {
        self.traffic.load(Ordering::SeqCst)
    }
}

fn waiters(traffic: u64) -> u64 {
    traffic & u64::from(u32::MAX)
}

/// A waiter's seat at the wheel.
struct Seat<'a>(&'a Shared);

impl<'a> Seat<'a> {
    fn take(shared: &'a Shared) -> Self {
        let now = shared.traffic.fetch_add((1 << 32) + 1, Ordering::SeqCst) + 1;
        match shared.mode() {
            WATCH if shared.mode.compare_exchange(WATCH, STANDBY, Ordering::SeqCst, Ordering::SeqCst).is_ok() => {
                shared.driving.hand_offs.fetch_add(1, Ordering::Relaxed);
                shared.recall.notify_one();
            }
            PARKED if waiters(now) >= CROWD_BEGINS => shared.unpark_guard(),
            _ => {}
        }
        Seat(shared)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let shared = self.0;
        let left = waiters(shared.traffic.fetch_sub(1, Ordering::SeqCst) - 1);
        let mode = shared.mode();
        if mode == CROWD && left < CROWD_ENDS {
            shared.recall.notify_one();
        } else if left == 0 && mode == PARKED {
            shared.unpark_guard();
        }
    }
}

/// Ends an interruptible wait however its task ends: done, panicked, or dropped unrun.
#[cfg(unix)]
struct RingWhenDropped(Arc<sys::Bell>);

#[cfg(unix)]
impl Drop for RingWhenDropped {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// A spawned operation on board: the guard does not end before it has left.
struct Passenger(Arc<Shared>);

impl Passenger {
    fn board(shared: &Arc<Shared>) -> Self {
        shared.passengers.fetch_add(1, Ordering::SeqCst);
        Passenger(shared.clone())
    }
}

impl Drop for Passenger {
    fn drop(&mut self) {
        let shared = &self.0;
        if shared.passengers.fetch_sub(1, Ordering::SeqCst) == 1 && shared.stopping() {
            shared.recall.notify_one();
            shared.unpark_guard();
        }
    }
}
