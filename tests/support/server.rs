//! A server of Debian's, unpacked under target/ and run with a folder of its own on free loopback ports.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long any wait of the tests' servers may take before it fails its test.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A server under way; it ends, and its folder goes, when this does.
pub struct Server {
    child: Child,
    /// Its folder, for configuration and logs.
    pub folder: PathBuf,
}

/// An empty folder that no other server uses.
pub fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(super::unique(&format!("aipool-{name}")));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Ports where nobody listens just now.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// The folder of the sandbox's certificates: server.pem and server.key.
pub fn certificates() -> PathBuf {
    super::sandbox().ca_pem.parent().unwrap().to_owned()
}

/// `binary` of Debian's `package`, fetched when it is not here yet, with the libraries that came along.
pub fn command(package: &str, binary: &str) -> Command {
    // One fetch at a time in this process; the script itself stands several processes.
    static FETCHING: Mutex<()> = Mutex::new(());
    let unpacked = super::root().join("target/servers").join(package);
    let fetching = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    if !unpacked.join(".unpacked").exists() {
        let fetched = Command::new(super::root().join("scripts/fetch-servers")).arg(package).status().unwrap();
        assert!(fetched.success(), "scripts/fetch-servers {package}");
    }
    drop(fetching);
    let mut command = Command::new(unpacked.join(binary));
    command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries(&unpacked)).unwrap());
    command
}

/// The unpacked library folders, each named after the machine's kind.
fn libraries(unpacked: &Path) -> Vec<PathBuf> {
    let parents = ["usr/lib", "lib"].map(|lib| unpacked.join(lib));
    let entries = parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.to_string_lossy().ends_with("-linux-gnu")).collect()
}

impl Server {
    /// Starts `command` and waits until `port` listens. Its words go to `output.log` in `folder`.
    pub fn start(mut command: Command, folder: PathBuf, port: u16) -> Server {
        let log = fs::File::create(folder.join("output.log")).unwrap();
        let (out, err) = (log.try_clone().unwrap(), log);
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        let mut server = Server { child, folder };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{command:?} {ended:?}: {}", server.output());
            std::thread::yield_now();
        }
        server
    }

    /// What it said so far.
    pub fn output(&self) -> String {
        fs::read_to_string(self.folder.join("output.log")).unwrap_or_default()
    }

    /// Sends it a signal by its shell name, as an operator does.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}");
    }

    /// Waits for its end, after a signal that asks for it.
    pub fn wait_ended(&mut self) {
        assert!(self.ends(), "still runs: {}", self.output());
    }

    fn ends(&mut self) -> bool {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if begun.elapsed() >= PATIENCE {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Those of several processes end the others only when they are asked.
        let running = self.child.try_wait().is_ok_and(|ended| ended.is_none());
        if running {
            self.signal("TERM");
        }
        if !running || !self.ends() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
