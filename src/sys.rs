//! The little that needs the operating system's own words: the process root and fork, guests' threads, signals, wake-ups.

use std::any::{Any, TypeId};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::thread::JoinHandle;

#[cfg(unix)]
use crate::fork_gate;

// ---- The process root ----

/// The one static that holds process-wide state: nulled in a forked child, where the old root is leaked and never touched.
static ROOT: AtomicPtr<Root> = AtomicPtr::new(ptr::null_mut());
static FORKS: AtomicU32 = AtomicU32::new(0);
static FORK_HANDLER: AtomicBool = AtomicBool::new(false);

struct Root {
    states: AtomicPtr<State>,
}

struct State {
    id: TypeId,
    value: Box<dyn Any + Send + Sync>,
    next: *const State,
}

/// This process's one `T`, made on first use. No lock: a fork can hit any thread at any instruction.
pub fn process_state<T: Default + Send + Sync + 'static>() -> &'static T {
    if let Some(found) = existing_process_state() {
        return found;
    }
    let head = &root().states;
    let value: Box<dyn Any + Send + Sync> = Box::<T>::default();
    let mut mine = Box::new(State { id: TypeId::of::<T>(), value, next: ptr::null() });
    loop {
        let first = head.load(Ordering::Acquire);
        // Somebody may have been quicker: theirs is the one.
        if let Some(found) = find_state(first) {
            return found;
        }
        mine.next = first;
        let node = Box::into_raw(mine);
        match head.compare_exchange(first, node, Ordering::AcqRel, Ordering::Acquire) {
            // In the list now: found at the first look.
            Ok(_) => return process_state(),
            // SAFETY: the exchange failed, so the node is still nobody else's.
            Err(_) => mine = unsafe { Box::from_raw(node) },
        }
    }
}

/// This process's `T` if it was made already: never allocates, so a signal handler may ask.
pub fn existing_process_state<T: 'static>() -> Option<&'static T> {
    // SAFETY: a root is leaked on purpose, so a pointer read here is valid for ever.
    let root = unsafe { ROOT.load(Ordering::Acquire).as_ref() }?;
    find_state(root.states.load(Ordering::Acquire))
}

fn find_state<T: 'static>(mut node: *const State) -> Option<&'static T> {
    // SAFETY: nodes are leaked on purpose and immutable once they are in the list.
    while let Some(state) = unsafe { node.as_ref() } {
        if state.id == TypeId::of::<T>() {
            return state.value.downcast_ref();
        }
        node = state.next;
    }
    None
}

fn root() -> &'static Root {
    register_fork_handler();
    let fresh = Box::into_raw(Box::new(Root { states: AtomicPtr::new(ptr::null_mut()) }));
    let root = match ROOT.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => fresh,
        Err(other) => {
            // SAFETY: `fresh` lost the race and was never shared.
            drop(unsafe { Box::from_raw(fresh) });
            other
        }
    };
    // SAFETY: a root is never freed.
    unsafe { &*root }
}

/// How often this process descends from a fork of one that used the library: part of every handle.
pub fn fork_depth() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

#[cfg(unix)]
fn register_fork_handler() {
    extern "C" fn before() {
        fork_gate::before_fork();
    }
    extern "C" fn in_parent() {
        fork_gate::in_parent();
    }
    extern "C" fn in_child() {
        ROOT.store(ptr::null_mut(), Ordering::Release);
        FORKS.fetch_add(1, Ordering::Relaxed);
        fork_gate::in_child();
    }
    if !FORK_HANDLER.swap(true, Ordering::AcqRel) {
        // SAFETY: the handlers only use atomics and sleep, and the library is never unloaded (-z nodelete).
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    }
}

#[cfg(not(unix))]
fn register_fork_handler() {
    FORK_HANDLER.store(true, Ordering::Release);
}

/// Whether the system ran out of descriptors or memory, which may be over in a moment.
pub fn is_shortage(error: &io::Error) -> bool {
    #[cfg(unix)]
    let numbers = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS];
    #[cfg(not(unix))]
    let numbers = [10024, 10055];
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}

// ---- Guests' threads ----

