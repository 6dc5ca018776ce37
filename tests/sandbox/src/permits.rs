//! How many requests of one holder run at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::lock::lock;

#[derive(Default)]
pub struct Permits(Mutex<BTreeMap<String, Taken>>);

#[derive(Clone, Copy, Default)]
struct Taken {
    now: u64,
    most: u64,
}

impl Permits {
    /// A permit for `holder`, unless `limit` of them are out.
    pub fn take(self: &Arc<Self>, holder: &str, limit: u64) -> Option<Arc<Permit>> {
        let mut all = lock(&self.0);
        let taken = all.entry(holder.to_owned()).or_default();
        if taken.now >= limit {
            return None;
        }
        taken.now += 1;
        taken.most = taken.most.max(taken.now);
        Some(Arc::new(Permit { permits: Arc::clone(self), holder: holder.to_owned() }))
    }

    /// What is out, and what was out at most, as `name=value` lines.
    pub fn lines(&self) -> String {
        let line = |(holder, taken): (&String, &Taken)| {
            format!("permits:{holder}={}\npermits_max:{holder}={}\n", taken.now, taken.most)
        };
        lock(&self.0).iter().map(line).collect()
    }

    /// Forgets who holds none, and the records of those who do.
    pub fn reset(&self) {
        lock(&self.0).retain(|_, taken| {
            taken.most = taken.now;
            taken.now > 0
        });
    }
}

/// Given back when dropped: with the last byte of the response, or with its connection.
pub struct Permit {
    permits: Arc<Permits>,
    holder: String,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(taken) = lock(&self.permits.0).get_mut(&self.holder) {
            taken.now -= 1;
        }
    }
}
