//! Objects behind numbers: any thread puts one in, finds it, gives it up. A number that was given up finds nothing, ever.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::lock::lock;
use crate::slots::Slots;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// What a handle stands for.
pub type Object = Arc<dyn Any + Send + Sync>;

#[derive(Default)]
struct Entry {
    object: Mutex<Option<Object>>,
    /// What kind of handle it is of, to those who count.
    kind: AtomicU64,
    /// For whoever may not lock: a signal handler.
    note: AtomicU64,
}

#[derive(Default)]
pub struct Table(Slots<Entry>);

impl Table {
    /// The number of a new entry; `None` where all are taken.
    pub fn insert(&self, kind: u64, object: Object) -> Option<u64> {
        self.0.insert(|entry, _| {
            *lock(&entry.object) = Some(object);
            entry.kind.store(kind, Ordering::Relaxed);
        })
    }

    /// The kind of each live entry, and the time since it was put in.
    pub fn for_each_live(&self, mut visit: impl FnMut(u64, Duration)) {
        self.0.for_each_live(|entry, age| visit(entry.kind.load(Ordering::Relaxed), age));
    }

    pub fn has_room(&self) -> bool {
        self.0.has_room()
    }

    pub fn get(&self, id: u64) -> Option<Object> {
        let slot = self.0.find(id)?;
        let object = lock(&slot.value.object);
        // Looked at again under the lock: a free in between has emptied or refilled the slot.
        if slot.is_live(id) { object.clone() } else { None }
    }

    /// Gives an entry up, for one caller alone; what it held goes outside of its lock.
    pub fn remove(&self, id: u64) -> bool {
        let mut object = None;
        self.0.remove(id, |entry| object = lock(&entry.object).take())
    }

    /// Writes the note of a live entry; of one that was given up it goes nowhere.
    pub fn set_note(&self, id: u64, note: u64) {
        let Some(slot) = self.0.find(id) else { return };
        // Who gets the slot next waits for this lock.
        let _object = lock(&slot.value.object);
        if slot.is_live(id) {
            slot.value.note.store(note, Ordering::SeqCst);
        }
    }

    /// The note of a live entry. Neither locks nor allocates.
    pub fn note(&self, id: u64) -> Option<u64> {
        let slot = self.0.find(id)?;
        let note = slot.value.note.load(Ordering::SeqCst);
        slot.is_live(id).then_some(note)
    }
}
