//! Kernels that process one row at a time.
//!
//! Each is written once, in plain Rust that compilers vectorise, and compiled for several instruction sets. All
//! versions give the same bits.

#![allow(unsafe_code, reason = "calls functions compiled for an instruction set, after detecting the set")]

use super::math::reduce_lanes;
use super::multiversion::multiversion;

/// Partial sums are kept in this many lanes, for every vector width.
const LANES: usize = 32;

multiversion! {
    /// Layer normalisation: brings the first `weight.len()` elements of each row to mean 0 and variance 1, then scales
    /// them by `weight` and adds `bias`. Rows are `stride` floats apart.
    pub fn layer_norm(rows: &mut [f32], stride: usize, weight: &[f32], bias: &[f32], epsilon: f32) = layer_norm_plain
}

multiversion! {
    /// Rotary position embedding: rotates elements i and i + `pairs` of each head by the angle of the row and i.
    /// `cosines` and `sines` are `[rows, pairs]`; heads are side by side at the beginning of a row.
    pub fn apply_rope(rows: &mut [f32], stride: usize, heads: usize, pairs: usize, cosines: &[f32], sines: &[f32]) = apply_rope_plain
}

multiversion! {
    /// Multiplies these channels of `x` by their weights, `[channels, outputs]`, adds the products to the rows of
    /// `out`, and sets the channels to zero in `x`.
    pub fn apply_channels(x: &mut [f32], stride: usize, channels: &[usize], weights: &[f32], out: &mut [f32], out_stride: usize) = apply_channels_plain
}

#[inline(always)]
fn apply_channels_plain(
    x: &mut [f32],
    stride: usize,
    channels: &[usize],
    weights: &[f32],
    out: &mut [f32],
    out_stride: usize,
) {
    for (x, out) in x.chunks_mut(stride).zip(out.chunks_mut(out_stride)) {
        for (&channel, weights) in channels.iter().zip(weights.chunks_exact(weights.len() / channels.len())) {
            let x = std::mem::take(&mut x[channel]);
            out[..weights.len()].iter_mut().zip(weights).for_each(|(out, w)| *out = w.mul_add(x, *out));
        }
    }
}

#[inline(always)]
fn apply_rope_plain(rows: &mut [f32], stride: usize, heads: usize, pairs: usize, cosines: &[f32], sines: &[f32]) {
    let angles = cosines.chunks_exact(pairs).zip(sines.chunks_exact(pairs));
    for (row, (cosines, sines)) in rows.chunks_mut(stride).zip(angles) {
        for head in row[..heads * 2 * pairs].chunks_exact_mut(2 * pairs) {
            let (first, second) = head.split_at_mut(pairs);
            for (((x, y), cos), sin) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
                (*x, *y) = (*x * cos - *y * sin, *y * cos + *x * sin);
            }
        }
    }
}

#[inline(always)]
fn layer_norm_plain(rows: &mut [f32], stride: usize, weight: &[f32], bias: &[f32], epsilon: f32) {
    let width = weight.len() as f32;
    for row in rows.chunks_exact_mut(stride) {
        let row = &mut row[..weight.len()];
        let mean = sum(row, |x| x) / width;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / width;
        let scale = 1.0 / (variance + epsilon).sqrt();
        for ((x, w), b) in row.iter_mut().zip(weight).zip(bias) {
            *x = ((*x - mean) * scale).mul_add(*w, *b);
        }
    }
}

