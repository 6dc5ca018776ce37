//! A peer in this process, on a port of loopback: it keeps the head of each request and answers with the bytes it was told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Peer {
    url: String,
    said: Arc<Mutex<Said>>,
}

/// What it is to answer, and what it saw.
#[derive(Default)]
struct Said {
    answer: Vec<u8>,
    seen: Vec<u8>,
}

impl Peer {
    pub fn open() -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let said = Arc::new(Mutex::new(Said::default()));
        let peer = Peer { url, said: said.clone() };
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let _ = serve(connection, &said);
            }
        });
        peer
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn answers(&self, answer: Vec<u8>) {
        self.said.lock().unwrap().answer = answer;
    }

    /// The head of the last request.
    pub fn saw(&self) -> Vec<u8> {
        std::mem::take(&mut self.said.lock().unwrap().seen)
    }
}

fn serve(mut connection: TcpStream, said: &Mutex<Said>) -> std::io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut room = [0; 1 << 14];
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read(&mut room)? {
            0 => return Ok(()),
            more => head.extend(&room[..more]),
        }
    }
    let mut said = said.lock().unwrap();
    said.seen = head;
    connection.write_all(&said.answer)
}
