//! What a run tells: this process's CPU and memory, and the line of figures.

use std::time::Duration;

use crate::histogram::Histogram;

/// User and system time of this process.
pub fn cpu_time() -> Duration {
    // SAFETY: a zeroed rusage is valid, and getrusage only writes to it.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let time = |value: libc::timeval| Duration::new(value.tv_sec as u64, value.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Kilobytes of this process that are in memory.
pub fn resident_kb() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc is mounted");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("statm has two numbers");
    (pages * 4096) as f64 / 1000.0
}

pub fn print(all: &Histogram, elapsed: Duration, cpu: Duration) {
    let requests = all.total as f64;
    println!(
        "requests={} rps={:.1} cpu_us={:.3} p50_us={:.2} p99_us={:.2}",
        all.total,
        requests / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / requests,
        all.quantile_us(0.50),
        all.quantile_us(0.99),
    );
}
