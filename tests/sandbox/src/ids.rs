//! Names that are new each time, and the time.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// A number that no call before had.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// A mixed-up number of a number: ids that follow each other should not look alike.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^= mixed >> 29;
    mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

/// A UUID of version 4 by its form; unique in this process, not secret.
pub fn uuid() -> String {
    let number = fresh();
    let mixed = mix(number);
    let (a, b, c, d) = (mixed >> 32, mixed >> 16 & 0xffff, mixed & 0xfff, mixed >> 8 & 0xfff);
    format!("{a:08x}-{b:04x}-4{c:03x}-8{d:03x}-{number:012x}")
}

pub fn is_uuid4(text: &str) -> bool {
    let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| if hyphen(at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
        && text.as_bytes()[14] == b'4'
        && matches!(text.as_bytes()[19].to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b')
}

/// So many hexadecimal digits, new each time.
pub fn hex(digits: usize) -> String {
    let number = fresh();
    let mut text = format!("{number:08x}");
    let mut state = number;
    while text.len() < digits {
        state = mix(state.wrapping_add(1));
        // Writing to a string does not fail.
        let _ = write!(text, "{state:016x}");
    }
    text.truncate(digits);
    text
}

pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(i64::MAX)
}

pub fn unix_time() -> i64 {
    unix_ms() / 1000
}

/// A moment as RFC 3339 writes it, in UTC.
pub fn rfc3339(unix_ms: i64) -> String {
    let moment = time::OffsetDateTime::from_unix_timestamp(unix_ms / 1000).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (moment.year(), u8::from(moment.month()), moment.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", moment.hour(), moment.minute(), moment.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_of_ours_is_one() {
        assert!(is_uuid4(&uuid()) && uuid() != uuid());
        for bad in ["", "sandbox", "6f0b1291-c7f3-13c2-8d2f-000000000001", "6f0b1291-c7f3-43c2-cd2f-000000000001"] {
            assert!(!is_uuid4(bad), "{bad}");
        }
    }
}
