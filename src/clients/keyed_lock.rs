//! Locks by name, for what a provider lets one call at a time work on: the calls of this process take turns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::lock;
use crate::sys;

#[derive(Default)]
struct Locks(Mutex<HashMap<String, Weak<AsyncMutex<()>>>>);

/// Waits for the lock of this name, first come first served; it is held until the guard is dropped.
pub async fn lock(name: String) -> OwnedMutexGuard<()> {
    named(name).lock_owned().await
}

fn named(name: String) -> Arc<AsyncMutex<()>> {
    let mut locks = lock::lock(&sys::process_state::<Locks>().0);
    if let Some(lock) = locks.get(&name).and_then(Weak::upgrade) {
        return lock;
    }
    locks.retain(|_, lock| lock.strong_count() > 0);
    let lock = Arc::new(AsyncMutex::new(()));
    locks.insert(name, Arc::downgrade(&lock));
    lock
}
