//! Readiness for foreign event loops: a descriptor that is readable as long as something is there, and a write to one of theirs.

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[cfg(unix)]
use crate::error::{Error, Result, Status};
#[cfg(unix)]
use crate::sys;

/// Whether something is there, as descriptors show it. Its owner's lock keeps it in order.
#[derive(Default)]
pub struct Readiness {
    ready: bool,
    #[cfg(unix)]
    bell: Option<sys::Bell>,
    #[cfg(unix)]
    theirs: Option<OwnedFd>,
}

impl Readiness {
    pub fn set(&mut self, ready: bool) {
        if std::mem::replace(&mut self.ready, ready) == ready {
            return;
        }
        #[cfg(unix)]
        if let Some(bell) = &self.bell {
            if ready { bell.ring() } else { bell.clear() }
        }
        #[cfg(unix)]
        if let (true, Some(theirs)) = (ready, &self.theirs) {
            sys::write_wake(theirs.as_fd());
        }
    }

    /// A duplicate, so that whoever closes it takes nothing from us.
    #[cfg(unix)]
    pub fn descriptor(&mut self) -> Result<OwnedFd> {
        if self.bell.is_none() {
            let bell = sys::Bell::new().map_err(|error| no_descriptor(&error))?;
            if self.ready {
                bell.ring();
            }
            self.bell = Some(bell);
        }
        let bell = self.bell.as_ref().ok_or_else(|| Error::new(Status::Panic, "bug: the bell is gone"))?;
        bell.duplicate().map_err(|error| no_descriptor(&error))
    }

    /// A duplicate of it is written to, so that its owner may close theirs at any time.
    #[cfg(unix)]
    pub fn write_to(&mut self, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        self.theirs = match descriptor {
            None => None,
            Some(descriptor) => {
                let theirs = descriptor.try_clone_to_owned().map_err(|error| not_usable(&error))?;
                if self.ready {
                    sys::write_wake(theirs.as_fd());
                }
                Some(theirs)
            }
        };
        Ok(())
    }
}

#[cfg(unix)]
fn not_usable(error: &std::io::Error) -> Error {
    if sys::is_shortage(error) {
        return no_descriptor(error);
    }
    Error::invalid("fd", format_args!("cannot be used ({error}); pass an open pipe, socket or eventfd"))
}

#[cfg(unix)]
fn no_descriptor(error: &std::io::Error) -> Error {
    Error::new(Status::System, format!("queue: no descriptor left: {error}")).os_error(error)
}
