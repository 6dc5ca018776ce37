//! What all listeners share.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use crate::holds::Holds;
use crate::listener::{self, Listener};

/// An upload in one stream should not wait for the window on every 64 KiB.
const HTTP2_WINDOW: u32 = 1024 * 1024;

pub struct Sandbox {
    pub holds: Holds,
    pub http: auto::Builder<TokioExecutor>,
    pub tls: TlsAcceptor,
    listeners: Mutex<Vec<Arc<Listener>>>,
}

impl Sandbox {
    pub fn new(tls: Arc<ServerConfig>) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http2()
            .initial_stream_window_size(HTTP2_WINDOW)
            .initial_connection_window_size(HTTP2_WINDOW)
            // Clients under test cancel in bulk, which is no attack here.
            .max_pending_accept_reset_streams(1_000_000)
            .max_local_error_reset_streams(None);
        Self { holds: Holds::default(), http, tls: TlsAcceptor::from(tls), listeners: Mutex::default() }
    }

    /// Opens a port pair and serves it for as long as the runtime around the call lives; port 0
    /// is any free one.
    pub fn listen(self: &Arc<Self>, http_port: u16, https_port: u16) -> io::Result<Arc<Listener>> {
        let sockets = listener::bind(http_port, https_port)?;
        let listener = {
            let mut listeners = self.lock_listeners();
            let listener = Arc::new(Listener::new(listeners.len(), &sockets)?);
            listeners.push(Arc::clone(&listener));
            listener
        };
        listener.serve(self, sockets);
        Ok(listener)
    }

    pub fn listener(&self, id: usize) -> Option<Arc<Listener>> {
        self.lock_listeners().get(id).cloned()
    }

    fn lock_listeners(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Listener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
