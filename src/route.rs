//! Over which connections a session's requests go: the pool's own, by origin, or reqwest's.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use lru::LruCache;
use url::Url;

use crate::address::Address;
use crate::base_url::BaseUrl;
use crate::config::Limits;
use crate::connections::{Connections, Group, Identity, Reference};
use crate::error::Result;
use crate::lock::lock;
use crate::request::{RedirectResolver, TransportPath};
use crate::transport::dial::Target;
use crate::transport::reqwest::Transport;

/// Of how many origins one session holds connections: those used last.
const ORIGINS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// A session's way to its servers.
pub enum Route {
    Engine(Arc<Origins>),
    Reqwest(Arc<Transport>),
}

/// The origins a session has sent to.
pub struct Origins {
    connections: Connections,
    identity: Arc<Identity>,
    /// Held until the session closes: its connections stay warm.
    references: Mutex<LruCache<Target, Reference>>,
    /// What was asked for last: AI clients ask for the same address again and again.
    last: Mutex<Option<Last>>,
}

struct Last {
    reference: String,
    address: Arc<Address>,
    group: Arc<Group>,
}

impl Route {
    pub fn engine(connections: Connections, identity: Arc<Identity>) -> Route {
        let (references, last) = (Mutex::new(LruCache::new(ORIGINS)), Mutex::new(None));
        Route::Engine(Arc::new(Origins { connections, identity, references, last }))
    }

    /// Where `reference` leads from `base`, and over what. Reads files on first use, so it is called before this thread
    /// begins to drive.
    pub fn path(
        &self,
        base: &BaseUrl,
        reference: &str,
        limits: &Limits,
        opened: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Arc<Address>, TransportPath)> {
        match self {
            Route::Engine(origins) => {
                let (address, group) = origins.locate(base, reference)?;
                Ok((address, TransportPath::Engine(group, origins.clone())))
            }
            Route::Reqwest(transport) => {
                let address = Address::of(base.join(reference)?)?;
                transport.prepare(&address.url)?;
                let attempt = transport.attempt(limits.connect, opened);
                Ok((Arc::new(address), TransportPath::Reqwest(transport.clone(), attempt)))
            }
        }
    }

    /// A redirect may lead from http to https, whose files must not be read while driving.
    pub fn prepare_for_redirects(&self) -> Result<()> {
        match self {
            Route::Engine(origins) => {
                let anywhere = Target { https: true, host: "redirect.invalid".to_owned(), port: 443 };
                origins.identity.connector.prepare(&anywhere)
            }
            Route::Reqwest(_) => Ok(()),
        }
    }
}

impl RedirectResolver for Origins {
    fn resolve(&self, url: Url) -> Result<(Arc<Address>, Arc<Group>)> {
        let address = Address::of(url)?;
        let group = self.group(&address.target)?;
        Ok((Arc::new(address), group))
    }
}

impl Origins {
    fn locate(&self, base: &BaseUrl, reference: &str) -> Result<(Arc<Address>, Arc<Group>)> {
        if let Some(last) = &*lock(&self.last) {
            if last.reference == reference {
                return Ok((last.address.clone(), last.group.clone()));
            }
        }
        let address = Arc::new(Address::of(base.join(reference)?)?);
        let group = self.group(&address.target)?;
        let last = Last { reference: reference.to_owned(), address: address.clone(), group: group.clone() };
        let before = lock(&self.last).replace(last);
        drop(before);
        Ok((address, group))
    }

    pub fn group(&self, target: &Target) -> Result<Arc<Group>> {
        if let Some(reference) = lock(&self.references).get(target) {
            return Ok(reference.group().clone());
        }
        self.identity.connector.prepare(target)?;
        let reference = self.connections.refer(target.clone(), &self.identity);
        let group = reference.group().clone();
        // Dropped without the lock: the last reference closes connections.
        let pushed_out = lock(&self.references).push(target.clone(), reference);
        drop(pushed_out);
        Ok(group)
    }
}
