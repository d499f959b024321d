//! Weights packed once, and `x W + b` with what follows it.

#![allow(
    unsafe_code,
    reason = "calling a function compiled for an instruction set is unsafe; the set is checked first"
)]

use super::Precision;
use super::bfloat16::bf16;
use super::dot::{self, Kernel, NARROW_SUM, NARROW_WEIGHTS, Numbers, PANEL};
use super::for_this_machine::for_this_machine;
use super::math::{self, Activation, coarse_gelu, gelu, gelu_tanh};
use super::matrix::MatrixMut;
use super::operand::{Grid, Operand, largest_magnitude};
use super::words::Words;
use rayon::prelude::*;
use std::ops::Range;

/// Where sums start.
const ZEROS: [u32; PANEL] = [0; PANEL];

/// Sums of a tile, as its kernel left them.
type Sums = [[u32; PANEL]];

/// What becomes of `x W + b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It replaces what was there.
    Store,
    /// The activation of it replaces what was there. In the lower precisions GELU by the error function
    /// is computed only as exactly as these can tell.
    Activate(Activation),
    /// It is added to what was there: a residual connection.
    Add,
    /// What was there is multiplied by it: a gate.
    Multiply,
}

/// A linear layer, its weights in panels of [`PANEL`] outputs as [`dot`] reads them, shared by all threads.
///
/// int8 has a scale for each output: the largest magnitude among its weights becomes 127, its negative -127.
pub struct Linear {
    kernel: &'static Kernel,
    precision: Precision,
    inputs: usize,
    outputs: usize,
    panels: Words,
    /// Of each panel.
    finishing: Vec<Finishing>,
}

/// What makes the sums of a panel's outputs results. Beyond the last output nothing is added.
#[derive(Clone, Copy)]
struct Finishing {
    /// The sum of an output's weights, each in bytes.
    totals: [i32; PANEL],
    /// What one of these is worth.
    scales: [f32; PANEL],
    biases: [f32; PANEL],
}

impl Finishing {
    const NOTHING: Self = Self { totals: [0; PANEL], scales: [1.0; PANEL], biases: [0.0; PANEL] };
}

impl Linear {
    /// Packs weights given output by output, `inputs` for each of the biases.
    ///
    /// # Panics
    /// If the weights are not as many.
    pub fn pack(precision: Precision, inputs: usize, weights: &[f32], biases: &[f32]) -> Self {
        Self::pack_for(dot::kernel(precision), precision, inputs, weights, biases)
    }

    fn pack_for(kernel: &'static Kernel, precision: Precision, inputs: usize, weights: &[f32], biases: &[f32]) -> Self {
        assert_eq!(weights.len(), inputs * biases.len(), "weights of a linear layer");
        let words = words_of_a_row(kernel, precision, inputs);
        let (count, words_of_panel) = (biases.len().div_ceil(PANEL), PANEL * words);
        let mut packed = Self {
            kernel,
            precision,
            inputs,
            outputs: biases.len(),
            panels: Words::zeroed(count * words_of_panel),
            finishing: vec![Finishing::NOTHING; count],
        };
        let panels = packed.panels.room(count * words_of_panel);
        for (output, (weights, bias)) in weights.chunks_exact(inputs).zip(biases).enumerate() {
            let (at, finishing) = (output % PANEL, &mut packed.finishing[output / PANEL]);
            finishing.biases[at] = *bias;
            let panel = &mut panels[output / PANEL * words_of_panel..][..words_of_panel];
            let column = panel.iter_mut().skip(at).step_by(PANEL);
            match precision {
                Precision::F32 => column.zip(weights).for_each(|(word, x)| *word = x.to_bits()),
                Precision::Bf16 | Precision::Bf16Vectors => {
                    column.zip(weights.chunks(2)).for_each(|(word, pair)| *word = two(pair))
                }
                Precision::Int8 | Precision::Int8Wide => {
                    let scale = if kernel.numbers == Numbers::Narrow {
                        narrow_scale(weights)
                    } else {
                        largest_magnitude(weights.iter().copied()) / 127.0
                    };
                    let whole = |x: f32| if scale > 0.0 { (x / scale).round() as i8 } else { 0 };
                    column.zip(weights.chunks(4)).for_each(|(word, four)| *word = bytes(four, whole));
                    finishing.totals[at] = weights.iter().map(|&x| i32::from(whole(x))).sum();
                    finishing.scales[at] = scale;
                }
            }
        }
        packed
    }

