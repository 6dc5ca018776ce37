//! Faults that wait for the next requests of a path.

use std::sync::Mutex;

use crate::lock::lock;

#[derive(Default)]
pub struct Armed(Mutex<Vec<Arm>>);

struct Arm {
    path: String,
    faults: String,
    left: u64,
}

impl Armed {
    /// Arms `faults` for the next `count` requests of `path`; one that ends in `*` is a prefix.
    pub fn arm(&self, path: &str, faults: &str, count: u64) {
        lock(&self.0).push(Arm { path: path.to_owned(), faults: faults.to_owned(), left: count });
    }

    /// The faults of the first arm that fits: arms of one path follow each other.
    pub fn take(&self, path: &str) -> Option<String> {
        let mut arms = lock(&self.0);
        let at = arms.iter().position(|arm| arm.left > 0 && fits(&arm.path, path))?;
        arms[at].left -= 1;
        if arms[at].left == 0 { Some(arms.remove(at).faults) } else { Some(arms[at].faults.clone()) }
    }

    /// How many requests are still to meet a fault.
    pub fn left(&self) -> u64 {
        lock(&self.0).iter().map(|arm| arm.left).sum()
    }

    pub fn reset(&self) {
        lock(&self.0).clear();
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == path, |prefix| path.starts_with(prefix))
}
