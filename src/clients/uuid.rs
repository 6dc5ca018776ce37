//! Random names of requests.

use std::fmt::Write;

use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Error, Result, Status};

/// A UUID of version 4 (RFC 9562). From the system's randomness: a generator of ours would repeat itself in a forked child.
pub fn v4() -> Result<String> {
    let mut bytes = [0; 16];
    let none = |_| Error::new(Status::System, "uuid: the system gives no random bytes");
    SystemRandom::new().fill(&mut bytes).map_err(none)?;
    Ok(spelt(bytes))
}

fn spelt(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut out = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_form_of_version_4() {
        assert_eq!(spelt([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(spelt([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(v4().unwrap(), v4().unwrap());
    }
}
