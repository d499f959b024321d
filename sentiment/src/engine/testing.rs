//! Helpers for the tests of several modules.

/// Elements in [-1, 1], evenly distributed and in no order; another seed gives other elements.
pub(super) fn random(count: usize, seed: u64) -> Vec<f32> {
    let element = |i: u64| (i.wrapping_mul(0x9e37_79b9).wrapping_add(seed * 77) % 2001) as f32 / 1000.0 - 1.0;
    (0..count as u64).map(element).collect()
}
