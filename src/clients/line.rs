//! Turns: what a provider lets one call at a time work on, the calls of this process take one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::lock::lock;
use crate::sys;

#[derive(Default)]
struct Lines(Mutex<HashMap<String, Weak<Turn<()>>>>);

/// The turn of who waited longest, held until it is dropped.
pub async fn turn(name: String) -> OwnedMutexGuard<()> {
    line(name).lock_owned().await
}

fn line(name: String) -> Arc<Turn<()>> {
    let mut lines = lock(&sys::process_state::<Lines>().0);
    if let Some(line) = lines.get(&name).and_then(Weak::upgrade) {
        return line;
    }
    lines.retain(|_, line| line.strong_count() > 0);
    let line = Arc::new(Turn::new(()));
    lines.insert(name, Arc::downgrade(&line));
    line
}
