//! A real SOCKS5 server.

use std::fs;

use super::port::Port;
use super::server::{self, Server};

pub struct Dante {
    server: Server,
    /// `127.0.0.1:PORT`, for a proxy's URL.
    pub authority: String,
}

impl Dante {
    /// Starts danted on loopback, open to whoever is there.
    pub fn start() -> Dante {
        let folder = server::folder("dante");
        let reserved = Port::reserve();
        let port = reserved.number;
        let config = format!(
            "logoutput: stderr
internal: 127.0.0.1 port = {port}
external: lo
clientmethod: none
socksmethod: none
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 log: connect }}
"
        );
        fs::write(folder.path().join("danted.conf"), config).unwrap();
        let mut command = server::command("dante-server", "usr/sbin/danted");
        command.arg("-f").arg(folder.path().join("danted.conf")).arg("-p").arg(folder.path().join("danted.pid"));
        Dante { server: Server::start(command, folder, [reserved]), authority: format!("127.0.0.1:{port}") }
    }

    /// How many connections it passed on.
    pub fn connections(&self) -> usize {
        self.server.output().lines().filter(|line| line.contains("pass(1): tcp/connect [")).count()
    }
}