    /// What operands must be made for.
    #[inline]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Numbers a row of the result has.
    #[inline]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// `x W + b`, and `then` what is to become of it, for every row of `x`. Rows of `out` are
    /// `stride` floats long, with room for whole panels; what lies beyond the outputs becomes 0, or
    /// stays, or is no number. So many of rayon's threads share the panels, so that each fetches only some.
    ///
    /// # Panics
    /// If `x` was made for another precision or width, or `out` is too short.
    pub fn apply(&self, x: &Operand, then: Then, out: &mut [f32], stride: usize, threads: usize) {
        assert!(x.is_of(self.precision, self.inputs), "operand of a linear layer");
        let out = MatrixMut::new(out, stride, self.finishing.len() * PANEL);
        assert!(out.height() >= x.rows(), "rows of a linear layer's result");
        let shares = out.divided(threads, PANEL);
        shares.into_par_iter().for_each(|(panels, out)| self.apply_panels(panels, x, then, out));
    }

    /// The outputs of these panels, which are the columns of `out`.
    fn apply_panels(&self, panels: Range<usize>, x: &Operand, then: Then, mut out: MatrixMut<'_>) {
        let words = words_of_a_row(self.kernel, self.precision, self.inputs);
        let depth = part_depth(self.kernel, words);
        let finish = finish(self.precision, then);
        // Where a panel is taken in parts, sums of all rows wait for the next part.
        let waiting = depth < words;
        let mut sums = vec![[0; PANEL]; if waiting { x.rows() } else { self.kernel.rows }];
        let tiles_a_panel = (words.div_ceil(depth) * x.rows().div_ceil(self.kernel.rows)).max(1);
        for panel in panels.clone() {
            let ours = &self.panels.as_slice()[..panels.end * PANEL * words];
            let (panel_words, after) = ours[panel * PANEL * words..].split_at(PANEL * words);
            let mut coming = after.chunks(panel_words.len().div_ceil(tiles_a_panel));
            let column = (panel - panels.start) * PANEL;
            let mut out = out.columns(column..column + PANEL);
            for (number, part) in panel_words.chunks(depth * PANEL).enumerate() {
                let (first_word, is_last) = (number * depth, (number + 1) * depth >= words);
                let start = (number == 0).then_some(&ZEROS);
                for (first, count) in tiles(x.rows(), self.kernel.rows) {
                    let (left, grids) = x.tile(first_word, first, count);
                    let sums = &mut sums[if waiting { first } else { 0 }..][..count];
                    let out = out.rows(first..first + count);
                    if is_last {
                        out.expect_writes();
                    }
                    let coming = coming.next().unwrap_or_default();
                    self.kernel.run(left, part, 2, start, sums.as_flattened_mut(), PANEL, coming);
                    if is_last {
                        finish(sums, grids, &self.finishing[panel], out);
                    }
                }
            }
        }
    }
}

/// Words of a row that are taken together: all, or parts as equal as can be.
fn part_depth(kernel: &Kernel, words: usize) -> usize {
    words.div_ceil(words.div_ceil(kernel.depth).max(1)).next_multiple_of(kernel.at_once).max(1)
}

/// Words that a kernel reads of a row of so many numbers.
fn words_of_a_row(kernel: &Kernel, precision: Precision, inputs: usize) -> usize {
    inputs.div_ceil(precision.numbers_in_a_word()).next_multiple_of(kernel.at_once)
}

/// What a step of weights is worth that are [`narrow`](Numbers::Narrow).
fn narrow_scale(weights: &[f32]) -> f32 {
    // Each of the four can be rounded up by half a step.
    let steps = (NARROW_SUM - NARROW_WEIGHTS / 2) as f32;
    let (whole, together) = (largest_magnitude(weights.iter().copied()) / 127.0, largest_together(weights) / steps);
    // Not `max`, for what is no number must stay none.
    if together > whole { together } else { whole }
}

/// The largest sum of weights of one sign among those that meet in 16 bits: the first halves of two words,
/// and the second ones.
fn largest_together(weights: &[f32]) -> f32 {
    let mut largest = 0f32;
    for words in weights.chunks(8) {
        let (mut above, mut below) = ([0.0; 2], [0.0; 2]);
        for (at, &weight) in words.iter().enumerate() {
            let half = at / 2 % 2;
            above[half] += weight.max(0.0);
            below[half] -= weight.min(0.0);
        }
        largest = above.iter().chain(&below).fold(largest, |largest, sum| largest.max(*sum));
    }
    largest
}

