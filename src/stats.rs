//! Counters: what happened, for stats calls and for tests that must not measure time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of one process: how its runtimes were driven.
#[derive(Debug, Default)]
pub struct Driving {
    /// Guard threads alive.
    pub guards: AtomicU64,
    /// Times a waiter had to recall a guard that was driving.
    pub hand_offs: AtomicU64,
    /// Times a guard began to drive.
    pub guard_drives: AtomicU64,
    /// Times a guard woke to see who drives.
    pub looks: AtomicU64,
}

/// Of one pool.
#[derive(Debug, Default)]
pub struct PoolCounters {
    pub sessions_created: AtomicU64,
    pub evictions: AtomicU64,
    pub requests: RequestCounters,
}

/// Of one session, and summed in its pool.
#[derive(Debug, Default)]
pub struct RequestCounters {
    pub requests: AtomicU64,
    pub failures: AtomicU64,
    pub connections_opened: AtomicU64,
    pub requests_reused: AtomicU64,
}

pub fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}
