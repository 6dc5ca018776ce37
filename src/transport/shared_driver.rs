//! A connection's driver that two may poll: the request on the connection while there is one, else a task of the connection's own.
//!
//! So a request is woken by its own socket, and waits for nobody between. With a task between them each piece of a stream cost two
//! polls more, and a thread that does not drive had to wake the one that does before anything was sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::lock::lock;
use crate::sync::{AtomicBool, Mutex, Ordering};

/// How often one poll looks again at what woke meanwhile, before it lets others run.
const MOST_ROUNDS: usize = 4;

/// A driver, for the request on its connection.
pub struct SharedDriver<D: Future> {
    shared: Arc<Shared<D>>,
    /// For the driver, and for who waits for it.
    drivers: Waker,
    waiters: Waker,
}

/// The same, for the connection's own task. With this the driver ends.
pub struct OwnTask<D: Future>(SharedDriver<D>);

/// A poll of the driver panicked, whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

struct Shared<D: Future> {
    state: Mutex<State<D>>,
    /// The driver was woken, and nobody has polled it since.
    wanted: AtomicBool,
    /// The same of who waits for it.
    came: AtomicBool,
    /// Somebody polls: what wakes meanwhile is looked at there. So head, body and room for the next request are no three wake-ups.
    polled: AtomicBool,
    over: AtomicBool,
}

struct State<D: Future> {
    /// Out while it is polled, gone when it is over.
    driver: Option<D>,
    /// What the task has not heard yet.
    end: Option<Result<D::Output, Panicked>>,
    turn: Turn,
    task: Option<Waker>,
}

/// Whose turn it is to poll.
enum Turn {
    Task,
    /// With no waker while it is awake: it looks by itself.
    Request(Option<Waker>),
}

impl<D: Future> State<D> {
    /// Whose turn it is.
    fn waker(&self) -> Option<Waker> {
        match &self.turn {
            Turn::Task => self.task.clone(),
            Turn::Request(waker) => waker.clone(),
        }
    }

    /// Whether something woke that is for whose turn it is: the task does not wait for what the driver brings.
    fn is_woken(&self, shared: &Shared<D>) -> bool {
        let is_requests = matches!(self.turn, Turn::Request(_));
        shared.wanted.load(Ordering::SeqCst) || is_requests && shared.came.load(Ordering::SeqCst)
    }
}

/// What the driver or who waits for it is given to wake.
struct Bell<D: Future> {
    shared: Arc<Shared<D>>,
    is_drivers: bool,
}

/// A driver for both. It is polled for the first time by whoever comes first.
pub fn share<D>(driver: D) -> (SharedDriver<D>, OwnTask<D>)
where
    D: Future<Output: Send> + Send + Unpin + 'static,
{
    let state = State { driver: Some(driver), end: None, turn: Turn::Task, task: None };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        wanted: AtomicBool::new(true),
        came: AtomicBool::new(false),
        polled: AtomicBool::new(false),
        over: AtomicBool::new(false),
    });
    let waker = |is_drivers| Waker::from(Arc::new(Bell { shared: shared.clone(), is_drivers }));
    let driver = SharedDriver { drivers: waker(true), waiters: waker(false), shared };
    (driver.clone(), OwnTask(driver))
}

impl<D: Future + Unpin> SharedDriver<D> {
    /// From here on it is the request's turn, which polls next.
    pub fn take(&self) {
        let before = std::mem::replace(&mut lock(&self.shared.state).turn, Turn::Request(None));
        drop(before);
    }

    /// Polls what waits for the connection, and the driver before and behind. The turn stays the request's, until `release`.
    pub fn poll<T>(&self, cx: &mut Context<'_>, mut waits: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let mut polling = Polling::begin(&self.shared, Some(cx.waker()));
        polling.advance(&self.drivers);
        for _ in 0..MOST_ROUNDS {
            self.shared.came.store(false, Ordering::SeqCst);
            let came = waits(&mut Context::from_waker(&self.waiters));
            // For what was asked of it, or for room where something was taken: the task need not be woken for that.
            polling.advance(&self.drivers);
            if came.is_ready() {
                polling.is_awake = true;
                return came;
            }
            if !self.shared.wanted.load(Ordering::SeqCst) && !self.shared.came.load(Ordering::SeqCst) {
                break;
            }
        }
        Poll::Pending
    }

    /// The request polls no more, or not for now: it is the task's turn.
    pub fn release(&self) {
        let mut state = lock(&self.shared.state);
        let before = std::mem::replace(&mut state.turn, Turn::Task);
        // Who polls just now looks by itself whether something woke.
        let wanted = self.shared.wanted.load(Ordering::SeqCst) && !self.shared.polled.load(Ordering::SeqCst);
        let task = if wanted { state.waker() } else { None };
        drop(state);
        drop(before);
        task.into_iter().for_each(Waker::wake);
    }

