//! The process's event ring in C.

use std::ffi::c_char;

use super::args;
use super::guard::guard;
use super::status::aip_error;
use crate::error::Error;
use crate::events;

/// Copies events of this process that came after number `after` (0: all that are kept, the last 1024) as lines of JSON, as
/// many whole lines as fit `cap` bytes; not NUL-terminated. `*len` is how many bytes were written, `*next` what to give as
/// `after` the next time, `*lost` (may be NULL) how many were overwritten before they were read.
/// Events: connect, connect_failed, close, goaway, suspect, retry, request, reload; each with its numbers. Host names only,
/// never paths, headers or bodies. Sessions over AIP_TRANSPORT_REQWEST make none. A loop ends when `*len` is 0.
/// Any thread. AIP_INVALID_ARGUMENT where `cap` is below 1024: a line must fit. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_events_read(
    after: u64,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
    next: *mut u64,
    lost: *mut u64,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let (len, next) = unsafe { (args::out("len", len)?, args::out("next", next)?) };
        if cap < 1024 {
            return Err(Error::invalid("cap", format_args!("is {cap}; give 1024 bytes or more")));
        }
        let reading = events::read(after, cap);
        // SAFETY: the header's contract.
        unsafe { args::out_bytes(reading.lines.as_bytes(), buf.cast(), cap, std::ptr::null_mut())? };
        len.set(reading.lines.len());
        next.set(reading.next_seq);
        // SAFETY: the header's contract.
        unsafe { args::out_optional(lost, reading.lost) };
        Ok(())
    })
}
