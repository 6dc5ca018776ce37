//! Flags that are fired once: who holds each, and which slot it has, under frees, holds and new ones that meet in any order.

use std::time::Duration;

use crate::slots::{Slots, generation_of};
use crate::sync::{AtomicU64, Notify, Ordering};

/// Of a flag's word: how many hold it, its handle among them. A flag that was fired and freed still ends their requests.
const HOLDERS: u64 = (1 << 32) - 1;
/// Its handle was not given up: somebody may fire it.
const KEPT: u64 = 1 << 32;
/// A caller's handle stands for it; else it is the library's own, which no handle reaches.
const THEIRS: u64 = 1 << 33;
const GENERATION_SHIFT: u32 = 34;

/// A table of flags. All but `make` and the removal by the last holder take no lock.
#[derive(Default)]
pub struct Flags(Slots<Flag>);

#[derive(Default)]
struct Flag {
    wake: Notify,
    /// Who has it, and in which generation: in one word, so that a stale id changes nothing of what its slot serves now.
    word: AtomicU64,
}

impl Flags {
    /// The id of a new one, kept and held once; `None` when every slot is taken.
    pub fn make(&self, theirs: bool) -> Option<u64> {
        self.0.insert(|flag, id| {
            let word = generation_of(id) << GENERATION_SHIFT | if theirs { THEIRS } else { 0 } | KEPT | 1;
            flag.word.store(word, Ordering::SeqCst);
        })
    }

    pub fn is_theirs(&self, id: u64) -> bool {
        self.word(id).is_some_and(|word| word & THEIRS != 0)
    }

    pub fn is_kept(&self, id: u64) -> bool {
        self.word(id).is_some_and(|word| word & KEPT != 0)
    }

    /// Fires for good. False where it was given up.
    pub fn fire(&self, id: u64) -> bool {
        self.is_kept(id) && self.0.mark(id)
    }

    /// One more holds it. False where it was given up.
    pub fn hold(&self, id: u64) -> bool {
        self.change(id, |word| (word & KEPT != 0).then_some(word + 1)).is_some()
    }

    /// Its handle is given up, and no holder any more. False where it was already.
    pub fn free(&self, id: u64) -> bool {
        let before = self.change(id, |word| (word & KEPT != 0).then_some((word & !KEPT) - 1));
        self.remove_after_last(id, before);
        before.is_some()
    }

    /// One holds it no more; the last takes it along.
    pub fn release(&self, id: u64) {
        let before = self.change(id, |word| Some(if word & HOLDERS == 1 { word & !KEPT } else { word } - 1));
        self.remove_after_last(id, before);
    }

    fn remove_after_last(&self, id: u64, before: Option<u64>) {
        if before.is_some_and(|word| word & HOLDERS == 1) {
            self.0.remove(id, |_| ());
        }
    }

    fn word(&self, id: u64) -> Option<u64> {
        let word = self.0.find(id)?.value.word.load(Ordering::SeqCst);
        is_of(id, word).then_some(word)
    }

    /// Changes a flag's word, and says what it was. `None` where `change` says no, or the id is stale.
    fn change(&self, id: u64, change: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let change = |word| if is_of(id, word) { change(word) } else { None };
        self.0.find(id)?.value.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, change).ok()
    }

    /// Ends when the flag has fired, and `wake_fired` was called.
    pub async fn fired(&self, id: u64) {
        let Some(slot) = self.0.find(id) else { return std::future::pending().await };
        loop {
            let mut woken = std::pin::pin!(slot.value.wake.notified());
            woken.as_mut().enable();
            if slot.is_marked(id) {
                return;
            }
            woken.await;
        }
    }

    pub fn wake_fired(&self) {
        self.0.for_each_marked(|flag| flag.wake.notify_waiters());
    }

    /// The age of each that a caller's handle stands for.
    pub fn for_each_of_theirs(&self, mut visit: impl FnMut(Duration)) {
        self.0.for_each_live(|flag, age| {
            if flag.word.load(Ordering::SeqCst) & (THEIRS | KEPT) == THEIRS | KEPT {
                visit(age);
            }
        });
    }

    /// How many have a slot.
    pub fn live(&self) -> usize {
        self.0.live()
    }
}

fn is_of(id: u64, word: u64) -> bool {
    word >> GENERATION_SHIFT == generation_of(id)
}
