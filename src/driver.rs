//! Which thread drives the I/O: the one that waits, or the guard thread when nobody waits or too many do.
//!
//! The guard is in one of five modes. WATCH: nobody waits, it drives, asleep in the poller. STANDBY: somebody waits and
//! drives; the guard looks in every five milliseconds and goes back to WATCH after ten quiet ones, so a serial loop of requests
//! hands nothing over, even when its thread loses the processor for a while. PARKED: the same waiter was there at two looks; no
//! timer runs, and the last waiter to leave wakes the guard. ALERT: nobody waits, but a task was submitted, and the guard drives
//! if that stays so for a moment. CROWD: many wait; handing the driver round would cost more than it saves, so the guard
//! drives.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use crate::stats::Driving;
use crate::sync::thread::{self, Thread};
use crate::sync::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Notify, Ordering, sleep};

/// With this many waiters the guard drives; with fewer than `CROWD_ENDS` it lets go again.
const CROWD_BEGINS: u64 = 4;
const CROWD_ENDS: u64 = 2;
/// Shorter looks cost serial callers more tail latency than a crowd gains from being seen sooner.
const LOOK: Duration = Duration::from_millis(5);
/// How long nobody may wait before the guard drives again. A task that is submitted meanwhile wakes the guard.
const QUIET: Duration = Duration::from_millis(10);
/// The same where a submitted task is unfinished: a host that submits and takes in one loop waits again before that.
const GRACE: Duration = Duration::from_micros(150);
/// Between looks at a host that submits and takes in one loop: to be woken at each of its turns would cost it more.
const SOON: Duration = Duration::from_millis(1);

const WATCH: u8 = 0;
const STANDBY: u8 = 1;
const PARKED: u8 = 2;
const CROWD: u8 = 3;
/// A multi-thread runtime drives itself.
const THREADS: u8 = 4;
/// As STANDBY, but a submit wakes nobody: the guard looks again in a moment, unasked.
const ALERT: u8 = 5;

/// Who waits, how many tasks are unfinished, and what the guard does about it. Made by the guard thread.
pub struct DriverElection {
    mode: AtomicU8,
    /// Waiters in the low half, entries ever in the high half: one word, so that a look sees both at once.
    traffic: AtomicU64,
    /// Submitted tasks that are unfinished: somebody waits for them without driving.
    tasks: AtomicUsize,
    /// Submits ever: says the guard only how soon to look again.
    submits: AtomicUsize,
    stopping: AtomicBool,
    guard: Thread,
    /// Ends the guard's own drive.
    recall: Notify,
    driving: Arc<Driving>,
}

/// What ends a drive.
pub type Until<'a> = Pin<&'a mut dyn Future<Output = ()>>;

impl DriverElection {
    pub fn new(drives_itself: bool, driving: Arc<Driving>) -> DriverElection {
        DriverElection {
            mode: AtomicU8::new(if drives_itself { THREADS } else { STANDBY }),
            traffic: AtomicU64::new(0),
            tasks: AtomicUsize::new(0),
            submits: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            guard: thread::current(),
            recall: Notify::new(),
            driving,
        }
    }

