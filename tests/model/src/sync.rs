//! In place of the library's own file of this name: the same names, where each use is a point at which another thread may go on.

pub use shuttle::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
pub use shuttle::sync::{Mutex, MutexGuard};
/// What it makes here lets nobody else go on meanwhile.
pub use std::sync::OnceLock;

pub use crate::notify::Notify;

/// Time passes while others go on: how long, nobody knows.
pub async fn sleep(_: std::time::Duration) {
    for _ in 0..turns() {
        shuttle::future::yield_now().await;
    }
}

fn turns() -> u32 {
    use shuttle::rand::Rng;
    shuttle::rand::thread_rng().gen_range(0..4)
}

/// Threads that park: shuttle's own `park_timeout` has no timers.
pub mod thread {
    use std::sync::Arc;
    use std::time::Duration;

    use shuttle::sync::{Condvar, Mutex};
    pub use shuttle::thread::{spawn, yield_now};

    #[derive(Clone, Default)]
    pub struct Thread(Arc<Parking>);

    #[derive(Default)]
    struct Parking {
        token: Mutex<bool>,
        changed: Condvar,
    }

    shuttle::thread_local! {
        static CURRENT: Thread = Thread::default();
    }
    shuttle::lazy_static! {
        static ref CLOCKS_STAND_STILL: shuttle::sync::atomic::AtomicBool = false.into();
    }

    pub fn current() -> Thread {
        CURRENT.with(Clone::clone)
    }

    impl Thread {
        pub fn unpark(&self) {
            *self.0.token.lock().unwrap() = true;
            self.0.changed.notify_one();
        }
    }

    pub fn park() {
        let parking = current().0;
        let mut token = parking.token.lock().unwrap();
        while !*token {
            token = parking.changed.wait(token).unwrap();
        }
        *token = false;
    }

    /// From now on timers of a millisecond and more do not run out: what needs one to go on never goes on.
    pub fn clocks_stand_still() {
        CLOCKS_STAND_STILL.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    pub fn park_timeout(limit: Duration) {
        for _ in 0..super::turns() {
            yield_now();
        }
        let stands = limit >= Duration::from_millis(1) && CLOCKS_STAND_STILL.load(std::sync::atomic::Ordering::SeqCst);
        if stands {
            return park();
        }
        *current().0.token.lock().unwrap() = false;
    }
}
