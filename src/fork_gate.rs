//! Name look-ups and forks keep out of each other's way: glibc's getaddrinfo takes a lock that its fork does not let go of in the
//! child, where every look-up would hang. One in a thousand forks beside two threads that looked up all the time met it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// So long a fork waits for look-ups under way: behind that they wait for a server, and hold nothing.
#[cfg(unix)]
const MOST_WAITS: u32 = 200;
const WAIT: Duration = Duration::from_micros(100);

static FORKS: AtomicUsize = AtomicUsize::new(0);
static LOOK_UPS: AtomicUsize = AtomicUsize::new(0);

/// A look-up under way.
struct LookUp;

impl LookUp {
    fn begin() -> LookUp {
        LOOK_UPS.fetch_add(1, Ordering::SeqCst);
        LookUp
    }
}

impl Drop for LookUp {
    fn drop(&mut self) {
        LOOK_UPS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs a look-up while no fork is under way.
pub fn look_up<T>(run: impl FnOnce() -> T) -> T {
    loop {
        let under_way = LookUp::begin();
        // Either it sees the fork, or the fork sees it.
        if FORKS.load(Ordering::SeqCst) == 0 {
            return run();
        }
        drop(under_way);
        sleep(WAIT);
    }
}

#[cfg(unix)]
pub fn before_fork() {
    FORKS.fetch_add(1, Ordering::SeqCst);
    for _ in 0..MOST_WAITS {
        if LOOK_UPS.load(Ordering::SeqCst) == 0 {
            return;
        }
        sleep(WAIT);
    }
}

#[cfg(unix)]
pub fn in_parent() {
    FORKS.fetch_sub(1, Ordering::SeqCst);
}

/// Those who looked up are not here.
#[cfg(unix)]
pub fn in_child() {
    FORKS.store(0, Ordering::SeqCst);
    LOOK_UPS.store(0, Ordering::SeqCst);
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_fork_waits_for_look_ups_and_they_for_it() {
        const ROUNDS: usize = 200;
        let (inside, stop) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let run = || {
            inside.fetch_add(1, Ordering::SeqCst);
            std::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
        };
        let mut met = 0;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while stop.load(Ordering::SeqCst) == 0 {
                        look_up(run);
                    }
                });
            }
            for _ in 0..ROUNDS {
                before_fork();
                met += usize::from(inside.load(Ordering::SeqCst) > 0);
                in_parent();
                std::thread::yield_now();
            }
            stop.store(1, Ordering::SeqCst);
        });
        // One that lost its processor for as long as a fork waits is met.
        assert!(met < ROUNDS / 10, "{met}");
    }
}
