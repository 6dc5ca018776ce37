//! What happened lately in this process: a ring of the last 1024 events, kept without being asked and read when something is odd.
//!
//! `read` gives lines of JSON, oldest first. Every line has `seq` (1, 2, 3 ...), `at` (microseconds since 1970), `pool` and
//! `connection` (numbers; 0 where there is none) and `event`. By `event`, the names are stable and may only grow:
//!
//! | event | further names |
//! |---|---|
//! | `connect` | `host` `port` `tls` `http2` `resumed` `proxied` `insecure` `dns_us` `connect_us` `tls_us` |
//! | `connect_failed` | `host` `port` `status` `detail` `phase` |
//! | `close` | `reason` `age_ms` `requests` |
//! | `goaway`, `suspect` | |
//! | `retry` | `reason` `attempt` `wait_ms` |
//! | `request` | `host` `status` `http_status` `attempts` `reused` `queue_us` `first_byte_us` `total_us` |
//! | `reload` | `ok` |
//!
//! `status`, `detail` and `phase` are the numbers of errors. A close's `reason` is one of `CloseReason::name`. Of all that is
//! sent only host names get here (a request's is the one it was asked for with, before any redirect): never paths, headers or bodies.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::lock::lock;
use crate::sys;

/// How many events are kept.
pub const KEPT: u64 = 1024;

/// How many a reader takes with the lock held.
const AT_ONCE: u64 = 32;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number in this process, from 1 on.
    pub seq: u64,
    /// Turned into microseconds when it is read: who records is in a hurry.
    pub at: SystemTime,
    pub pool: u64,
    pub connection: u64,
    pub kind: Kind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connection stands.
    Connect {
        host: Arc<str>,
        port: u16,
        tls: bool,
        http2: bool,
        resumed: bool,
        proxied: bool,
        /// Nobody checked the server's certificate.
        insecure: bool,
        dns_us: u64,
        connect_us: u64,
        tls_us: u64,
    },
    /// A connection was wanted and does not stand: the numbers of the error.
    ConnectFailed {
        host: Arc<str>,
        port: u16,
        status: i32,
        detail: i32,
        phase: i32,
    },
    Close {
        reason: CloseReason,
        age_ms: u64,
        requests: u64,
    },
    /// The server wants no more requests on a connection.
    GoAway,
    /// A request ran out of time on a connection, which gets no new one until something is read from it.
    Suspect,
    /// A request is to be sent again.
    Retry {
        reason: &'static str,
        attempt: u32,
        wait_ms: u64,
    },
    /// A request ended.
    Request {
        host: Arc<str>,
        /// The number of its error's class; 0 when it went well.
        status: i32,
        http_status: u16,
        attempts: u32,
        reused: bool,
        queue_us: u64,
        first_byte_us: u64,
        total_us: u64,
    },
    /// Certificates and roots were read again.
    Reload {
        ok: bool,
    },
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Unused for too long.
    Idle,
    /// As old as it may get.
    Lifetime,
    ServerClosed,
    GoAway,
    Error,
    /// Its request was given up midway.
    Cancelled,
    /// No session refers to its server any more.
    NoSession,
    PoolClosed,
    /// Found dead when it was wanted.
    Stale,
    /// Room was needed for another.
    Limit,
    Suspect,
    /// Answered before the whole request was sent, and not done with it soon after.
    NotReusable,
    /// Made with certificates or roots that are no more in force.
    Reloaded,
}

impl CloseReason {
    pub const COUNT: usize = 13;
    /// In the order of their numbers.
    pub const ALL: [CloseReason; CloseReason::COUNT] = [
        CloseReason::Idle,
        CloseReason::Lifetime,
        CloseReason::ServerClosed,
        CloseReason::GoAway,
        CloseReason::Error,
        CloseReason::Cancelled,
        CloseReason::NoSession,
        CloseReason::PoolClosed,
        CloseReason::Stale,
        CloseReason::Limit,
        CloseReason::Suspect,
        CloseReason::NotReusable,
        CloseReason::Reloaded,
    ];

    /// Its place in `ALL`.
    pub fn index(self) -> usize {
        self as usize
    }

