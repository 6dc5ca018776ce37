//! Over which connections a session's requests go: the pool's own, by origin, or reqwest's.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use lru::LruCache;

use crate::address::Address;
use crate::base_url::BaseUrl;
use crate::config::Limits;
use crate::connections::{Connections, Group, Identity, Reference};
use crate::error::Result;
use crate::request::Path;
use crate::stats::lock;
use crate::transport::dial::Target;
use crate::transport::reqwest::Transport;

/// Of how many origins one session holds connections: those used last.
const ORIGINS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// A session's way to its servers.
pub enum Route {
    Engine(Origins),
    Reqwest(Arc<Transport>),
}

/// The origins a session has sent to.
pub struct Origins {
    connections: Connections,
    identity: Arc<Identity>,
    /// Held until the session closes: its connections stay warm.
    references: Mutex<LruCache<Target, Arc<Reference>>>,
    /// The address asked for last: AI clients ask for the same one again and again.
    last: Mutex<Option<(String, Arc<Address>)>>,
}

impl Route {
    pub fn engine(connections: Connections, identity: Arc<Identity>) -> Route {
        let (references, last) = (Mutex::new(LruCache::new(ORIGINS)), Mutex::new(None));
        Route::Engine(Origins { connections, identity, references, last })
    }

    /// Where `reference` leads from `base`, and over what. Reads files on first use, so it is called before the driver's
    /// seat is taken.
    pub fn path(
        &self,
        base: &BaseUrl,
        reference: &str,
        limits: &Limits,
        opened: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Arc<Address>, Path)> {
        match self {
            Route::Engine(origins) => {
                let address = origins.address(base, reference)?;
                let group = origins.group(&address.target)?;
                Ok((address, Path::Engine(group)))
            }
            Route::Reqwest(transport) => {
                let address = Address::of(base.join(reference)?)?;
                transport.prepare(&address.url)?;
                let attempt = transport.attempt(limits.connect, opened);
                Ok((Arc::new(address), Path::Reqwest(transport.clone(), attempt)))
            }
        }
    }
}

impl Origins {
    fn address(&self, base: &BaseUrl, reference: &str) -> Result<Arc<Address>> {
        if let Some((asked, address)) = &*lock(&self.last) {
            if asked == reference {
                return Ok(address.clone());
            }
        }
        let address = Arc::new(Address::of(base.join(reference)?)?);
        *lock(&self.last) = Some((reference.to_owned(), address.clone()));
        Ok(address)
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
