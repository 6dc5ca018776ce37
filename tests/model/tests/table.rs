//! The handle table under threads that put in, find and give up the same slots in every order.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Plain;

use aipool_model::explore::explore;
use aipool_model::sync::{Ordering, thread};
use aipool_model::table::Table;

/// An object that counts its end.
struct Counted {
    name: u64,
    ends: Arc<Plain>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.ends.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Default)]
struct Stage {
    table: Arc<Table>,
    ends: Arc<Plain>,
}

impl Stage {
    fn put(&self, name: u64) -> u64 {
        self.table.insert(1, Arc::new(Counted { name, ends: self.ends.clone() })).unwrap()
    }

    fn name(&self, id: u64) -> Option<u64> {
        let object = self.table.get(id)?;
        Some(object.downcast::<Counted>().ok().unwrap().name)
    }

    fn start<T: Send + 'static>(
        &self,
        act: impl FnOnce(Stage) -> T + Send + 'static,
    ) -> shuttle::thread::JoinHandle<T> {
        let stage = self.clone();
        thread::spawn(move || act(stage))
    }
}

#[test]
fn of_many_who_give_it_up_one_does() {
    explore(|| {
        let stage = Stage::default();
        let id = stage.put(1);
        let frees = [0; 3].map(|_| stage.start(move |stage| usize::from(stage.table.remove(id))));
        let freed: usize = frees.into_iter().map(|free| free.join().unwrap()).sum();
        assert_eq!((freed, stage.ends.load(Ordering::SeqCst), stage.name(id)), (1, 1, None));
    });
}

#[test]
fn an_old_number_never_finds_what_took_its_place() {
    explore(|| {
        let stage = Stage::default();
        let old = stage.put(1);
        let look = stage.start(move |stage| [stage.name(old), stage.name(old)]);
        let swap = stage.start(move |stage| {
            assert!(stage.table.remove(old));
            assert_eq!(stage.name(old), None);
            let new = stage.put(2);
            assert_ne!(new, old);
            assert_eq!(stage.name(new), Some(2));
            new
        });
        let [first, second] = look.join().unwrap();
        assert!(matches!((first, second), (Some(1) | None, None) | (Some(1), Some(1))), "{first:?} {second:?}");
        let new = swap.join().unwrap();
        assert!(!stage.table.remove(old) && stage.table.remove(new));
        assert_eq!(stage.ends.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_late_note_is_not_another_entrys() {
    explore(|| {
        let stage = Stage::default();
        let old = stage.put(1);
        let late = stage.start(move |stage| stage.table.set_note(old, 1));
        let swap = stage.start(move |stage| {
            stage.table.remove(old);
            let new = stage.put(2);
            stage.table.set_note(new, 2);
            new
        });
        late.join().unwrap();
        let new = swap.join().unwrap();
        assert_eq!((stage.table.note(new), stage.table.note(old)), (Some(2), None));
    });
}

#[test]
fn all_who_put_in_at_once_have_numbers_of_their_own() {
    explore(|| {
        let stage = Stage::default();
        let puts = [1, 2, 3].map(|name| {
            stage.start(move |stage| {
                let id = stage.put(name);
                assert_eq!(stage.name(id), Some(name));
                // Two share a slot, one after the other.
                if name == 1 {
                    assert!(stage.table.remove(id));
                }
                id
            })
        });
        let ids = puts.map(|put| put.join().unwrap());
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
        assert_eq!(ids.map(|id| stage.name(id)), [None, Some(2), Some(3)]);
    });
}
