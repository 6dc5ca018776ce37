//! The library itself in C: versions, names, process-wide counters.

#![allow(non_camel_case_types)]

use std::ffi::{CStr, c_char};

use super::args;
use super::client::aip_client;
use super::guard::guard;
use super::handle;
use super::pool::aip_pool;
use super::queue::aip_queue;
use super::response::aip_response;
use super::session::aip_session;
use super::status;
use super::upload::aip_upload;
use crate::cancel::Cancel;
use crate::stats::{Driving, read};
use crate::sys;

/// What this process has of the library: live handles by kind, and how I/O was driven.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct aip_library_stats {
    /// Live pool handles.
    pub pools: u64,
    /// Live session handles, leases included.
    pub sessions: u64,
    /// Live response handles.
    pub responses: u64,
    /// Live cancel handles.
    pub cancels: u64,
    /// Guard threads alive: one a pool, and one more with sessions over reqwest, until the last request has ended.
    pub guards: u64,
    /// Times a waiting thread had to take the driving over from a guard.
    pub hand_offs: u64,
    /// Times a guard began to drive.
    pub guard_drives: u64,
    /// Times a guard woke only to see who drives.
    pub guard_looks: u64,
    /// Live queue handles.
    pub queues: u64,
    /// Live upload handles.
    pub uploads: u64,
    /// Live client handles.
    pub clients: u64,
}

const _: () = assert!(size_of::<aip_library_stats>() == 88);

/// The number of the ABI, which a binding compares with the header's AIP_ABI_VERSION. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn aip_abi_version() -> u32 {
    AIP_ABI_VERSION
}

/// As aip_abi_version(), under a name that changes with the ABI: call it as AIP_ABI_GUARD(), and a library of another ABI
/// fails when the program is linked or loaded ("undefined symbol: aip_abi_0_1"), not later. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn aip_abi_0_1() -> u32 {
    AIP_ABI_VERSION
}

/// What aip_abi_version() of a matching library returns.
pub const AIP_ABI_VERSION: u32 = 1;

/// The version as text, such as "0.1.0": static, never NULL. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn aip_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
    VERSION.as_ptr()
}

/// The name of a status, such as "AIP_TIMEOUT": static, never NULL; "AIP_UNKNOWN" for other numbers. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn aip_status_name(status: i32) -> *const c_char {
    status::name(status).as_ptr()
}

/// Copies this process's counters to `out`, as far as `out_size` (sizeof of your struct) goes. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_stats(out: *mut aip_library_stats, out_size: usize) -> i32 {
    guard(std::ptr::null_mut(), || {
        // SAFETY: the header's contract.
        unsafe { args::out_sized("out", out, out_size, stats()) }
    })
}

fn stats() -> aip_library_stats {
    let driving = sys::process_state::<std::sync::Arc<Driving>>();
    aip_library_stats {
        pools: handle::live::<aip_pool>(),
        sessions: handle::live::<aip_session>(),
        responses: handle::live::<aip_response>(),
        cancels: Cancel::live() as u64,
        guards: read(&driving.guards),
        hand_offs: read(&driving.hand_offs),
        guard_drives: read(&driving.guard_drives),
        guard_looks: read(&driving.looks),
        queues: handle::live::<aip_queue>(),
        uploads: handle::live::<aip_upload>(),
        clients: handle::live::<aip_client>(),
    }
}
