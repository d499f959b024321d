//! Rows of floats made into the left operand of a matrix product.

#![allow(
    unsafe_code,
    reason = "calling a function compiled for an instruction set is unsafe; the set is checked first"
)]

use super::Precision;
use super::bfloat16::Rounding;
use super::dot::{self, Left};
use super::for_this_machine::for_this_machine;
use super::words::{LINE, Words};
use std::ops::Range;

/// How the bytes of a row are to be read: `(byte - zero) * step`. Where nothing is quantised `step` is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    pub(super) step: f32,
    /// From 0 to 254: zero is exact.
    pub(super) zero: i32,
}

impl Grid {
    const FLOATS: Self = Self { step: 1.0, zero: 0 };
}

/// Rows of a matrix in the words of a precision.
#[derive(Default)]
pub struct Operand {
    precision: Precision,
    width: usize,
    words: Words,
    stride: usize,
    /// Of each row.
    grids: Vec<Grid>,
}

impl Operand {
    /// Takes over the rows of `x` as [`Operand::extend`] does, instead of what was there.
    ///
    /// # Panics
    /// As `extend`.
    #[inline]
    pub fn set(&mut self, precision: Precision, x: &[f32], stride: usize, width: usize) {
        self.clear(precision, width);
        self.extend(x, stride);
    }

    /// Forgets all rows; those to come have `width` numbers in that precision.
    #[inline]
    pub fn clear(&mut self, precision: Precision, width: usize) {
        (self.precision, self.width) = (precision, width);
        // An odd number of cache lines: rows a power of two apart would compete for the same places of the cache.
        self.stride = (width.div_ceil(precision.numbers_in_a_word()).div_ceil(LINE) | 1) * LINE;
        self.grids.clear();
    }

    /// Adds the rows of `x`, `stride` floats apart, of which the first `width` count.
    /// Between `width` and the next multiple of four there may be zeros only.
    ///
    /// int8 is quantised row by row: 254 steps from the least number to the largest, or from or to zero. A row with
    /// an infinity or what is no number has a step that isn't finite either, so results say so.
    ///
    /// # Panics
    /// If a row is shorter than `width`, rounded up to four.
    #[inline]
    pub fn extend(&mut self, x: &[f32], stride: usize) {
        self.extend_smoothed(x, stride, &[]);
    }

    /// As [`Operand::extend`], each number multiplied by the factor of its channel first. There are as many as
    /// the width rounded up to four, or none, and then numbers stay as they are. They are for int8 alone: nothing
    /// is gained by them where nothing is quantised.
    ///
    /// # Panics
    /// As `extend`, and if there are others than so many, or any for another precision.
    pub fn extend_smoothed(&mut self, x: &[f32], stride: usize, factors: &[f32]) {
        assert!(self.width.next_multiple_of(4) <= stride, "rows shorter than their width");
        let fit = self.precision.is_int8() && factors.len() == self.width.next_multiple_of(4);
        assert!(factors.is_empty() || fit, "factors of an operand's channels");
        let (before, rows) = (self.rows(), x.len().div_ceil(stride));
        self.grids.resize(before + rows, Grid::FLOATS);
        let out_stride = self.stride;
        let out = &mut self.words.room((before + rows) * out_stride)[before * out_stride..];
        let width = self.width.next_multiple_of(self.precision.numbers_in_a_word());
        match self.precision {
            Precision::F32 => copy(x, stride, width, bytemuck::cast_slice_mut(out), out_stride),
            Precision::Bf16 | Precision::Bf16Vectors => {
                round(x, stride, width, bytemuck::cast_slice_mut(out), 2 * out_stride)
            }
            Precision::Int8 | Precision::Int8Wide => {
                let grids = &mut self.grids[before..];
                let out = bytemuck::cast_slice_mut(out);
                quantise(x, stride, width, factors, out, 4 * out_stride, grids);
            }
        }
        // Kernels that take many words at once read these too, and what is no number would show.
        let words = width / self.precision.numbers_in_a_word();
        for row in self.words.room((before + rows) * out_stride)[before * out_stride..].chunks_exact_mut(out_stride) {
            row[words..words.next_multiple_of(LINE)].fill(0);
        }
    }

    /// How many rows there are.
    #[inline]
    pub fn rows(&self) -> usize {
        self.grids.len()
    }

    /// Whether the rows are in that precision and of that width.
    pub(super) fn is_of(&self, precision: Precision, width: usize) -> bool {
        (self.precision, self.width) == (precision, width)
    }