    /// Whether the connection has ended.
    pub fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::SeqCst)
    }
}

impl<D: Future> Clone for SharedDriver<D> {
    fn clone(&self) -> Self {
        SharedDriver { shared: self.shared.clone(), drivers: self.drivers.clone(), waiters: self.waiters.clone() }
    }
}

impl<D: Future + Unpin> OwnTask<D> {
    /// Polls the driver where it is the task's turn. Ready when it is over.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<D::Output, Panicked>> {
        let SharedDriver { shared, drivers, .. } = &self.0;
        let mut state = lock(&shared.state);
        if !state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            state.task = Some(cx.waker().clone());
        }
        if matches!(state.turn, Turn::Task) && state.end.is_none() {
            drop(state);
            Polling::begin(shared, None).advance(drivers);
            state = lock(&shared.state);
        }
        state.end.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<D: Future> Drop for OwnTask<D> {
    fn drop(&mut self) {
        let shared = &self.0.shared;
        shared.over.store(true, Ordering::SeqCst);
        let mut state = lock(&shared.state);
        let (driver, request) = (state.driver.take(), state.waker());
        drop(state);
        // Dropped first: who waits for it hears why.
        drop(driver);
        request.into_iter().for_each(Waker::wake);
    }
}

/// One poll of the driver. Who comes while another polls finds it out, and is woken where that leaves something.
struct Polling<'a, D: Future> {
    shared: &'a Shared<D>,
    is_first: bool,
    driver: Option<D>,
    end: Option<D::Output>,
    /// Whose turn it is is awake, and looks when it polls again.
    is_awake: bool,
}

impl<'a, D: Future + Unpin> Polling<'a, D> {
    /// With the request's waker, whose turn it is then.
    fn begin(shared: &'a Shared<D>, request: Option<&Waker>) -> Self {
        let mut state = lock(&shared.state);
        let known = matches!((&state.turn, request), (Turn::Request(Some(old)), Some(new)) if old.will_wake(new));
        let next = request.filter(|_| !known).map(|waker| Turn::Request(Some(waker.clone())));
        let before = next.map(|turn| std::mem::replace(&mut state.turn, turn));
        let is_first = !shared.polled.swap(true, Ordering::SeqCst);
        let driver = if is_first { state.driver.take() } else { None };
        // Wakers are dropped without the lock: what they hold may come back here.
        drop(state);
        drop(before);
        Polling { shared, is_first, driver, end: None, is_awake: false }
    }

    /// Polls it, where something woke.
    fn advance(&mut self, waker: &Waker) {
        if !self.is_first || !self.shared.wanted.swap(false, Ordering::SeqCst) {
            return;
        }
        // Out of its place: a poll that panics takes it along.
        let Some(mut driver) = self.driver.take() else { return };
        match Pin::new(&mut driver).poll(&mut Context::from_waker(waker)) {
            Poll::Pending => self.driver = Some(driver),
            Poll::Ready(end) => self.end = Some(end),
        }
    }
}

impl<D: Future> Drop for Polling<'_, D> {
    fn drop(&mut self) {
        if !self.is_first {
            return;
        }
        let shared = self.shared;
        let mut state = lock(&shared.state);
        let (mut left, mut wakes) = (self.driver.take(), [None, None]);
        if !shared.over.load(Ordering::SeqCst) {
            state.driver = left.take();
            if state.driver.is_none() {
                shared.over.store(true, Ordering::SeqCst);
                state.end = Some(self.end.take().ok_or(Panicked));
                wakes = [state.task.clone(), state.waker()];
            }
        }
        shared.polled.store(false, Ordering::SeqCst);
        // Who wakes says so before it looks whether somebody polls, and here it is the other way round: one sees the other.
        if !self.is_awake && state.is_woken(shared) {
            wakes[1] = state.waker();
        }
        drop(state);
        // Its task went meanwhile.
        drop(left);
        wakes.into_iter().flatten().for_each(Waker::wake);
    }
}

