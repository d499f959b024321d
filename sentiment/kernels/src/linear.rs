//! Linear layers: weights packed once, then `x W + b` fused with the operation that follows it.

#![allow(unsafe_code, reason = "calls functions compiled for an instruction set, after detecting the set")]

use super::Precision;
use super::aligned::AlignedBuf;
use super::bfloat16::bf16;
use super::dot::{self, Kernel, NARROW_SUM, NARROW_WEIGHTS, Numerics, PANEL};
use super::math::{self, Activation, fast_gelu, gelu, gelu_tanh};
use super::matrix::MatrixMut;
use super::multiversion::multiversion;
use super::operand::{Operand, QuantParams, max_abs};
use rayon::prelude::*;
use std::ops::Range;

/// Initial sums.
const ZEROS: [u32; PANEL] = [0; PANEL];

/// Sums of a tile as its kernel left them: bits of `f32`, or `i32` for int8.
type Sums = [[u32; PANEL]];

/// How `x W + b` is combined with the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// The result overwrites the output.
    Store,
    /// The activation of the result overwrites the output. In the lower precisions, GELU by the error function is
    /// computed only as accurately as these precisions can represent.
    Activate(Activation),
    /// The result is added to the output: a residual connection.
    Add,
    /// The output is multiplied by the result: a gate.
    Multiply,
}

/// A linear layer. Its weights are packed into panels of [`PANEL`] outputs, the layout that [`dot`] reads, and shared
/// by all threads.
///
/// int8 has one scale per output: the largest magnitude among its weights maps to 127, its negative to -127, or to
/// less on a [narrow](Numerics::Narrow) kernel.
pub struct Linear {
    kernel: &'static Kernel,
    precision: Precision,
    inputs: usize,
    outputs: usize,
    panels: AlignedBuf,
    /// One per panel.
    panel_params: Vec<PanelParams>,
}

/// What turns the sums of a panel into results. Columns after the last output get neutral values.
#[derive(Clone, Copy)]
struct PanelParams {
    /// Sum of each output's quantised weights.
    weight_sums: [i32; PANEL],
    /// Scale of each output's weights.
    scales: [f32; PANEL],
    biases: [f32; PANEL],
}

impl PanelParams {
    const NEUTRAL: Self = Self { weight_sums: [0; PANEL], scales: [1.0; PANEL], biases: [0.0; PANEL] };
}

impl Linear {
    /// Packs weights of shape `[outputs, inputs]`; the number of outputs is that of `biases`.
    ///
    /// # Panics
    /// If the number of weights does not match.
    pub fn pack(precision: Precision, inputs: usize, weights: &[f32], biases: &[f32]) -> Self {
        Self::pack_for(dot::kernel(precision), precision, inputs, weights, biases)
    }

    fn pack_for(kernel: &'static Kernel, precision: Precision, inputs: usize, weights: &[f32], biases: &[f32]) -> Self {
        assert_eq!(weights.len(), inputs * biases.len(), "number of weights of a linear layer");
        let words = words_per_row(kernel, precision, inputs);
        let (count, words_of_panel) = (biases.len().div_ceil(PANEL), PANEL * words);
        let mut packed = Self {
            kernel,
            precision,
            inputs,
            outputs: biases.len(),
            panels: AlignedBuf::zeroed(count * words_of_panel),
            panel_params: vec![PanelParams::NEUTRAL; count],
        };
        let panels = packed.panels.words_mut(count * words_of_panel);
        for (output, (weights, bias)) in weights.chunks_exact(inputs).zip(biases).enumerate() {
            let (at, params) = (output % PANEL, &mut packed.panel_params[output / PANEL]);
            params.biases[at] = *bias;
            let panel = &mut panels[output / PANEL * words_of_panel..][..words_of_panel];
            let column = panel.iter_mut().skip(at).step_by(PANEL);
            match precision {
                Precision::F32 => column.zip(weights).for_each(|(word, x)| *word = x.to_bits()),
                Precision::Bf16 | Precision::Bf16Vectors => {
                    column.zip(weights.chunks(2)).for_each(|(word, pair)| *word = pack_bf16(pair))
                }
                Precision::Int8 | Precision::Int8Wide => {
                    let scale = if kernel.numerics == Numerics::Narrow {
                        narrow_scale(weights)
                    } else {
                        max_abs(weights.iter().copied()) / 127.0
                    };
                    let quantise = |x: f32| if scale > 0.0 { (x / scale).round() as i8 } else { 0 };
                    column.zip(weights.chunks(4)).for_each(|(word, four)| *word = pack_int8(four, quantise));
                    params.weight_sums[at] = weights.iter().map(|&x| i32::from(quantise(x))).sum();
                    params.scales[at] = scale;
                }
            }
        }
        packed
    }

