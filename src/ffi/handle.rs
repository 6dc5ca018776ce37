//! Handles: tokens that look like pointers and never are. A token is kind, fork depth, generation and slot, below 2^53.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::table::Table;
use crate::error::{Error, Result, Status};
use crate::slots::ID_BITS;
use crate::{stats, sys};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("aipool needs a 64-bit platform: its handles are 53-bit tokens in pointer-sized values");

const KINDS: u64 = 8;
const FORK_BITS: u32 = 4;
const KIND_SHIFT: u32 = ID_BITS + FORK_BITS;

/// A C handle type and what it stands for.
pub trait Kind {
    const KIND: u64;
    const NAME: &'static str;
}

/// A kind whose object lives in the handle table.
pub trait Tabled: Kind {
    type Object: Any + Send + Sync;

    /// The handle was freed; other threads may still be inside calls on it.
    fn freed(_object: &Self::Object) {}
}

#[derive(Default)]
struct Handles {
    table: Table,
    live: [AtomicU64; KINDS as usize],
}

/// A new handle to `object`.
pub fn insert<H: Tabled>(object: impl Into<Arc<H::Object>>) -> Result<*mut H> {
    const { assert!(H::KIND < KINDS, "a place in `live` for each kind") }
    let object = object.into();
    let handles = sys::process_state::<Handles>();
    let id = handles.table.insert(H::KIND, object).ok_or_else(full)?;
    stats::add_one(&handles.live[H::KIND as usize]);
    Ok(encode(id))
}

/// Whether one more handle can be made: asked before something is sent that would need one.
pub fn room() -> Result<()> {
    if sys::process_state::<Handles>().table.has_room() { Ok(()) } else { Err(full()) }
}

/// The object behind a handle.
pub fn get<H: Tabled>(handle: *const H) -> Result<Arc<H::Object>> {
    let find = || sys::existing_process_state::<Handles>()?.table.get(decode(handle)?)?.downcast().ok();
    find().ok_or_else(invalid::<H>)
}

/// Gives a handle up; NULL is fine. The object goes when its last user does.
pub fn free<H: Tabled>(handle: *mut H) -> Result<()> {
    if handle.is_null() {
        return Ok(());
    }
    // The kind is checked first: a token of one kind must not free an object of another.
    let held = get(handle)?;
    let handles = sys::process_state::<Handles>();
    if !decode(handle).is_some_and(|id| handles.table.remove(id)) {
        return Err(invalid::<H>());
    }
    handles.live[H::KIND as usize].fetch_sub(1, Ordering::Relaxed);
    H::freed(&held);
    Ok(())
}

/// Where the note of a live handle is written; later writes, when it was freed, go nowhere.
pub fn note_of<H: Tabled>(handle: *const H) -> impl Fn(u64) + Send + 'static {
    let id = decode(handle);
    move |note| {
        if let (Some(id), Some(handles)) = (id, sys::existing_process_state::<Handles>()) {
            handles.table.set_note(id, note);
        }
    }
}

/// The note of a live handle. Neither locks nor allocates: a signal handler asks.
pub fn note<H: Tabled>(handle: *const H) -> Option<u64> {
    sys::existing_process_state::<Handles>()?.table.note(decode(handle)?)
}

/// How many handles of a kind are live.
pub fn live<H: Tabled>() -> u64 {
    sys::existing_process_state::<Handles>().map_or(0, |handles| stats::read(&handles.live[H::KIND as usize]))
}

/// The kind and the age of each live handle but the cancels, which have a table of their own.
pub fn for_each_live(mut visit: impl FnMut(u64, Duration)) {
    if let Some(handles) = sys::existing_process_state::<Handles>() {
        handles.table.for_each_live(&mut visit);
    }
}

/// The handle of an id. An id of another table than this one's is its kind's affair.
pub fn encode<H: Kind>(id: u64) -> *mut H {
    let token = H::KIND << KIND_SHIFT | fork_tag() << ID_BITS | id;
    std::ptr::without_provenance_mut(token as usize)
}

/// The id in a handle of this kind and process, live or not. Neither locks nor allocates: a signal handler asks.
pub fn decode<H: Kind>(handle: *const H) -> Option<u64> {
    let token = handle.addr() as u64;
    let mine = H::KIND << FORK_BITS | fork_tag();
    (token >> ID_BITS == mine).then_some(token & ((1 << ID_BITS) - 1))
}

fn fork_tag() -> u64 {
    u64::from(sys::fork_depth()) % (1 << FORK_BITS)
}

fn full() -> Error {
    Error::new(Status::Limit, "handles: over a million are live; free some")
}

pub fn invalid<H: Kind>() -> Error {
    let name = H::NAME;
    Error::new(
        Status::InvalidHandle,
        format!("{name}: no live {name} handle of this process; it was freed, is of another kind, or came over fork()"),
    )
}
