//! Cancel flags: sticky, fired from any thread or signal handler, waited for on any runtime.

#[cfg(unix)]
use once_cell::sync::OnceCell;
use tokio::sync::Notify;

use crate::error::{Error, Result, Status};
use crate::slots::Slots;
use crate::sys;

/// Names one cancel flag. A copy that outlives the flag is harmless: it never fires again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel(u64);

#[derive(Default)]
struct Cancels {
    flags: Slots<Notify>,
    /// Rung by `fire`, watched by every runtime that has a cancellable wait: a handler may do no more than one write.
    #[cfg(unix)]
    bell: OnceCell<sys::Bell>,
}

impl Cancel {
    pub fn new() -> Result<Cancel> {
        let cancels = sys::process_state::<Cancels>();
        #[cfg(unix)]
        cancels.bell.get_or_try_init(sys::Bell::new).map_err(|error| {
            Error::new(Status::System, format!("cancel: no descriptor for the wake-up: {error}"))
                .os_error(error.raw_os_error().unwrap_or(0))
        })?;
        let full = || Error::new(Status::Limit, "cancel: over a million live cancel handles; free some");
        cancels.flags.insert(|_| ()).map(Cancel).ok_or_else(full)
    }

    pub fn from_id(id: u64) -> Cancel {
        Cancel(id)
    }

    pub fn id(self) -> u64 {
        self.0
    }

    /// Fires for good. Async-signal-safe. False when the flag was freed.
    pub fn fire(self) -> bool {
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

    pub fn is_fired(self) -> bool {
        self.flag().is_some_and(|slot| slot.is_marked(self.0))
    }

    pub fn is_live(self) -> bool {
        self.flag().is_some()
    }

    /// Frees the flag; waits for it that still run are not cancelled by it any more.
    pub fn free(self) -> bool {
        sys::existing_process_state::<Cancels>().is_some_and(|cancels| cancels.flags.remove(self.0, |_| ()))
    }

    /// Ends when the flag has fired. Needs `wake_on_bell` to run on the same runtime.
    pub async fn fired(self) {
        let Some(slot) = self.flag() else { return std::future::pending().await };
        loop {
            let mut woken = std::pin::pin!(slot.value.notified());
            woken.as_mut().enable();
            if slot.is_marked(self.0) {
                return;
            }
            woken.await;
        }
    }

    fn flag(self) -> Option<&'static crate::slots::Slot<Notify>> {
        sys::existing_process_state::<Cancels>()?.flags.find(self.0)
    }

    /// How many flags are live in this process.
    pub fn live() -> usize {
        sys::existing_process_state::<Cancels>().map_or(0, |cancels| cancels.flags.live())
    }
}

fn wake_fired() {
    if let Some(cancels) = sys::existing_process_state::<Cancels>() {
        cancels.flags.for_each_marked(Notify::notify_waiters);
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
