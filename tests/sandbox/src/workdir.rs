//! The directory that receives the certificates.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A directory, removed again on drop if it was made for this run.
pub struct Workdir {
    path: PathBuf,
    temporary: bool,
}

impl Workdir {
    /// Opens `dir`, making it if need be, or makes a fresh one under the temp dir.
    pub fn open(dir: Option<&Path>) -> io::Result<Self> {
        match dir {
            Some(dir) => {
                fs::create_dir_all(dir)?;
                Ok(Self { path: fs::canonicalize(dir)?, temporary: false })
            }
            None => Self::temporary(),
        }
    }

    fn temporary() -> io::Result<Self> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let name = format!("aipool-sandbox-{}-{nanos}", std::process::id());
        let path = fs::canonicalize(std::env::temp_dir())?.join(name);
        // Fails if it exists, so nobody else can have put anything in it.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, temporary: true })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        if self.temporary {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