/// While this lives, a cancellation of the calling thread waits: an unwind through Rust frames would be undefined.
pub struct Uncancellable {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    before: libc::c_int,
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
unsafe extern "C" {
    fn pthread_setcancelstate(state: libc::c_int, old: *mut libc::c_int) -> libc::c_int;
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
impl Uncancellable {
    pub fn enter() -> Self {
        const DISABLE: libc::c_int = if cfg!(target_os = "linux") { 1 } else { 0 };
        let mut before = 0;
        // SAFETY: POSIX; writes one int.
        unsafe { pthread_setcancelstate(DISABLE, &raw mut before) };
        Uncancellable { before }
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
impl Drop for Uncancellable {
    fn drop(&mut self) {
        // SAFETY: POSIX; restores what `enter` read; Linux accepts NULL for the old state, Apple too.
        unsafe { pthread_setcancelstate(self.before, ptr::null_mut()) };
    }
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
impl Uncancellable {
    pub fn enter() -> Self {
        Uncancellable {}
    }
}

/// While this lives, one kind of write raises no signal on the calling thread: it is blocked and, if it came, taken away before
/// the mask is restored. Apple has no way to take it: its sockets carry `SO_NOSIGPIPE`.
pub struct NoSignal {
    #[cfg(all(unix, not(target_vendor = "apple")))]
    signal: libc::c_int,
    #[cfg(all(unix, not(target_vendor = "apple")))]
    before: Option<libc::sigset_t>,
}

#[cfg(all(unix, not(target_vendor = "apple")))]
impl NoSignal {
    /// For writes to closed sockets that cannot pass `MSG_NOSIGNAL`: vectored ones (`writev`), and those to pipes.
    pub fn of_pipes() -> Self {
        NoSignal::enter(libc::SIGPIPE)
    }

    /// For writes to files, which may be over the host's limit (RLIMIT_FSIZE).
    pub fn of_files() -> Self {
        NoSignal::enter(libc::SIGXFSZ)
    }

    fn enter(signal: libc::c_int) -> Self {
        let only = set_of(signal);
        let mut before = empty_set();
        // SAFETY: both sets are initialised; the call touches this thread's mask only.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const only, &raw mut before) };
        // SAFETY: as above. A host that blocks the signal itself may have one pending that is its own.
        let hosts_own = unsafe { libc::sigismember(&raw const before, signal) } == 1 && is_pending(signal);
        NoSignal { signal, before: (!hosts_own).then_some(before) }
    }
}

#[cfg(all(unix, not(target_vendor = "apple")))]
impl Drop for NoSignal {
    fn drop(&mut self) {
        let Some(before) = &self.before else { return };
        let only = set_of(self.signal);
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: initialised sets and a zero timeout: takes a pending signal or returns at once.
        unsafe {
            while libc::sigtimedwait(&raw const only, ptr::null_mut(), &raw const at_once) == self.signal {}
            libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut());
        }
    }
}

#[cfg(all(unix, not(target_vendor = "apple")))]
fn set_of(signal: libc::c_int) -> libc::sigset_t {
    let mut set = empty_set();
    // SAFETY: the set is initialised.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    set
}

#[cfg(all(unix, not(target_vendor = "apple")))]
fn is_pending(signal: libc::c_int) -> bool {
    let mut pending = empty_set();
    // SAFETY: the set is initialised.
    unsafe { libc::sigpending(&raw mut pending) == 0 && libc::sigismember(&raw const pending, signal) == 1 }
}

#[cfg(unix)]
fn empty_set() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the whole set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
impl NoSignal {
    pub fn of_pipes() -> Self {
        NoSignal {}
    }

    pub fn of_files() -> Self {
        NoSignal {}
    }
}

/// Bytes of stack of the library's own threads.
pub const STACK: usize = 2 << 20;

/// Starts a thread of the library's own: it takes no signal from its first instruction on, and so do its children.
pub fn spawn_thread(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let _masked = AllSignalsBlocked::enter();
    thread(name).spawn(body)
}

/// Its stack is said, or std would ask the environment for RUST_MIN_STACK.
pub fn thread(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.into()).stack_size(STACK)
}

/// Runs `body` on a thread of the library's own while this one waits for it.
pub fn on_a_thread<T: Send>(name: &str, body: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let masked = AllSignalsBlocked::enter();
        let spawned = thread(name).spawn_scoped(scope, body)?;
        drop(masked);
        spawned.join().map_err(|_| io::Error::other("the thread panicked"))
    })
}

struct AllSignalsBlocked {
    #[cfg(unix)]
    before: libc::sigset_t,
}

#[cfg(unix)]
impl AllSignalsBlocked {
    fn enter() -> Self {
        let mut all = empty_set();
        let mut before = empty_set();
        // SAFETY: both sets are initialised; the call touches this thread's mask only.
        unsafe {
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        }
        AllSignalsBlocked { before }
    }
}

#[cfg(unix)]
impl Drop for AllSignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: restores the mask that `enter` read.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut()) };
    }
}

#[cfg(not(unix))]
impl AllSignalsBlocked {
    fn enter() -> Self {
        AllSignalsBlocked {}
    }
}

// ---- Sockets ----

/// The most slices one system call takes.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST_SLICES: usize = 1024;

/// Sends what fits of `slices` at once, and raises no SIGPIPE when the peer is gone: `writev(2)` would.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn send_vectored(socket: std::os::fd::BorrowedFd<'_>, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
    use std::os::fd::AsRawFd;
    // SAFETY: all of a msghdr's fields may be zero.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // `IoSlice` is an iovec by its contract, and sendmsg only reads them.
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len().min(MOST_SLICES) as _;
    // SAFETY: the descriptor is open, and the message points to slices that outlive the call.
    let sent =
        unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Whether a read of `socket`, which the caller keeps open, would find bytes, the end or an error. Takes nothing.