    /// The precision that operands must have.
    #[inline]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Elements in a row of the result.
    #[inline]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Computes `x W + b` for every row of `x` and combines it with `out` as `epilogue` says. Rows of `out` are
    /// `stride` floats apart and hold whole panels; the values after the last output are unspecified (0, unchanged or
    /// NaN). The panels are divided among `threads` of rayon's threads, so that each reads only its part of the
    /// weights.
    ///
    /// # Panics
    /// If `x` has another precision or width, or `out` is too short.
    pub fn apply(&self, x: &Operand, epilogue: Epilogue, out: &mut [f32], stride: usize, threads: usize) {
        assert!(x.has_layout(self.precision, self.inputs), "precision or width of a linear layer's operand");
        let out = MatrixMut::new(out, stride, self.panel_params.len() * PANEL);
        assert!(out.row_count() >= x.rows(), "the output of a linear layer has too few rows");
        let parts = out.split_columns(threads, PANEL);
        parts.into_par_iter().for_each(|(panels, out)| self.apply_panels(panels, x, epilogue, out));
    }

    /// Computes the outputs of these panels, which are the columns of `out`.
    fn apply_panels(&self, panels: Range<usize>, x: &Operand, epilogue: Epilogue, mut out: MatrixMut<'_>) {
        let words = words_per_row(self.kernel, self.precision, self.inputs);
        let depth = part_depth(self.kernel, words);
        let write = epilogue_fn(self.precision, epilogue);
        // Where a panel is split in depth, the sums of all rows are kept for the next part.
        let is_split = depth < words;
        let mut sums = vec![[0; PANEL]; if is_split { x.rows() } else { self.kernel.max_rows }];
        let tiles_per_panel = (words.div_ceil(depth) * x.rows().div_ceil(self.kernel.max_rows)).max(1);
        for panel in panels.clone() {
            let to_end = &self.panels.as_slice()[..panels.end * PANEL * words];
            let (panel_words, after) = to_end[panel * PANEL * words..].split_at(PANEL * words);
            let mut upcoming = after.chunks(panel_words.len().div_ceil(tiles_per_panel));
            let column = (panel - panels.start) * PANEL;
            let mut out = out.columns(column..column + PANEL);
            for (index, part) in panel_words.chunks(depth * PANEL).enumerate() {
                let (first_word, is_last) = (index * depth, (index + 1) * depth >= words);
                let start = (index == 0).then_some(&ZEROS);
                for (first, count) in tiles(x.rows(), self.kernel.max_rows) {
                    let (lhs, quant_params) = x.tile(first_word, first, count);
                    let sums = &mut sums[if is_split { first } else { 0 }..][..count];
                    let out = out.rows(first..first + count);
                    if is_last {
                        out.prefetch_for_write();
                    }
                    let upcoming = upcoming.next().unwrap_or_default();
                    self.kernel.run(lhs, part, 2, start, sums.as_flattened_mut(), PANEL, upcoming);
                    if is_last {
                        write(sums, quant_params, &self.panel_params[panel], out);
                    }
                }
            }
        }
    }
}

/// Words of a row that are processed together: all, or parts of nearly equal size.
fn part_depth(kernel: &Kernel, words: usize) -> usize {
    words.div_ceil(words.div_ceil(kernel.panel_depth).max(1)).next_multiple_of(kernel.words_per_step).max(1)
}

/// Words that a kernel reads of a row of `inputs` elements.
fn words_per_row(kernel: &Kernel, precision: Precision, inputs: usize) -> usize {
    inputs.div_ceil(precision.elements_per_word()).next_multiple_of(kernel.words_per_step)
}

/// The scale of weights for a [narrow](Numerics::Narrow) kernel.
fn narrow_scale(weights: &[f32]) -> f32 {
    // Rounding can add half a unit to each of the weights that are added in 16 bits.
    let units = (NARROW_SUM - NARROW_WEIGHTS / 2) as f32;
    let (single, group) = (max_abs(weights.iter().copied()) / 127.0, largest_group_sum(weights) / units);
    // `f32::max` would drop a NaN.
    if group > single { group } else { single }
}

