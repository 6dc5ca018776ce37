//! Latencies in buckets whose width is at most 1/256 of their value; harness.h has the same in C.

const STEPS: u64 = 256;
const BUCKETS: usize = 40 * STEPS as usize;

#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u32>,
    pub total: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Histogram { counts: vec![0; BUCKETS], total: 0 }
    }

    pub fn record(&mut self, nanos: u64) {
        let shift = (nanos | STEPS).ilog2() - STEPS.ilog2();
        let bucket = u64::from(shift) * STEPS + (nanos >> shift);
        self.counts[(bucket as usize).min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    /// The upper end, in microseconds, of the bucket that holds this share of all.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        });
        let bucket = bucket.unwrap_or(0) as u64;
        let shift = (bucket / STEPS).saturating_sub(1);
        ((bucket - shift * STEPS + 1) << shift) as f64 / 1000.0
    }
}
