//! Samples, what is said of them, and the rows of the table.

use std::time::Duration;

/// Durations of one kind, in the order in which they were taken.
#[derive(Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// The value below which `percent` of them lie (nearest rank), in milliseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted[rank].as_secs_f64() * 1000.0
    }

    /// p50 and p99.
    pub fn pair(&self) -> (f64, f64) {
        (self.percentile(50), self.percentile(99))
    }
}

/// A row of times: p50 and p99 in milliseconds, and targets for either.
pub fn row(figure: &str, (p50, p99): (f64, f64), targets: (Option<f64>, Option<f64>)) {
    let kept = |value: f64, target: Option<f64>| target.is_none_or(|target| value <= target);
    let show = |target: Option<f64>| target.map_or("–".to_owned(), |t| format!("{t:.2}"));
    let (target, verdict) = match targets {
        (None, None) => (String::new(), ""),
        (first, second) => (
            format!("≤ {} / {} ms", show(first), show(second)),
            if kept(p50, first) && kept(p99, second) {
                "reached"
            } else {
                "**missed**"
            },
        ),
    };
    println!("| {figure} | {p50:.3} ms | {p99:.3} ms | {target} | {verdict} |");
}

/// A row of one number with a target.
pub fn size_row(figure: &str, megabytes: f64, target: f64) {
    let verdict = if megabytes <= target {
        "reached"
    } else {
        "**missed**"
    };
    println!("| {figure} | {megabytes:.1} MB | | ≤ {target} MB | {verdict} |");
}
