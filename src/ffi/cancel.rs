//! Cancel handles in C.

#![allow(non_camel_case_types)]

use super::args;
use super::guard::guard;
use super::handle::{self, Kind};
use super::status::aip_error;
use crate::cancel::Cancel;
use crate::error::{Result, Status};
use crate::sys::Uncancellable;

/// Ends requests from another thread or a signal handler.
pub struct aip_cancel {
    _private: [u8; 0],
}

/// Flags have a table of their own, which a signal handler may use.
impl Kind for aip_cancel {
    const KIND: u64 = 4;
    const NAME: &'static str = "cancel";
}

/// Makes a cancel handle: the caller's until aip_cancel_free(). Put it into aip_request.cancel, into many if you like.
/// Any thread. AIP_LIMIT, AIP_SYSTEM. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_cancel_new(cancel: *mut *mut aip_cancel, error: *mut aip_error) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_null("cancel", cancel)? };
        *out = handle::encode(Cancel::new()?.id());
        Ok(())
    })
}

/// Ends every request that carries the handle, now and later, with AIP_CANCELLED. Firing twice is AIP_OK.
/// Any thread, and async-signal-safe. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_cancel_fire(cancel: *mut aip_cancel) -> i32 {
    // No guard: it builds messages. Nothing here allocates, locks or panics.
    let _uncancellable = Uncancellable::enter();
    let fired = handle::decode(cancel).and_then(Cancel::of_handle).is_some_and(Cancel::fire);
    if fired { Status::Ok as i32 } else { Status::InvalidHandle as i32 }
}

/// Gives the handle up; requests that carry it go on. NULL is AIP_OK. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_cancel_free(cancel: *mut aip_cancel) -> i32 {
    guard(std::ptr::null_mut(), || free(cancel))
}

/// The live flag behind a handle.
pub fn get(handle: *const aip_cancel) -> Result<Cancel> {
    let live = handle::decode(handle).and_then(Cancel::of_handle).filter(|cancel| cancel.is_live());
    live.ok_or_else(handle::invalid::<aip_cancel>)
}

fn free(cancel: *mut aip_cancel) -> Result<()> {
    if cancel.is_null() || get(cancel)?.free() { Ok(()) } else { Err(handle::invalid::<aip_cancel>()) }
}
