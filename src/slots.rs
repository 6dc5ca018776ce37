//! Numbered slots that are reused but never freed: an id names a slot and its generation, so a stale id finds nothing.

use std::time::{Duration, Instant};

use crate::lock::lock;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, OnceLock, Ordering};

const INDEX_BITS: u32 = 20;
const GENERATION_BITS: u32 = 25;
/// How many bits an id has: what is left of 53 belongs to whoever wraps it.
pub const ID_BITS: u32 = INDEX_BITS + GENERATION_BITS;

const CHUNK: usize = 1024;
const CHUNKS: usize = (1 << INDEX_BITS) / CHUNK;

const LIVE: u64 = 1;
const MARKED: u64 = 2;
const STATE_BITS: u32 = 2;

/// One slot. Its value lives as long as the table and serves one generation after the other.
#[derive(Default)]
pub struct Slot<T> {
    state: AtomicU64,
    /// Milliseconds of the table's life at which its id became live.
    born: AtomicU64,
    pub value: T,
}

/// A table of slots. Look-ups and marks take no lock, so they are safe in a signal handler.
pub struct Slots<T> {
    chunks: Vec<OnceLock<Box<[Slot<T>]>>>,
    free: Mutex<Free>,
    live: AtomicUsize,
    began: Instant,
}

#[derive(Default)]
struct Free {
    indexes: Vec<u32>,
    next: u32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        let chunks = (0..CHUNKS).map(|_| OnceLock::new()).collect();
        Slots { chunks, free: Mutex::default(), live: AtomicUsize::new(0), began: Instant::now() }
    }
}

impl<T: Default> Slots<T> {
    /// Fills a free slot with `fill` and makes it live: its id, which `fill` is given, or `None` when every slot is taken.
    pub fn insert(&self, fill: impl FnOnce(&T, u64)) -> Option<u64> {
        let index = self.free_index()?;
        let chunk = self.chunks[index as usize / CHUNK].get_or_init(|| (0..CHUNK).map(|_| Slot::default()).collect());
        let slot = &chunk[index as usize % CHUNK];
        let generation = slot.state.load(Ordering::Acquire) >> STATE_BITS;
        let id = generation << INDEX_BITS | u64::from(index);
        fill(&slot.value, id);
        slot.born.store(self.age_ms(), Ordering::Relaxed);
        slot.state.store(generation << STATE_BITS | LIVE, Ordering::Release);
        self.live.fetch_add(1, Ordering::Relaxed);
        Some(id)
    }
}

impl<T> Slots<T> {
    /// The slot behind a live id.
    pub fn find(&self, id: u64) -> Option<&Slot<T>> {
        let slot = self.slot(id)?;
        slot.is_live(id).then_some(slot)
    }

