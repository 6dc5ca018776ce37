//! Cancel flags under frees, holds and new ones that meet in every order: what one does with a flag that has gone touches no other.

use std::sync::Arc;

use aipool_model::explore::explore;
use aipool_model::flags::Flags;
use aipool_model::sync::thread::spawn;

/// A table with one flag, whose slot the next one gets.
fn one() -> (Arc<Flags>, u64) {
    let flags = Arc::<Flags>::default();
    let id = flags.make(true).unwrap();
    (flags, id)
}

/// Makes another flag, which nobody else knows of: it lives until it is freed here.
fn another_lives(flags: &Flags) {
    let id = flags.make(true).unwrap();
    assert!(flags.is_kept(id));
    assert!(flags.fire(id) && flags.free(id) && !flags.fire(id));
}

#[test]
fn a_flag_that_two_free_is_freed_once_and_takes_no_other_along() {
    explore(|| {
        let (flags, id) = one();
        let free = || {
            let flags = flags.clone();
            spawn(move || {
                let freed = flags.free(id);
                another_lives(&flags);
                freed
            })
        };
        let (one, two) = (free(), free());
        let freed = [one.join().unwrap(), two.join().unwrap()];
        assert_eq!(freed.iter().filter(|freed| **freed).count(), 1);
        assert_eq!(flags.live(), 0);
    });
}

#[test]
fn a_hold_that_meets_the_free_holds_that_flag_or_none() {
    explore(|| {
        let (flags, id) = one();
        let holder = flags.clone();
        let holds = spawn(move || {
            if holder.hold(id) {
                holder.release(id);
            }
        });
        let maker = flags.clone();
        let frees = spawn(move || {
            assert!(maker.free(id));
            another_lives(&maker);
        });
        holds.join().unwrap();
        frees.join().unwrap();
        assert_eq!(flags.live(), 0);
    });
}
