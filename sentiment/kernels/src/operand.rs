//! The left operand of a matrix product: rows of floats, copied, rounded or quantised.

#![allow(unsafe_code, reason = "calls functions compiled for an instruction set, after detecting the set")]

use super::Precision;
use super::aligned::{AlignedBuf, WORDS_PER_LINE};
use super::bfloat16::Rounding;
use super::dot::{self, LhsRows};
use super::multiversion::multiversion;
use std::ops::Range;

/// Quantisation of a row: a byte stands for `(byte - zero_point) * scale`. Without quantisation `scale` is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantParams {
    pub(super) scale: f32,
    /// An integer from 0 to 254, so that 0.0 is represented exactly.
    pub(super) zero_point: i32,
}

impl QuantParams {
    const NONE: Self = Self { scale: 1.0, zero_point: 0 };
}

/// Rows of a matrix, packed into 32-bit words of a precision.
#[derive(Default)]
pub struct Operand {
    precision: Precision,
    width: usize,
    words: AlignedBuf,
    stride: usize,
    /// One per row.
    quant_params: Vec<QuantParams>,
}

impl Operand {
    /// Replaces all rows by those of `x`, as [`Operand::extend`] adds them.
    ///
    /// # Panics
    /// As `extend`.
    #[inline]
    pub fn set(&mut self, precision: Precision, x: &[f32], stride: usize, width: usize) {
        self.clear(precision, width);
        self.extend(x, stride);
    }

    /// Removes all rows. Rows added from now on have `width` elements in this precision.
    #[inline]
    pub fn clear(&mut self, precision: Precision, width: usize) {
        (self.precision, self.width) = (precision, width);
        // An odd number of cache lines: rows a power of two apart would compete for the same cache sets.
        self.stride = (width.div_ceil(precision.elements_per_word()).div_ceil(WORDS_PER_LINE) | 1) * WORDS_PER_LINE;
        self.quant_params.clear();
    }

    /// Adds rows of `x`, which are `stride` floats apart; the first `width` floats of each are used. The floats from
    /// there to the next multiple of four must be zeros.
    ///
    /// int8 is quantised row by row, in 254 steps over the range of the row and zero. A row with an infinity or NaN
    /// gets a scale that is not finite, so its results are not finite either.
    ///
    /// # Panics
    /// If a row is shorter than `width`, rounded up to four.
    #[inline]
    pub fn extend(&mut self, x: &[f32], stride: usize) {
        self.extend_scaled(x, stride, &[]);
    }

    /// As [`Operand::extend`], after multiplying each channel by its factor. Without factors, elements stay as they
    /// are. Factors are for int8 only: they gain nothing without quantisation.
    ///
    /// # Panics
    /// As `extend`; also if there are factors for another precision, or not one for each channel of the width rounded
    /// up to four.
    pub fn extend_scaled(&mut self, x: &[f32], stride: usize, factors: &[f32]) {
        assert!(self.width.next_multiple_of(4) <= stride, "rows shorter than their width");
        let fit = self.precision.is_int8() && factors.len() == self.width.next_multiple_of(4);
        assert!(factors.is_empty() || fit, "factors are for int8 only, one for each channel");
        let (before, rows) = (self.rows(), x.len().div_ceil(stride));
        self.quant_params.resize(before + rows, QuantParams::NONE);
        let out_stride = self.stride;
        let out = &mut self.words.words_mut((before + rows) * out_stride)[before * out_stride..];
        let width = self.width.next_multiple_of(self.precision.elements_per_word());
        match self.precision {
            Precision::F32 => copy(x, stride, width, bytemuck::cast_slice_mut(out), out_stride),
            Precision::Bf16 | Precision::Bf16Vectors => {
                round(x, stride, width, bytemuck::cast_slice_mut(out), 2 * out_stride)
            }
            Precision::Int8 | Precision::Int8Wide => {
                let quant_params = &mut self.quant_params[before..];
                let out = bytemuck::cast_slice_mut(out);
                quantise(x, stride, width, factors, out, 4 * out_stride, quant_params);
            }
        }
        // Kernels that read several words in a step also read words after the row's end, and a NaN there would reach the
        // sums.
        let words = width / self.precision.elements_per_word();
        for row in
            self.words.words_mut((before + rows) * out_stride)[before * out_stride..].chunks_exact_mut(out_stride)
        {
            row[words..words.next_multiple_of(WORDS_PER_LINE)].fill(0);
        }
    }

