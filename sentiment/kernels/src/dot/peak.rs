//! What the instructions of a kernel can do at most.

use crate::Precision;
use std::time::{Duration, Instant};

/// Operations a second (a product and its sum are two) that one processor reaches with the
/// instruction of this precision's kernel, on registers alone: no product can be faster. It is what the processor gives
/// now, which is less than at other times where its core is shared or its clock falls.
///
/// Takes a quarter of a second.
pub fn peak(precision: Precision) -> f64 {
    let kernel = super::kernel(precision);
    let (started, mut operations) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_millis(250) {
        // SAFETY: `kernel` gives only kernels whose instruction set was detected.
        operations += unsafe { (kernel.spin)(20_000) };
    }
    operations as f64 / started.elapsed().as_secs_f64()
}
