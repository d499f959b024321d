//! Kernels that work on one row of numbers at a time.
//!
//! Each is written once, in plain Rust that vectorises, and compiled for several instruction
//! sets; the best one this machine has is chosen at run time. All give the same bits.

#![allow(
    unsafe_code,
    reason = "calling a function compiled for an instruction set is unsafe; the set is checked first"
)]

use super::for_this_machine::for_this_machine;

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
    for half in [16, 8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919) % 613) as f32 / 100.0 - 3.0).collect()
    }

    #[test]
    fn layer_norm_is_layer_norm() {
        for width in [1, 48, 50, 384] {
            let stride = width + 2;
            let x = row(3 * stride);
            let (weight, bias): (Vec<f32>, Vec<f32>) = (vec![2.0; width], vec![0.25; width]);
            let mut y = x.clone();
            layer_norm(&mut y, stride, &weight, &bias, 1e-12);
            for (x, y) in x.chunks(stride).zip(y.chunks(stride)) {
                let numbers = || x[..width].iter().map(|&v| f64::from(v));
                let mean = numbers().sum::<f64>() / width as f64;
                let variance = numbers().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64 + 1e-12;
                let close =
                    |(x, y): (f64, &f32)| (f64::from(*y) - ((x - mean) / variance.sqrt() * 2.0 + 0.25)).abs() < 4e-6;
                assert!(numbers().zip(y).all(close), "width {width}");
                assert_eq!(x[width..], y[width..]);
            }
        }
    }

    #[test]
    fn points_turn_by_the_angles_of_their_row() {
        // Two rows of two heads of two pairs, and a number beyond; a quarter turn for pair 1 of row 1.
        let (cosines, sines) = ([1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]);
        let mut rows: Vec<f32> = (0..18).map(|i| i as f32).collect();
        rotate(&mut rows, 9, 2, 2, &cosines, &sines);
        assert_eq!(rows[..9], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(rows[9..], [9.0, -12.0, 11.0, 10.0, 13.0, -16.0, 15.0, 14.0, 17.0]);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let (weight, bias) = (row(77), row(78)[1..].to_vec());
        let mut fast = row(160);
        let mut plain = fast.clone();
        layer_norm(&mut fast, 80, &weight, &bias, 1e-12);
        layer_norm_plain(&mut plain, 80, &weight, &bias, 1e-12);
        assert_eq!(fast, plain);
    }
}
