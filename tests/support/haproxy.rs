//! A real haproxy in front of a plain HTTP server: HTTP/1.1 on one port, TLS with h2 and http/1.1 on another.

use std::fs;

use super::port::Port;
use super::server::{self, Server};

pub struct Haproxy {
    server: Server,
    pub http: String,
    pub https: String,
}

impl Haproxy {
    /// Starts haproxy in front of `backend`, an http URL.
    pub fn start(backend: &str) -> Haproxy {
        let folder = server::folder("haproxy");
        let ports = [(); 2].map(|()| Port::reserve());
        let [http, https] = ports.each_ref().map(|port| port.number);
        // haproxy wants chain and key in one file.
        let [chain, key] =
            ["server.pem", "server.key"].map(|name| fs::read_to_string(server::certificates().join(name)).unwrap());
        let pem = folder.path().join("both.pem");
        fs::write(&pem, format!("{chain}{key}")).unwrap();
        let backend = backend.strip_prefix("http://").unwrap();
        let pem = pem.display();
        let config = format!(
            "
global
    maxconn 2000
    hard-stop-after 10s
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend both
    bind 127.0.0.1:{http}
    bind 127.0.0.1:{https} ssl crt {pem} alpn h2,http/1.1
    default_backend servers
backend servers
    server only {backend}
"
        );
        fs::write(folder.path().join("haproxy.cfg"), config).unwrap();
        let mut command = server::command("haproxy", "usr/sbin/haproxy");
        command.arg("-db").arg("-f").arg(folder.path().join("haproxy.cfg"));
        let [http, https] = [ports[0].http(), ports[1].https()];
        Haproxy { server: Server::start(command, folder, ports), http, https }
    }

    /// A soft stop, to its end: no new connections, GOAWAY or `connection: close` on those there are.
    pub fn stop(&mut self) {
        self.server.stop("USR1");
    }
}