/// Divides `rows` into tiles of at most `tallest`, as equal as can be: the last one is not a sliver.
pub(super) fn tiles(rows: usize, tallest: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(tallest);
    (0..count).map(move |tile| {
        let (first, end) = (tile * rows / count, (tile + 1) * rows / count);
        (first, end - first)
    })
}

/// One or two numbers as a word of bfloat16.
fn two(pair: &[f32]) -> u32 {
    let upper = pair.get(1).map_or(0, |&x| bf16(x));
    u32::from(bf16(pair[0])) | u32::from(upper) << 16
}

fn bytes(four: &[f32], whole: impl Fn(f32) -> i8) -> u32 {
    let mut bytes = [0; 4];
    for (byte, &x) in bytes.iter_mut().zip(four) {
        *byte = whole(x).cast_unsigned();
    }
    u32::from_le_bytes(bytes)
}

/// How the sums of a tile become results: with the grid of each row, and where results go.
type Finish = fn(&Sums, &[Grid], &Finishing, MatrixMut<'_>);

fn finish(precision: Precision, then: Then) -> Finish {
    let (float, int8): (Finish, Finish) = match (then, precision) {
        (Then::Store, _) => (store::float, store::int8),
        (Then::Add, _) => (add::float, add::int8),
        (Then::Multiply, _) => (multiply::float, multiply::int8),
        (Then::Activate(Activation::Gelu), Precision::F32) => (exact_gelu::float, exact_gelu::int8),
        (Then::Activate(Activation::Gelu), _) => (rounded_gelu::float, rounded_gelu::int8),
        (Then::Activate(Activation::GeluTanh), _) => (approximate_gelu::float, approximate_gelu::int8),
        (Then::Activate(Activation::Relu), _) => (relu::float, relu::int8),
        (Then::Activate(Activation::Tanh), _) => (tanh::float, tanh::int8),
    };
    if precision.is_int8() { int8 } else { float }
}

/// A module for each way to finish, from what it makes of a result and of what was there before.
macro_rules! finish {
    ($($name:ident = $then:expr;)*) => {$(
        mod $name {
            use super::*;
            for_this_machine! {
                pub fn float(sums: &Sums, grids: &[Grid], with: &Finishing, out: MatrixMut<'_>) = float_plain
            }
            for_this_machine! {
                pub fn int8(sums: &Sums, grids: &[Grid], with: &Finishing, out: MatrixMut<'_>) = int8_plain
            }
            /// Floats have no grids.
            #[inline(always)]
            fn float_plain(sums: &Sums, _: &[Grid], with: &Finishing, out: MatrixMut<'_>) {
                finish_float(sums, with, out, $then);
            }
            #[inline(always)]
            fn int8_plain(sums: &Sums, grids: &[Grid], with: &Finishing, out: MatrixMut<'_>) {
                finish_int8(sums, grids, with, out, $then);
            }
        }
    )*};
}

finish! {
    store = |x, _| x;
    add = |x, old| old + x;
    multiply = |x, old| old * x;
    exact_gelu = |x, _| gelu(x);
    rounded_gelu = |x, _| coarse_gelu(x);
    approximate_gelu = |x, _| gelu_tanh(x);
    relu = |x, _| math::relu(x);
    tanh = |x, _| x.tanh();
}

#[inline(always)]
fn finish_int8(sums: &Sums, grids: &[Grid], with: &Finishing, out: MatrixMut<'_>, then: impl Fn(f32, f32) -> f32) {
    for ((sums, grid), out) in sums.iter().zip(grids).zip(out.into_rows()) {
        let out = of_panel(out);
        for column in 0..PANEL {
            // What the row's zero point adds is taken away.
            let sum = sums[column].cast_signed().wrapping_sub(grid.zero.wrapping_mul(with.totals[column])) as f32;
            let x = (sum * grid.step).mul_add(with.scales[column], with.biases[column]);
            out[column] = then(x, out[column]);
        }
    }
}

#[inline(always)]
fn finish_float(sums: &Sums, with: &Finishing, out: MatrixMut<'_>, then: impl Fn(f32, f32) -> f32) {
    for (sums, out) in sums.iter().zip(out.into_rows()) {
        let out = of_panel(out);
        for column in 0..PANEL {
            out[column] = then(f32::from_bits(sums[column]) + with.biases[column], out[column]);
        }
    }
}

#[inline(always)]
fn of_panel(row: &mut [f32]) -> &mut [f32; PANEL] {
    row.first_chunk_mut().expect("a tile's results are as wide as a panel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::for_this_machine::everywhere::everywhere;
    use proptest::prelude::*;

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        (0..n as u64)
            .map(|i| ((i.wrapping_mul(0x9e37_79b9).wrapping_add(seed * 77)) % 2001) as f32 / 1000.0 - 1.0)
            .collect()
    }

    const THENS: [Then; 7] = [
        Then::Store,
        Then::Add,
        Then::Multiply,
        Then::Activate(Activation::Gelu),
        Then::Activate(Activation::GeluTanh),
        Then::Activate(Activation::Relu),
        Then::Activate(Activation::Tanh),
    ];

    fn applied(linear: &Linear, x: &[f32], rows: usize, then: Then) -> Vec<f32> {
        applied_by(1, linear, x, rows, then)
    }

    fn applied_by(threads: usize, linear: &Linear, x: &[f32], rows: usize, then: Then) -> Vec<f32> {
        let mut operand = Operand::default();
        let stride = linear.inputs.next_multiple_of(4);
        let mut padded = vec![0.0; rows * stride];
        for (padded, x) in padded.chunks_exact_mut(stride).zip(x.chunks_exact(linear.inputs)) {
            padded[..x.len()].copy_from_slice(x);
        }
        operand.set(linear.precision, &padded, stride, linear.inputs);
        let out_stride = linear.outputs.next_multiple_of(PANEL) + 7;
        let mut out = vec![0.25; rows * out_stride];
        linear.apply(&operand, then, &mut out, out_stride, threads);
        out.chunks_exact(out_stride).flat_map(|row| &row[..linear.outputs]).copied().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Within the error that rounding the factors brings; also where all numbers have one sign.
        #[test]
        fn is_the_textbook_product(rows in 1usize..30, inputs in 1usize..90, outputs in 1usize..70, seed in 0u64..99, positive: bool) {
            let x: Vec<f32> = numbers(rows * inputs, seed).into_iter().map(|x| if positive { x.abs() } else { x }).collect();
            let (weights, biases) = (numbers(outputs * inputs, seed + 1), numbers(outputs, seed + 2));
            let int8 = if dot::kernel(Precision::Int8).numbers == Numbers::Narrow { 1.0 / 60.0 } else { 1.0 / 120.0 };
            for (precision, relative) in Precision::ALL.into_iter().zip([1e-6, 1.0 / 256.0, 1.0 / 256.0, int8, 1.0 / 120.0]) {
                for then in THENS {
                    let found = applied(&Linear::pack(precision, inputs, &weights, &biases), &x, rows, then);
                    for (at, found) in found.into_iter().enumerate() {
                        let (x, weights) = (&x[at / outputs * inputs..][..inputs], &weights[at % outputs * inputs..][..inputs]);
                        let pairs = || x.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w));
                        let sum = pairs().sum::<f64>() + f64::from(biases[at % outputs]);
                        let exact = match then {
                            Then::Store => sum,
                            Then::Activate(Activation::Gelu) => f64::from(gelu(sum as f32)),
                            Then::Activate(Activation::GeluTanh) => f64::from(gelu_tanh(sum as f32)),
                            Then::Activate(Activation::Relu) => sum.max(0.0),
                            Then::Activate(Activation::Tanh) => sum.tanh(),
                            Then::Add => 0.25 + sum,
                            Then::Multiply => 0.25 * sum,
                        };
                        // Of each factor half a step may be missing.
                        let slack = relative * (x.iter().chain(weights).map(|x| f64::from(x.abs())).sum::<f64>() + 1.0);
                        prop_assert!((f64::from(found) - exact).abs() < slack, "{precision} {then:?} {found} {exact}");
                    }
                }
            }
        }

        /// Also at the depths of BERT's layers.
        #[test]
        fn a_row_does_not_depend_on_the_rows_around_it(rows in 1usize..40, row in 0usize..40, shape in 0usize..3) {
            let (inputs, outputs) = [(768, 40), (384, 96), (61, 33)][shape];
            let row = row % rows;
            let (x, weights, biases) = (numbers(rows * inputs, 3), numbers(outputs * inputs, 4), numbers(outputs, 5));
            for precision in Precision::ALL {
                let linear = Linear::pack(precision, inputs, &weights, &biases);
                let all = applied(&linear, &x, rows, Then::Activate(Activation::Gelu));
                let alone = applied(&linear, &x[row * inputs..(row + 1) * inputs], 1, Then::Activate(Activation::Gelu));
                prop_assert_eq!(&all[row * outputs..(row + 1) * outputs], &alone[..], "{}", precision);
            }
        }

        /// Also where there are more threads than panels.
        #[test]
        fn threads_that_share_a_product_change_no_bit(rows in 1usize..20, outputs in 1usize..200, threads in 2usize..9) {
            let (x, weights, biases) = (numbers(rows * 61, 3), numbers(outputs * 61, 4), numbers(outputs, 5));
            for precision in Precision::ALL {
                let linear = Linear::pack(precision, 61, &weights, &biases);
                let alone = applied(&linear, &x, rows, Then::Add);
                prop_assert_eq!(applied_by(threads, &linear, &x, rows, Then::Add), alone, "{}", precision);
            }
        }

        /// Whole numbers add up exactly, and what follows is the same arithmetic everywhere.
        #[test]
        fn low_precisions_give_the_same_bits_on_every_instruction_set(rows in 1usize..20, inputs in 1usize..300, seed in 0u64..99) {
            let (x, weights, biases) = (numbers(rows * inputs, seed), numbers(40 * inputs, seed + 1), numbers(40, seed + 2));
            for precision in Precision::ALL.into_iter().filter(|precision| precision.same_everywhere()) {
                for then in THENS {
                    let on = |kernel| {
                        let linear = Linear::pack_for(kernel, precision, inputs, &weights, &biases);
                        everywhere(|| applied(&linear, &x, rows, then))
                    };
                    let all: Vec<Vec<f32>> = dot::kernels(precision).flat_map(on).collect();
                    prop_assert!(all.iter().all(|one| *one == all[0]), "{precision} {then:?}");
                }
            }
        }

        /// Whatever the weights are: the extremes too.
        #[test]
        fn narrow_weights_fit_into_sixteen_bits(mut weights in prop::collection::vec(-1f32..1.0, 1..80), extreme in 0usize..80, share in 0.0..1.0) {
            let count = weights.len();
            for weight in weights.iter_mut().skip(extreme).step_by(1 + (share * 9.0) as usize) {
                *weight = 40f32.copysign(*weight);
            }
            let step = narrow_scale(&weights);
            let whole: Vec<i32> = weights.iter().map(|x| (x / step).round() as i32).collect();
            prop_assert!(whole.iter().all(|x| x.abs() <= 127));
            for words in whole.chunks(8) {
                for half in [[0, 1, 4, 5], [2, 3, 6, 7]] {
                    let met = || half.iter().filter_map(|&at| words.get(at));
                    let sums = [met().filter(|x| **x > 0).sum::<i32>(), -met().filter(|x| **x < 0).sum::<i32>()];
                    prop_assert!(sums.iter().all(|sum| *sum <= NARROW_SUM), "{count}: {words:?}");
                }
            }
            prop_assert!(whole.iter().any(|x| x.abs() >= NARROW_SUM / NARROW_WEIGHTS - 1), "no steps are given away");
        }

        #[test]
        fn tiles_are_all_rows_and_even(rows in 0usize..100, tallest in 1usize..13) {
            let tiles: Vec<_> = tiles(rows, tallest).collect();
            let mut next = 0;
            for &(first, count) in &tiles {
                prop_assert!(first == next && count <= tallest && count + 1 >= tiles[0].1.max(1));
                next += count;
            }
            prop_assert_eq!(next, rows);
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for precision in Precision::ALL {
            for (x, weight) in [(f32::INFINITY, 0.0), (f32::NAN, 1.0), (1.0, f32::NAN), (0.0, f32::INFINITY)] {
                let linear = Linear::pack(precision, 4, &[weight, 1.0, 1.0, 1.0], &[0.0]);
                let found = applied(&linear, &[x, 1.0, 1.0, 1.0], 1, Then::Store);
                assert!(!found[0].is_finite(), "{precision}: {x} x {weight} = {}", found[0]);
            }
        }
    }
}
