//! The secrets of connections, written to a file the user named, for a packet capture.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;

use rustls::KeyLog;

use super::given::unusable;
use crate::error::{Error, Result};
use crate::sys;

/// Lines in the NSS format, which Wireshark reads.
#[derive(Debug)]
pub struct KeyLogFile(File);

impl KeyLogFile {
    /// Opens the file to append to it, and makes it for its owner's eyes if there is none.
    pub fn open(file: &str) -> Result<Self> {
        // A pipe without a reader would block.
        if std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::invalid("key_log_file", format_args!("{file} is no regular file")));
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(file).map(KeyLogFile).map_err(|error| unusable("key_log_file", "open", file, &error))
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut line = format!("{label} ");
        hex(&mut line, client_random);
        line.push(' ');
        hex(&mut line, secret);
        line.push('\n');
        // One append is one line, whoever else writes. A full disk costs the log, not the connection, and no limit the process.
        let _quiet = sys::NoSignal::of_files();
        let _ = (&self.0).write_all(line.as_bytes());
    }
}

fn hex(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(line, "{byte:02x}");
    }
}
