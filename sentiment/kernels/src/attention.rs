//! Attention within one text, head by head.

#![allow(unsafe_code, reason = "calls functions compiled for an instruction set, after detecting the set")]

use super::Precision;
use super::aligned::AlignedBuf;
use super::bfloat16::{LANES, Rounding};
use super::dot::{self, Kernel, LhsRows, MAX_TILE_ROWS, Numerics, PANEL};
use super::linear::tiles;
use super::math::{exp, fast_exp, reduce_lanes};
use super::matrix::MatrixMut;
use super::multiversion::multiversion;
use super::operand::Operand;
use std::ops::Range;

/// Inputs of attention. A row holds all heads, side by side.
#[derive(Default)]
pub struct Projections {
    /// Already multiplied by the scale of the scores.
    pub queries: Operand,
    /// One row per token, text after text.
    pub keys: Operand,
    /// One row per token, as for keys.
    pub values: Operand,
}

/// Computes attention, and keeps its working memory.
pub struct Attention {
    kernel: &'static Kernel,
    /// f32 or bf16.
    precision: Precision,
    heads: usize,
    /// Elements of a head.
    head_size: usize,
    keys: AlignedBuf,
    values: AlignedBuf,
    scores: AlignedBuf,
    weights: AlignedBuf,
    sums: AlignedBuf,
}

impl Attention {
    /// Attention over `heads` heads of `head_size` elements. int8 uses bf16 here, or f32 on processors that have only
    /// the narrow kernel for int8, because they have no instruction for bf16 either. bf16 falls back to f32 where heads
    /// of an odd size would begin within a word.
    pub fn new(precision: Precision, heads: usize, head_size: usize) -> Self {
        let fills_words = head_size.is_multiple_of(Precision::Bf16.elements_per_word());
        let rounded = match precision {
            Precision::F32 => false,
            Precision::Bf16 | Precision::Bf16Vectors => true,
            Precision::Int8 | Precision::Int8Wide => dot::kernel(precision).numerics != Numerics::Narrow,
        };
        let precision = match (rounded && fills_words, precision.is_reproducible()) {
            (true, false) => Precision::Bf16,
            (true, true) => Precision::Bf16Vectors,
            (false, _) => Precision::F32,
        };
        // The next head follows a head directly, so a head must be a multiple of what the kernel reads in a step.
        let fills_steps =
            |kernel: &&Kernel| head_size.is_multiple_of(precision.elements_per_word() * kernel.words_per_step);
        let kernel = dot::kernels(precision).find(fills_steps).expect("plain Rust reads one word in a step");
        let [keys, values, scores, weights, sums] = Default::default();
        Self { kernel, precision, heads, head_size, keys, values, scores, weights, sums }
    }

    /// The precision that [`Projections`] must have.
    #[inline]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Computes `softmax(Q K^T) V` of `heads` for one text, whose keys and values are the rows `text`. The rows
    /// `queries` belong to the first tokens of the text; each attends to tokens at most `window` away from it. `out`
    /// has one row per query and the columns of these heads.
    ///
    /// # Panics
    /// If rows are missing or have another precision or width.
    pub fn attend(
        &mut self,
        projections: &Projections,
        queries: Range<usize>,
        text: Range<usize>,
        window: usize,
        heads: Range<usize>,
        mut out: MatrixMut<'_>,
    ) {
        let Projections { queries: all_queries, keys: all_keys, values: all_values } = projections;
        let expected = [all_queries, all_keys, all_values]
            .iter()
            .all(|x| x.has_layout(self.precision, self.heads * self.head_size));
        assert!(expected, "an input of attention has another precision or width");
        let per_word = self.precision.elements_per_word();
        let (tokens, query_words) = (text.len(), self.head_size / per_word);
        for head in heads.clone() {
            let column = head * self.head_size;
            let keys = self.keys.words_mut(tokens.next_multiple_of(PANEL) * query_words);
            pack_keys(all_keys.part(column, text.start, tokens), query_words, keys);
            let value_words = self.value_words(tokens);
            let values = self.values.words_mut(self.head_size.next_multiple_of(PANEL) * value_words);
            match self.precision {
                Precision::F32 => pack_values(all_values.part(column, text.start, tokens), self.head_size, values),
                _ => pack_values_bf16(all_values.part(column, text.start, tokens), self.head_size, value_words, values),
            }
            if head + 1 < heads.end {
                // The next head's cache lines are far apart: the processor's own prefetcher would miss them.
                all_queries.prefetch(column + self.head_size, queries.clone(), self.head_size);
                all_keys.prefetch(column + self.head_size, text.clone(), self.head_size);
                all_values.prefetch(column + self.head_size, text.clone(), self.head_size);
            }
            let out_column = (head - heads.start) * self.head_size;
            let mut out = out.columns(out_column..out_column + self.head_size);
            for (row, count) in tiles(queries.len(), self.kernel.max_rows) {
                let queries = all_queries.part(column, queries.start + row, count);
                self.tile(queries, row, tokens, window, out.rows(row..row + count));
            }
        }
    }

