//! A pair of ports, one plain and one TLS, with counters of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

use crate::connection::{self, Scheme};
use crate::sandbox::Sandbox;
use crate::site::Site;
use crate::stats::Stats;

/// As long as Linux allows by default, so that thousands may connect at once.
const BACKLOG: u32 = 4096;

/// The usual cause of a failed accept is a lack of file descriptors, which passes.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

pub struct Sockets {
    http: TcpListener,
    https: TcpListener,
}

pub fn bind(http_port: u16, https_port: u16) -> io::Result<Sockets> {
    Ok(Sockets { http: bind_port(http_port)?, https: bind_port(https_port)? })
}

fn bind_port(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

pub struct Listener {
    pub id: usize,
    pub stats: Arc<Stats>,
    pub site: Arc<Site>,
    http_port: u16,
    https_port: u16,
}

impl Listener {
    pub fn new(id: usize, sockets: &Sockets) -> io::Result<Self> {
        Ok(Self {
            id,
            stats: Arc::default(),
            site: Arc::default(),
            http_port: sockets.http.local_addr()?.port(),
            https_port: sockets.https.local_addr()?.port(),
        })
    }

    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    pub fn https_url(&self) -> String {
        format!("https://localhost:{}", self.https_port)
    }

    pub fn serve(self: &Arc<Self>, sandbox: &Arc<Sandbox>, sockets: Sockets) {
        for (socket, scheme) in [(sockets.http, Scheme::Http), (sockets.https, Scheme::Https)] {
            let accepting = accept(Arc::clone(sandbox), Arc::clone(self), socket, scheme);
            tokio::spawn(accepting);
        }
    }
}

async fn accept(sandbox: Arc<Sandbox>, listener: Arc<Listener>, socket: TcpListener, scheme: Scheme) {
    loop {
        match socket.accept().await {
            Ok((socket, _)) => {
                // Counted here, so the order of accepts is the order of counts.
                let open = listener.stats.open_connection();
                let sandbox = Arc::clone(&sandbox);
                let listener = Arc::clone(&listener);
                tokio::spawn(connection::serve(sandbox, listener, open, socket, scheme));
            }
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}