#[cfg(unix)]
pub fn is_readable(socket: std::os::fd::RawFd) -> bool {
    let mut byte = 0u8;
    // SAFETY: one byte of ours; on a descriptor that is no socket the call fails.
    let found = unsafe { libc::recv(socket, (&raw mut byte).cast(), 1, libc::MSG_PEEK | libc::MSG_DONTWAIT) };
    found >= 0 || !matches!(io::Error::last_os_error().kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

// ---- Wake-ups ----

/// A descriptor that becomes readable: rung from any thread or signal handler.
#[cfg(unix)]
pub struct Bell {
    read: std::os::fd::OwnedFd,
    #[cfg(not(target_os = "linux"))]
    write: std::os::fd::OwnedFd,
}

#[cfg(unix)]
impl Bell {
    #[cfg(target_os = "linux")]
    pub fn new() -> io::Result<Self> {
        use std::os::fd::{FromRawFd, OwnedFd};
        // SAFETY: a plain system call.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is fresh and nobody else's.
        Ok(Bell { read: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    #[cfg(not(target_os = "linux"))]
    pub fn new() -> io::Result<Self> {
        use std::os::unix::net::UnixStream;
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        Ok(Bell { read: read.into(), write: write.into() })
    }

    /// Makes the descriptor readable. Async-signal-safe: one write, errno kept.
    pub fn ring(&self) {
        use std::os::fd::AsRawFd;
        #[cfg(target_os = "linux")]
        let fd = self.read.as_raw_fd();
        #[cfg(not(target_os = "linux"))]
        let fd = self.write.as_raw_fd();
        let one = 1u64.to_ne_bytes();
        let errno = errno();
        // SAFETY: eight bytes of ours to a descriptor of ours; a full one is readable already.
        unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
        set_errno(errno);
    }

    /// Takes what was rung so far. An eventfd needs nothing: each ring is a new edge for every watcher. A socket fills up.
    pub fn calm(&self) {
        #[cfg(not(target_os = "linux"))]
        {
            use std::os::fd::AsRawFd;
            let mut rings = [0u8; 256];
            // SAFETY: a non-blocking read of a descriptor of ours into a buffer of ours.
            while unsafe { libc::read(self.read.as_raw_fd(), rings.as_mut_ptr().cast(), rings.len()) } > 0 {}
        }
    }

    /// Makes the descriptor unreadable again.
    pub fn clear(&self) {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let mut count = 0u64;
            // SAFETY: a non-blocking read of eight bytes of a descriptor of ours into a variable of ours.
            unsafe { libc::read(self.read.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
        }
        #[cfg(not(target_os = "linux"))]
        self.calm();
    }

    pub fn duplicate(&self) -> io::Result<std::os::fd::OwnedFd> {
        self.read.try_clone()
    }

    /// For a task that waits for rings: registered with the current runtime, as it is with every other that watches.
    pub fn watch(&'static self) -> io::Result<tokio::io::unix::AsyncFd<std::os::fd::BorrowedFd<'static>>> {
        use std::os::fd::AsFd;
        // SAFETY: a borrowed descriptor names the same open one for as long as the registration can live.
        unsafe { tokio::io::unix::AsyncFd::register_with_interest(self.read.as_fd(), tokio::io::Interest::READABLE) }
            .map_err(io::Error::from)
    }

    /// Sleeps until the bell rings: false when a signal handler of the host ran instead.
    pub fn wait(&self) -> bool {
        use std::os::fd::AsRawFd;
        let mut poll = libc::pollfd { fd: self.read.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd of ours.
        unsafe { libc::poll(&raw mut poll, 1, -1) > 0 }
    }
}

/// Writes eight bytes to a descriptor of the host's, as an eventfd wants it: raises no signal, and does not wait for a full pipe,
/// which is readable already.
#[cfg(unix)]
pub fn write_wake(descriptor: std::os::fd::BorrowedFd<'_>) {
    use std::os::fd::AsRawFd;
    let _quiet = NoSignal::of_pipes();
    let mut poll = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    let one = 1u64.to_ne_bytes();
    // SAFETY: one pollfd of ours; eight bytes of ours to an open descriptor.
    unsafe {
        if libc::poll(&raw mut poll, 1, 0) == 1 && poll.revents & libc::POLLOUT != 0 {
            libc::write(descriptor.as_raw_fd(), one.as_ptr().cast(), one.len());
        }
    }
}

#[cfg(unix)]
fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

#[cfg(target_os = "linux")]
fn set_errno(value: i32) {
    // SAFETY: the thread's own errno.
    unsafe { *libc::__errno_location() = value };
}

#[cfg(target_vendor = "apple")]
fn set_errno(value: i32) {
    // SAFETY: the thread's own errno.
    unsafe { *libc::__error() = value };
}

#[cfg(all(unix, not(target_os = "linux"), not(target_vendor = "apple")))]
fn set_errno(_value: i32) {}