    /// Words that the kernel reads of a row of attention weights for `tokens` tokens, or of a column of their values.
    /// Weights are padded with zeros to whole panels, so a kernel's step must not read more elements than a panel is
    /// wide.
    fn value_words(&self, tokens: usize) -> usize {
        tokens.div_ceil(self.precision.elements_per_word()).next_multiple_of(self.kernel.words_per_step)
    }

    /// Computes one head for some queries, the first of which belongs to token `first`. The head's keys and values have
    /// to be packed in `self` before.
    fn tile(&mut self, queries: LhsRows<'_>, first: usize, tokens: usize, window: usize, mut out: MatrixMut<'_>) {
        let (rows, per_word) = (queries.rows, self.precision.elements_per_word());
        let (query_words, value_words) = (self.head_size.div_ceil(per_word), self.value_words(tokens));
        // Tokens that at least one of the queries attends to, extended to the beginning of a panel.
        let visible = first.saturating_sub(window) / PANEL * PANEL..tokens.min((first + rows).saturating_add(window));
        let (stride, visible_words) = (visible.len().next_multiple_of(PANEL), self.value_words(visible.len()));
        let zeros = [0; PANEL];

        let scores = self.scores.words_mut(rows * stride);
        for column in visible.clone().step_by(PANEL) {
            let panel = &self.keys.as_slice()[column * query_words..][..PANEL * query_words];
            let halves = (visible.end - column).div_ceil(PANEL / 2).min(2);
            self.kernel.run(queries, panel, halves, Some(&zeros), &mut scores[column - visible.start..], stride, &[]);
        }

        let mut scales = [0.0; MAX_TILE_ROWS];
        let (scores, scales) = (bytemuck::cast_slice_mut(scores), &mut scales[..rows]);
        for (row, scores) in scores.chunks_exact_mut(stride).enumerate() {
            let query = first + row;
            scores[..query.saturating_sub(window) - visible.start].fill(f32::NEG_INFINITY);
            let end = visible.end.min((query + 1).saturating_add(window));
            scores[end - visible.start..visible.len()].fill(f32::NEG_INFINITY);
        }
        let weights = self.weights.words_mut(rows * stride);
        match self.precision {
            Precision::F32 => softmax(scores, stride, visible.len(), bytemuck::cast_slice_mut(weights), scales),
            _ => softmax_bf16(scores, stride, visible.len(), bytemuck::cast_slice_mut(weights), scales),
        }

        let weights = LhsRows { words: self.weights.as_slice(), stride, rows };
        let sums = self.sums.words_mut(rows * PANEL);
        for column in (0..self.head_size).step_by(PANEL) {
            let panel = &self.values.as_slice()[column * value_words + visible.start / per_word * PANEL..];
            let panel = &panel[..PANEL * visible_words];
            let columns = column..self.head_size.min(column + PANEL);
            self.kernel.run(weights, panel, columns.len().div_ceil(PANEL / 2), Some(&zeros), sums, PANEL, &[]);
            scale_rows(sums.as_chunks().0, scales, out.columns(columns));
        }
    }
}

