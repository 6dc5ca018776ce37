//! Uploads in C: a request's body, pushed while it goes out.

#![allow(non_camel_case_types)]

use std::time::Duration;

use super::args::{self, AIP_UNLIMITED};
use super::guard::{guard, guard_status};
use super::handle::{self, Kind, Tabled};
use super::status::aip_error;
use crate::body::upload::{Upload, Written};
use crate::error::{Error, Result, Status};

/// A request's body that you push while it goes out.
pub struct aip_upload {
    _private: [u8; 0],
}

impl Kind for aip_upload {
    const KIND: u64 = 6;
    const NAME: &'static str = "upload";
}

impl Tabled for aip_upload {
    type Object = Upload;

    fn freed(upload: &Self::Object) {
        upload.give_up();
    }
}

/// Makes an upload for one request: put it into aip_request.upload. `length` is its bytes, sent as content-length and held to;
/// AIP_UNLIMITED where you do not know (HTTP/1.1 then sends it in chunks). The caller's until aip_upload_free().
/// Any thread. AIP_INVALID_ARGUMENT, AIP_LIMIT. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_upload_new(length: i64, upload: *mut *mut aip_upload, error: *mut aip_error) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_handle("upload", upload)? };
        out.set(Upload::new(known(length)?))
    })
}

/// Gives the upload more bytes, copied before the call returns; `*taken` says how many, fewer than `len` where the wire is
/// slower than you: give the rest again. Before its request is sent it takes 256 KiB. Where it takes nothing, the call blocks for
/// `timeout_ms` at most; 0 does not wait: AIP_WOULD_BLOCK, and an AIP_COMPLETION_WRITABLE follows where the request was submitted to
/// a queue. One thread at a time. AIP_TIMEOUT (AIP_DETAIL_WAIT_LIMIT); AIP_CLOSED when its request has ended;
/// AIP_INVALID_ARGUMENT after aip_upload_finish() and beyond `length`. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_upload_write(
    upload: *mut aip_upload,
    data: *const u8,
    len: usize,
    timeout_ms: u32,
    taken: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard_status(error, || {
        let upload = handle::get(upload)?;
        // SAFETY: the header's contract.
        let (bytes, out) = unsafe { (args::bytes("data", data, len)?, args::out("taken", taken)?) };
        let written = upload.write_within(bytes, Duration::from_millis(timeout_ms.into()))?;
        out.set(if let Written::Taken(taken) = written { taken } else { 0 });
        Ok(if let Written::Nothing = written { Status::WouldBlock } else { Status::Ok })
    })
}

/// Ends the upload: all of it was given. Never blocks. Any thread. AIP_INVALID_ARGUMENT where bytes are missing to `length` or it
/// was finished before. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_upload_finish(upload: *mut aip_upload, error: *mut aip_error) -> i32 {
    guard(error, || handle::get(upload)?.finish())
}

/// How many bytes the upload took from you, and how many of these went to the wire. Either place may be NULL. Any thread.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_upload_progress(upload: *mut aip_upload, taken: *mut u64, sent: *mut u64) -> i32 {
    guard(std::ptr::null_mut(), || {
        let (passed, held) = handle::get(upload)?.pipe.progress();
        // SAFETY: the header's contract: NULL or a place of the caller's.
        unsafe {
            args::out_optional(taken, passed);
            args::out_optional(sent, passed - held as u64);
        }
        Ok(())
    })
}

/// Gives an upload up. One that was not finished fails its request with AIP_CANCELLED. NULL is AIP_OK. Never blocks. Any thread.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_upload_free(upload: *mut aip_upload) -> i32 {
    guard(std::ptr::null_mut(), || handle::free(upload))
}

fn known(length: i64) -> Result<Option<u64>> {
    match length {
        AIP_UNLIMITED => Ok(None),
        0.. => Ok(Some(length.unsigned_abs())),
        _ => Err(Error::invalid("length", format_args!("is {length}; use its bytes, or AIP_UNLIMITED"))),
    }
}
