//! One pool's runtime: threads enter it to wait, and drive it meanwhile; tasks are spawned on it. Which thread drives is `driver`'s matter.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};

use crate::cancel::{self, Cancel};
use crate::driver::{DriverElection, TaskGuard, WaiterGuard};
#[cfg(unix)]
use crate::error::Delivery;
use crate::error::{Detail, Error, Result, Status};
use crate::lock::lock;
use crate::stats::Driving;
use crate::submissions::{CountedTask, Submissions};
use crate::sys;

/// One pool's runtime. Clones share it; `stop` ends it once those who are inside have left.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

struct Shared {
    /// Emptied by the guard at the end. Whoever is inside holds a read lock, so the guard's write waits for them.
    tokio: RwLock<Option<tokio::runtime::Runtime>>,
    handle: Handle,
    submissions: Arc<Submissions>,
    election: Arc<DriverElection>,
    bell_watched: AtomicBool,
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
        let mut builder = builder(threads);
        let mut start = move || try_threads(threads).and_then(|()| builder.build());
        let spawned = sys::spawn_thread("aipool-guard", move || match start() {
            Ok(tokio) => {
                let runtime = Runtime(Arc::new(Shared::new(tokio, threads, sigpipe, driving)));
                let guard = runtime.clone();
                let _ = built.send(Ok(runtime));
                guard.0.guard();
            }
            Err(error) => drop(built.send(Err(error))),
        });
        let failed = |error: io::Error| {
            Error::new(Status::System, format!("pool: cannot start its runtime: {error}")).os_error(&error)
        };
        spawned.map_err(failed)?;
        ready.recv().map_err(|_| failed(io::Error::other("the guard thread ended")))?.map_err(failed)
    }

    /// Runs `future` to its end on this thread, which drives the I/O meanwhile.
    pub fn wait<F: Future<Output: Send> + Send>(&self, future: F) -> Result<F::Output> {
        // Moved once here, not at each step below.
        let future = std::pin::pin!(future);
        if !locals_are_gone() {
            return self.drive(future);
        }
        sys::on_a_thread("aipool-late", || self.drive(future)).map_err(|error| {
            Error::new(Status::System, format!("thread: ends, and there is no other to wait in its place: {error}"))
                .os_error(&error)
        })?
    }

    fn drive<F: Future>(&self, future: Pin<&mut F>) -> Result<F::Output> {
        self.inside(|tokio| {
            let _quiet = (self.0.sigpipe == Sigpipe::Blocked).then(sys::NoSignal::of_pipes);
            let _waiter = WaiterGuard::enter(&self.0.election);
            self.0.block_on(tokio, future)
        })
    }

    /// As `wait`, for `limit` at most: `None` where that ran out. Also while the runtime ends: then the guard drives what is
    /// unfinished, and this thread only sleeps.
    pub fn wait_at_most<F>(&self, future: F, limit: Duration) -> Result<Option<F::Output>>
    where
        F: Future<Output: Send> + Send,
    {
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
        // Counted before `inside` looks: the guard then drives on, however soon the pool is stopped.
        let count = TaskGuard::new(&self.0.election);
        self.inside(|_| {
            let (done, result) = mpsc::sync_channel(1);
            let ring = RingWhenDropped(bell.clone());
            self.spawn_counted(count, async move {
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
        self.spawn_counted(TaskGuard::new(&self.0.election), operation);
    }

    /// Starts a task that nobody waits for, such as a connection's: whoever drives moves it on, and it ends with the runtime.
    pub fn spawn_background(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.handle.spawn(task);
    }

    fn spawn_counted(&self, count: TaskGuard, operation: impl Future<Output = ()> + Send + 'static) {
        let task = CountedTask { future: Box::pin(operation), count };
        let Shared { handle, submissions, election, .. } = &*self.0;
        if Handle::try_current().is_ok() {
            handle.spawn(task);
        } else {
            submissions.push(task);
            // Asked behind the push: who begins to drive after that starts it.
            if election.is_driven() {
                submissions.wake();
            }
        }
        election.submitted();
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
        self.0.election.stop();
    }

    /// Whether it takes nothing new: unfinished tasks go on.
    pub fn is_stopping(&self) -> bool {
        self.0.election.is_stopping()
    }

    /// Whether nobody waits now and the guard drives.
    pub fn guard_watches(&self) -> bool {
        self.0.election.guard_watches()
    }

    /// Whether many wait now and the guard drives for them.
    pub fn guard_drives_a_crowd(&self) -> bool {
        self.0.election.guard_drives_a_crowd()
    }

    fn inside<T>(&self, body: impl FnOnce(&tokio::runtime::Runtime) -> T) -> Result<T> {
        if Handle::try_current().is_ok() {
            return Err(Error::invalid(
                "thread",
                "is inside a tokio runtime; call blocking functions from another thread",
            ));
        }
        let closed = || Error::closed(Detail::PoolClosed);
        if self.0.election.is_stopping() {
            return Err(closed());
        }
        // A writer waits or is done: the runtime is going away.
        let tokio = self.0.tokio.try_read().map_err(|_| closed())?;
        let tokio = tokio.as_ref().ok_or_else(closed)?;
        Ok(body(tokio))
    }
}

/// Whether this thread is in its last destructors, or its process in exit handlers: then tokio has no place on it.
fn locals_are_gone() -> bool {
    Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed())
}

/// Polls `future` whenever it is woken, for `limit` at most: drives nothing.
pub fn sleep_at_most<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    let (mut future, deadline) = (std::pin::pin!(future), Instant::now() + limit);
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(alarm.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        alarm.sleep_at_most(left);
    }
}

/// Wakes a thread that may have lost its locals, which parking needs.
#[derive(Default)]
struct Alarm {
    rung: Mutex<bool>,
    woken: Condvar,
}

impl Alarm {
    fn sleep_at_most(&self, limit: Duration) {
        let slept = self.woken.wait_timeout_while(lock(&self.rung), limit, |rung| !*rung);
        *slept.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *lock(&self.rung) = true;
        self.woken.notify_one();
    }
}

/// Made by who calls: tokio asks the environment here, and on no other thread then.
fn builder(threads: usize) -> Builder {
    let mut builder = match threads {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.max(1)).thread_name("aipool-driver").thread_stack_size(sys::STACK);
    builder.enable_io().enable_time();
    builder
}

/// Whether so many threads can be had at once: where tokio cannot start one of its own it panics, and waits for the others for ever.
fn try_threads(count: usize) -> io::Result<()> {
    let hold = Mutex::new(());
    thread::scope(|scope| {
        let _held = lock(&hold);
        let start = || sys::thread("aipool-trial").spawn_scoped(scope, || drop(lock(&hold)));
        (0..count).try_for_each(|_| start().map(drop))
    })
}

impl Shared {
    fn new(tokio: tokio::runtime::Runtime, threads: usize, sigpipe: Sigpipe, driving: Arc<Driving>) -> Shared {
        let submissions = Arc::<Submissions>::default();
        let submitted = submissions.clone();
        tokio.spawn(async move { submitted.start_all().await });
        Shared {
            handle: tokio.handle().clone(),
            submissions,
            tokio: RwLock::new(Some(tokio)),
            election: Arc::new(DriverElection::new(threads > 0, driving.clone())),
            bell_watched: AtomicBool::new(false),
            sigpipe,
            driving,
        }
    }

    /// Drives until `future` ends.
    fn block_on<F: Future>(&self, tokio: &tokio::runtime::Runtime, future: F) -> F::Output {
        tokio.block_on(async {
            self.submissions.start();
            future.await
        })
    }

    /// The guard thread's life.
    fn guard(&self) {
        self.driving.guards.fetch_add(1, Ordering::Relaxed);
        self.election.guard(|until| {
            if let Some(tokio) = self.tokio.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
                self.block_on(tokio, until);
            }
        });
        // Waits for those inside, who drive themselves; then nobody can enter any more.
        let ended = self.tokio.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tokio) = ended {
            tokio.shutdown_background();
        }
        self.submissions.close();
        self.driving.guards.fetch_sub(1, Ordering::Relaxed);
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
