//! Numbers as Prometheus reads them: text format 0.0.4, and a small histogram to count times in.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a family's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    Gauge,
    /// Its samples are `Value::Histogram`.
    Histogram,
}

/// Numbers of one name.
#[derive(Clone, Debug)]
pub struct Family {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub samples: Vec<Sample>,
}

/// One number of a family, told from its others by labels.
#[derive(Clone, Debug)]
pub struct Sample {
    pub labels: Vec<(&'static str, String)>,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    Integer(u64),
    Histogram(Counts),
}

impl Family {
    pub fn new(name: &'static str, help: &'static str, kind: Kind) -> Self {
        Family { name, help, kind, samples: Vec::new() }
    }

    /// This family and one more sample.
    #[must_use]
    pub fn with(mut self, labels: &[(&'static str, &str)], value: Value) -> Self {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.samples.push(Sample { labels, value });
        self
    }

    /// This family with one sample and no label.
    #[must_use]
    pub fn integer(self, value: u64) -> Self {
        self.with(&[], Value::Integer(value))
    }
}

/// The text of the families: by name, their samples by labels, so that two scrapes differ only where numbers do.
pub fn text(families: &[Family]) -> String {
    let mut order: Vec<&Family> = families.iter().collect();
    order.sort_by_key(|family| family.name);
    let mut out = String::new();
    for family in order {
        write_family(&mut out, family);
    }
    out
}

fn write_family(out: &mut String, family: &Family) {
    let Family { name, help, kind, samples } = family;
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", help.replace('\\', "\\\\").replace('\n', "\\n"));
    let mut order: Vec<&Sample> = samples.iter().collect();
    order.sort_by(|one, other| one.labels.cmp(&other.labels));
    for Sample { labels, value } in order {
        match value {
            Value::Integer(value) => write_line(out, name, "", labels, None, value),
            Value::Histogram(counts) => write_histogram(out, name, labels, counts),
        }
    }
}

fn write_histogram(out: &mut String, name: &str, labels: &[(&'static str, String)], counts: &Counts) {
    let mut so_far = 0;
    for (bound, count) in BOUNDS_MS.iter().map(Some).chain([None]).zip(counts.buckets) {
        so_far += count;
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| seconds(u64::from(*bound) * 1000));
        write_line(out, name, "_bucket", labels, Some(&bound), so_far);
    }
    write_line(out, name, "_sum", labels, None, seconds(counts.sum_us));
    write_line(out, name, "_count", labels, None, so_far);
}

fn write_line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &[(&'static str, String)],
    bound: Option<&str>,
    value: impl std::fmt::Display,
) {
    let _ = write!(out, "{name}{suffix}");
    let all = labels.iter().map(|(name, value)| (*name, value.as_str())).chain(bound.map(|bound| ("le", bound)));
    for (at, (name, value)) in all.enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{}{name}=\"{value}\"", if at == 0 { '{' } else { ',' });
    }
    let end = if labels.is_empty() && bound.is_none() { "" } else { "}" };
    let _ = writeln!(out, "{end} {value}");
}

/// Microseconds as exact seconds, which a float would not always be.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Upper bounds: from a warm hit to a long thought.
pub const BOUNDS_MS: [u32; 15] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 120_000];

/// How many times were how long. Counting is two additions.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

/// When the parts of AI answers were read.
#[derive(Debug, Default)]
pub struct TokenTimes {
    /// From the call to the first part.
    pub first: Histogram,
    /// From one part to the next.
    pub between: Histogram,
}

/// A histogram's numbers at one moment: its count is that of its buckets, so a scrape never contradicts itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By the first bound that is not below; the last for what is above all.
    pub buckets: [u64; BOUNDS_MS.len() + 1],
    pub sum_us: u64,
}

impl Histogram {
    pub fn count(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MS.partition_point(|bound| u64::from(*bound) * 1000 < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn counts(&self) -> Counts {
        let buckets = std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed));
        Counts { buckets, sum_us: self.sum_us.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Labels = BTreeMap<String, String>;

    /// What a strict reader of the format finds: families by name, each with its type, help and samples in order.
    #[derive(Default)]
    struct Parsed {
        kind: String,
        help: String,
        samples: Vec<(String, Labels, f64)>,
    }

    fn parse(text: &str) -> BTreeMap<String, Parsed> {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line ends, too");
        let mut families: BTreeMap<String, Parsed> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                current = name.to_owned();
                let family = Parsed { help: unescape(help, false), ..Parsed::default() };
                assert!(families.insert(current.clone(), family).is_none(), "{name} twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, current, "TYPE follows its HELP");
                assert!(matches!(kind, "counter" | "gauge" | "histogram"));
                families.get_mut(name).unwrap().kind = kind.to_owned();
            } else {
                let (name, labels, value) = parse_sample(line);
                let family = families.get_mut(&current).unwrap();
                let suffix = name.strip_prefix(&current).unwrap();
                let plain = family.kind != "histogram" && suffix.is_empty();
                assert!(plain || (family.kind == "histogram" && matches!(suffix, "_bucket" | "_sum" | "_count")));
                assert!(!family.samples.iter().any(|(its, other, _)| *its == name && *other == labels), "{line} twice");
                family.samples.push((name, labels, value));
            }
        }
        families.values().for_each(check_histogram);
        families
    }

    fn parse_sample(line: &str) -> (String, Labels, f64) {
        let end = line.find(['{', ' ']).unwrap();
        let (name, mut rest) = line.split_at(end);
        let named = |name: &str| {
            let start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            start && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        assert!(named(name), "{line}");
        let mut labels = Labels::new();
        if let Some(mut inside) = rest.strip_prefix('{') {
            loop {
                let (label, after) = inside.split_once("=\"").unwrap();
                assert!(named(label), "{line}");
                let bytes = after.as_bytes();
                let close = (0..bytes.len()).find(|at| {
                    let escapes = bytes[..*at].iter().rev().take_while(|byte| **byte == b'\\').count();
                    bytes[*at] == b'"' && escapes % 2 == 0
                });
                let (value, after) = after.split_at(close.unwrap());
                assert!(labels.insert(label.to_owned(), unescape(value, true)).is_none(), "{line}");
                let Some(more) = after[1..].strip_prefix(',') else {
                    rest = after[1..].strip_prefix('}').unwrap();
                    break;
                };
                inside = more;
            }
        }
        let value = rest.strip_prefix(' ').unwrap();
        assert!(!value.contains(' '));
        (name.to_owned(), labels, value.replace("+Inf", "inf").parse().unwrap())
    }

    fn unescape(text: &str, quotes: bool) -> String {
        let mut chars = text.chars();
        let mut out = String::new();
        while let Some(char) = chars.next() {
            out.push(match char {
                '\\' => match chars.next().unwrap() {
                    'n' => '\n',
                    '\\' => '\\',
                    '"' if quotes => '"',
                    other => panic!("\\{other} is no escape"),
                },
                other => other,
            });
        }
        out
    }

    /// Bounds rise, counts do not fall, the last bound is infinite and as many as `_count`.
    fn check_histogram(family: &Parsed) {
        let mut last: BTreeMap<Labels, (f64, f64)> = BTreeMap::new();
        for (name, labels, value) in family.samples.iter().filter(|_| family.kind == "histogram") {
            let mut labels = labels.clone();
            if let Some(bound) = labels.remove("le") {
                assert!(name.ends_with("_bucket"));
                let bound: f64 = bound.replace("+Inf", "inf").parse().unwrap();
                if let Some((before, count)) = last.insert(labels, (bound, *value)) {
                    assert!(before < bound && count <= *value);
                }
            } else if name.ends_with("_count") {
                assert_eq!(last[&labels], (f64::INFINITY, *value));
            }
        }
    }

    #[test]
    fn families_are_read_back_by_a_strict_parser() {
        let odd = "quote \" backslash \\ line\nend";
        let families = [
            Family::new("aipool_requests_total", "Requests that ended.", Kind::Counter)
                .with(&[("host", odd), ("status", "ok")], Value::Integer(u64::MAX))
                .with(&[("host", "a")], Value::Integer(0)),
            Family::new("aipool_idle", "Idle \\ connections\nnow.", Kind::Gauge).integer(3),
        ];
        let parsed = parse(&text(&families));
        assert_eq!(parsed.keys().collect::<Vec<_>>(), ["aipool_idle", "aipool_requests_total"]);
        let idle = &parsed["aipool_idle"];
        assert_eq!((idle.kind.as_str(), idle.help.as_str()), ("gauge", "Idle \\ connections\nnow."));
        assert_eq!(idle.samples, [("aipool_idle".to_owned(), Labels::new(), 3.0)]);
        let requests = &parsed["aipool_requests_total"].samples;
        assert_eq!(requests[0].1["host"], "a");
        assert_eq!(requests[1].1["host"], odd);
    }

    #[test]
    fn integers_are_written_whole() {
        let family = Family::new("x_total", "X.", Kind::Counter).integer(u64::MAX);
        assert_eq!(text(&[family]), format!("# HELP x_total X.\n# TYPE x_total counter\nx_total {}\n", u64::MAX));
    }

    #[test]
    fn the_order_is_that_of_names_and_labels_not_of_arrival() {
        let family = |name, labels: &[&str]| {
            let empty = Family::new(name, "H.", Kind::Gauge);
            labels.iter().fold(empty, |family, label| family.with(&[("l", label)], Value::Integer(1)))
        };
        let one = text(&[family("b", &["2", "1"]), family("a", &[])]);
        assert_eq!(one, text(&[family("a", &[]), family("b", &["1", "2"])]));
        assert!(one.starts_with("# HELP a "));
    }

    #[test]
    fn a_histogram_counts_each_time_below_its_bound() {
        let histogram = Histogram::default();
        let times = [0, 1000, 1001, 2_500_000, 2_500_001, 900_000_000];
        for micros in times {
            histogram.count(Duration::from_micros(micros));
        }
        let family = Family::new("wait_seconds", "Waits.", Kind::Histogram)
            .with(&[("host", "h")], Value::Histogram(histogram.counts()));
        let parsed = parse(&text(&[family]));
        let samples = &parsed["wait_seconds"].samples;
        let bucket = |bound: &str| samples.iter().find(|(_, labels, _)| labels.get("le").is_some_and(|le| le == bound));
        let expected =
            [("0.001", 2.0), ("0.002", 3.0), ("1", 3.0), ("2.5", 4.0), ("5", 5.0), ("120", 5.0), ("+Inf", 6.0)];
        for (bound, count) in expected {
            assert_eq!(bucket(bound).unwrap().2.to_bits(), f64::to_bits(count), "{bound}");
        }
        assert_eq!(samples[samples.len() - 2].0, "wait_seconds_sum");
        assert!(
            text(&[Family::new("w", "W.", Kind::Histogram).with(&[], Value::Histogram(histogram.counts()))])
                .contains("\nw_sum 905.002002\nw_count 6\n")
        );
    }
}
