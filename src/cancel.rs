//! Cancel flags: sticky, fired from any thread or signal handler, waited for on any runtime.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[cfg(unix)]
use once_cell::sync::OnceCell;
use tokio::sync::Notify;

use crate::error::{Error, Result, Status};
use crate::slots::{Slot, Slots};
use crate::sys;

/// Names one cancel flag. A copy that outlives the flag is harmless: it never fires again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel(u64);

#[derive(Default)]
struct Cancels {
    flags: Slots<Flag>,
    /// Flags that a caller's handle stands for.
    handles: AtomicUsize,
    /// Rung by `fire`, watched by every runtime that has a cancellable wait: a handler may do no more than one write.
    #[cfg(unix)]
    bell: OnceCell<sys::Bell>,
}

#[derive(Default)]
struct Flag {
    wake: Notify,
    /// A caller's handle stands for it; else it is the library's own, which no handle reaches.
    theirs: AtomicBool,
    /// The handle was given up: nobody fires the flag any more.
    freed: AtomicBool,
    /// The handle and the requests that carry the flag. A flag that was fired and freed still ends them.
    holders: AtomicUsize,
}

/// A request's hold on the flag it carries.
#[derive(Debug)]
pub struct Hold(Cancel);

impl Hold {
    pub fn cancel(&self) -> Cancel {
        self.0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Cancel {
    /// A flag for a caller's handle.
    pub fn new() -> Result<Cancel> {
        let cancel = Cancel::make(true)?;
        sys::process_state::<Cancels>().handles.fetch_add(1, Ordering::Relaxed);
        Ok(cancel)
    }

    /// A flag of the library's own, for one wait: it goes with the hold.
    pub fn for_one_wait() -> Result<Hold> {
        Cancel::make(false).map(Hold)
    }

    fn make(theirs: bool) -> Result<Cancel> {
        let cancels = sys::process_state::<Cancels>();
        #[cfg(unix)]
        cancels.bell.get_or_try_init(sys::Bell::new).map_err(|error| {
            Error::new(Status::System, format!("cancel: no descriptor for the wake-up: {error}")).os_error(&error)
        })?;
        let full = || Error::new(Status::Limit, "cancel: over a million live cancel handles; free some");
        let begin = |flag: &Flag| {
            flag.theirs.store(theirs, Ordering::SeqCst);
            flag.freed.store(false, Ordering::SeqCst);
            flag.holders.store(1, Ordering::SeqCst);
        };
        cancels.flags.insert(begin).map(Cancel).ok_or_else(full)
    }

    pub fn from_id(id: u64) -> Cancel {
        Cancel(id)
    }

    /// What a caller's handle stands for: a forged one must not end what is the library's own. Async-signal-safe.
    pub fn of_handle(id: u64) -> Option<Cancel> {
        let slot = Cancel(id).flag()?;
        slot.value.theirs.load(Ordering::SeqCst).then_some(Cancel(id))
    }

    pub fn id(self) -> u64 {
        self.0
    }

    /// Fires for good. Async-signal-safe. False when the handle was freed.
    pub fn fire(self) -> bool {
        if !self.is_live() {
            return false;
        }
        let Some(cancels) = sys::existing_process_state::<Cancels>() else { return false };
        let fired = cancels.flags.mark(self.0);
        #[cfg(unix)]
        if let (true, Some(bell)) = (fired, cancels.bell.get()) {
            bell.ring();
        }
        #[cfg(not(unix))]
        wake_fired();
        fired
    }

    pub fn is_live(self) -> bool {
        self.flag().is_some_and(|slot| !slot.value.freed.load(Ordering::SeqCst))
    }

    /// Keeps the flag readable to a request, however soon its handle is freed; `None` when it was already.
    pub fn hold(self) -> Option<Hold> {
        let slot = self.flag()?;
        let more = |holders| (holders > 0).then_some(holders + 1);
        slot.value.holders.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        let hold = Hold(self);
        self.is_live().then_some(hold)
    }

    /// Gives the handle up; requests that carry the flag go on, or end where it was fired before. False when it was already.
    pub fn free(self) -> bool {
        let freed = self.flag().is_some_and(|slot| !slot.value.freed.swap(true, Ordering::SeqCst));
        if freed {
            sys::process_state::<Cancels>().handles.fetch_sub(1, Ordering::Relaxed);
            self.release();
        }
        freed
    }

    fn release(self) {
        let last = self.flag().is_some_and(|slot| slot.value.holders.fetch_sub(1, Ordering::SeqCst) == 1);
        if last {
            sys::process_state::<Cancels>().flags.remove(self.0, |_| ());
        }
    }

    /// Ends when the flag has fired. Needs `wake_on_bell` to run on the same runtime.
    pub async fn fired(self) {
        let Some(slot) = self.flag() else { return std::future::pending().await };
        loop {
            let mut woken = std::pin::pin!(slot.value.wake.notified());
            woken.as_mut().enable();
            if slot.is_marked(self.0) {
                return;
            }
            woken.await;
        }
    }

    fn flag(self) -> Option<&'static Slot<Flag>> {
        sys::existing_process_state::<Cancels>()?.flags.find(self.0)
    }

    /// The age of each cancel handle of this process that is live.
    pub fn for_each_live(mut visit: impl FnMut(Duration)) {
        let Some(cancels) = sys::existing_process_state::<Cancels>() else { return };
        cancels.flags.for_each_live(|flag, age| {
            if flag.theirs.load(Ordering::SeqCst) && !flag.freed.load(Ordering::SeqCst) {
                visit(age);
            }
        });
    }

    /// How many cancel handles are live in this process.
    pub fn live() -> usize {
        sys::existing_process_state::<Cancels>().map_or(0, |cancels| cancels.handles.load(Ordering::Relaxed))
    }
}

fn wake_fired() {
    if let Some(cancels) = sys::existing_process_state::<Cancels>() {
        cancels.flags.for_each_marked(|flag| flag.wake.notify_waiters());
    }
}

/// Wakes the waits of fired flags whenever the bell rings: one such task on each runtime that has cancellable waits.
#[cfg(unix)]
pub async fn wake_on_bell() {
    let bell = sys::existing_process_state::<Cancels>().and_then(|cancels| cancels.bell.get());
    let Some(bell) = bell else { return };
    let Ok(watched) = bell.watch() else { return };
    loop {
        let Ok(mut rung) = watched.readable().await else { return };
        rung.clear_ready();
        bell.calm();
        wake_fired();
    }
}

#[cfg(not(unix))]
pub async fn wake_on_bell() {}
