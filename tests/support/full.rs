//! A port that takes no connection.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A port whose queue of unaccepted connections is full: one more connect waits for ever.
pub struct FullListener {
    pub address: SocketAddr,
    listener: TcpListener,
    queued: Vec<TcpStream>,
}

impl FullListener {
    /// Fills the queue of a free port at `address`, which ends in `:0`.
    pub fn bind(address: &str) -> io::Result<FullListener> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200));
        let queued = std::iter::from_fn(|| connect().ok()).take(10_000).collect();
        Ok(FullListener { address, listener, queued })
    }

    pub fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Drops what fills the queue: from now on there is room.
    pub fn empty(self) -> TcpListener {
        drop(self.queued);
        self.listener
    }
}