/// The largest sum of same-sign weights among those that are added in 16 bits: the first halves of two adjacent words,
/// or their second halves.
fn largest_group_sum(weights: &[f32]) -> f32 {
    let mut largest = 0f32;
    for words in weights.chunks(8) {
        let (mut positive, mut negative) = ([0.0; 2], [0.0; 2]);
        for (at, &weight) in words.iter().enumerate() {
            let half = at / 2 % 2;
            positive[half] += weight.max(0.0);
            negative[half] -= weight.min(0.0);
        }
        largest = positive.iter().chain(&negative).fold(largest, |largest, sum| largest.max(*sum));
    }
    largest
}

/// Divides `rows` into tiles of at most `max_rows` and of nearly equal height, so that the last one is not much
/// smaller than the others.
pub(super) fn tiles(rows: usize, max_rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(max_rows);
    (0..count).map(move |tile| {
        let (first, end) = (tile * rows / count, (tile + 1) * rows / count);
        (first, end - first)
    })
}

/// One or two floats as a word of bfloat16.
fn pack_bf16(pair: &[f32]) -> u32 {
    let upper = pair.get(1).map_or(0, |&x| bf16(x));
    u32::from(bf16(pair[0])) | u32::from(upper) << 16
}

/// Up to four floats as a word of bytes.
fn pack_int8(four: &[f32], quantise: impl Fn(f32) -> i8) -> u32 {
    let mut bytes = [0; 4];
    for (byte, &x) in bytes.iter_mut().zip(four) {
        *byte = quantise(x).cast_unsigned();
    }
    u32::from_le_bytes(bytes)
}