multiversion! {
    /// Packs the first `words` words of each row into panels: a row becomes a column. Columns after the last row stay
    /// as they are.
    fn pack_keys(rows: LhsRows<'_>, words: usize, out: &mut [u32]) = pack_keys_plain
}
multiversion! {
    /// Packs the first `head_size` floats of each row into panels.
    fn pack_values(rows: LhsRows<'_>, head_size: usize, out: &mut [u32]) = pack_values_plain
}
multiversion! {
    /// Packs the first `head_size` bfloat16 of each row into panels of `words` words, two rows to a word, padded with
    /// zeros.
    fn pack_values_bf16(rows: LhsRows<'_>, head_size: usize, words: usize, out: &mut [u32]) = pack_values_bf16_plain
}
multiversion! {
    /// Softmax without its division: `out` gets `e^(x - max)` of the first `tokens` scores of each row, and `scales`
    /// gets the reciprocal of their sum.
    fn softmax(scores: &mut [f32], stride: usize, tokens: usize, out: &mut [f32], scales: &mut [f32]) = softmax_plain
}
multiversion! {
    /// [`softmax`] with weights rounded to bfloat16; their rows are `stride` 32-bit words apart.
    fn softmax_bf16(scores: &mut [f32], stride: usize, tokens: usize, out: &mut [u16], scales: &mut [f32]) = softmax_bf16_by, rounding
}
multiversion! {
    /// Multiplies the sums of each row by the row's scale, for as many columns as `out` has.
    fn scale_rows(sums: &[[u32; PANEL]], scales: &[f32], out: MatrixMut<'_>) = scale_rows_plain
}

#[inline(always)]
fn pack_keys_plain(rows: LhsRows<'_>, words: usize, out: &mut [u32]) {
    for (row, from) in rows.words.chunks(rows.stride).take(rows.rows).enumerate() {
        let panel = &mut out[row / PANEL * PANEL * words..];
        for (word, out) in from[..words].iter().zip(panel.as_chunks_mut::<PANEL>().0) {
            out[row % PANEL] = *word;
        }
    }
}

#[inline(always)]
fn pack_values_plain(rows: LhsRows<'_>, head_size: usize, out: &mut [u32]) {
    for (row, from) in rows.words.chunks(rows.stride).take(rows.rows).enumerate() {
        for (panel, from) in from[..head_size].chunks(PANEL).enumerate() {
            out[(panel * rows.rows + row) * PANEL..][..from.len()].copy_from_slice(from);
        }
    }
}

#[inline(always)]
fn pack_values_bf16_plain(rows: LhsRows<'_>, head_size: usize, words: usize, out: &mut [u32]) {
    let pairs = rows.rows.div_ceil(2);
    for panel in out.chunks_exact_mut(words * PANEL) {
        panel[pairs * PANEL..].fill(0);
    }
    // An odd last row is paired with zeros.
    let zeros = [0; PANEL];
    for (pair, from) in rows.words.chunks(2 * rows.stride).take(pairs).enumerate() {
        let (lower, upper) = from.split_at(rows.stride.min(from.len()));
        let upper = (2 * pair + 1 < rows.rows).then_some(upper);
        for first in (0..head_size).step_by(PANEL) {
            let columns = PANEL.min(head_size - first);
            let lower: &[u16] = &bytemuck::cast_slice(lower)[first..first + columns];
            let upper: &[u16] =
                upper.map_or(&zeros[..columns], |upper| &bytemuck::cast_slice(upper)[first..first + columns]);
            let out = &mut out[(first / PANEL * words + pair) * PANEL..][..columns];
            for (out, (lower, upper)) in out.iter_mut().zip(lower.iter().zip(upper)) {
                *out = u32::from(*lower) | u32::from(*upper) << 16;
            }
        }
    }
}

#[inline(always)]
fn softmax_plain(scores: &mut [f32], stride: usize, tokens: usize, out: &mut [f32], scales: &mut [f32]) {
    exponentials(scores, stride, tokens, out, scales, exp, |x| x);
}

#[inline(always)]
fn softmax_bf16_by(
    scores: &mut [f32],
    stride: usize,
    tokens: usize,
    out: &mut [u16],
    scales: &mut [f32],
    rounding: impl Rounding,
) {
    exponentials(scores, 2 * stride, tokens, out, scales, fast_exp, |x| rounding.lanes(x));
}

/// `stride` is that of `out`, whose rows are padded with zeros to whole panels.
#[inline(always)]
fn exponentials<T: Copy + Default>(
    scores: &mut [f32],
    stride: usize,
    tokens: usize,
    out: &mut [T],
    scales: &mut [f32],
    exp: impl Fn(f32) -> f32,
    round: impl Fn([f32; LANES]) -> [T; LANES],
) {
    let padded = tokens.next_multiple_of(LANES);
    let rows = scales.len();
    let score_stride = scores.len() / rows;
    for ((scores, out), scale) in scores.chunks_exact_mut(score_stride).zip(out.chunks_exact_mut(stride)).zip(scales) {
        // exp turns this into 0, so that padding adds nothing to the sum.
        scores[tokens..padded].fill(f32::NEG_INFINITY);
        let (scores, _) = scores[..padded].as_chunks::<LANES>();
        let largest = reduce_lanes(
            scores.iter().fold([f32::NEG_INFINITY; LANES], |largest, scores| {
                std::array::from_fn(|lane| if scores[lane] > largest[lane] { scores[lane] } else { largest[lane] })
            }),
            |a, b| if a > b { a } else { b },
        );
        let mut sums = [0.0; LANES];
        for (scores, out) in scores.iter().zip(out.as_chunks_mut::<LANES>().0) {
            let mut weights = [0.0; LANES];
            for lane in 0..LANES {
                weights[lane] = exp(scores[lane] - largest);
                sums[lane] += weights[lane];
            }
            *out = round(weights);
        }
        out[padded..tokens.next_multiple_of(PANEL)].fill(T::default());
        *scale = 1.0 / reduce_lanes(sums, |a, b| a + b);
    }
}

#[inline(always)]
fn scale_rows_plain(sums: &[[u32; PANEL]], scales: &[f32], out: MatrixMut<'_>) {
    for ((sums, scale), out) in sums.iter().zip(scales).zip(out.into_rows()) {
        for (sum, out) in sums.iter().zip(out) {
            *out = f32::from_bits(*sum) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, on_each_instruction_set};
    use proptest::prelude::*;

    /// Elements in [-2, 2].
    fn random(count: usize, seed: u64) -> Vec<f32> {
        testing::random(count, seed).into_iter().map(|x| 2.0 * x).collect()
    }

    /// `softmax(Q K^T) V` in double precision.
    fn textbook(q: &[f32], k: &[f32], v: &[f32], width: usize, size: usize, window: usize) -> Vec<f64> {
        let mut out = vec![0.0; q.len()];
        for (at, (out, q)) in out.chunks_exact_mut(width).zip(q.chunks_exact(width)).enumerate() {
            for head in (0..width).step_by(size) {
                let dot = |k: &[f32]| (head..head + size).map(|i| f64::from(q[i]) * f64::from(k[i])).sum::<f64>();
                let weight = |(key, k): (usize, &[f32])| if key.abs_diff(at) <= window { dot(k).exp() } else { 0.0 };
                let weights: Vec<f64> = k.chunks_exact(width).enumerate().map(weight).collect();
                let total: f64 = weights.iter().sum();
                for (weight, v) in weights.iter().zip(v.chunks_exact(width)) {
                    (head..head + size).for_each(|i| out[i] += weight / total * f64::from(v[i]));
                }
            }
        }
        out
    }

    fn projections(attention: &Attention, [queries, keys, values]: [&[f32]; 3], width: usize) -> Projections {
        let of = |x: &[f32]| {
            let stride = width.next_multiple_of(4);
            let padded: Vec<f32> =
                x.chunks_exact(width).flat_map(|row| [row, &[0.0; 3][..stride - width]].concat()).collect();
            let mut operand = Operand::default();
            operand.set(attention.precision(), &padded, stride, width);
            operand
        };
        Projections { queries: of(queries), keys: of(keys), values: of(values) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn matches_the_textbook(tokens in 1usize..200, share in 0.0..1.0, near in 0usize..250, heads in 1usize..4, size in prop_oneof![1usize..70, Just(32), Just(64)], seed in 0u64..99) {
            let queries = 1 + (share * tokens as f64) as usize;
            let window = if near < 200 { near } else { usize::MAX };
            let width = heads * size;
            let (q, k, v) = (random(queries * width, seed), random(tokens * width, seed + 1), random(tokens * width, seed + 2));
            let q: Vec<f32> = q.into_iter().map(|q| q / size as f32).collect();
            let exact = textbook(&q, &k, &v, width, size, window);
            for (precision, tolerance) in [(Precision::F32, 2e-5), (Precision::Bf16, 0.08), (Precision::Bf16Vectors, 0.08)] {
                let mut attention = Attention::new(precision, heads, size);
                // Another text comes before this one, with as many tokens as there are queries.
                let of = projections(&attention, [&q, &[&q[..], &k].concat(), &[&q[..], &v].concat()], width);
                let text = queries..queries + tokens;
                let mut out = vec![f32::NAN; queries * (width + 3)];
                // Twice: what the first call leaves in memory must not matter.
                for _ in 0..2 {
                    let out = MatrixMut::new(&mut out, width + 3, width);
                    attention.attend(&of, 0..queries, text.clone(), window, 0..heads, out);
                }
                for (out, exact) in out.chunks_exact(width + 3).zip(exact.chunks_exact(width)) {
                    prop_assert!(out[width..].iter().all(|x| x.is_nan()), "wrote outside its columns");
                    prop_assert!(out.iter().zip(exact).all(|(a, b)| (f64::from(*a) - b).abs() < tolerance), "{precision}");
                }
                let on_each = on_each_instruction_set(|| {
                    let mut out = vec![f32::NAN; queries * width];
                    let whole = MatrixMut::new(&mut out, width, width);
                    Attention::new(precision, heads, size).attend(&of, 0..queries, text.clone(), window, 0..heads, whole);
                    out
                });
                prop_assert!(on_each.iter().all(|one| *one == on_each[0]), "not the same bits on every instruction set");
                let mut alone = vec![0.0; width];
                let whole = MatrixMut::new(&mut alone, width, width);
                attention.attend(&of, 0..1, text.clone(), window, 0..heads, whole);
                prop_assert_eq!(&out[..width], &alone[..], "the first query alone");
                alone.fill(f32::NAN);
                let whole = MatrixMut::new(&mut alone, width, width);
                for (heads, out) in whole.split_columns(heads, size) {
                    attention.attend(&of, 0..1, text.clone(), window, heads, out);
                }
                prop_assert_eq!(&out[..width], &alone[..], "each head alone");
                if window == usize::MAX {
                    let whole = MatrixMut::new(&mut alone, width, width);
                    attention.attend(&of, queries - 1..queries, text, window, 0..heads, whole);
                    prop_assert_eq!(&out[(queries - 1) * (width + 3)..][..width], &alone[..], "the last query alone");
                }
            }
        }
    }

    proptest! {
        /// A kernel may read words after the last token in a step; these must be zeros, whatever was there before.
        #[test]
        fn tokens_are_followed_by_zeros(tokens in 1usize..100, step in 0u32..5) {
            let words = tokens.div_ceil(2).next_multiple_of(1 << step);
            let rows: Vec<u32> = vec![0x3f80_3f80; tokens * 17];
            let rows = LhsRows { words: &rows, stride: 17, rows: tokens };
            for mut panels in on_each_instruction_set(|| vec![u32::MAX; 2 * PANEL * words]) {
                pack_values_bf16(rows, 34, words, &mut panels);
                for panel in panels.chunks(PANEL * words) {
                    prop_assert!(panel[tokens.div_ceil(2) * PANEL..].iter().all(|word| *word == 0));
                }
            }
            let stride = tokens.next_multiple_of(PANEL);
            for weights in on_each_instruction_set(|| {
                let mut weights = vec![u16::MAX; 2 * stride];
                softmax_bf16(&mut vec![1.0; stride], stride, tokens, &mut weights, &mut [0.0]);
                weights
            }) {
                prop_assert!(weights[..tokens].iter().all(|weight| *weight == 0x3f80));
                prop_assert!(weights[tokens.next_multiple_of(LANES)..stride].iter().all(|weight| *weight == 0));
            }
        }
    }

    #[test]
    fn tokens_outside_the_window_do_not_count() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Bf16Vectors] {
            let mut attention = Attention::new(precision, 1, 2);
            // The first query attends to its own value only, which is 0.
            let of = projections(&attention, [&[1.0; 4], &[1.0; 4], &[0.0, 0.0, -1.0, 1.0]], 2);
            let mut out = [f32::NAN; 4];
            attention.attend(&of, 0..2, 0..2, 0, 0..1, MatrixMut::new(&mut out, 2, 2));
            assert_eq!(out, [0.0, 0.0, -1.0, 1.0], "{precision}");
        }
    }

    #[test]
    fn huge_scores_do_not_overflow_and_nan_stays_nan() {
        let mut attention = Attention::new(Precision::Bf16, 1, 2);
        let mut attend = |query: [f32; 2], keys: [f32; 4]| {
            let of = projections(&attention, [&query, &keys, &[5.0, 6.0, 7.0, 8.0]], 2);
            let mut out = [0.0; 2];
            attention.attend(&of, 0..1, 0..2, usize::MAX, 0..1, MatrixMut::new(&mut out, 2, 2));
            out
        };
        assert_eq!(attend([1e9, 0.0], [1e9, 0.0, 1.0, 0.0]), [5.0, 6.0]);
        assert!(attend([f32::NAN, 0.0], [1.0, 0.0, 1.0, 0.0]).iter().all(|x| x.is_nan()));
    }
}