/// Sums a row in [`LANES`] interleaved parts, then the parts by halves: the result depends only on the row's length and
/// elements.
#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for part in whole {
        for (lane, &x) in lanes.iter_mut().zip(part) {
            *lane += term(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += term(x);
    }
    reduce_lanes(std::array::from_fn(|lane| lanes[lane] + lanes[lane + LANES / 2]), |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_each_instruction_set;
    use proptest::prelude::*;

    /// One to three rows of `stride` elements.
    fn rows(stride: usize) -> impl Strategy<Value = Vec<f32>> {
        (1usize..4).prop_flat_map(move |rows| prop::collection::vec(-30f32..30.0, rows * stride))
    }

    /// Layer normalisation in double precision.
    fn normalised(row: &[f32], weight: &[f32], bias: &[f32], epsilon: f64) -> Vec<f64> {
        let elements = || row.iter().map(|&x| f64::from(x));
        let mean = elements().sum::<f64>() / row.len() as f64;
        let variance = elements().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
        let scaled = elements().map(|x| (x - mean) / (variance + epsilon).sqrt());
        scaled.zip(weight.iter().zip(bias)).map(|(x, (w, b))| x * f64::from(*w) + f64::from(*b)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn layer_norm_matches_the_textbook(width in 1usize..400, more in 0usize..5, elements in rows(405)) {
            let stride = width + more;
            let elements = &elements[..elements.len() / 405 * stride];
            let (weight, bias) = (vec![2.0; width], vec![0.25; width]);
            let found = on_each_instruction_set(|| {
                let mut rows = elements.to_vec();
                layer_norm(&mut rows, stride, &weight, &bias, 1e-5);
                rows
            });
            prop_assert!(found.iter().all(|one| *one == found[0]), "not the same bits on every instruction set");
            for (row, found) in elements.chunks(stride).zip(found[0].chunks(stride)) {
                let exact = normalised(&row[..width], &weight, &bias, 1e-5);
                for (found, exact) in found.iter().zip(&exact) {
                    prop_assert!((f64::from(*found) - exact).abs() < 1e-4, "{found} {exact}");
                }
                prop_assert_eq!(&found[width..], &row[width..]);
            }
        }

        #[test]
        fn channels_are_multiplied_added_and_zeroed(x in rows(9), seed in 0usize..99, more in 0usize..5, width in 1usize..50) {
            let (channels, count) = ([7, 0, 3], x.len() / 9);
            let weights: Vec<f32> = (0..3 * width).map(|at| ((at * 7 + seed) % 13) as f32 - 6.0).collect();
            let found = on_each_instruction_set(|| {
                let (mut x, mut out) = (x.clone(), vec![0.5; count * (width + more)]);
                apply_channels(&mut x, 9, &channels, &weights, &mut out, width + more);
                (x, out)
            });
            prop_assert!(found.iter().all(|one| *one == found[0]), "not the same bits on every instruction set");
            for (at, (before, after)) in x.iter().zip(&found[0].0).enumerate() {
                prop_assert_eq!(*after, if channels.contains(&(at % 9)) { 0.0 } else { *before });
            }
            for (at, found) in found[0].1.iter().enumerate() {
                let (row, column) = (at / (width + more), at % (width + more));
                let of = |(channel, &of): (usize, &usize)| f64::from(x[row * 9 + of]) * f64::from(weights[channel * width + column]);
                let sum: f64 = if column < width { channels.iter().enumerate().map(of).sum() } else { 0.0 };
                prop_assert!((f64::from(*found) - 0.5 - sum).abs() < 1e-3, "{found} {sum}");
            }
        }

        /// A pair is the complex number `first + i second`, and rotating it a product of complex numbers.
        #[test]
        fn pairs_are_rotated_as_complex_numbers(heads in 1usize..4, pairs in 1usize..40, elements in rows(245), angle in -7f64..7.0) {
            let stride = heads * 2 * pairs + 5;
            let elements = &elements[..elements.len() / stride * stride];
            let angles: Vec<f64> = (0..elements.len() / stride * pairs).map(|at| angle * (at % 11) as f64).collect();
            let [cosines, sines] = [f64::cos, f64::sin].map(|of| angles.iter().map(|angle| of(*angle) as f32).collect::<Vec<_>>());
            let found = on_each_instruction_set(|| {
                let mut rows = elements.to_vec();
                apply_rope(&mut rows, stride, heads, pairs, &cosines, &sines);
                rows
            });
            prop_assert!(found.iter().all(|one| *one == found[0]), "not the same bits on every instruction set");
            for (row, (before, after)) in elements.chunks(stride).zip(found[0].chunks(stride)).enumerate() {
                for head in (0..heads).map(|head| head * 2 * pairs) {
                    for pair in 0..pairs {
                        let [x, y] = [0, pairs].map(|half| f64::from(before[head + pair + half]));
                        let (sin, cos) = angles[row * pairs + pair].sin_cos();
                        for (at, exact) in [(0, x * cos - y * sin), (pairs, x * sin + y * cos)] {
                            prop_assert!((f64::from(after[head + pair + at]) - exact).abs() < 2e-5);
                        }
                    }
                }
                prop_assert_eq!(&after[stride - 5..], &before[stride - 5..]);
            }
        }
    }
}
