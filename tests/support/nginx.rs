//! A real nginx, unpacked under target/ and run with a prefix of its own on free loopback ports.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct Nginx {
    child: Child,
    prefix: PathBuf,
    pub http: String,
    pub https: String,
}

impl Nginx {
    /// Starts nginx with the sandbox's certificate; `extra` goes into its http block.
    pub fn start(extra: &str) -> Nginx {
        let root = super::root();
        let binary = root.join("target/servers/nginx/usr/sbin/nginx");
        if !binary.exists() {
            let fetched = Command::new(root.join("scripts/fetch-servers")).arg("nginx").status().unwrap();
            assert!(fetched.success(), "scripts/fetch-servers nginx");
        }
        let prefix = std::env::temp_dir().join(super::unique("aipool-nginx"));
        fs::create_dir_all(prefix.join("html")).unwrap();
        fs::create_dir_all(prefix.join("tmp")).unwrap();
        fs::write(prefix.join("html/hello.txt"), "hello from nginx\n").unwrap();
        let [http, https] = free_ports();
        let certificates = super::sandbox().ca_pem.parent().unwrap();
        fs::write(prefix.join("nginx.conf"), config(&prefix, certificates, http, https, extra)).unwrap();
        let child = Command::new(binary)
            .arg("-p")
            .arg(&prefix)
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Nginx {
            child,
            prefix,
            http: format!("http://127.0.0.1:{http}"),
            https: format!("https://localhost:{https}"),
        };
        nginx.wait_until_it_listens(https);
        nginx
    }

    /// The first `count` requests it answered, a line each: connection serial number, requests on it, protocol, status.
    /// Waits for them: nginx writes the line after the answer.
    pub fn access_log(&self, count: usize) -> Vec<String> {
        let begun = std::time::Instant::now();
        loop {
            let log = fs::read_to_string(self.prefix.join("access.log")).unwrap_or_default();
            if log.lines().count() >= count {
                return log.lines().map(str::to_owned).collect();
            }
            assert!(begun.elapsed().as_secs() < 10, "{count} lines: {log}");
            std::thread::yield_now();
        }
    }

    fn wait_until_it_listens(&self, port: u16) {
        let begun = std::time::Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed().as_secs() < 10, "{}", fs::read_to_string(self.prefix.join("error.log")).unwrap());
            std::thread::yield_now();
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.prefix);
    }
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn config(prefix: &Path, certificates: &Path, http: u16, https: u16, extra: &str) -> String {
    let prefix = prefix.display();
    let certificates = certificates.display();
    format!(
        r#"
daemon off; master_process off; worker_processes 1; pid {prefix}/nginx.pid;
events {{ worker_connections 512; }}
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
    }}
}}
"#
    )
}