impl<D> Wake for Bell<D>
where
    D: Future<Output: Send> + Send + 'static,
{
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Bell { shared, is_drivers } = &**self;
        let woken = if *is_drivers { &shared.wanted } else { &shared.came };
        woken.store(true, Ordering::SeqCst);
        if !shared.polled.load(Ordering::SeqCst) {
            let state = lock(&shared.state);
            let turn = if state.is_woken(shared) { state.waker() } else { None };
            drop(state);
            turn.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A driver of which each poll brings one more thing, to be had from `waits`.
    struct Steps {
        left: usize,
        came: Arc<AtomicUsize>,
        waiting: Arc<Mutex<Option<Waker>>>,
    }

    impl Future for Steps {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if self.left == 0 {
                return Poll::Ready(());
            }
            self.left -= 1;
            self.came.fetch_add(1, Ordering::SeqCst);
            if let Some(waiting) = lock(&self.waiting).take() {
                waiting.wake();
            }
            Poll::Pending
        }
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct Rig {
        driver: SharedDriver<Steps>,
        task: OwnTask<Steps>,
        came: Arc<AtomicUsize>,
        waiting: Arc<Mutex<Option<Waker>>>,
        request: Arc<Count>,
        task_woken: Arc<Count>,
    }

    impl Rig {
        fn of(left: usize) -> Rig {
            let (came, waiting) = (Arc::<AtomicUsize>::default(), Arc::default());
            let (driver, task) = share(Steps { left, came: came.clone(), waiting: Arc::clone(&waiting) });
            Rig { driver, task, came, waiting, request: Arc::default(), task_woken: Arc::default() }
        }

        /// The request waits until so much has come.
        fn request_polls(&self, until: usize) -> Poll<()> {
            let waker = Waker::from(self.request.clone());
            self.driver.poll(&mut Context::from_waker(&waker), |cx| {
                *lock(&self.waiting) = Some(cx.waker().clone());
                if self.came.load(Ordering::SeqCst) >= until { Poll::Ready(()) } else { Poll::Pending }
            })
        }

        fn task_polls(&self) -> Poll<Result<(), Panicked>> {
            self.task.poll(&mut Context::from_waker(&Waker::from(self.task_woken.clone())))
        }

        fn woken(&self) -> (usize, usize) {
            (self.request.0.load(Ordering::SeqCst), self.task_woken.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn what_a_poll_of_the_request_brings_wakes_nobody() {
        let rig = Rig::of(5);
        rig.driver.take();
        assert!(rig.task_polls().is_pending());
        assert_eq!(rig.came.load(Ordering::SeqCst), 0, "it is not the task's turn");
        assert!(rig.request_polls(1).is_ready());
        assert_eq!(rig.woken(), (0, 0));
    }

    #[test]
    fn what_wakes_is_for_whose_turn_it_is() {
        let rig = Rig::of(9);
        assert!(rig.task_polls().is_pending());
        rig.driver.drivers.wake_by_ref();
        assert_eq!(rig.woken(), (0, 1));
        rig.driver.take();
        rig.driver.drivers.wake_by_ref();
        assert_eq!(rig.woken(), (0, 1), "an awake request looks by itself");
        assert!(rig.request_polls(9).is_pending());
        let before = rig.woken();
        rig.driver.drivers.wake_by_ref();
        assert_eq!(rig.woken(), (before.0 + 1, before.1));
        rig.driver.release();
        assert_eq!(rig.woken(), (before.0 + 1, before.1 + 1), "what nobody looked at is left to the task");
    }

    #[test]
    fn what_comes_while_a_request_pauses_does_not_wake_the_task_again() {
        let rig = Rig::of(99);
        assert!(rig.request_polls(99).is_pending());
        rig.driver.release();
        let (_, before) = rig.woken();
        rig.driver.drivers.wake_by_ref();
        assert!(rig.task_polls().is_pending());
        assert_eq!(rig.woken().1, before, "it had not been polled");
        rig.driver.drivers.wake_by_ref();
        assert!(rig.task_polls().is_pending());
        rig.driver.waiters.wake_by_ref();
        assert_eq!(rig.woken().1, before + 1);
    }

    #[test]
    fn a_driver_that_ends_under_the_request_is_told_to_the_task() {
        let rig = Rig::of(0);
        assert!(rig.request_polls(1).is_pending());
        assert!(rig.driver.is_over());
        assert_eq!(rig.task_polls(), Poll::Ready(Ok(())));
    }

    #[test]
    fn with_its_task_the_driver_goes_and_who_waits_is_told() {
        let Rig { driver, task, request, waiting, .. } = Rig::of(9);
        let waker = Waker::from(request.clone());
        let polled = driver.poll(&mut Context::from_waker(&waker), |cx| {
            *lock(&waiting) = Some(cx.waker().clone());
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        let before = request.0.load(Ordering::SeqCst);
        drop(task);
        assert!(driver.is_over() && request.0.load(Ordering::SeqCst) > before);
    }

    #[test]
    fn a_poll_that_panics_ends_the_driver() {
        let (driver, task) = share(poll_fn(|_| -> Poll<()> { panic!("on purpose") }));
        let mut cx = Context::from_waker(Waker::noop());
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            driver.poll(&mut Context::from_waker(Waker::noop()), |_| Poll::<()>::Pending)
        }));
        assert!(polled.is_err() && driver.is_over());
        assert_eq!(task.poll(&mut cx), Poll::Ready(Err(Panicked)));
    }
}