    /// 1 and more: 0 is for none.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    pub fn from_number(number: u8) -> Option<CloseReason> {
        CloseReason::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// As events and metrics say it.
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::Idle => "idle",
            CloseReason::Lifetime => "lifetime",
            CloseReason::ServerClosed => "server_closed",
            CloseReason::GoAway => "goaway",
            CloseReason::Error => "error",
            CloseReason::Cancelled => "cancelled",
            CloseReason::NoSession => "no_session",
            CloseReason::PoolClosed => "pool_closed",
            CloseReason::Stale => "stale",
            CloseReason::Limit => "limit",
            CloseReason::Suspect => "suspect",
            CloseReason::NotReusable => "not_reusable",
            CloseReason::Reloaded => "reloaded",
        }
    }
}

/// What a reader got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whole lines of JSON, each with its line feed.
    pub lines: String,
    /// What to give as `after_seq` the next time.
    pub next_seq: u64,
    /// Events that were overwritten before this reader came.
    pub lost: u64,
}

/// Puts an event into this process's ring.
pub fn record(pool: u64, connection: u64, kind: Kind) {
    sys::process_state::<Ring>().record(SystemTime::now(), pool, connection, kind);
}

/// The events after number `after_seq` (0: all that are kept), as many as fit `cap` bytes. Of a number that is yet to come, which a
/// forked child's reader may have from its parent, it reads from the start.
pub fn read(after_seq: u64, cap: usize) -> Reading {
    sys::process_state::<Ring>().read(after_seq, cap)
}

#[derive(Default)]
struct Ring(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// Event `seq` is at `(seq - 1) % KEPT`.
    slots: Vec<Event>,
    last: u64,
}

impl Ring {
    fn record(&self, at: SystemTime, pool: u64, connection: u64, kind: Kind) {
        let mut entries = lock(&self.0);
        entries.last += 1;
        let seq = entries.last;
        let index = ((seq - 1) % KEPT) as usize;
        if let Some(slot) = entries.slots.get_mut(index) {
            (slot.seq, slot.at, slot.pool, slot.connection) = (seq, at, pool, connection);
            let overwritten = std::mem::replace(&mut slot.kind, kind);
            drop(entries);
            // Freed without the lock.
            drop(overwritten);
        } else {
            entries.slots.reserve_exact(KEPT as usize - index);
            entries.slots.push(Event { seq, at, pool, connection, kind });
        }
    }

    fn read(&self, after_seq: u64, cap: usize) -> Reading {
        let mut reading = Reading { next_seq: after_seq, ..Reading::default() };
        loop {
            let events = self.copy(&mut reading);
            if events.is_empty() {
                return reading;
            }
            for event in events {
                let before = reading.lines.len();
                event.write(&mut reading.lines);
                if reading.lines.len() > cap {
                    reading.lines.truncate(before);
                    return reading;
                }
                reading.next_seq = event.seq;
            }
        }
    }

    /// The next events after `reading`; those that are gone are counted as lost.
    fn copy(&self, reading: &mut Reading) -> Vec<Event> {
        let entries = lock(&self.0);
        if reading.next_seq > entries.last {
            reading.next_seq = 0;
        }
        let gone = entries.last.saturating_sub(KEPT);
        reading.lost += gone.saturating_sub(reading.next_seq);
        reading.next_seq = reading.next_seq.max(gone);
        let until = entries.last.min(reading.next_seq + AT_ONCE);
        (reading.next_seq..until).filter_map(|seq| entries.slots.get((seq % KEPT) as usize).cloned()).collect()
    }
}

impl Event {
    fn write(&self, out: &mut String) {
        let mut line = Line(out);
        line.0.push_str("{\"seq\":");
        line.digits(self.seq)
            .number("at", self.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros()))
            .number("pool", self.pool)
            .number("connection", self.connection)
            .text("event", self.kind.name());
        self.kind.write(&mut line);
        line.0.push_str("}\n");
    }
}

