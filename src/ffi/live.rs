//! The leak report in C: which handles are live, by kind and age.

use std::ffi::c_char;
use std::fmt::Write as _;
use std::time::Duration;

use super::args;
use super::cancel::aip_cancel;
use super::client::aip_client;
use super::guard::guard;
use super::handle::{self, Kind};
use super::pool::aip_pool;
use super::queue::aip_queue;
use super::response::aip_response;
use super::session::aip_session;
use super::status::aip_error;
use super::upload::aip_upload;
use crate::cancel::Cancel;

/// Copies a report of this process's live handles, for finding what nobody frees: a line of JSON for each kind that has any,
/// not NUL-terminated, such as
/// {"kind":"response","live":3,"oldest_ms":61234,"under_1s":1,"under_10s":0,"under_1min":1,"under_10min":1,"under_1h":0,"older":0}
/// Kinds: pool, session (leases included), response, cancel, queue, upload, client. No handles: no lines. A kind whose `live`
/// grows while `older` does is leaked. `*needed` (may be NULL) is always set to the size; too small a `cap` is
/// AIP_INVALID_ARGUMENT and writes nothing more; 2048 bytes are enough. It looks at every handle: for a look, not for each
/// request. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_live_handles(
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        unsafe { args::out_bytes(report().as_bytes(), buf.cast(), cap, needed) }
    })
}

/// Upper bounds of the ages that are counted apart.
const AGES: [(&str, Duration); 5] = [
    ("under_1s", Duration::from_secs(1)),
    ("under_10s", Duration::from_secs(10)),
    ("under_1min", Duration::from_secs(60)),
    ("under_10min", Duration::from_secs(600)),
    ("under_1h", Duration::from_secs(3600)),
];

/// The live handles of one kind.
struct Census {
    kind: u64,
    name: &'static str,
    live: u64,
    oldest: Duration,
    by_age: [u64; AGES.len() + 1],
}

impl Census {
    fn of<H: Kind>() -> Census {
        Census { kind: H::KIND, name: H::NAME, live: 0, oldest: Duration::ZERO, by_age: [0; AGES.len() + 1] }
    }

    fn count(&mut self, age: Duration) {
        self.live += 1;
        self.oldest = self.oldest.max(age);
        let younger = AGES.iter().position(|(_, bound)| age < *bound);
        self.by_age[younger.unwrap_or(AGES.len())] += 1;
    }

    fn write(&self, text: &mut String) {
        let (name, live, oldest) = (self.name, self.live, self.oldest.as_millis());
        let _ = write!(text, r#"{{"kind":"{name}","live":{live},"oldest_ms":{oldest}"#);
        let bounds = AGES.iter().map(|(bound, _)| *bound).chain(["older"]);
        for (bound, count) in bounds.zip(self.by_age) {
            let _ = write!(text, r#","{bound}":{count}"#);
        }
        text.push_str("}\n");
    }
}

fn report() -> String {
    let mut kinds = [
        Census::of::<aip_pool>(),
        Census::of::<aip_session>(),
        Census::of::<aip_response>(),
        Census::of::<aip_queue>(),
        Census::of::<aip_upload>(),
        Census::of::<aip_client>(),
    ];
    handle::for_each_live(|kind, age| {
        if let Some(census) = kinds.iter_mut().find(|census| census.kind == kind) {
            census.count(age);
        }
    });
    let mut cancels = Census::of::<aip_cancel>();
    Cancel::for_each_live(|age| cancels.count(age));
    let mut text = String::new();
    for census in kinds.iter().chain([&cancels]).filter(|census| census.live > 0) {
        census.write(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_each_handle_once_by_its_age() {
        let mut census = Census::of::<aip_session>();
        for seconds in [0, 1, 59, 60, 600, 3599, 3600, 1_000_000] {
            census.count(Duration::from_secs(seconds));
        }
        let mut line = String::new();
        census.write(&mut line);
        assert_eq!(
            line,
            "{\"kind\":\"session\",\"live\":8,\"oldest_ms\":1000000000,\"under_1s\":1,\"under_10s\":1,\"under_1min\":1,\
             \"under_10min\":1,\"under_1h\":2,\"older\":2}\n"
        );
        assert!(line.len() < 2048 / 7);
    }
}