/// Turns the sums of a tile into results. The other arguments are the parameters of each row, those of the panel, and
/// where the results go.
type EpilogueFn = fn(&Sums, &[QuantParams], &PanelParams, MatrixMut<'_>);

fn epilogue_fn(precision: Precision, epilogue: Epilogue) -> EpilogueFn {
    let (float, int8): (EpilogueFn, EpilogueFn) = match (epilogue, precision) {
        (Epilogue::Store, _) => (store::float, store::int8),
        (Epilogue::Add, _) => (add::float, add::int8),
        (Epilogue::Multiply, _) => (multiply::float, multiply::int8),
        (Epilogue::Activate(Activation::Gelu), Precision::F32) => (gelu_exact::float, gelu_exact::int8),
        (Epilogue::Activate(Activation::Gelu), _) => (gelu_fast::float, gelu_fast::int8),
        (Epilogue::Activate(Activation::GeluTanh), _) => (gelu_by_tanh::float, gelu_by_tanh::int8),
        (Epilogue::Activate(Activation::Relu), _) => (relu::float, relu::int8),
        (Epilogue::Activate(Activation::Tanh), _) => (tanh::float, tanh::int8),
    };
    if precision.is_int8() { int8 } else { float }
}

/// Defines a module for each epilogue from a function of the result and the old output.
macro_rules! epilogues {
    ($($name:ident = $combine:expr;)*) => {$(
        mod $name {
            use super::*;
            multiversion! {
                pub fn float(sums: &Sums, rows: &[QuantParams], panel: &PanelParams, out: MatrixMut<'_>) = float_plain
            }
            multiversion! {
                pub fn int8(sums: &Sums, rows: &[QuantParams], panel: &PanelParams, out: MatrixMut<'_>) = int8_plain
            }
            /// Floats have no quantisation parameters.
            #[inline(always)]
            fn float_plain(sums: &Sums, _: &[QuantParams], panel: &PanelParams, out: MatrixMut<'_>) {
                write_float(sums, panel, out, $combine);
            }
            #[inline(always)]
            fn int8_plain(sums: &Sums, rows: &[QuantParams], panel: &PanelParams, out: MatrixMut<'_>) {
                write_int8(sums, rows, panel, out, $combine);
            }
        }
    )*};
}

epilogues! {
    store = |x, _| x;
    add = |x, old| old + x;
    multiply = |x, old| old * x;
    gelu_exact = |x, _| gelu(x);
    gelu_fast = |x, _| fast_gelu(x);
    gelu_by_tanh = |x, _| gelu_tanh(x);
    relu = |x, _| math::relu(x);
    tanh = |x, _| x.tanh();
}

#[inline(always)]
fn write_int8(
    sums: &Sums,
    rows: &[QuantParams],
    panel: &PanelParams,
    out: MatrixMut<'_>,
    combine: impl Fn(f32, f32) -> f32,
) {
    for ((sums, row), out) in sums.iter().zip(rows).zip(out.into_rows()) {
        let out = as_panel(out);
        for column in 0..PANEL {
            // Subtracts what the row's zero point contributed.
            let sum =
                sums[column].cast_signed().wrapping_sub(row.zero_point.wrapping_mul(panel.weight_sums[column])) as f32;
            let x = (sum * row.scale).mul_add(panel.scales[column], panel.biases[column]);
            out[column] = combine(x, out[column]);
        }
    }
}

#[inline(always)]
fn write_float(sums: &Sums, panel: &PanelParams, out: MatrixMut<'_>, combine: impl Fn(f32, f32) -> f32) {
    for (sums, out) in sums.iter().zip(out.into_rows()) {
        let out = as_panel(out);
        for column in 0..PANEL {
            out[column] = combine(f32::from_bits(sums[column]) + panel.biases[column], out[column]);
        }
    }
}

#[inline(always)]
fn as_panel(row: &mut [f32]) -> &mut [f32; PANEL] {
    row.first_chunk_mut().expect("a tile's results are as wide as a panel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on_each_instruction_set, random};
    use proptest::prelude::*;

    const EPILOGUES: [Epilogue; 7] = [
        Epilogue::Store,
        Epilogue::Add,
        Epilogue::Multiply,
        Epilogue::Activate(Activation::Gelu),
        Epilogue::Activate(Activation::GeluTanh),
        Epilogue::Activate(Activation::Relu),
        Epilogue::Activate(Activation::Tanh),
    ];

    fn applied(linear: &Linear, x: &[f32], rows: usize, epilogue: Epilogue) -> Vec<f32> {
        applied_by(1, linear, x, rows, epilogue)
    }

    fn applied_by(threads: usize, linear: &Linear, x: &[f32], rows: usize, epilogue: Epilogue) -> Vec<f32> {
        let mut operand = Operand::default();
        let stride = linear.inputs.next_multiple_of(4);
        let mut padded = vec![0.0; rows * stride];
        for (padded, x) in padded.chunks_exact_mut(stride).zip(x.chunks_exact(linear.inputs)) {
            padded[..x.len()].copy_from_slice(x);
        }
        operand.set(linear.precision, &padded, stride, linear.inputs);
        let out_stride = linear.outputs.next_multiple_of(PANEL) + 7;
        let mut out = vec![0.25; rows * out_stride];
        linear.apply(&operand, epilogue, &mut out, out_stride, threads);
        out.chunks_exact(out_stride).flat_map(|row| &row[..linear.outputs]).copied().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Up to the error of rounding the factors; also where all elements have the same sign.
        #[test]
        fn matches_the_textbook_product(rows in 1usize..30, inputs in 1usize..90, outputs in 1usize..70, seed in 0u64..99, positive: bool) {
            let x: Vec<f32> = random(rows * inputs, seed).into_iter().map(|x| if positive { x.abs() } else { x }).collect();
            let (weights, biases) = (random(outputs * inputs, seed + 1), random(outputs, seed + 2));
            let int8 = if dot::kernel(Precision::Int8).numerics == Numerics::Narrow { 1.0 / 60.0 } else { 1.0 / 120.0 };
            for (precision, relative) in Precision::ALL.into_iter().zip([1e-6, 1.0 / 256.0, 1.0 / 256.0, int8, 1.0 / 120.0]) {
                for epilogue in EPILOGUES {
                    let found = applied(&Linear::pack(precision, inputs, &weights, &biases), &x, rows, epilogue);
                    for (at, found) in found.into_iter().enumerate() {
                        let (x, weights) = (&x[at / outputs * inputs..][..inputs], &weights[at % outputs * inputs..][..inputs]);
                        let pairs = || x.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w));
                        let sum = pairs().sum::<f64>() + f64::from(biases[at % outputs]);
                        let exact = match epilogue {
                            Epilogue::Store => sum,
                            Epilogue::Activate(Activation::Gelu) => f64::from(gelu(sum as f32)),
                            Epilogue::Activate(Activation::GeluTanh) => f64::from(gelu_tanh(sum as f32)),
                            Epilogue::Activate(Activation::Relu) => sum.max(0.0),
                            Epilogue::Activate(Activation::Tanh) => sum.tanh(),
                            Epilogue::Add => 0.25 + sum,
                            Epilogue::Multiply => 0.25 * sum,
                        };
                        // Each factor may be off by half a unit.
                        let slack = relative * (x.iter().chain(weights).map(|x| f64::from(x.abs())).sum::<f64>() + 1.0);
                        prop_assert!((f64::from(found) - exact).abs() < slack, "{precision} {epilogue:?} {found} {exact}");
                    }
                }
            }
        }

        /// Also at the sizes of BERT's layers.
        #[test]
        fn a_row_does_not_depend_on_the_rows_around_it(rows in 1usize..40, row in 0usize..40, shape in 0usize..3) {
            let (inputs, outputs) = [(768, 40), (384, 96), (61, 33)][shape];
            let row = row % rows;
            let (x, weights, biases) = (random(rows * inputs, 3), random(outputs * inputs, 4), random(outputs, 5));
            for precision in Precision::ALL {
                let linear = Linear::pack(precision, inputs, &weights, &biases);
                let all = applied(&linear, &x, rows, Epilogue::Activate(Activation::Gelu));
                let alone = applied(&linear, &x[row * inputs..(row + 1) * inputs], 1, Epilogue::Activate(Activation::Gelu));
                prop_assert_eq!(&all[row * outputs..(row + 1) * outputs], &alone[..], "{}", precision);
            }
        }

        /// Also where there are more threads than panels.
        #[test]
        fn sharing_a_product_between_threads_changes_no_bit(rows in 1usize..20, outputs in 1usize..200, threads in 2usize..9) {
            let (x, weights, biases) = (random(rows * 61, 3), random(outputs * 61, 4), random(outputs, 5));
            for precision in Precision::ALL {
                let linear = Linear::pack(precision, 61, &weights, &biases);
                let alone = applied(&linear, &x, rows, Epilogue::Add);
                prop_assert_eq!(applied_by(threads, &linear, &x, rows, Epilogue::Add), alone, "{}", precision);
            }
        }

        /// Integers add up exactly, and the epilogue is the same arithmetic everywhere.
        #[test]
        fn reproducible_precisions_give_the_same_bits_on_every_instruction_set(rows in 1usize..20, inputs in 1usize..300, seed in 0u64..99) {
            let (x, weights, biases) = (random(rows * inputs, seed), random(40 * inputs, seed + 1), random(40, seed + 2));
            for precision in Precision::ALL.into_iter().filter(|precision| precision.is_reproducible()) {
                for epilogue in EPILOGUES {
                    let on = |kernel| {
                        let linear = Linear::pack_for(kernel, precision, inputs, &weights, &biases);
                        on_each_instruction_set(|| applied(&linear, &x, rows, epilogue))
                    };
                    let all: Vec<Vec<f32>> = dot::kernels(precision).flat_map(on).collect();
                    prop_assert!(all.iter().all(|one| *one == all[0]), "{precision} {epilogue:?}");
                }
            }
        }

        /// For any weights, extreme ones included.
        #[test]
        fn narrow_weights_fit_into_sixteen_bits(mut weights in prop::collection::vec(-1f32..1.0, 1..80), extreme in 0usize..80, share in 0.0..1.0) {
            let count = weights.len();
            for weight in weights.iter_mut().skip(extreme).step_by(1 + (share * 9.0) as usize) {
                *weight = 40f32.copysign(*weight);
            }
            let scale = narrow_scale(&weights);
            let quantised: Vec<i32> = weights.iter().map(|x| (x / scale).round() as i32).collect();
            prop_assert!(quantised.iter().all(|x| x.abs() <= 127));
            for words in quantised.chunks(8) {
                for half in [[0, 1, 4, 5], [2, 3, 6, 7]] {
                    let group = || half.iter().filter_map(|&at| words.get(at));
                    let sums = [group().filter(|x| **x > 0).sum::<i32>(), -group().filter(|x| **x < 0).sum::<i32>()];
                    prop_assert!(sums.iter().all(|sum| *sum <= NARROW_SUM), "{count}: {words:?}");
                }
            }
            prop_assert!(quantised.iter().any(|x| x.abs() >= NARROW_SUM / NARROW_WEIGHTS - 1), "the range is used");
        }

        #[test]
        fn tiles_cover_all_rows_and_are_even(rows in 0usize..100, max_rows in 1usize..13) {
            let tiles: Vec<_> = tiles(rows, max_rows).collect();
            let mut next = 0;
            for &(first, count) in &tiles {
                prop_assert!(first == next && count <= max_rows && count + 1 >= tiles[0].1.max(1));
                next += count;
            }
            prop_assert_eq!(next, rows);
        }
    }

    #[test]
    fn nan_and_infinity_are_not_lost() {
        for precision in Precision::ALL {
            for (x, weight) in [(f32::INFINITY, 0.0), (f32::NAN, 1.0), (1.0, f32::NAN), (0.0, f32::INFINITY)] {
                let linear = Linear::pack(precision, 4, &[weight, 1.0, 1.0, 1.0], &[0.0]);
                let found = applied(&linear, &[x, 1.0, 1.0, 1.0], 1, Epilogue::Store);
                assert!(!found[0].is_finite(), "{precision}: {x} x {weight} = {}", found[0]);
            }
        }
    }
}