impl Kind {
    fn write(&self, line: &mut Line<'_>) {
        match self {
            Kind::GoAway | Kind::Suspect => line,
            Kind::Connect { host, port, tls, http2, resumed, proxied, insecure, dns_us, connect_us, tls_us } => line
                .text("host", host)
                .number("port", port)
                .flag("tls", *tls)
                .flag("http2", *http2)
                .flag("resumed", *resumed)
                .flag("proxied", *proxied)
                .flag("insecure", *insecure)
                .number("dns_us", dns_us)
                .number("connect_us", connect_us)
                .number("tls_us", tls_us),
            Kind::ConnectFailed { host, port, status, detail, phase } => line
                .text("host", host)
                .number("port", port)
                .number("status", status)
                .number("detail", detail)
                .number("phase", phase),
            Kind::Close { reason, age_ms, requests } => {
                line.text("reason", reason.name()).number("age_ms", age_ms).number("requests", requests)
            }
            Kind::Retry { reason, attempt, wait_ms } => {
                line.text("reason", reason).number("attempt", attempt).number("wait_ms", wait_ms)
            }
            Kind::Request { host, status, http_status, attempts, reused, queue_us, first_byte_us, total_us } => line
                .text("host", host)
                .number("status", status)
                .number("http_status", http_status)
                .number("attempts", attempts)
                .flag("reused", *reused)
                .number("queue_us", queue_us)
                .number("first_byte_us", first_byte_us)
                .number("total_us", total_us),
            Kind::Reload { ok } => line.flag("ok", *ok),
        };
    }

    fn name(&self) -> &'static str {
        match self {
            Kind::Connect { .. } => "connect",
            Kind::ConnectFailed { .. } => "connect_failed",
            Kind::Close { .. } => "close",
            Kind::GoAway => "goaway",
            Kind::Suspect => "suspect",
            Kind::Retry { .. } => "retry",
            Kind::Request { .. } => "request",
            Kind::Reload { .. } => "reload",
        }
    }
}

/// One JSON object being written, its first pair in it already.
struct Line<'a>(&'a mut String);

