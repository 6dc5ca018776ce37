//! What stands around every exported function: no panic leaves, no cancellation enters, failures are written once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::status::aip_error;
use crate::error::{Delivery, Error, Result, Status};
use crate::sys::Uncancellable;

/// Runs `body`; a failure goes to `error` where that is not NULL, and its class is returned.
pub(super) fn guard(error: *mut aip_error, body: impl FnOnce() -> Result<()>) -> i32 {
    let Err(failure) = guarded(body) else { return Status::Ok as i32 };
    if !error.is_null() && error.is_aligned() {
        // SAFETY: not NULL, aligned, and by the contract an aip_error of the caller's that nobody else touches during the call.
        unsafe { error.write(aip_error::from(&failure)) };
    }
    failure.status as i32
}

/// As `guard`, for what can end in more ways than done and failed.
pub(super) fn guard_status(error: *mut aip_error, body: impl FnOnce() -> Result<Status>) -> i32 {
    let mut status = Status::Ok;
    let ended = guard(error, || {
        status = body()?;
        Ok(())
    });
    if ended == Status::Ok as i32 { status as i32 } else { ended }
}

/// Runs a getter; on any failure its value is `otherwise`.
pub(super) fn guard_value<T>(otherwise: T, body: impl FnOnce() -> Result<T>) -> T {
    guarded(body).unwrap_or(otherwise)
}

fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let _uncancellable = Uncancellable::enter();
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        let bug = Error::new(Status::Panic, "bug: a panic was caught at the C boundary; please report it");
        Err(bug.delivery(Delivery::MaybeSent))
    })
}