    /// Number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.quant_params.len()
    }

    /// Whether rows have this precision and width.
    pub(super) fn has_layout(&self, precision: Precision, width: usize) -> bool {
        (self.precision, self.width) == (precision, width)
    }

    /// `count` rows from row `first` and word `word` on, and their quantisation parameters.
    pub(super) fn tile(&self, word: usize, first: usize, count: usize) -> (LhsRows<'_>, &[QuantParams]) {
        let column = word * self.precision.elements_per_word();
        (self.part(column, first, count), &self.quant_params[first..first + count])
    }

    /// Prefetches `count` elements of these rows, from `column` on.
    pub(super) fn prefetch(&self, column: usize, rows: Range<usize>, count: usize) {
        let words = count / self.precision.elements_per_word();
        for row in rows {
            dot::prefetch(&self.part(column, row, 1).words[..words]);
        }
    }

    /// `count` rows from row `first` and element `column` on, which must begin a word.
    pub(super) fn part(&self, column: usize, first: usize, count: usize) -> LhsRows<'_> {
        let words = &self.words.as_slice()[first * self.stride + column / self.precision.elements_per_word()..];
        LhsRows { words, stride: self.stride, rows: count }
    }
}

multiversion! {
    /// Copies the first `width` floats of each row.
    fn copy(x: &[f32], stride: usize, width: usize, out: &mut [f32], out_stride: usize) = copy_plain
}

multiversion! {
    /// Rounds the first `width` floats of each row to bfloat16.
    fn round(x: &[f32], stride: usize, width: usize, out: &mut [u16], out_stride: usize) = round_by, rounding
}

multiversion! {
    /// Quantises the first `width` floats of each row, multiplied by their factors if there are any.
    fn quantise(x: &[f32], stride: usize, width: usize, factors: &[f32], out: &mut [u8], out_stride: usize, quant_params: &mut [QuantParams]) = quantise_plain
}

#[inline(always)]
fn copy_plain(x: &[f32], stride: usize, width: usize, out: &mut [f32], out_stride: usize) {
    for (x, out) in x.chunks(stride).zip(out.chunks_exact_mut(out_stride)) {
        out[..width].copy_from_slice(&x[..width]);
    }
}

#[inline(always)]
fn round_by(x: &[f32], stride: usize, width: usize, out: &mut [u16], out_stride: usize, rounding: impl Rounding) {
    for (x, out) in x.chunks(stride).zip(out.chunks_exact_mut(out_stride)) {
        rounding.row(&x[..width], &mut out[..width]);
    }
}

#[inline(always)]
fn quantise_plain(
    x: &[f32],
    stride: usize,
    width: usize,
    factors: &[f32],
    out: &mut [u8],
    out_stride: usize,
    quant_params: &mut [QuantParams],
) {
    for ((x, out), quant_params) in x.chunks(stride).zip(out.chunks_exact_mut(out_stride)).zip(quant_params) {
        let (x, out) = (&x[..width], &mut out[..width]);
        *quant_params = match factors {
            [] => quantise_row(x.iter().copied(), out),
            // The products are computed twice, for the range and for the bytes: that costs less than storing them.
            factors => quantise_row(x.iter().zip(&factors[..width]).map(|(x, factor)| x * factor), out),
        };
    }
}

/// Quantisation steps between the minimum and the maximum of a row. One less than a byte has, because rounding the zero
/// point can shift values by up to one step.
const STEPS: f32 = 254.0;