impl Line<'_> {
    fn name(&mut self, name: &str) -> &mut Self {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
        self
    }

    fn digits(&mut self, value: impl std::fmt::Display) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{value}");
        self
    }

    fn number(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        self.name(name).digits(value)
    }

    fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name).digits(value)
    }

    fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name).0.push('"');
        for char in value.chars() {
            match char {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                control if control < ' ' => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(control));
                }
                other => self.0.push(other),
            }
        }
        self.0.push('"');
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn reload(ring: &Ring, times: u64) {
        (0..times).for_each(|_| ring.record(UNIX_EPOCH, 1, 2, Kind::Reload { ok: true }));
    }

    fn seqs(lines: &str) -> Vec<u64> {
        let seq = |line: &str| line.strip_prefix("{\"seq\":")?.split(',').next()?.parse().ok();
        lines.lines().map(|line| seq(line).unwrap()).collect()
    }

    #[test]
    fn events_are_read_once_and_in_order() {
        let ring = Ring::default();
        reload(&ring, 3);
        let first = ring.read(0, usize::MAX);
        assert_eq!((seqs(&first.lines), first.next_seq, first.lost), (vec![1, 2, 3], 3, 0));
        assert_eq!(ring.read(3, usize::MAX), Reading { next_seq: 3, ..Reading::default() });
        reload(&ring, 100);
        assert_eq!(seqs(&ring.read(3, usize::MAX).lines), (4..=103).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_overwritten_is_counted_as_lost() {
        let ring = Ring::default();
        reload(&ring, KEPT);
        assert_eq!(ring.read(0, usize::MAX).lost, 0);
        reload(&ring, 10);
        let reading = ring.read(5, usize::MAX);
        assert_eq!((reading.lost, reading.next_seq), (5, KEPT + 10));
        assert_eq!(seqs(&reading.lines), (11..=KEPT + 10).collect::<Vec<_>>());
        assert_eq!(ring.0.lock().unwrap().slots.capacity() as u64, KEPT);
    }

    #[test]
    fn only_whole_lines_that_fit_are_read() {
        let ring = Ring::default();
        reload(&ring, 4);
        let all = ring.read(0, usize::MAX).lines;
        let line = all.len() / 4;
        for (cap, lines) in [(line - 1, 0), (line, 1), (line * 2 + 1, 2), (line * 4, 4)] {
            let reading = ring.read(0, cap);
            assert_eq!((reading.lines.len(), reading.next_seq), (line * lines, lines as u64));
        }
    }

    #[test]
    fn a_reader_of_another_process_starts_anew() {
        let ring = Ring::default();
        reload(&ring, 2);
        assert_eq!(seqs(&ring.read(900, usize::MAX).lines), [1, 2]);
    }

    #[test]
    fn every_kind_is_a_line_of_json_with_the_names_promised() {
        let host: Arc<str> = "api.example.com".into();
        let kinds = [
            Kind::Connect {
                host: host.clone(),
                port: 443,
                tls: true,
                http2: true,
                resumed: false,
                proxied: false,
                insecure: false,
                dns_us: 1,
                connect_us: 2,
                tls_us: 3,
            },
            Kind::ConnectFailed { host: host.clone(), port: 80, status: 31, detail: 0, phase: 3 },
            Kind::Close { reason: CloseReason::NotReusable, age_ms: 5, requests: 9 },
            Kind::GoAway,
            Kind::Suspect,
            Kind::Retry { reason: "not_sent", attempt: 1, wait_ms: 250 },
            Kind::Request {
                host,
                status: 0,
                http_status: 200,
                attempts: 1,
                reused: true,
                queue_us: 0,
                first_byte_us: 4,
                total_us: 5,
            },
            Kind::Reload { ok: false },
        ];
        let ring = Ring::default();
        for kind in kinds {
            ring.record(UNIX_EPOCH + Duration::from_secs(1_700_000_000), 1, 2, kind);
        }
        let expected = "\
{'seq':1,'at':1700000000000000,'pool':1,'connection':2,'event':'connect','host':'api.example.com','port':443,'tls':true,\
'http2':true,'resumed':false,'proxied':false,'insecure':false,'dns_us':1,'connect_us':2,'tls_us':3}
{'seq':2,'at':1700000000000000,'pool':1,'connection':2,'event':'connect_failed','host':'api.example.com','port':80,\
'status':31,'detail':0,'phase':3}
{'seq':3,'at':1700000000000000,'pool':1,'connection':2,'event':'close','reason':'not_reusable','age_ms':5,'requests':9}
{'seq':4,'at':1700000000000000,'pool':1,'connection':2,'event':'goaway'}
{'seq':5,'at':1700000000000000,'pool':1,'connection':2,'event':'suspect'}
{'seq':6,'at':1700000000000000,'pool':1,'connection':2,'event':'retry','reason':'not_sent','attempt':1,'wait_ms':250}
{'seq':7,'at':1700000000000000,'pool':1,'connection':2,'event':'request','host':'api.example.com','status':0,\
'http_status':200,'attempts':1,'reused':true,'queue_us':0,'first_byte_us':4,'total_us':5}
{'seq':8,'at':1700000000000000,'pool':1,'connection':2,'event':'reload','ok':false}
";
        assert_eq!(ring.read(0, usize::MAX).lines, expected.replace('\'', "\""));
    }

    #[test]
    fn strings_are_escaped() {
        let mut out = String::new();
        Line(&mut out).text("host", "a\"b\\c\nd\u{1}é");
        assert_eq!(out, ",\"host\":\"a\\\"b\\\\c\\u000ad\\u0001é\"");
    }

    #[test]
    fn threads_record_without_losing_any() {
        let ring = Ring::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| reload(&ring, 200));
            }
        });
        assert_eq!(seqs(&ring.read(0, usize::MAX).lines), (1..=800).collect::<Vec<_>>());
    }

    #[test]
    fn the_process_has_one_ring() {
        record(42, 43, Kind::Suspect);
        let mut after = 0;
        let found = loop {
            let reading = read(after, 4096);
            if reading.lines.contains("\"pool\":42,\"connection\":43,\"event\":\"suspect\"") {
                break true;
            }
            if reading.next_seq == after {
                break false;
            }
            after = reading.next_seq;
        };
        assert!(found);
    }
}
