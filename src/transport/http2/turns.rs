//! As `late`, for a connection of many streams: who is woken in its turn is woken at the turn's end, when all that came is there.

use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use super::Pulse;
use crate::lock::lock;

/// Whom the turn under way has woken; `None` between turns.
#[derive(Default)]
pub struct Turns(Mutex<Option<Vec<Waker>>>);

/// The connection is polled.
pub struct Turn(Arc<Pulse>);

impl Turn {
    pub fn begin(pulse: &Arc<Pulse>) -> Turn {
        *lock(&pulse.turns.0) = Some(Vec::new());
        Turn(pulse.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let woken = lock(&self.0.turns.0).take();
        woken.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Stands between the connection and the one who waits for a stream.
pub struct Waiter {
    shared: Arc<Shared>,
    /// `shared` once more, as the connection wants it.
    waker: Waker,
}

struct Shared {
    pulse: Arc<Pulse>,
    waiting: Mutex<Option<Waker>>,
}

impl Waiter {
    pub fn new(pulse: &Arc<Pulse>) -> Waiter {
        let shared = Arc::new(Shared { pulse: pulse.clone(), waiting: Mutex::new(None) });
        Waiter { waker: Waker::from(shared.clone()), shared }
    }

    /// What the connection is to wake in place of `cx`.
    pub fn stands_for(&self, cx: &Context<'_>) -> Waker {
        let mut waiting = lock(&self.shared.waiting);
        if !waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waiting = Some(cx.waker().clone());
        }
        self.waker.clone()
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(waker) = lock(&self.waiting).clone() else { return };
        if let Some(woken) = &mut *lock(&self.pulse.turns.0) {
            return woken.push(waker);
        }
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_is_woken_in_a_turn_is_woken_at_its_end() {
        let (pulse, count) = (Arc::new(Pulse::default()), Arc::new(Count::default()));
        let woken = || count.0.load(Ordering::SeqCst);
        let waker = Waiter::new(&pulse).stands_for(&Context::from_waker(&Waker::from(count.clone())));
        waker.wake_by_ref();
        assert_eq!(woken(), 1);
        let turn = Turn::begin(&pulse);
        waker.wake_by_ref();
        assert_eq!(woken(), 1);
        drop(turn);
        assert_eq!(woken(), 2);
        waker.wake_by_ref();
        assert_eq!(woken(), 3);
    }
}