    /// Rows `first` to before `first + count` from word `word` on, and their grids.
    pub(super) fn tile(&self, word: usize, first: usize, count: usize) -> (Left<'_>, &[Grid]) {
        let column = word * self.precision.numbers_in_a_word();
        (self.part(column, first, count), &self.grids[first..first + count])
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
    fn quantise(x: &[f32], stride: usize, width: usize, factors: &[f32], out: &mut [u8], out_stride: usize, grids: &mut [Grid]) = quantise_plain
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
    grids: &mut [Grid],
) {
    for ((x, out), grid) in x.chunks(stride).zip(out.chunks_exact_mut(out_stride)).zip(grids) {
        let (x, out) = (&x[..width], &mut out[..width]);
        *grid = match factors {
            [] => quantise_row(x.iter().copied(), out),
            // Computed once for the range and again for the bytes, which costs less than keeping them.
            factors => quantise_row(x.iter().zip(&factors[..width]).map(|(x, factor)| x * factor), out),
        };
    }
}

/// Steps from the least number of a row to its largest. One more would be all that bytes have, but the zero point is
/// rounded, and what it is rounded by comes on top.
const STEPS: f32 = 254.0;

#[inline(always)]
fn quantise_row(x: impl Iterator<Item = f32> + Clone, out: &mut [u8]) -> Grid {
    let (least, largest) = range(x.clone());
    let range = largest - least;
    // A row of zeros, or as good as. Not `max`, for what is no number must stay none.
    let range = if range < 1e-30 { 1e-30 } else { range };
    let factor = STEPS / range;
    // The nearest whole number, to a half the even one: the least number is then rounded to 0, never below it.
    let zero = rounded((-least).mul_add(factor, ROUND));
    for (out, x) in out.iter_mut().zip(x) {
        *out = rounded(x.mul_add(factor, ROUND + zero as f32)) as u8;
    }
    Grid { step: range / STEPS, zero }
}

/// The least number and the largest, or zero where all are on one side of it. Not finite where one of them isn't.
#[inline(always)]
fn range(x: impl Iterator<Item = f32>) -> (f32, f32) {
    // As signed whole numbers, floats above zero are in their order and beyond those below it; as unsigned ones,
    // those below zero are in the order of their magnitude and beyond the others. What is no number is beyond all
    // of its sign.
    let (above, below) =
        x.fold((0, 0), |(above, below): (i32, u32), x| (above.max(x.to_bits().cast_signed()), below.max(x.to_bits())));
    let least = if below > i32::MAX.cast_unsigned() { f32::from_bits(below) } else { 0.0 };
    (least, f32::from_bits(above.cast_unsigned()))
}

/// Adding 1.5 * 2^23 leaves the nearest whole number in the low bits.
const ROUND: f32 = 12_582_912.0;

/// The whole number that was added to [`ROUND`].
#[inline(always)]
fn rounded(x: f32) -> i32 {
    x.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed()
}

/// The largest magnitude in a row; not finite if one of the numbers isn't.
#[inline(always)]
pub fn largest_magnitude(x: impl IntoIterator<Item = f32>) -> f32 {
    // As whole numbers, magnitudes of floats are in the same order, and what is no number comes last.
    let magnitude = |x: f32| x.to_bits() & (u32::MAX >> 1);
    f32::from_bits(x.into_iter().fold(0, |largest, x| largest.max(magnitude(x))))
}

/// Raises magnitudes to those of these rows; not finite where one of a column's numbers isn't.
pub fn raise_magnitudes(magnitudes: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(magnitudes.len()) {
        magnitudes.iter_mut().zip(row).for_each(|(magnitude, x)| *magnitude = largest_magnitude([*magnitude, *x]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::for_this_machine::everywhere::everywhere;
    use proptest::prelude::*;

    /// The bytes of rows of `width` numbers and how they are to be read.
    fn quantised(x: &[f32], width: usize, factors: &[f32]) -> (Vec<u8>, Vec<Grid>) {
        let (mut out, mut grids) = (vec![9; x.len()], vec![Grid::FLOATS; x.len() / width]);
        quantise(x, width, width, factors, &mut out, width, &mut grids);
        (out, grids)
    }

    proptest! {
        /// Whatever the range is: on both sides of zero, or on one.
        #[test]
        fn what_is_quantised_is_half_a_step_away_at_most(x in prop::collection::vec(0f32..1.0, 4..150), least in -1f32..1.0, factor in 1e-20f32..1e20, rows in 1usize..4) {
            let width = x.len() / 4 * 4;
            let x: Vec<f32> = x[..width].iter().map(|x| (x + least) * factor).collect::<Vec<_>>().repeat(rows);
            let found = everywhere(|| quantised(&x, width, &[]));
            prop_assert!(found.iter().all(|one| *one == found[0]), "not the same bits on every instruction set");
            let (out, grids) = &found[0];
            for (&x, &q) in x.iter().zip(out) {
                let meant = (f32::from(q) - grids[0].zero as f32) * grids[0].step;
                prop_assert!((meant - x).abs() <= 0.5001 * grids[0].step, "{x}: {q} {:?}", grids[0]);
            }
            let (least, largest) = (x.iter().fold(0f32, |a, b| a.min(*b)), x.iter().fold(0f32, |a, b| a.max(*b)));
            prop_assert!(((largest - least) / grids[0].step - 254.0).abs() < 0.01, "the whole range is used");
        }

        /// Ties too: steps of which the least number is a half.
        #[test]
        fn no_byte_overflows(least in -509i32..=0, step in 1e-3f32..1e3) {
            let half = |n: i32| n as f32 * 0.5 * step;
            let largest = least + 2 * STEPS as i32;
            let x = [half(least), half(largest), half(least + 1), half(largest - 1)];
            let (out, grids) = quantised(&x, 4, &[]);
            prop_assert!(out[0] <= out[2] && out[2] <= out[3] && out[3] <= out[1] && (0..=254).contains(&grids[0].zero), "{out:?}");
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
            let expected = quantised(&product, width, &[]);
            prop_assert!(everywhere(|| quantised(&x, width, &factors)).iter().all(|found| *found == expected));
        }
    }

    #[test]
    fn rows_that_are_not_finite_have_a_step_that_is_not() {
        let x = [[0.0; 4], [1.0, f32::NAN, 2.0, 0.0], [f32::NEG_INFINITY, 1.0, 0.0, 0.0], [-127.0, 127.0, 0.0, 1.0]];
        let (out, grids) = quantised(x.as_flattened(), 4, &[]);
        assert_eq!((&out[..4], grids[0].zero), (&[0; 4][..], 0));
        assert!(!grids[1].step.is_finite() && !grids[2].step.is_finite());
        assert_eq!((&out[12..], grids[3]), (&[0, 254, 127, 128][..], Grid { step: 1.0, zero: 127 }));
        let negative_nan = f32::from_bits(u32::MAX);
        assert!(!quantised(&[1.0, negative_nan, 0.0, 0.0], 4, &[]).1[0].step.is_finite());
    }

    #[test]
    fn behind_a_row_are_zeros_up_to_a_cache_line() {
        let mut x = [1.0; 20];
        x[17..].fill(0.0);
        for precision in Precision::ALL {
            let mut operand = Operand::default();
            operand.set(precision, &[f32::NAN; 128], 64, 64);
            operand.set(precision, &x.repeat(2), 20, 17);
            let words = 17_usize.div_ceil(precision.numbers_in_a_word());
            for row in 0..2 {
                let (left, _) = operand.tile(0, row, 1);
                assert!(left.words[words - 1] != 0, "{precision}");
                assert_eq!(left.words[words..words.next_multiple_of(LINE)].iter().max(), Some(&0), "{precision}");
            }
        }
    }

    #[test]
    fn an_operand_holds_its_rows() {
        let x: Vec<f32> = (0..40).map(|i| i as f32 - 20.0).collect();
        let mut operand = Operand::default();
        for precision in Precision::ALL {
            operand.set(precision, &x, 20, 17);
            let (left, grids) = operand.tile(0, 1, 1);
            assert_eq!((operand.rows(), left.rows, grids.len()), (2, 1, 1));
            let third = |x: u32| match precision {
                Precision::F32 => f32::from_bits(x),
                Precision::Bf16 | Precision::Bf16Vectors => f32::from_bits(x << 16),
                Precision::Int8 | Precision::Int8Wide => (x & 0xff) as f32 - grids[0].zero as f32,
            };
            let word = left.words[16 / precision.numbers_in_a_word()];
            assert!((third(word) * grids[0].step - 16.0).abs() < 0.1, "{precision}");
            operand.extend(&x[..20], 20);
            let [(first, grid), (added, added_grid)] = [0, 2].map(|row| operand.tile(0, row, 1));
            let words = 16 / precision.numbers_in_a_word();
            assert_eq!((&added.words[..=words], added_grid), (&first.words[..=words], grid), "{precision}");
        }
    }
}
