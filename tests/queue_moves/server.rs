//! A server in this process: /small, /large, and /held, which is answered with a head alone.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::OnceLock;

pub const LARGE: usize = 100_000;

/// Its base URL.
pub fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                std::thread::spawn(move || drop(serve(&connection)));
            }
        });
        url
    })
}

fn serve(connection: &TcpStream) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let (mut lines, mut out) = (BufReader::new(connection).lines(), connection);
    while let Some(request) = lines.next().transpose()? {
        while lines.next().transpose()?.is_some_and(|header| !header.is_empty()) {}
        let (there, length) = match request.split(' ').nth(1) {
            Some("/large") => (LARGE, LARGE),
            Some("/held") => (0, 1),
            _ => (5, 5),
        };
        out.write_all(
            &[format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes(), &vec![b'a'; there]].concat(),
        )?;
    }
    Ok(())
}
