//! What the instructions of a kernel can do at most.

use crate::kernels::Precision;
use std::time::{Duration, Instant};

/// Operations a second (a product and its sum are two) that one processor reaches with the
/// instruction of this precision's kernel, on registers alone: no product can be faster.
///
/// Takes a twentieth of a second.
pub fn peak(precision: Precision) -> f64 {
    let kernel = super::kernel(precision);
    let started = Instant::now();
    let mut best = 0f64;
    while started.elapsed() < Duration::from_millis(50) {
        let start = Instant::now();
        // SAFETY: `kernel` gives only kernels whose instruction set was detected.
        let operations = unsafe { (kernel.spin)(20_000) };
        best = best.max(operations as f64 / start.elapsed().as_secs_f64());
    }
    best
}