    /// Marks a live slot, for good until it is removed; false when the id is stale.
    pub fn mark(&self, id: u64) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let state = &slot.state;
        let live = |now: u64| now >> STATE_BITS == generation_of(id) && now & LIVE != 0;
        state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| live(now).then_some(now | MARKED)).is_ok()
    }

    /// Ends a live id: `empty` clears the value before the slot can serve again. False when the id is stale.
    pub fn remove(&self, id: u64, empty: impl FnOnce(&T)) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let next = generation_of(id) + 1;
        let live = |now: u64| now >> STATE_BITS == generation_of(id) && now & LIVE != 0;
        let ended =
            slot.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| live(now).then_some(next << STATE_BITS));
        if ended.is_err() {
            return false;
        }
        empty(&slot.value);
        self.live.fetch_sub(1, Ordering::Relaxed);
        // A slot whose generations are used up is never reused: its old ids could come alive again.
        if next >> GENERATION_BITS == 0 {
            lock(&self.free).indexes.push(index_of(id));
        }
        true
    }

    /// Whether a slot is free.
    pub fn has_room(&self) -> bool {
        let free = lock(&self.free);
        !free.indexes.is_empty() || free.next >> INDEX_BITS == 0
    }

    /// How many slots are live.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Every marked slot that is live now.
    pub fn for_each_marked(&self, mut visit: impl FnMut(&T)) {
        self.in_state(LIVE | MARKED).for_each(|slot| visit(&slot.value));
    }

    /// Every slot that is live now, with the time since it became so.
    pub fn for_each_live(&self, mut visit: impl FnMut(&T, Duration)) {
        let now = self.age_ms();
        let age = |slot: &Slot<T>| Duration::from_millis(now.saturating_sub(slot.born.load(Ordering::Relaxed)));
        self.in_state(LIVE).for_each(|slot| visit(&slot.value, age(slot)));
    }

    /// The slots that have these bits of state.
    fn in_state(&self, bits: u64) -> impl Iterator<Item = &Slot<T>> {
        let slots = self.chunks.iter().map_while(OnceLock::get).flatten();
        slots.filter(move |slot| slot.state.load(Ordering::SeqCst) & bits == bits)
    }

    fn age_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn free_index(&self) -> Option<u32> {
        let mut free = lock(&self.free);
        if let Some(index) = free.indexes.pop() {
            return Some(index);
        }
        let index = free.next;
        if index >> INDEX_BITS != 0 {
            return None;
        }
        free.next += 1;
        Some(index)
    }

    fn slot(&self, id: u64) -> Option<&Slot<T>> {
        if id >> ID_BITS != 0 {
            return None;
        }
        let index = index_of(id) as usize;
        self.chunks[index / CHUNK].get().map(|chunk| &chunk[index % CHUNK])
    }
}

impl<T> Slot<T> {
    /// Whether this id is the one the slot serves now.
    pub fn is_live(&self, id: u64) -> bool {
        let state = self.state.load(Ordering::SeqCst);
        state >> STATE_BITS == generation_of(id) && state & LIVE != 0
    }

    /// Whether this id is live and was marked.
    pub fn is_marked(&self, id: u64) -> bool {
        self.is_live(id) && self.state.load(Ordering::SeqCst) & MARKED != 0
    }
}

/// Which use of its slot an id names.
pub fn generation_of(id: u64) -> u64 {
    id >> INDEX_BITS
}

fn index_of(id: u64) -> u32 {
    (id & ((1 << INDEX_BITS) - 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_id_is_stale_and_its_slot_serves_again() {
        let slots = Slots::<AtomicU64>::default();
        let first = slots.insert(|value, _| value.store(7, Ordering::Relaxed)).unwrap();
        assert_eq!(slots.find(first).unwrap().value.load(Ordering::Relaxed), 7);
        assert!(slots.remove(first, |_| ()));
        assert!(slots.find(first).is_none() && !slots.remove(first, |_| ()) && !slots.mark(first));
        let second = slots.insert(|_, _| ()).unwrap();
        assert_eq!(index_of(first), index_of(second));
        assert_ne!(first, second);
        assert_eq!(slots.live(), 1);
    }

    #[test]
    fn a_mark_belongs_to_one_generation() {
        let slots = Slots::<AtomicU64>::default();
        let id = slots.insert(|_, _| ()).unwrap();
        assert!(slots.mark(id) && slots.find(id).unwrap().is_marked(id));
        slots.remove(id, |_| ());
        let next = slots.insert(|_, _| ()).unwrap();
        assert!(!slots.find(next).unwrap().is_marked(next));
    }

    #[test]
    fn a_slot_retires_when_its_generations_are_used_up() {
        let slots = Slots::<AtomicU64>::default();
        let id = slots.insert(|_, _| ()).unwrap();
        let last = (1u64 << GENERATION_BITS) - 1;
        slots.slot(id).unwrap().state.store(last << STATE_BITS | LIVE, Ordering::Relaxed);
        assert!(slots.remove(last << INDEX_BITS | u64::from(index_of(id)), |_| ()));
        assert_ne!(index_of(slots.insert(|_, _| ()).unwrap()), index_of(id));
    }

    #[test]
    fn ids_out_of_range_find_nothing() {
        let slots = Slots::<AtomicU64>::default();
        for id in [0, 1, 1 << ID_BITS, u64::MAX] {
            assert!(slots.find(id).is_none());
        }
    }
}
