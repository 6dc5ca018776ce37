//! Ports of loopback that are the test's though nobody listens there.

use std::net::Ipv4Addr;

use socket2::{Domain, Socket, Type};

/// A port that refuses who connects and is given to nobody who asks for a free one, as long as this lives.
pub struct Port {
    pub number: u16,
    /// Bound, and never listening.
    _socket: Socket,
}

impl Port {
    pub fn reserve() -> Port {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Servers set it too, and so may bind over this.
        socket.set_reuse_address(true).unwrap();
        socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Port { number: socket.local_addr().unwrap().as_socket().unwrap().port(), _socket: socket }
    }

    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.number)
    }

    pub fn https(&self) -> String {
        format!("https://localhost:{}", self.number)
    }
}
