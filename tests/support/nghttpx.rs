//! A real nghttpx in front of a plain HTTP server: its own HTTP/2 is another than nginx's and haproxy's.

use super::port::Port;
use super::server::{self, Server};

pub struct Nghttpx {
    server: Server,
    pub http: String,
    pub https: String,
}

impl Nghttpx {
    /// Starts nghttpx in front of `backend`, an http URL.
    pub fn start(backend: &str) -> Nghttpx {
        let folder = server::folder("nghttpx");
        let ports = [(); 2].map(|()| Port::reserve());
        let [http, https] = ports.each_ref().map(|port| port.number);
        let certificates = server::certificates();
        let mut command = server::command("nghttp2-proxy", "usr/sbin/nghttpx");
        command
            .arg("--conf=/dev/null")
            .arg(format!("--frontend=127.0.0.1,{http};no-tls"))
            .arg(format!("--frontend=127.0.0.1,{https}"))
            .arg(format!("--backend={}", backend.strip_prefix("http://").unwrap().replace(':', ",")))
            .arg("--workers=1")
            .args([certificates.join("server.key"), certificates.join("server.pem")]);
        let [http, https] = [ports[0].http(), ports[1].https()];
        Nghttpx { server: Server::start(command, folder, ports), http, https }
    }

    /// A graceful shutdown, to its end: GOAWAY on each connection, which closes when its answers are out.
    pub fn stop(&mut self) {
        self.server.stop("QUIT");
    }
}
