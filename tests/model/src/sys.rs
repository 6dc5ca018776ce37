//! In place of the library's own file of this name: a bell whose descriptor is a number only, so that a thread can sleep on it here.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use shuttle::sync::{Condvar, Mutex};

#[derive(Default)]
pub struct Bell(Arc<Light>);

/// Whether a bell's descriptor is readable.
#[derive(Default)]
pub struct Light {
    on: Mutex<bool>,
    changed: Condvar,
}

thread_local! {
    /// By the descriptors that stand for them. All of a scenario's threads are one to the system.
    static LIGHTS: std::cell::RefCell<std::collections::HashMap<RawFd, Arc<Light>>> = std::cell::RefCell::default();
}

impl Bell {
    pub fn new() -> io::Result<Bell> {
        Ok(Bell::default())
    }

    pub fn ring(&self) {
        *self.0.on.lock().unwrap() = true;
        self.0.changed.notify_all();
    }

    pub fn clear(&self) {
        *self.0.on.lock().unwrap() = false;
    }

    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        let descriptor = OwnedFd::from(File::open("/dev/null")?);
        LIGHTS.with_borrow_mut(|lights| lights.insert(descriptor.as_raw_fd(), self.0.clone()));
        Ok(descriptor)
    }
}

impl Light {
    pub fn of(descriptor: &OwnedFd) -> Arc<Light> {
        LIGHTS.with_borrow(|lights| lights[&descriptor.as_raw_fd()].clone())
    }

    pub fn is_on(&self) -> bool {
        *self.on.lock().unwrap()
    }

    /// As poll(2) does.
    pub fn wait(&self) {
        let mut on = self.on.lock().unwrap();
        while !*on {
            on = self.changed.wait(on).unwrap();
        }
    }
}

pub fn write_wake(_: BorrowedFd<'_>) {}

pub fn is_shortage(_: &io::Error) -> bool {
    false
}
