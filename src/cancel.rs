//! Cancel flags: sticky, fired from any thread or signal handler, waited for on any runtime.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[cfg(unix)]
use once_cell::sync::OnceCell;

use crate::error::{Error, Result, Status};
use crate::flags::Flags;
use crate::sys;

/// Names one cancel flag. A copy that outlives the flag is harmless: it never fires again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel(u64);

#[derive(Default)]
struct Cancels {
    flags: Flags,
    /// Flags that a caller's handle stands for.
    handles: AtomicUsize,
    /// Rung by `fire`, watched by every runtime that has a cancellable wait: a handler may do no more than one write.
    #[cfg(unix)]
    bell: OnceCell<sys::Bell>,
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
        if let Some(cancels) = existing() {
            cancels.flags.release(self.0.0);
        }
    }
}

fn existing() -> Option<&'static Cancels> {
    sys::existing_process_state()
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
        cancels.flags.make(theirs).map(Cancel).ok_or_else(full)
    }

    pub fn from_id(id: u64) -> Cancel {
        Cancel(id)
    }

    /// What a caller's handle stands for: a forged one must not end what is the library's own. Async-signal-safe.
    pub fn of_handle(id: u64) -> Option<Cancel> {
        existing()?.flags.is_theirs(id).then_some(Cancel(id))
    }

    pub fn id(self) -> u64 {
        self.0
    }

    /// Fires for good. Async-signal-safe. False when the handle was freed.
    pub fn fire(self) -> bool {
        let Some(cancels) = existing() else { return false };
        let fired = cancels.flags.fire(self.0);
        #[cfg(unix)]
        if let (true, Some(bell)) = (fired, cancels.bell.get()) {
            bell.ring();
        }
        #[cfg(not(unix))]
        wake_fired();
        fired
    }

    pub fn is_live(self) -> bool {
        existing().is_some_and(|cancels| cancels.flags.is_kept(self.0))
    }

    /// Keeps the flag readable to a request, however soon its handle is freed; `None` when it was already.
    pub fn hold(self) -> Option<Hold> {
        existing()?.flags.hold(self.0).then_some(Hold(self))
    }

    /// Gives the handle up; requests that carry the flag go on, or end where it was fired before. False when it was already.
    pub fn free(self) -> bool {
        let Some(cancels) = existing() else { return false };
        let freed = cancels.flags.free(self.0);
        if freed {
            cancels.handles.fetch_sub(1, Ordering::Relaxed);
        }
        freed
    }

    /// Ends when the flag has fired. Needs `wake_on_bell` to run on the same runtime.
    pub async fn fired(self) {
        match existing() {
            Some(cancels) => cancels.flags.fired(self.0).await,
            None => std::future::pending().await,
        }
    }

    /// The age of each cancel handle of this process that is live.
    pub fn for_each_live(visit: impl FnMut(Duration)) {
        if let Some(cancels) = existing() {
            cancels.flags.for_each_of_theirs(visit);
        }
    }

    /// How many cancel handles are live in this process.
    pub fn live() -> usize {
        existing().map_or(0, |cancels| cancels.handles.load(Ordering::Relaxed))
    }
}

fn wake_fired() {
    if let Some(cancels) = existing() {
        cancels.flags.wake_fired();
    }
}

/// Wakes the waits of fired flags whenever the bell rings: one such task on each runtime that has cancellable waits.
#[cfg(unix)]
pub async fn wake_on_bell() {
    let bell = existing().and_then(|cancels| cancels.bell.get());
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
