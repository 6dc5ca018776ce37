//! A server of Debian's, unpacked under target/ and run with a folder of its own on free loopback ports.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};

use tempfile::TempDir;

use super::port::Port;
use super::{PATIENCE, until};

/// A server under way; it ends, and its folder goes, when this does.
pub struct Server {
    child: Child,
    /// Its folder, for configuration and logs.
    pub folder: TempDir,
    _ports: Vec<Port>,
}

/// An empty folder that no other server uses.
pub fn folder(name: &str) -> TempDir {
    tempfile::Builder::new().prefix(&format!("aipool-{name}-")).tempdir().unwrap()
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
    /// Starts `command` and waits until each of `ports` listens. Its words go to `output.log` in `folder`.
    pub fn start(mut command: Command, folder: TempDir, ports: impl Into<Vec<Port>>) -> Server {
        let log = fs::File::create(folder.path().join("output.log")).unwrap();
        let (out, err) = (log.try_clone().unwrap(), log);
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        let ports = ports.into();
        let numbers: Vec<_> = ports.iter().map(|port| port.number).collect();
        let mut server = Server { child, folder, _ports: ports };
        for port in numbers {
            until(&format!("{command:?} listens on {port}"), || {
                let ended = server.child.try_wait().unwrap();
                assert!(ended.is_none(), "{command:?} {ended:?}: {}", server.output());
                TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
        }
        server
    }

    /// What it said so far.
    pub fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output.log")).unwrap_or_default()
    }

    /// Asks it to end, by a signal's shell name as an operator does, and waits for that.
    pub fn stop(&mut self, signal_name: &str) {
        signal(self.child.id(), signal_name);
        assert!(self.ends(), "had to be killed: {}", self.output());
    }

    /// Waits for its end; false where it had to be killed.
    fn ends(&mut self) -> bool {
        let (id, (tell, told)) = (self.child.id(), mpsc::channel());
        std::thread::scope(|scope| {
            scope.spawn(|| tell.send(self.child.wait()));
            let ended = told.recv_timeout(PATIENCE).is_ok();
            if !ended {
                signal(id, "KILL");
            }
            ended
        })
    }
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap();
    assert!(sent.success(), "kill -s {name}");
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked first: those of several processes end the others only then.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            signal(self.child.id(), "TERM");
            self.ends();
        }
    }
}
