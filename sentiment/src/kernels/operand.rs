//! Rows of floats made into the left operand of a matrix product.

#![allow(
    unsafe_code,
    reason = "calling a function compiled for an instruction set is unsafe; the set is checked first"
)]

use super::Precision;
use super::bfloat16::Rounding;
use super::dot::{self, Left};
use super::for_this_machine::for_this_machine;
use super::words::Words;
use std::ops::Range;

/// What numbers an operand can have, which decides how int8 divides its 256 steps among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Values {
    /// Any: as many steps below zero as above it.
    #[default]
    Any,
    /// Those of GELU or ReLU, none below -0.1705: nearly twice as many steps above zero.
    Activated,
}

impl Values {
    /// The byte that stands for zero, so that zero is exact.
    pub(super) const fn zero_point(self) -> u8 {
        match self {
            Self::Any => 128,
            Self::Activated => 24,
        }
    }

    /// Steps between zero and the largest number.
    const fn steps(self) -> f32 {
        (u8::MAX - self.zero_point()) as f32
    }

    /// Where a row has no larger magnitude its steps are as if it had this one: a row of zeros, or as good as;
    /// a row whose least number would otherwise lie below all steps.
    const fn least_magnitude(self) -> f32 {
        match self {
            Self::Any => 1e-30,
            // GELU's minimum is -0.16997, that of its approximation by tanh -0.17004.
            Self::Activated => 0.1705 / self.zero_point() as f32 * self.steps(),
        }
    }
}

/// Rows of a matrix in the words of a precision.
#[derive(Default)]
pub struct Operand {
    precision: Precision,
    values: Values,
    width: usize,
    words: Words,
    stride: usize,
    /// What a quantised number of each row is worth. 1 where nothing is quantised.
    scales: Vec<f32>,
}

impl Operand {
    /// Takes over the rows of `x` as [`Operand::extend`] does, instead of what was there.
    ///
    /// # Panics
    /// As `extend`.
    pub fn set(&mut self, precision: Precision, values: Values, x: &[f32], stride: usize, width: usize) {
        self.clear(precision, values, width);
        self.extend(x, stride);
    }

    /// Forgets all rows; those to come have `width` such numbers in that precision.
    pub fn clear(&mut self, precision: Precision, values: Values, width: usize) {
        (self.precision, self.values, self.width) = (precision, values, width);
        // An odd number of cache lines: rows a power of two apart would compete for the same places of the cache.
        self.stride = (width.div_ceil(precision.numbers_in_a_word()).div_ceil(16) | 1) * 16;
        self.scales.clear();
    }

    /// Adds the rows of `x`, `stride` floats apart, of which the first `width` count.
    /// Between `width` and the next multiple of four there may be zeros only.
    ///
    /// int8 is quantised row by row: the largest magnitude of a row is the last of [`Values`]' steps. A row with
    /// an infinity or what is no number has a scale that isn't finite either, so results say so.
    ///
    /// # Panics
    /// If a row is shorter than `width`, rounded up to four.
    pub fn extend(&mut self, x: &[f32], stride: usize) {
        self.extend_smoothed(x, stride, &[]);
    }

