//! One dial: from the job to a connection in its group, or to the failure of those who waited for it.

use std::future::Future;
use std::sync::Arc;

use super::connection::{self, Connection, Facts};
use super::group::Group;
use super::permit::Permit;
use super::waiter::Dial;
use crate::config::HttpVersion;
use crate::error::{Detail, Error, Result};
use crate::transport::dial::DialLimits;
use crate::transport::failure;
use crate::transport::http::{self, Driver, RequestSender};
use crate::transport::link::{Link, Via};

/// A dial to be made.
pub struct DialJob {
    pub dial: Arc<Dial>,
    pub limits: DialLimits,
    /// The new connection's, when it stands.
    pub permit: Option<Permit>,
    /// The connection that goes when the new one stands.
    pub replaces: Option<Arc<Connection>>,
}

/// Makes a connection, gives it to its group, and drives it to its end. Its group hears of an end before the first poll too.
pub fn run(group: Arc<Group>, job: DialJob) -> impl Future<Output = ()> {
    let unfinished = Unfinished { group: group.clone(), job: Some(job) };
    make_and_drive(group, unfinished)
}

async fn make_and_drive(group: Arc<Group>, unfinished: Unfinished) {
    // Boxed, for its room is wanted until the connection stands alone, and this task stays as long as that.
    let Some((connection, driver, permit)) = Box::pin(unfinished.make()).await else { return };
    connection::drive(connection, group, driver, permit).await;
}

/// A link made with what is in force when it stands: certificates may be reloaded meanwhile.
async fn link(group: &Group, job: &DialJob) -> Result<Link> {
    let connector = &group.connector;
    loop {
        let generation = connector.generation();
        let link = connector.connect(&group.target, job.limits, &*job.dial).await?;
        if connector.generation() == generation {
            return Ok(link);
        }
    }
}

async fn establish(group: &Group, job: &DialJob) -> Result<(Arc<Connection>, RequestSender, Driver)> {
    let link = link(group, job).await?;
    let http2 = match group.http_version {
        HttpVersion::Http2 => true,
        HttpVersion::Http1 => false,
        HttpVersion::Auto => link.tls.is_some_and(|tls| tls.http2),
    };
    if http2 && matches!(link.via, Via::Forward(_)) {
        let mend = "a proxy that forwards speaks HTTP/1.1; leave http_version open, or set no_proxy or proxy_mode";
        return Err(Error::invalid("http_version", mend));
    }
    let facts = Facts {
        remote: link.remote,
        tls: link.tls,
        insecure: group.insecure && link.tls.is_some(),
        via: link.via,
        times: link.times,
    };
    let connection = Arc::new(group.shared.connection(facts, link.socket, http2));
    let started = http::handshake(link.stream, http2, group.stream_window).await;
    let (sender, driver) = started.map_err(|cause| failure::starting(&cause))?;
    group.shared.opened(group, &connection);
    Ok((connection, sender, driver))
}

/// However a dial ends, its group hears of it: the runtime may drop it at any await.
struct Unfinished {
    group: Arc<Group>,
    job: Option<DialJob>,
}

impl Unfinished {
    /// The connection, which its group has by then, and what it takes to drive it; `None` where there is none.
    async fn make(mut self) -> Option<(Arc<Connection>, Driver, Permit)> {
        let established = establish(&self.group, self.job.as_mut()?).await;
        let (mut job, group) = (self.job.take()?, &self.group);
        match established {
            Ok((connection, sender, driver)) => {
                let permit = job.permit.take()?;
                group.dialed(&job, connection.clone(), sender);
                Some((connection, driver, permit))
            }
            Err(error) => {
                group.shared.dial_failed(group, &error);
                group.dial_failed(&job, &error);
                None
            }
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            self.group.dial_failed(&job, &Error::closed(Detail::PoolClosed));
        }
    }
}