#[inline(always)]
fn quantise_row(x: impl Iterator<Item = f32> + Clone, out: &mut [u8]) -> QuantParams {
    let (min, max) = min_max(x.clone());
    let range = max - min;
    // For a row of zeros. Not `max`: it would drop a NaN.
    let range = if range < 1e-30 { 1e-30 } else { range };
    let factor = STEPS / range;
    // Ties round to even, so the minimum is rounded to 0 and never below it.
    let zero_point = rounded((-min).mul_add(factor, ROUND));
    for (out, x) in out.iter_mut().zip(x) {
        *out = rounded(x.mul_add(factor, ROUND + zero_point as f32)) as u8;
    }
    QuantParams { scale: range / STEPS, zero_point }
}

/// Minimum and maximum of the row and zero. Not finite if one of the elements is not.
#[inline(always)]
fn min_max(x: impl Iterator<Item = f32>) -> (f32, f32) {
    // Read as signed integers, the bits of positive floats are ordered like the floats and above all negative ones.
    // Read as unsigned integers, the bits of negative floats are ordered by magnitude and above all positive ones. NaN
    // comes after all others of its sign.
    let (max, min) =
        x.fold((0, 0), |(max, min): (i32, u32), x| (max.max(x.to_bits().cast_signed()), min.max(x.to_bits())));
    let min = if min > i32::MAX.cast_unsigned() { f32::from_bits(min) } else { 0.0 };
    (min, f32::from_bits(max.cast_unsigned()))
}

/// Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// The integer that was added to [`ROUND`].
#[inline(always)]
fn rounded(x: f32) -> i32 {
    x.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed()
}

/// The largest magnitude; not finite if one of the elements is not.
#[inline(always)]
pub fn max_abs(x: impl IntoIterator<Item = f32>) -> f32 {
    // Read as integers, the bits of magnitudes are ordered like the magnitudes, and NaN comes last.
    let magnitude = |x: f32| x.to_bits() & (u32::MAX >> 1);
    f32::from_bits(x.into_iter().fold(0, |largest, x| largest.max(magnitude(x))))
}

