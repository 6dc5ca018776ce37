//! Name look-ups: the system's own, on worker threads, never on the thread that drives the I/O.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::attempt::Attempt;
use super::failure::{NoWorker, NotResolved};
use crate::error::Phase;
use crate::transport::dns::look_up;
use crate::workers;

/// getaddrinfo(3).
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let attempt = Attempt::current();
        Box::pin(async move {
            if let Some(attempt) = &attempt {
                attempt.enter_if_mine(Phase::Dns);
            }
            let host = name.as_str().to_owned();
            let found = workers::offload(move || look_up(&host)).await;
            if let Some(attempt) = &attempt {
                attempt.enter_if_mine(Phase::Connect);
            }
            match found.map_err(NoWorker)? {
                Ok(addresses) if !addresses.is_empty() => Ok(Box::new(addresses.into_iter()) as Addrs),
                Ok(_) => Err(NotResolved("it has no address".into()).into()),
                Err(error) => Err(NotResolved(error.to_string()).into()),
            }
        })
    }
}