    /// The guard thread's life, which ends when all is over: `drive` moves the I/O on until what it is given is ready.
    pub fn guard(&self, drive: impl Fn(Until<'_>)) {
        let mut seen = self.traffic();
        while !self.may_end() {
            if self.mode() == THREADS {
                thread::park();
                continue;
            }
            if waiters(seen) == 0 {
                self.drive(&drive, WATCH, self.recall.notified());
            }
            seen = self.stand_by(&drive);
        }
    }

    /// Looks in until the guard has to drive again or the end has come; returns the traffic last seen.
    fn stand_by(&self, drive: &impl Fn(Until<'_>)) -> u64 {
        let (mut seen, mut submits) = (self.traffic(), self.submits.load(Ordering::Relaxed));
        loop {
            let before = std::mem::replace(&mut submits, self.submits.load(Ordering::Relaxed));
            self.sleep_until_a_look(submits != before);
            self.driving.looks.fetch_add(1, Ordering::Relaxed);
            let now = self.traffic();
            let same = now == seen;
            seen = now;
            match waiters(now) {
                0 if same || self.is_stopping() => return now,
                0 => {}
                CROWD_BEGINS.. => self.drive(drive, CROWD, self.crowd_disperses()),
                _ if same => self.park_until_the_last_leaves(),
                _ => {}
            }
        }
    }

    fn sleep_until_a_look(&self, submitted_lately: bool) {
        // Asked anew: who submitted or left before the mode said STANDBY woke nobody.
        let unfinished = self.tasks.load(Ordering::SeqCst) > 0;
        match waiters(self.traffic()) {
            0 if unfinished => self.stay_alert(GRACE),
            0 => thread::park_timeout(QUIET),
            _ if submitted_lately => self.stay_alert(SOON),
            _ => thread::park_timeout(LOOK),
        }
    }

    fn stay_alert(&self, moment: Duration) {
        self.mode.store(ALERT, Ordering::SeqCst);
        thread::park_timeout(moment);
        self.mode.store(STANDBY, Ordering::SeqCst);
    }

    fn drive(&self, drive: &impl Fn(Until<'_>), mode: u8, until: impl Future<Output = ()>) {
        self.mode.store(mode, Ordering::SeqCst);
        // Whoever came before the mode was visible found no guard to recall.
        let missed = mode == WATCH && (waiters(self.traffic()) > 0 || self.may_end());
        if !missed {
            self.driving.guard_drives.fetch_add(1, Ordering::Relaxed);
            drive(pin!(until));
        }
        self.mode.store(STANDBY, Ordering::SeqCst);
    }

    async fn crowd_disperses(&self) {
        while !self.is_stopping() {
            self.recall.notified().await;
            sleep(Duration::from_millis(1)).await;
            if waiters(self.traffic()) < CROWD_ENDS {
                return;
            }
        }
    }

    fn park_until_the_last_leaves(&self) {
        self.mode.store(PARKED, Ordering::SeqCst);
        // Whoever left, or made it a crowd, before the mode was visible found no guard to wake.
        if matches!(waiters(self.traffic()), 1..CROWD_BEGINS) {
            thread::park();
        }
        self.mode.store(STANDBY, Ordering::SeqCst);
    }

    /// Whether somebody drives: a waiter, the guard or the runtime's own threads.
    pub fn is_driven(&self) -> bool {
        waiters(self.traffic()) > 0 || matches!(self.mode(), WATCH | CROWD | THREADS)
    }

    /// A task was submitted: the guard is woken where nobody drives.
    pub fn submitted(&self) {
        self.submits.fetch_add(1, Ordering::Relaxed);
        if waiters(self.traffic()) == 0 && matches!(self.mode(), STANDBY | PARKED) {
            self.guard.unpark();
        }
    }

    /// The guard ends when no task is left.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.recall.notify_one();
        self.guard.unpark();
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether nobody waits now and the guard drives.
    pub fn guard_watches(&self) -> bool {
        self.mode() == WATCH
    }

    /// Whether many wait now and the guard drives for them.
    pub fn guard_drives_a_crowd(&self) -> bool {
        self.mode() == CROWD
    }

    fn may_end(&self) -> bool {
        self.is_stopping() && self.tasks.load(Ordering::SeqCst) == 0
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

/// A thread that waits, and drives meanwhile.
pub struct WaiterGuard<'a>(&'a DriverElection);

impl<'a> WaiterGuard<'a> {
    pub fn enter(election: &'a DriverElection) -> Self {
        let now = election.traffic.fetch_add((1 << 32) + 1, Ordering::SeqCst) + 1;
        match election.mode() {
            WATCH if election.mode.compare_exchange(WATCH, STANDBY, Ordering::SeqCst, Ordering::SeqCst).is_ok() => {
                election.driving.hand_offs.fetch_add(1, Ordering::Relaxed);
                election.recall.notify_one();
            }
            PARKED if waiters(now) >= CROWD_BEGINS => election.guard.unpark(),
            _ => {}
        }
        WaiterGuard(election)
    }
}

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        let election = self.0;
        let left = waiters(election.traffic.fetch_sub(1, Ordering::SeqCst) - 1);
        let mode = election.mode();
        if mode == CROWD && left < CROWD_ENDS {
            election.recall.notify_one();
        } else if left == 0 && mode == PARKED {
            election.guard.unpark();
        }
    }
}

/// A submitted task, counted until its end: the guard does not end before.
pub struct TaskGuard(Arc<DriverElection>);

impl TaskGuard {
    pub fn new(election: &Arc<DriverElection>) -> Self {
        election.tasks.fetch_add(1, Ordering::SeqCst);
        TaskGuard(election.clone())
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        let election = &self.0;
        if election.tasks.fetch_sub(1, Ordering::SeqCst) == 1 && election.is_stopping() {
            election.recall.notify_one();
            election.guard.unpark();
        }
    }
}
