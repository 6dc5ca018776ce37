//! The system's roots, read once a process, and a session's own beside them.

use std::sync::{Arc, Mutex};

use once_cell::sync::OnceCell;
use rustls::RootCertStore;

use crate::config::Trust;
use crate::error::{Error, Result, Status};
use crate::lock::lock;
use crate::sys;

/// Reading takes milliseconds and can fail, so success is kept and a failure tried again. One store for all who add none.
#[derive(Default)]
struct SystemRoots(Mutex<Option<Arc<RootCertStore>>>);

/// One reload of any number of identities: the system's roots are read again once for all of them.
#[derive(Default)]
pub struct ReloadRound(OnceCell<Arc<RootCertStore>>);

/// Whom to trust beside those given; without a round, as read at first. `None` is anybody.
pub fn trusted(
    trust: Trust,
    given: &Arc<RootCertStore>,
    round: Option<&ReloadRound>,
) -> Result<Option<Arc<RootCertStore>>> {
    match trust {
        Trust::Anybody => Ok(None),
        Trust::GivenOnly => Ok(Some(given.clone())),
        Trust::SystemAndGiven => beside(system(round)?, given).map(Some),
    }
}

fn beside(system: Arc<RootCertStore>, given: &Arc<RootCertStore>) -> Result<Arc<RootCertStore>> {
    // A host without system roots still trusts the ones it was given.
    match (system.is_empty(), given.is_empty()) {
        (true, true) => Err(none()),
        (true, false) => Ok(given.clone()),
        (false, true) => Ok(system),
        (false, false) => {
            let mut both = RootCertStore::clone(&system);
            both.extend(given.roots.iter().cloned());
            Ok(Arc::new(both))
        }
    }
}

fn system(round: Option<&ReloadRound>) -> Result<Arc<RootCertStore>> {
    round.map_or_else(kept, |round| round.0.get_or_try_init(again).cloned())
}

fn kept() -> Result<Arc<RootCertStore>> {
    let mut kept = lock(&sys::process_state::<SystemRoots>().0);
    match &*kept {
        Some(roots) => Ok(roots.clone()),
        None => Ok(kept.insert(load()?).clone()),
    }
}

/// Read outside of the lock: others go on with the old ones.
fn again() -> Result<Arc<RootCertStore>> {
    let roots = load()?;
    *lock(&sys::process_state::<SystemRoots>().0) = Some(roots.clone());
    Ok(roots)
}

/// Empty on a host that has none. A file that could not be opened for want of descriptors or memory is tried again.
fn load() -> Result<Arc<RootCertStore>> {
    let loaded = rustls_native_certs::load_native_certs();
    if let Some(shortage) = loaded.errors.iter().find_map(shortage) {
        let message = format!("system: cannot read the system's roots now ({shortage})");
        return Err(Error::new(Status::System, message).os_error(shortage));
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(loaded.certs);
    Ok(Arc::new(store))
}

fn shortage(error: &rustls_native_certs::Error) -> Option<&std::io::Error> {
    match &error.kind {
        rustls_native_certs::ErrorKind::Io { inner, .. } if sys::is_shortage(inner) => Some(inner),
        _ => None,
    }
}

fn none() -> Error {
    let mend = "install ca-certificates, set SSL_CERT_FILE, or give ca_file";
    Error::new(Status::Tls, format!("tls: no system roots found; {mend}"))
}
