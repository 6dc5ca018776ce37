//! A real HTTP proxy: forwarding and CONNECT, with user and password where wanted.

use std::fs;

use super::port::Port;
use super::server::{self, Server};

pub struct Tinyproxy {
    server: Server,
    /// `127.0.0.1:PORT`, for a proxy's URL.
    pub authority: String,
}

impl Tinyproxy {
    /// Starts tinyproxy; `login` is user and password, empty for none.
    pub fn start(login: Option<(&str, &str)>) -> Tinyproxy {
        let folder = server::folder("tinyproxy");
        let reserved = Port::reserve();
        let port = reserved.number;
        let login = login.map_or_else(String::new, |(user, password)| format!("BasicAuth {user} {password}"));
        let log = folder.path().join("access.log");
        let log = log.display();
        let config = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 100\nLogFile \"{log}\"\nLogLevel Connect\n{login}\n"
        );
        fs::write(folder.path().join("tinyproxy.conf"), config).unwrap();
        let mut command = server::command("tinyproxy", "usr/bin/tinyproxy");
        command.arg("-d").arg("-c").arg(folder.path().join("tinyproxy.conf"));
        Tinyproxy { server: Server::start(command, folder, [reserved]), authority: format!("127.0.0.1:{port}") }
    }

    /// How many of the requests it took begin so: `CONNECT`, `GET`.
    pub fn requests(&self, method: &str) -> usize {
        let log = fs::read_to_string(self.server.folder.path().join("access.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains(&format!("): {method} "))).count()
    }
}
