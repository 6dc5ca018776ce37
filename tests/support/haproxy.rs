//! A real haproxy in front of a plain HTTP server: HTTP/1.1 on one port, TLS with h2 and http/1.1 on another.

use std::fs;

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
        let [http, https] = server::free_ports();
        // haproxy wants chain and key in one file.
        let [chain, key] =
            ["server.pem", "server.key"].map(|name| fs::read_to_string(server::certificates().join(name)).unwrap());
        let pem = folder.join("both.pem");
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
        fs::write(folder.join("haproxy.cfg"), config).unwrap();
        let mut command = server::command("haproxy", "usr/sbin/haproxy");
        command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
        Haproxy {
            server: Server::start(command, folder, https),
            http: format!("http://127.0.0.1:{http}"),
            https: format!("https://localhost:{https}"),
        }
    }

    /// Asks for a soft stop: no new connections, GOAWAY or `connection: close` on those there are.
    pub fn stop(&self) {
        self.server.signal("USR1");
    }

    pub fn wait_ended(&mut self) {
        self.server.wait_ended();
    }
}
