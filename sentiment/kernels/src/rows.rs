//! Kernels that work on one row of numbers at a time.
//!
//! Each is written once, in plain Rust that vectorises, and compiled for several instruction
//! sets; the best one this machine has is chosen at run time. All give the same bits.

#![allow(
    unsafe_code,
    reason = "calling a function compiled for an instruction set is unsafe; the set is checked first"
)]

use super::for_this_machine::for_this_machine;
use super::math::joined;

/// Partial sums are kept in this many lanes, whatever the vector width.
const LANES: usize = 32;

for_this_machine! {
    /// Normalises the first numbers of each row, as many as `weight` has, to mean 0 and variance 1, then
    /// scales and shifts them. Rows are `stride` long.
    pub fn layer_norm(rows: &mut [f32], stride: usize, weight: &[f32], bias: &[f32], epsilon: f32) = layer_norm_plain
}

for_this_machine! {
    /// Turns number i and number i + `pairs` of each head, as a point in the plane, by the angle of the
    /// row and i: row after row, `pairs` cosines and sines. Heads stand at the beginning of a row, side by side.
    pub fn rotate(rows: &mut [f32], stride: usize, heads: usize, pairs: usize, cosines: &[f32], sines: &[f32]) = rotate_plain
}

for_this_machine! {
    /// Adds to each row of `out`, for each of these channels, the channel's number in the same row of `x` times the
    /// channel's weights, of which all channels have as many; rows of `x` are left with zeros there.
    pub fn take_channels(x: &mut [f32], stride: usize, channels: &[usize], weights: &[f32], out: &mut [f32], out_stride: usize) = take_channels_plain
}

#[inline(always)]
fn take_channels_plain(
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
fn rotate_plain(rows: &mut [f32], stride: usize, heads: usize, pairs: usize, cosines: &[f32], sines: &[f32]) {
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

/// Sums a row in [`LANES`] interleaved parts, then the parts in halves: the result depends on
/// the row's length and numbers only.
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
    joined(std::array::from_fn(|lane| lanes[lane] + lanes[lane + LANES / 2]), |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::for_this_machine::everywhere::everywhere;
    use proptest::prelude::*;

    /// Rows of `stride`, with numbers beyond `width` that nobody may touch.
    fn rows(stride: usize) -> impl Strategy<Value = Vec<f32>> {
        (1usize..4).prop_flat_map(move |rows| prop::collection::vec(-30f32..30.0, rows * stride))
    }

    /// By the book, in double precision.
    fn normalised(row: &[f32], weight: &[f32], bias: &[f32], epsilon: f64) -> Vec<f64> {
        let numbers = || row.iter().map(|&x| f64::from(x));
        let mean = numbers().sum::<f64>() / row.len() as f64;
        let variance = numbers().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
        let scaled = numbers().map(|x| (x - mean) / (variance + epsilon).sqrt());
        scaled.zip(weight.iter().zip(bias)).map(|(x, (w, b))| x * f64::from(*w) + f64::from(*b)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn layer_norm_is_the_textbooks(width in 1usize..400, more in 0usize..5, numbers in rows(405)) {
            let stride = width + more;
            let numbers = &numbers[..numbers.len() / 405 * stride];
            let (weight, bias) = (vec![2.0; width], vec![0.25; width]);
            let found = everywhere(|| {
                let mut rows = numbers.to_vec();
                layer_norm(&mut rows, stride, &weight, &bias, 1e-5);
                rows
            });
            prop_assert!(found.iter().all(|one| *one == found[0]), "not the same bits on every instruction set");
            for (row, found) in numbers.chunks(stride).zip(found[0].chunks(stride)) {
                let exact = normalised(&row[..width], &weight, &bias, 1e-5);
                for (found, exact) in found.iter().zip(&exact) {
                    prop_assert!((f64::from(*found) - exact).abs() < 1e-4, "{found} {exact}");
                }
                prop_assert_eq!(&found[width..], &row[width..]);
            }
        }

        #[test]
        fn channels_are_multiplied_added_and_gone(x in rows(9), seed in 0usize..99, more in 0usize..5, width in 1usize..50) {
            let (channels, count) = ([7, 0, 3], x.len() / 9);
            let weights: Vec<f32> = (0..3 * width).map(|at| ((at * 7 + seed) % 13) as f32 - 6.0).collect();
            let found = everywhere(|| {
                let (mut x, mut out) = (x.clone(), vec![0.5; count * (width + more)]);
                take_channels(&mut x, 9, &channels, &weights, &mut out, width + more);
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

        /// A pair is a point of the plane, `first + i second`, and turning is a product of complex numbers.
        #[test]
        fn rotated_pairs_are_points_turned(heads in 1usize..4, pairs in 1usize..40, numbers in rows(245), turn in -7f64..7.0) {
            let stride = heads * 2 * pairs + 5;
            let numbers = &numbers[..numbers.len() / stride * stride];
            let angles: Vec<f64> = (0..numbers.len() / stride * pairs).map(|at| turn * (at % 11) as f64).collect();
            let [cosines, sines] = [f64::cos, f64::sin].map(|of| angles.iter().map(|angle| of(*angle) as f32).collect::<Vec<_>>());
            let found = everywhere(|| {
                let mut rows = numbers.to_vec();
                rotate(&mut rows, stride, heads, pairs, &cosines, &sines);
                rows
            });
            prop_assert!(found.iter().all(|one| *one == found[0]), "not the same bits on every instruction set");
            for (row, (before, after)) in numbers.chunks(stride).zip(found[0].chunks(stride)).enumerate() {
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
