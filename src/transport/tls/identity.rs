//! One way of trusting and being trusted, shared by all sessions of the process that ask for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::configs::Configs;
use super::given::Given;
use super::key_log::KeyLogFile;
use super::roots::{self, ReloadRound};
use super::secure::{ToProxy, ToTarget, server_name};
use crate::config::{HttpVersion, TlsOptions};
use crate::error::{Error, Phase, Result, Status};
use crate::lock::lock;
use crate::sys;
use crate::transport::link::Secure;

/// Every identity in use, by its options: sessions share what was read for the first of them, and TLS tickets.
#[derive(Default)]
struct Identities(Mutex<HashMap<TlsOptions, Weak<TlsIdentity>>>);

/// What `TlsOptions` name, read and checked, and the configurations made of it.
pub struct TlsIdentity {
    options: TlsOptions,
    server_name: Option<ServerName<'static>>,
    key_log: Option<Arc<KeyLogFile>>,
    /// Held by who reads files to replace the state: one after the other, while handshakes go on with what is there.
    turn: Mutex<()>,
    state: Mutex<State>,
    generation: AtomicU64,
}

/// What a reload read, not yet in force.
pub struct ReadAgain(State);

struct State {
    given: Arc<Given>,
    /// `None` until somebody speaks TLS: the system's roots take time.
    configs: Option<Arc<Configs>>,
}

impl TlsIdentity {
    /// The identity of these options. A new one reads the files they name; one in use costs a look-up.
    pub fn of(options: &TlsOptions) -> Result<Arc<Self>> {
        let identities = &sys::process_state::<Identities>().0;
        if let Some(found) = lock(identities).get(options).and_then(Weak::upgrade) {
            return Ok(found);
        }
        // Files are read outside of the lock. Somebody may be quicker meanwhile: theirs is the one.
        let fresh = Arc::new(TlsIdentity::read(options)?);
        let mut identities = lock(identities);
        if let Some(found) = identities.get(options).and_then(Weak::upgrade) {
            drop(identities);
            return Ok(found);
        }
        identities.insert(options.clone(), Arc::downgrade(&fresh));
        Ok(fresh)
    }

    fn read(options: &TlsOptions) -> Result<Self> {
        let name = &options.server_name;
        let server_name = if name.is_empty() { None } else { Some(server_name("server_name", name)?) };
        let given = Arc::new(Given::read(options)?);
        let file = &options.key_log_file;
        let key_log = if file.is_empty() { None } else { Some(Arc::new(KeyLogFile::open(file)?)) };
        Ok(TlsIdentity {
            options: options.clone(),
            server_name,
            key_log,
            turn: Mutex::default(),
            state: Mutex::new(State { given, configs: None }),
            generation: AtomicU64::new(0),
        })
    }

    /// Makes all ready for handshakes. The first call may read the system's roots, so it is never made on the driver.
    pub fn prepare(&self) -> Result<()> {
        if self.is_prepared() {
            return Ok(());
        }
        let _turn = lock(&self.turn);
        if self.is_prepared() {
            return Ok(());
        }
        let given = lock(&self.state).given.clone();
        let configs = self.configure(&given, None)?;
        lock(&self.state).configs = Some(configs);
        Ok(())
    }

    /// Reads every file again, the system's roots included. On failure the old ones stay in force.
    pub fn reload(&self) -> Result<()> {
        self.read_again(&ReloadRound::default()).map(|read| self.put_in_force(read))
    }

    /// The first half of a reload of several identities: reads, and changes nothing. Those of one round read the system's
    /// roots once.
    pub fn read_again(&self, round: &ReloadRound) -> Result<ReadAgain> {
        let _turn = lock(&self.turn);
        let given = Arc::new(Given::read(&self.options)?);
        // Where nobody spoke TLS yet, nobody may need the system's roots.
        let configs = self.is_prepared().then(|| self.configure(&given, Some(round))).transpose()?;
        Ok(ReadAgain(State { given, configs }))
    }

    /// The second half.
    pub fn put_in_force(&self, read: ReadAgain) {
        let _turn = lock(&self.turn);
        *lock(&self.state) = read.0;
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn is_prepared(&self) -> bool {
        lock(&self.state).configs.is_some()
    }

    fn configure(&self, given: &Given, round: Option<&ReloadRound>) -> Result<Arc<Configs>> {
        let trusted = roots::trusted(self.options.trust, &given.roots, round)?;
        Configs::build(&self.options, given, trusted.as_ref(), self.key_log.as_ref()).map(Arc::new)
    }

    /// How many reloads succeeded. Read before a dial, it never calls the connection newer than it is.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// TLS to servers, offering these HTTP versions.
    pub fn secure(self: &Arc<Self>, alpn: HttpVersion) -> Arc<dyn Secure> {
        Arc::new(ToTarget { identity: self.clone(), version: alpn })
    }

    /// TLS to an https proxy: the same trust; no ALPN, client certificate, pins or other name.
    pub fn secure_proxy(self: &Arc<Self>) -> Arc<dyn Secure> {
        Arc::new(ToProxy { identity: self.clone() })
    }

    pub(super) fn target(&self, version: HttpVersion) -> Result<Arc<ClientConfig>> {
        Ok(self.configs()?.target(version).clone())
    }

    pub(super) fn proxy(&self) -> Result<Arc<ClientConfig>> {
        Ok(self.configs()?.proxy().clone())
    }

    pub(super) fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }

    fn configs(&self) -> Result<Arc<Configs>> {
        let configs = lock(&self.state).configs.clone();
        configs.ok_or_else(|| Error::new(Status::Panic, "bug: TLS was not prepared").phase(Phase::Tls))
    }
}

impl Drop for TlsIdentity {
    fn drop(&mut self) {
        let Some(identities) = sys::existing_process_state::<Identities>() else { return };
        let mut identities = lock(&identities.0);
        // Its place may be another's by now.
        if identities.get(&self.options).is_some_and(|entry| entry.strong_count() == 0) {
            identities.remove(&self.options);
        }
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("options", &self.options).finish_non_exhaustive()
    }
}
