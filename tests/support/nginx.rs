//! A real nginx with the sandbox's certificate, and an access log for counting what it really served.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::server::{self, PATIENCE, Server};

pub struct Nginx {
    server: Server,
    pub http: String,
    pub https: String,
}

impl Nginx {
    /// Starts nginx; `extra` goes into its http block.
    pub fn start(extra: &str) -> Nginx {
        Nginx::start_with(extra, "")
    }

    /// Starts nginx; `http_block` and `server_block` go into the blocks of that name.
    pub fn start_with(http_block: &str, server_block: &str) -> Nginx {
        let folder = server::folder("nginx");
        fs::create_dir_all(folder.join("html")).unwrap();
        fs::create_dir_all(folder.join("tmp")).unwrap();
        fs::write(folder.join("html/hello.txt"), "hello from nginx\n").unwrap();
        let ports = server::free_ports();
        fs::write(folder.join("nginx.conf"), config(&folder, ports, http_block, server_block)).unwrap();
        let mut command = server::command("nginx", "usr/sbin/nginx");
        command.arg("-p").arg(&folder).args(["-c", "nginx.conf", "-e", "error.log"]);
        let [http, https] = ports;
        Nginx {
            server: Server::start(command, folder, https),
            http: format!("http://127.0.0.1:{http}"),
            https: format!("https://localhost:{https}"),
        }
    }

    /// The first `count` requests it answered, a line each: connection serial number, requests on it, protocol, status.
    /// Waits for them: nginx writes the line after the answer.
    pub fn access_log(&self, count: usize) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let log = fs::read_to_string(self.server.folder.join("access.log")).unwrap_or_default();
            if log.lines().count() >= count {
                return log.lines().map(str::to_owned).collect();
            }
            assert!(begun.elapsed() < PATIENCE, "{count} lines: {log}");
            std::thread::yield_now();
        }
    }
}

/// `/hello.txt` is a file, for POST too. `/sink` reads a POST's body whole, which mirroring forces, and answers 200.
fn config(folder: &Path, [http, https]: [u16; 2], http_block: &str, server_block: &str) -> String {
    let prefix = folder.display();
    let certificates = server::certificates();
    let certificates = certificates.display();
    format!(
        r#"
daemon off; master_process off; worker_processes 1; pid {prefix}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    log_format short "$connection $connection_requests $server_protocol $status";
    access_log {prefix}/access.log short;
    client_body_temp_path {prefix}/tmp; proxy_temp_path {prefix}/tmp; fastcgi_temp_path {prefix}/tmp;
    uwsgi_temp_path {prefix}/tmp; scgi_temp_path {prefix}/tmp;
    gzip on; gzip_types text/plain; gzip_min_length 1;
    {http_block}
    server {{
        listen 127.0.0.1:{http};
        listen 127.0.0.1:{https} ssl http2;
        ssl_certificate {certificates}/server.pem;
        ssl_certificate_key {certificates}/server.key;
        root {prefix}/html;
        error_page 405 =200 $uri;
        location = /sink {{ alias {prefix}/html/hello.txt; mirror /unused; error_page 405 =200 @sunk; }}
        location = /unused {{ internal; return 204; }}
        location @sunk {{ return 200 "read\n"; }}
        {server_block}
    }}
}}
"#
    )
}
