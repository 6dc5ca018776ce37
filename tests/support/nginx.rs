//! A real nginx with the sandbox's certificate, and an access log for counting what it really served.

use std::fs;
use std::path::Path;

use super::port::Port;
use super::server::{self, Server};

pub struct Nginx {
    server: Server,
    pub http: String,
    pub https: String,
}

impl Nginx {
    /// Starts nginx; `extra` goes into its http block.
    pub fn start(extra: &str) -> Nginx {
        let folder = server::folder("nginx");
        let path = folder.path();
        fs::create_dir_all(path.join("html")).unwrap();
        fs::create_dir_all(path.join("tmp")).unwrap();
        fs::write(path.join("html/hello.txt"), "hello from nginx\n").unwrap();
        let [http, https] = [(); 2].map(|()| Port::reserve());
        fs::write(path.join("nginx.conf"), config(path, [http.number, https.number], extra)).unwrap();
        let mut command = server::command("nginx", "usr/sbin/nginx");
        command.arg("-p").arg(path).args(["-c", "nginx.conf", "-e", "error.log"]);
        Nginx { http: http.http(), https: https.https(), server: Server::start(command, folder, [http, https]) }
    }

    /// The requests it answered in its life, a line each: connection serial number, requests on it, protocol, status.
    pub fn access_log(mut self) -> Vec<String> {
        // nginx writes a line after its answer: only at its end they are all there.
        self.server.stop("QUIT");
        let log = fs::read_to_string(self.server.folder.path().join("access.log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }
}

/// `/hello.txt` is a file, for POST too. `/sink` reads a POST's body whole, which mirroring forces, and answers 200.
fn config(folder: &Path, [http, https]: [u16; 2], extra: &str) -> String {
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
    {extra}
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
    }}
}}
"#
    )
}
