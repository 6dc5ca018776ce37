//! Locks that a panic elsewhere does not spoil.

use std::sync::PoisonError;

use crate::sync::{Mutex, MutexGuard};

/// What is behind a lock here is changed by single calls, so a panic leaves it whole.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
