//! Rows of floats made into the left operand of a matrix product.

#![allow(
    unsafe_code,
    reason = "calling a function compiled for an instruction set is unsafe; the set is checked first"
)]

use super::Precision;
use super::dot::Left;
use super::for_this_machine::for_this_machine;
use super::words::Words;

/// Largest quantised number; its negative is the smallest, so that zero is exact and nothing is lopsided.
pub(super) const LARGEST: f32 = 127.0;

/// Rows of a matrix in the words of a precision.
#[derive(Default)]
pub struct Operand {
    precision: Precision,
    width: usize,
    words: Words,
    stride: usize,
    /// What a quantised number of each row is worth. 1 where nothing is quantised.
    scales: Vec<f32>,
}

impl Operand {
    /// Takes over the rows of `x`, each `stride` floats long, of which the first `width` count.
    /// Between `width` and the next multiple of four there may be zeros only.
    ///
    /// int8 is quantised row by row: the largest magnitude of a row becomes 127. A row with an
    /// infinity or what is no number has a scale that isn't finite either, so results say so.
    ///
    /// # Panics
    /// If a row is shorter than `width`, rounded up to four.
    pub fn set(&mut self, precision: Precision, x: &[f32], stride: usize, width: usize) {
        assert!(width.next_multiple_of(4) <= stride, "rows shorter than their width");
        let rows = x.len() / stride;
        (self.precision, self.width) = (precision, width);
        let words = width.div_ceil(precision.numbers_in_a_word());
        // An odd number of cache lines: rows a power of two apart would compete for the same places of the cache.
        self.stride = (words.div_ceil(16) | 1) * 16;
        self.scales.clear();
        self.scales.resize(rows, 1.0);
        let out = self.words.room(rows * self.stride);
        let (width, out_stride) = (width.next_multiple_of(precision.numbers_in_a_word()), self.stride);
        match precision {
            Precision::F32 => copy(x, stride, width, bytemuck::cast_slice_mut(out), out_stride),
            Precision::Bf16 => round(x, stride, width, bytemuck::cast_slice_mut(out), 2 * out_stride),
            Precision::Int8 => {
                quantise(x, stride, width, bytemuck::cast_slice_mut(out), 4 * out_stride, &mut self.scales);
            }
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// Whether the rows are of that precision and width.
    pub(super) fn is_of(&self, precision: Precision, width: usize) -> bool {
        (self.precision, self.width) == (precision, width)
    }

    /// Rows `first` to before `first + count`, and their scales.
    pub(super) fn tile(&self, first: usize, count: usize) -> (Left<'_>, &[f32]) {
        let words = &self.words.as_slice()[first * self.stride..];
        (Left { words, stride: self.stride, rows: count }, &self.scales[first..first + count])
    }
}

for_this_machine! {
    /// Copies the first `width` floats of each row.
    fn copy(x: &[f32], stride: usize, width: usize, out: &mut [f32], out_stride: usize) = copy_plain
}

for_this_machine! {
    /// Rounds the first `width` floats of each row to bfloat16.
    fn round(x: &[f32], stride: usize, width: usize, out: &mut [u16], out_stride: usize) = round_plain
}

for_this_machine! {
    /// Quantises the first `width` floats of each row to 128 + [-127, 127].
    fn quantise(x: &[f32], stride: usize, width: usize, out: &mut [u8], out_stride: usize, scales: &mut [f32]) = quantise_plain
}

#[inline(always)]
fn copy_plain(x: &[f32], stride: usize, width: usize, out: &mut [f32], out_stride: usize) {
    for (x, out) in x.chunks_exact(stride).zip(out.chunks_exact_mut(out_stride)) {
        out[..width].copy_from_slice(&x[..width]);
    }
}

#[inline(always)]
fn round_plain(x: &[f32], stride: usize, width: usize, out: &mut [u16], out_stride: usize) {
    for (x, out) in x.chunks_exact(stride).zip(out.chunks_exact_mut(out_stride)) {
        for (x, out) in x[..width].iter().zip(&mut out[..width]) {
            *out = bf16(*x);
        }
    }
}

#[inline(always)]
fn quantise_plain(x: &[f32], stride: usize, width: usize, out: &mut [u8], out_stride: usize, scales: &mut [f32]) {
    for ((x, out), scale) in x.chunks_exact(stride).zip(out.chunks_exact_mut(out_stride)).zip(scales) {
        let (x, out) = (&x[..width], &mut out[..width]);
        let largest = largest_magnitude(x);
        *scale = largest / LARGEST;
        // A row of zeros, or as good as: any factor will do that is finite.
        let factor = LARGEST / largest.max(1e-30);
        for (x, out) in x.iter().zip(out) {
            *out = quantised(*x, factor);
        }
    }
}

/// The largest magnitude in a row; not finite if one of the numbers isn't.
#[inline(always)]
pub(super) fn largest_magnitude(x: &[f32]) -> f32 {
    // As whole numbers, magnitudes of floats are in the same order, and what is no number comes last.
    let magnitude = |x: f32| x.to_bits() & (u32::MAX >> 1);
    f32::from_bits(x.iter().fold(0, |largest, &x| largest.max(magnitude(x))))
}

/// 128 plus the whole number nearest to `x * factor`, which must be in [-127, 127].
#[inline(always)]
fn quantised(x: f32, factor: f32) -> u8 {
    // Adding 1.5 * 2^23 leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    x.mul_add(factor, ROUND + 128.0).to_bits() as u8
}

/// The nearest bfloat16, of two equally near ones the even one.
#[inline(always)]
pub(super) fn bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // Rounding could carry what is no number into zero.
    (if x.is_nan() { 0x7fc0 } else { rounded }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bf16_is_the_half_crates(bits: u32) {
            let x = f32::from_bits(bits);
            let exact = half::bf16::from_f32(x);
            prop_assert!(bf16(x) == exact.to_bits() || x.is_nan() && exact.is_nan());
        }

        #[test]
        fn what_is_quantised_is_half_a_step_away_at_most(mut x in prop::collection::vec(-9f32..9.0, 4..150), factor in 1e-20f32..1e20, rows in 1usize..4) {
            x.truncate(x.len() / 4 * 4);
            let width = x.len();
            let x: Vec<f32> = x.into_iter().map(|x| x * factor).collect::<Vec<_>>().repeat(rows);
            let (mut out, mut scales) = (vec![0; x.len()], vec![0.0; rows]);
            quantise(&x, width, width, &mut out, width, &mut scales);
            prop_assert_eq!(x.iter().zip(&out).all(|(&x, &q)| {
                (1..=255).contains(&q) && ((f32::from(q) - 128.0) * scales[0] - x).abs() <= 0.5001 * scales[0]
            }), true);
            prop_assert!(out.iter().any(|&q| q == 1 || q == 255), "the whole range is used");
        }
    }

    #[test]
    fn rows_that_are_not_finite_have_a_scale_that_is_not() {
        let mut scales = [0.0; 4];
        let x = [[0.0; 4], [1.0, f32::NAN, 2.0, 0.0], [f32::NEG_INFINITY, 1.0, 0.0, 0.0], [0.0, -2.0, 0.0, 1.0]];
        let mut out = [9; 16];
        quantise(x.as_flattened(), 4, 4, &mut out, 4, &mut scales);
        assert_eq!((scales[0], scales[3]), (0.0, 2.0 / 127.0));
        assert!(!scales[1].is_finite() && !scales[2].is_finite());
        assert_eq!(out[12..], [128, 1, 128, 192]);
    }

    #[test]
    fn an_operand_holds_its_rows() {
        let x: Vec<f32> = (0..40).map(|i| i as f32 - 20.0).collect();
        let mut operand = Operand::default();
        for precision in Precision::ALL {
            operand.set(precision, &x, 20, 17);
            let (left, scales) = operand.tile(1, 1);
            assert_eq!((operand.rows(), left.rows, scales.len()), (2, 1, 1));
            let third = |x: u32| match precision {
                Precision::F32 => f32::from_bits(x),
                Precision::Bf16 => f32::from_bits(x << 16),
                Precision::Int8 => (x & 0xff) as f32 - 128.0,
            };
            let word = left.words[16 / precision.numbers_in_a_word()];
            assert!((third(word) * scales[0] - 16.0).abs() < 0.1, "{precision}");
        }
    }
}