    /// As [`Operand::extend`], each number multiplied by the factor of its channel first. There are as many as
    /// the width rounded up to four, or none, and then numbers stay as they are. They are for int8 alone: nothing
    /// is gained by them where nothing is quantised, and activated numbers would no longer be such.
    ///
    /// # Panics
    /// As `extend`, and if there are others than so many, or any for another precision or for activated numbers.
    pub fn extend_smoothed(&mut self, x: &[f32], stride: usize, factors: &[f32]) {
        assert!(self.width.next_multiple_of(4) <= stride, "rows shorter than their width");
        let smooths = self.precision.is_int8() && self.values == Values::Any;
        let fit = smooths && factors.len() == self.width.next_multiple_of(4);
        assert!(factors.is_empty() || fit, "factors of an operand's channels");
        let (before, rows) = (self.rows(), x.len().div_ceil(stride));
        self.scales.resize(before + rows, 1.0);
        let out_stride = self.stride;
        let out = &mut self.words.room((before + rows) * out_stride)[before * out_stride..];
        let width = self.width.next_multiple_of(self.precision.numbers_in_a_word());
        match self.precision {
            Precision::F32 => copy(x, stride, width, bytemuck::cast_slice_mut(out), out_stride),
            Precision::Bf16 => round(x, stride, width, bytemuck::cast_slice_mut(out), 2 * out_stride),
            Precision::Int8 | Precision::Int8Wide => {
                let scales = &mut self.scales[before..];
                let out = bytemuck::cast_slice_mut(out);
                quantise(x, stride, width, factors, self.values, out, 4 * out_stride, scales);
            }
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// Whether the rows are of such numbers in that precision, and of that width.
    pub(super) fn is_of(&self, precision: Precision, values: Values, width: usize) -> bool {
        (self.precision, self.values, self.width) == (precision, values, width)
    }

    /// Rows `first` to before `first + count` from word `word` on, and their scales.
    pub(super) fn tile(&self, word: usize, first: usize, count: usize) -> (Left<'_>, &[f32]) {
        let column = word * self.precision.numbers_in_a_word();
        (self.part(column, first, count), &self.scales[first..first + count])
    }

    /// Tells the processor that so many numbers of these rows will be read soon.
    pub(super) fn expect_reads(&self, column: usize, rows: Range<usize>, count: usize) {
        let words = count / self.precision.numbers_in_a_word();
        for row in rows {
            dot::expect_reads(&self.part(column, row, 1).words[..words]);
        }
    }

    /// As [`Operand::tile`], without the first `column` numbers of each row, which must be whole words.
    pub(super) fn part(&self, column: usize, first: usize, count: usize) -> Left<'_> {
        let words = &self.words.as_slice()[first * self.stride + column / self.precision.numbers_in_a_word()..];
        Left { words, stride: self.stride, rows: count }
    }
}

for_this_machine! {
    /// Copies the first `width` floats of each row.
    fn copy(x: &[f32], stride: usize, width: usize, out: &mut [f32], out_stride: usize) = copy_plain
}

for_this_machine! {
    /// Rounds the first `width` floats of each row to bfloat16.
    fn round(x: &[f32], stride: usize, width: usize, out: &mut [u16], out_stride: usize) = round_by, rounding
}

for_this_machine! {
    /// Quantises the first `width` floats of each row, each multiplied by its factor, where there are any.
    fn quantise(x: &[f32], stride: usize, width: usize, factors: &[f32], values: Values, out: &mut [u8], out_stride: usize, scales: &mut [f32]) = quantise_plain
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
#[allow(clippy::too_many_arguments, reason = "slices and their strides")]
fn quantise_plain(
    x: &[f32],
    stride: usize,
    width: usize,
    factors: &[f32],
    values: Values,
    out: &mut [u8],
    out_stride: usize,
    scales: &mut [f32],
) {
    for ((x, out), scale) in x.chunks(stride).zip(out.chunks_exact_mut(out_stride)).zip(scales) {
        let (x, out) = (&x[..width], &mut out[..width]);
        *scale = match factors {
            [] => quantise_row(x.iter().copied(), values, out),
            // Computed once for the largest magnitude and again for the bytes, which costs less than keeping them.
            factors => quantise_row(x.iter().zip(&factors[..width]).map(|(x, factor)| x * factor), values, out),
        };
    }
}

/// What a step of the row is worth.
#[inline(always)]
fn quantise_row(x: impl Iterator<Item = f32> + Clone, values: Values, out: &mut [u8]) -> f32 {
    let (least, steps, zero) = (values.least_magnitude(), values.steps(), f32::from(values.zero_point()));
    let largest = largest_magnitude(x.clone());
    // Not `max`, for what is no number must stay none.
    let largest = if largest < least { least } else { largest };
    let factor = steps / largest;
    for (out, x) in out.iter_mut().zip(x) {
        *out = quantised(x, factor, zero);
    }
    largest / steps
}

/// The largest magnitude in a row; not finite if one of the numbers isn't.
#[inline(always)]
pub(crate) fn largest_magnitude(x: impl IntoIterator<Item = f32>) -> f32 {
    // As whole numbers, magnitudes of floats are in the same order, and what is no number comes last.
    let magnitude = |x: f32| x.to_bits() & (u32::MAX >> 1);
    f32::from_bits(x.into_iter().fold(0, |largest, x| largest.max(magnitude(x))))
}

/// Raises magnitudes to those of these rows; not finite where one of a column's numbers isn't.
pub(crate) fn raise_magnitudes(magnitudes: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(magnitudes.len()) {
        magnitudes.iter_mut().zip(row).for_each(|(magnitude, x)| *magnitude = largest_magnitude([*magnitude, *x]));
    }
}

/// The whole number nearest to `zero + x * factor`, which must be in [0, 255].
#[inline(always)]
fn quantised(x: f32, factor: f32, zero: f32) -> u8 {
    // Adding 1.5 * 2^23 leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    x.mul_add(factor, ROUND + zero).to_bits() as u8
}

#[cfg(test)]
mod tests {
    use super::super::for_this_machine::everywhere::everywhere;
    use super::super::math::{coarse_gelu, gelu, gelu_tanh, relu};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_quantised_is_half_a_step_away_at_most(mut x in prop::collection::vec(-9f32..9.0, 4..150), factor in 1e-20f32..1e20, rows in 1usize..4) {
            x.truncate(x.len() / 4 * 4);
            let width = x.len();
            let x: Vec<f32> = x.into_iter().map(|x| x * factor).collect::<Vec<_>>().repeat(rows);
            let found = everywhere(|| {
                let (mut out, mut scales) = (vec![0; x.len()], vec![0.0; rows]);
                quantise(&x, width, width, &[], Values::Any, &mut out, width, &mut scales);
                (out, scales)
            });
            prop_assert!(found.iter().all(|one| *one == found[0]), "not the same bits on every instruction set");
            let (out, scales) = &found[0];
            prop_assert_eq!(x.iter().zip(out).all(|(&x, &q)| {
                (1..=255).contains(&q) && ((f32::from(q) - 128.0) * scales[0] - x).abs() <= 0.5001 * scales[0]
            }), true);
            prop_assert!(out.iter().any(|&q| q == 1 || q == 255), "the whole range is used");
        }
    }

    proptest! {
        #[test]
        fn what_was_activated_is_half_a_step_away_at_most(x in prop::collection::vec(-30f32..30.0, 4..150), scale in 0.01f32..1.0) {
            for activation in [gelu, gelu_tanh, coarse_gelu, relu] {
                let x: Vec<f32> = x[..x.len() / 4 * 4].iter().map(|x| activation(x * scale)).collect();
                let (mut out, mut scales) = (vec![0; x.len()], [0.0]);
                quantise(&x, x.len(), x.len(), &[], Values::Activated, &mut out, x.len(), &mut scales);
                for (x, q) in x.iter().zip(out) {
                    let meant = (f32::from(q) - 24.0) * scales[0];
                    prop_assert!((meant - x).abs() <= 0.5001 * scales[0], "{x}: {q}");
                }
            }
        }
    }

    proptest! {
        /// Factors are as if the rows had been multiplied by them before.
        #[test]
        fn factors_are_those_of_channels(mut x in prop::collection::vec(-9f32..9.0, 4..150), seed in 0.01f32..20.0, rows in 1usize..4) {
            x.truncate(x.len() / 4 * 4);
            let (width, x) = (x.len(), x.repeat(rows));
            let factors: Vec<f32> = (0..width).map(|channel| seed * (1 + channel * 7 % 11) as f32).collect();
            let product: Vec<f32> = x.iter().zip(factors.iter().cycle()).map(|(x, factor)| x * factor).collect();
            let quantised = |x: &[f32], factors: &[f32]| {
                let (mut out, mut scales) = (vec![0; x.len()], vec![0.0; rows]);
                quantise(x, width, width, factors, Values::Any, &mut out, width, &mut scales);
                (out, scales)
            };
            let expected = quantised(&product, &[]);
            prop_assert!(everywhere(|| quantised(&x, &factors)).iter().all(|found| *found == expected));
        }
    }

    #[test]
    fn rows_that_are_not_finite_have_a_scale_that_is_not() {
        let mut scales = [0.0; 4];
        let x = [[0.0; 4], [1.0, f32::NAN, 2.0, 0.0], [f32::NEG_INFINITY, 1.0, 0.0, 0.0], [0.0, -2.0, 0.0, 1.0]];
        let mut out = [9; 16];
        quantise(x.as_flattened(), 4, 4, &[], Values::Any, &mut out, 4, &mut scales);
        assert_eq!((&out[..4], scales[3]), (&[128; 4][..], 2.0 / 127.0));
        assert!(!scales[1].is_finite() && !scales[2].is_finite());
        assert_eq!(out[12..], [128, 1, 128, 192]);
    }

    #[test]
    fn an_operand_holds_its_rows() {
        let x: Vec<f32> = (0..40).map(|i| i as f32 - 20.0).collect();
        let mut operand = Operand::default();
        for precision in Precision::ALL {
            operand.set(precision, Values::Any, &x, 20, 17);
            let (left, scales) = operand.tile(0, 1, 1);
            assert_eq!((operand.rows(), left.rows, scales.len()), (2, 1, 1));
            let third = |x: u32| match precision {
                Precision::F32 => f32::from_bits(x),
                Precision::Bf16 => f32::from_bits(x << 16),
                Precision::Int8 | Precision::Int8Wide => (x & 0xff) as f32 - 128.0,
            };
            let word = left.words[16 / precision.numbers_in_a_word()];
            assert!((third(word) * scales[0] - 16.0).abs() < 0.1, "{precision}");
            operand.extend(&x[..20], 20);
            let [(first, scale), (added, added_scale)] = [0, 2].map(|row| operand.tile(0, row, 1));
            let words = 16 / precision.numbers_in_a_word();
            assert_eq!((&added.words[..=words], added_scale), (&first.words[..=words], scale), "{precision}");
        }
    }
}
