//! The peak speed of a kernel's instructions.

use crate::Precision;
use std::time::{Duration, Instant};

/// Operations per second (a multiplication and an addition are two) that one thread reaches when it runs the
/// multiplication of this precision's kernel on registers alone: an upper bound for every matrix product. The result is
/// lower while the core is shared or its clock is reduced.
///
/// Takes a quarter of a second.
pub fn peak(precision: Precision) -> f64 {
    let kernel = super::kernel(precision);
    let (started, mut operations) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_millis(250) {
        // SAFETY: `kernel` returns only kernels whose instruction set was detected.
        operations += unsafe { (kernel.spin)(20_000) };
    }
    operations as f64 / started.elapsed().as_secs_f64()
}
