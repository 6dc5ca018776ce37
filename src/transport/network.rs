//! The network, as one set of options sees it: what a pool's connections are made by outside of tests.

use std::net::IpAddr;
use std::sync::Arc;

use super::dial::{DialLimits, DialObserver, Dialer, Target};
use super::dns::Resolver;
use super::link::{Connect, Connecting, Leading};
use super::tls::{ReloadRound, TlsIdentity};
use crate::config::ConnectionConfig;
use crate::error::Result;

/// Dials by name, through proxies where there are any, with TLS where the target wants it.
pub struct Network {
    dialer: Dialer,
    tls: Arc<TlsIdentity>,
}

impl Network {
    /// Reads and checks the files that the options name.
    pub fn new(config: &ConnectionConfig, resolver: &Arc<Resolver>) -> Result<Network> {
        let tls = TlsIdentity::of(&config.tls)?;
        let (to_target, to_proxy) = (tls.secure(config.http_version), tls.secure_proxy());
        let dialer = Dialer::new(config.network.clone(), resolver.clone(), Some(to_target), Some(to_proxy))?;
        Ok(Network { dialer, tls })
    }
}

impl Connect for Network {
    fn connect<'a>(&'a self, target: &'a Target, limits: DialLimits, observer: &'a dyn DialObserver) -> Connecting<'a> {
        Box::pin(self.dialer.dial(target, limits, observer))
    }

    fn still_leads_to<'a>(&'a self, target: &'a Target, address: IpAddr) -> Leading<'a> {
        Box::pin(self.dialer.still_leads_to(target, address))
    }

    fn generation(&self) -> u64 {
        self.tls.generation()
    }

    fn reload(&self, round: &ReloadRound) -> Result<Box<dyn FnOnce() + '_>> {
        let read = self.tls.read_again(round)?;
        Ok(Box::new(|| self.tls.put_in_force(read)))
    }

    fn prepare(&self, target: &Target) -> Result<()> {
        if self.dialer.needs_tls(target)? { self.tls.prepare() } else { Ok(()) }
    }
}