/// Updates the largest magnitude of each column with these rows; not finite if an element of the column is not.
pub fn update_max_abs(magnitudes: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(magnitudes.len()) {
        magnitudes.iter_mut().zip(row).for_each(|(magnitude, x)| *magnitude = max_abs([*magnitude, *x]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_each_instruction_set;
    use proptest::prelude::*;

    /// The bytes of rows of `width` elements and their quantisation.
    fn quantised(x: &[f32], width: usize, factors: &[f32]) -> (Vec<u8>, Vec<QuantParams>) {
        let (mut out, mut quant_params) = (vec![9; x.len()], vec![QuantParams::NONE; x.len() / width]);
        quantise(x, width, width, factors, &mut out, width, &mut quant_params);
        (out, quant_params)
    }

    proptest! {
        /// For ranges on both sides of zero and on one.
        #[test]
        fn quantising_changes_an_element_by_half_a_step_at_most(x in prop::collection::vec(0f32..1.0, 4..150), least in -1f32..1.0, factor in 1e-20f32..1e20, rows in 1usize..4) {
            let width = x.len() / 4 * 4;
            let x: Vec<f32> = x[..width].iter().map(|x| (x + least) * factor).collect::<Vec<_>>().repeat(rows);
            let found = on_each_instruction_set(|| quantised(&x, width, &[]));
            prop_assert!(found.iter().all(|one| *one == found[0]), "not the same bits on every instruction set");
            let (out, quant_params) = &found[0];
            for (&x, &q) in x.iter().zip(out) {
                let meant = (f32::from(q) - quant_params[0].zero_point as f32) * quant_params[0].scale;
                prop_assert!((meant - x).abs() <= 0.5001 * quant_params[0].scale, "{x}: {q} {:?}", quant_params[0]);
            }
            let (least, largest) = (x.iter().fold(0f32, |a, b| a.min(*b)), x.iter().fold(0f32, |a, b| a.max(*b)));
            prop_assert!(((largest - least) / quant_params[0].scale - 254.0).abs() < 0.01, "the whole range is used");
        }

        /// Also for ties: elements halfway between two steps.
        #[test]
        fn no_byte_overflows(least in -509i32..=0, step in 1e-3f32..1e3) {
            let half = |n: i32| n as f32 * 0.5 * step;
            let largest = least + 2 * STEPS as i32;
            let x = [half(least), half(largest), half(least + 1), half(largest - 1)];
            let (out, quant_params) = quantised(&x, 4, &[]);
            prop_assert!(out[0] <= out[2] && out[2] <= out[3] && out[3] <= out[1] && (0..=254).contains(&quant_params[0].zero_point), "{out:?}");
        }
    }

    proptest! {
        /// Factors have the same effect as multiplying the rows by them first.
        #[test]
        fn factors_multiply_channels(mut x in prop::collection::vec(-9f32..9.0, 4..150), seed in 0.01f32..20.0, rows in 1usize..4) {
            x.truncate(x.len() / 4 * 4);
            let (width, x) = (x.len(), x.repeat(rows));
            let factors: Vec<f32> = (0..width).map(|channel| seed * (1 + channel * 7 % 11) as f32).collect();
            let product: Vec<f32> = x.iter().zip(factors.iter().cycle()).map(|(x, factor)| x * factor).collect();
            let expected = quantised(&product, width, &[]);
            prop_assert!(on_each_instruction_set(|| quantised(&x, width, &factors)).iter().all(|found| *found == expected));
        }
    }

    #[test]
    fn a_row_that_is_not_finite_has_a_scale_that_is_not() {
        let x = [[0.0; 4], [1.0, f32::NAN, 2.0, 0.0], [f32::NEG_INFINITY, 1.0, 0.0, 0.0], [-127.0, 127.0, 0.0, 1.0]];
        let (out, quant_params) = quantised(x.as_flattened(), 4, &[]);
        assert_eq!((&out[..4], quant_params[0].zero_point), (&[0; 4][..], 0));
        assert!(!quant_params[1].scale.is_finite() && !quant_params[2].scale.is_finite());
        assert_eq!(
            (&out[12..], quant_params[3]),
            (&[0, 254, 127, 128][..], QuantParams { scale: 1.0, zero_point: 127 })
        );
        let negative_nan = f32::from_bits(u32::MAX);
        assert!(!quantised(&[1.0, negative_nan, 0.0, 0.0], 4, &[]).1[0].scale.is_finite());
    }

    #[test]
    fn rows_are_followed_by_zeros_up_to_a_cache_line() {
        let mut x = [1.0; 20];
        x[17..].fill(0.0);
        for precision in Precision::ALL {
            let mut operand = Operand::default();
            operand.set(precision, &[f32::NAN; 128], 64, 64);
            operand.set(precision, &x.repeat(2), 20, 17);
            let words = 17_usize.div_ceil(precision.elements_per_word());
            for row in 0..2 {
                let (lhs, _) = operand.tile(0, row, 1);
                assert!(lhs.words[words - 1] != 0, "{precision}");
                assert_eq!(
                    lhs.words[words..words.next_multiple_of(WORDS_PER_LINE)].iter().max(),
                    Some(&0),
                    "{precision}"
                );
            }
        }
    }

    #[test]
    fn an_operand_holds_its_rows() {
        let x: Vec<f32> = (0..40).map(|i| i as f32 - 20.0).collect();
        let mut operand = Operand::default();
        for precision in Precision::ALL {
            operand.set(precision, &x, 20, 17);
            let (lhs, quant_params) = operand.tile(0, 1, 1);
            assert_eq!((operand.rows(), lhs.rows, quant_params.len()), (2, 1, 1));
            let lowest_element = |x: u32| match precision {
                Precision::F32 => f32::from_bits(x),
                Precision::Bf16 | Precision::Bf16Vectors => f32::from_bits(x << 16),
                Precision::Int8 | Precision::Int8Wide => (x & 0xff) as f32 - quant_params[0].zero_point as f32,
            };
            let word = lhs.words[16 / precision.elements_per_word()];
            assert!((lowest_element(word) * quant_params[0].scale - 16.0).abs() < 0.1, "{precision}");
            operand.extend(&x[..20], 20);
            let [(first, quant_params), (added, added_params)] = [0, 2].map(|row| operand.tile(0, row, 1));
            let words = 16 / precision.elements_per_word();
            assert_eq!((&added.words[..=words], added_params), (&first.words[..=words], quant_params), "{precision}");
        }
    }
}
