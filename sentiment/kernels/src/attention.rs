//! Attention within one text, head by head.

#![allow(
    unsafe_code,
    reason = "calling a function compiled for an instruction set is unsafe; the set is checked first"
)]

use super::Precision;
use super::bfloat16::{LANES, Rounding};
use super::dot::{self, Kernel, Left, Numbers, PANEL, TALLEST};
use super::for_this_machine::for_this_machine;
use super::linear::tiles;
use super::math::{coarse_exp, exp, joined};
use super::matrix::MatrixMut;
use super::operand::Operand;
use super::words::Words;
use std::ops::Range;

/// What attention works on: rows of all heads, side by side.
#[derive(Default)]
pub struct Projections {
    /// With the scale of the scores in them.
    pub queries: Operand,
    /// A row for each token, text after text.
    pub keys: Operand,
    /// As keys.
    pub values: Operand,
}

/// How attention is computed, and its memory.
pub struct Attention {
    kernel: &'static Kernel,
    /// f32 or bf16.
    precision: Precision,
    heads: usize,
    /// Numbers a head.
    size: usize,
    keys: Words,
    values: Words,
    scores: Words,
    weights: Words,
    sums: Words,
}

impl Attention {
    /// For `heads` heads of `size` numbers. There is no attention in int8: it takes bf16, or f32 on processors
    /// whose whole numbers are narrow, for they have no instruction for bf16 either. Nor is there one in bf16
    /// where heads of an odd size would begin within a word.
    pub fn new(precision: Precision, heads: usize, size: usize) -> Self {
        let whole_words = size.is_multiple_of(Precision::Bf16.numbers_in_a_word());
        let rounded = match precision {
            Precision::F32 => false,
            Precision::Bf16 | Precision::Bf16Vectors => true,
            Precision::Int8 | Precision::Int8Wide => dot::kernel(precision).numbers != Numbers::Narrow,
        };
        let precision = match (rounded && whole_words, precision.same_everywhere()) {
            (true, false) => Precision::Bf16,
            (true, true) => Precision::Bf16Vectors,
            (false, _) => Precision::F32,
        };
        // A head's numbers are followed by those of the next, so they must be whole steps of the kernel.
        let whole_steps = |kernel: &&Kernel| size.is_multiple_of(precision.numbers_in_a_word() * kernel.at_once);
        let kernel = dot::kernels(precision).find(whole_steps).expect("plain Rust takes a word in a step");
        let [keys, values, scores, weights, sums] = Default::default();
        Self { kernel, precision, heads, size, keys, values, scores, weights, sums }
    }

    /// What [`Projections`] must be of.
    #[inline]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// `softmax(Q K^T) V` of these heads, for the text whose tokens are the rows `text` of keys and values, into
    /// the rows of `out`, whose columns are those of the heads. Queries are those of the first tokens of the text.
    /// Each looks at keys at most `reach` tokens away from it.
    ///
    /// # Panics
    /// If rows are missing, or of another precision or width.
    pub fn attend(
        &mut self,
        of: &Projections,
        queries: Range<usize>,
        text: Range<usize>,
        reach: usize,
        heads: Range<usize>,
        mut out: MatrixMut<'_>,
    ) {
        let Projections { queries: all_queries, keys: all_keys, values: all_values } = of;
        let expected =
            [all_queries, all_keys, all_values].iter().all(|x| x.is_of(self.precision, self.heads * self.size));
        assert!(expected, "precision and width of what attention works on");
        let numbers = self.precision.numbers_in_a_word();
        let (tokens, query_words) = (text.len(), self.size / numbers);
        for head in heads.clone() {
            let column = head * self.size;
            let keys = self.keys.room(tokens.next_multiple_of(PANEL) * query_words);
            pack_keys(all_keys.part(column, text.start, tokens), query_words, keys);
            let value_words = self.value_words(tokens);
            let values = self.values.room(self.size.next_multiple_of(PANEL) * value_words);
            match self.precision {
                Precision::F32 => pack_values(all_values.part(column, text.start, tokens), self.size, values),
                _ => pack_values_bf16(all_values.part(column, text.start, tokens), self.size, value_words, values),
            }
            if head + 1 < heads.end {
                // Other cache lines of the same rows, far apart: the processor would not foresee them.
                all_queries.expect_reads(column + self.size, queries.clone(), self.size);
                all_keys.expect_reads(column + self.size, text.clone(), self.size);
                all_values.expect_reads(column + self.size, text.clone(), self.size);
            }
            let column_of_out = (head - heads.start) * self.size;
            let mut out = out.columns(column_of_out..column_of_out + self.size);
            for (row, count) in tiles(queries.len(), self.kernel.rows) {
                let queries = all_queries.part(column, queries.start + row, count);
                self.tile(queries, row, tokens, reach, out.rows(row..row + count));
            }
        }
    }

    /// Words that the kernel reads of so many weights, or of a column of as many values. Weights are zeros up to whole
    /// panels, so no step of a kernel may be more numbers than a panel has columns.
    fn value_words(&self, tokens: usize) -> usize {
        tokens.div_ceil(self.precision.numbers_in_a_word()).next_multiple_of(self.kernel.at_once)
    }

    /// One head for some queries, the first of which is of token `first`, when all is packed.
    fn tile(&mut self, queries: Left<'_>, first: usize, tokens: usize, reach: usize, mut out: MatrixMut<'_>) {
        let (rows, numbers) = (queries.rows, self.precision.numbers_in_a_word());
        let (query_words, value_words) = (self.size.div_ceil(numbers), self.value_words(tokens));
        // Keys that one of the queries looks at, from a whole panel on.
        let seen = first.saturating_sub(reach) / PANEL * PANEL..tokens.min((first + rows).saturating_add(reach));
        let (stride, seen_words) = (seen.len().next_multiple_of(PANEL), self.value_words(seen.len()));
        let zeros = [0; PANEL];

        let scores = self.scores.room(rows * stride);
        for column in seen.clone().step_by(PANEL) {
            let panel = &self.keys.as_slice()[column * query_words..][..PANEL * query_words];
            let halves = (seen.end - column).div_ceil(PANEL / 2).min(2);
            self.kernel.run(queries, panel, halves, Some(&zeros), &mut scores[column - seen.start..], stride, &[]);
        }

        let mut scales = [0.0; TALLEST];
        let (scores, scales) = (bytemuck::cast_slice_mut(scores), &mut scales[..rows]);
        for (row, scores) in scores.chunks_exact_mut(stride).enumerate() {
            let query = first + row;
            scores[..query.saturating_sub(reach) - seen.start].fill(f32::NEG_INFINITY);
            let end = seen.end.min((query + 1).saturating_add(reach));
            scores[end - seen.start..seen.len()].fill(f32::NEG_INFINITY);
        }
        let weights = self.weights.room(rows * stride);
        match self.precision {
            Precision::F32 => softmax(scores, stride, seen.len(), bytemuck::cast_slice_mut(weights), scales),
            _ => softmax_bf16(scores, stride, seen.len(), bytemuck::cast_slice_mut(weights), scales),
        }

        let weights = Left { words: self.weights.as_slice(), stride, rows };
        let sums = self.sums.room(rows * PANEL);
        for column in (0..self.size).step_by(PANEL) {
            let panel = &self.values.as_slice()[column * value_words + seen.start / numbers * PANEL..];
            let panel = &panel[..PANEL * seen_words];
            let columns = column..self.size.min(column + PANEL);
            self.kernel.run(weights, panel, columns.len().div_ceil(PANEL / 2), Some(&zeros), sums, PANEL, &[]);
            scale_rows(sums.as_chunks().0, scales, out.columns(columns));
        }
    }
}

for_this_machine! {
    /// The first `words` words of each row to panels: a row becomes a column. Columns beyond the rows stay as they are.
    fn pack_keys(rows: Left<'_>, words: usize, out: &mut [u32]) = pack_keys_plain
}
for_this_machine! {
    /// The first `size` floats of each row to panels.
    fn pack_values(rows: Left<'_>, size: usize, out: &mut [u32]) = pack_values_plain
}
for_this_machine! {
    /// The first `size` bfloat16 of each row to panels, two rows a word, and zeros up to so many words.
    fn pack_values_bf16(rows: Left<'_>, size: usize, words: usize, out: &mut [u32]) = pack_values_bf16_plain
}
for_this_machine! {
    /// `e` to the first `tokens` numbers of each row less its largest, and one over their sum.
    fn softmax(scores: &mut [f32], stride: usize, tokens: usize, out: &mut [f32], scales: &mut [f32]) = softmax_plain
}
for_this_machine! {
    /// As [`softmax`], the numbers rounded to bfloat16; a row of them has 32-bit words of `stride`.
    fn softmax_bf16(scores: &mut [f32], stride: usize, tokens: usize, out: &mut [u16], scales: &mut [f32]) = softmax_bf16_by, rounding
}
for_this_machine! {
    /// The first sums of each row, as many as there are columns, times the row's scale.
    fn scale_rows(sums: &[[u32; PANEL]], scales: &[f32], out: MatrixMut<'_>) = scale_rows_plain
}

#[inline(always)]
fn pack_keys_plain(rows: Left<'_>, words: usize, out: &mut [u32]) {
    for (row, from) in rows.words.chunks(rows.stride).take(rows.rows).enumerate() {
        let panel = &mut out[row / PANEL * PANEL * words..];
        for (word, out) in from[..words].iter().zip(panel.as_chunks_mut::<PANEL>().0) {
            out[row % PANEL] = *word;
        }
    }
}

#[inline(always)]
fn pack_values_plain(rows: Left<'_>, size: usize, out: &mut [u32]) {
    for (row, from) in rows.words.chunks(rows.stride).take(rows.rows).enumerate() {
        for (panel, from) in from[..size].chunks(PANEL).enumerate() {
            out[(panel * rows.rows + row) * PANEL..][..from.len()].copy_from_slice(from);
        }
    }
}

#[inline(always)]
fn pack_values_bf16_plain(rows: Left<'_>, size: usize, words: usize, out: &mut [u32]) {
    let pairs = rows.rows.div_ceil(2);
    for panel in out.chunks_exact_mut(words * PANEL) {
        panel[pairs * PANEL..].fill(0);
    }
    // Where the last row has no other, zeros stand in.
    let zeros = [0; PANEL];
    for (pair, from) in rows.words.chunks(2 * rows.stride).take(pairs).enumerate() {
        let (lower, upper) = from.split_at(rows.stride.min(from.len()));
        let upper = (2 * pair + 1 < rows.rows).then_some(upper);
        for first in (0..size).step_by(PANEL) {
            let columns = PANEL.min(size - first);
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
    exponentials(scores, 2 * stride, tokens, out, scales, coarse_exp, |x| rounding.lanes(x));
}

/// `stride` is that of `out`, whose rows are filled up to whole panels with zeros.
#[inline(always)]
fn exponentials<T: Copy + Default>(
    scores: &mut [f32],
    stride: usize,
    tokens: usize,
    out: &mut [T],
    scales: &mut [f32],
    exp: impl Fn(f32) -> f32,
    rounded: impl Fn([f32; LANES]) -> [T; LANES],
) {
    let padded = tokens.next_multiple_of(LANES);
    let rows = scales.len();
    let score_stride = scores.len() / rows;
    for ((scores, out), scale) in scores.chunks_exact_mut(score_stride).zip(out.chunks_exact_mut(stride)).zip(scales) {
        // What stands beyond the tokens must not count: of this, exp leaves nothing.
        scores[tokens..padded].fill(f32::NEG_INFINITY);
        let (scores, _) = scores[..padded].as_chunks::<LANES>();
        let largest = joined(
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
            *out = rounded(weights);
        }
        out[padded..tokens.next_multiple_of(PANEL)].fill(T::default());
        *scale = 1.0 / joined(sums, |a, b| a + b);
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
    use crate::for_this_machine::everywhere::everywhere;
    use proptest::prelude::*;

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        (0..n as u64)
            .map(|i| ((i.wrapping_mul(0x9e37_79b9).wrapping_add(seed * 77)) % 2001) as f32 / 500.0 - 2.0)
            .collect()
    }

    /// `softmax(Q K^T) V` by the book, in double precision.
    fn textbook(q: &[f32], k: &[f32], v: &[f32], width: usize, size: usize, reach: usize) -> Vec<f64> {
        let mut out = vec![0.0; q.len()];
        for (at, (out, q)) in out.chunks_exact_mut(width).zip(q.chunks_exact(width)).enumerate() {
            for head in (0..width).step_by(size) {
                let dot = |k: &[f32]| (head..head + size).map(|i| f64::from(q[i]) * f64::from(k[i])).sum::<f64>();
                let weight = |(key, k): (usize, &[f32])| if key.abs_diff(at) <= reach { dot(k).exp() } else { 0.0 };
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
        fn is_the_textbooks(tokens in 1usize..200, share in 0.0..1.0, near in 0usize..250, heads in 1usize..4, size in prop_oneof![1usize..70, Just(32), Just(64)], seed in 0u64..99) {
            let queries = 1 + (share * tokens as f64) as usize;
            let reach = if near < 200 { near } else { usize::MAX };
            let width = heads * size;
            let (q, k, v) = (numbers(queries * width, seed), numbers(tokens * width, seed + 1), numbers(tokens * width, seed + 2));
            let q: Vec<f32> = q.into_iter().map(|q| q / size as f32).collect();
            let exact = textbook(&q, &k, &v, width, size, reach);
            for (precision, tolerance) in [(Precision::F32, 2e-5), (Precision::Bf16, 0.08), (Precision::Bf16Vectors, 0.08)] {
                let mut attention = Attention::new(precision, heads, size);
                // Another text before this one, of as many tokens as there are queries.
                let of = projections(&attention, [&q, &[&q[..], &k].concat(), &[&q[..], &v].concat()], width);
                let text = queries..queries + tokens;
                let mut out = vec![f32::NAN; queries * (width + 3)];
                // Twice, for what the first leaves in memory must not matter.
                for _ in 0..2 {
                    let out = MatrixMut::new(&mut out, width + 3, width);
                    attention.attend(&of, 0..queries, text.clone(), reach, 0..heads, out);
                }
                for (out, exact) in out.chunks_exact(width + 3).zip(exact.chunks_exact(width)) {
                    prop_assert!(out[width..].iter().all(|x| x.is_nan()), "wrote beside its columns");
                    prop_assert!(out.iter().zip(exact).all(|(a, b)| (f64::from(*a) - b).abs() < tolerance), "{precision}");
                }
                let everywhere = everywhere(|| {
                    let mut out = vec![f32::NAN; queries * width];
                    let whole = MatrixMut::new(&mut out, width, width);
                    Attention::new(precision, heads, size).attend(&of, 0..queries, text.clone(), reach, 0..heads, whole);
                    out
                });
                prop_assert!(everywhere.iter().all(|one| *one == everywhere[0]), "not the same bits on every instruction set");
                let mut alone = vec![0.0; width];
                let whole = MatrixMut::new(&mut alone, width, width);
                attention.attend(&of, 0..1, text.clone(), reach, 0..heads, whole);
                prop_assert_eq!(&out[..width], &alone[..], "the first query alone");
                alone.fill(f32::NAN);
                let whole = MatrixMut::new(&mut alone, width, width);
                for (heads, out) in whole.divided(heads, size) {
                    attention.attend(&of, 0..1, text.clone(), reach, heads, out);
                }
                prop_assert_eq!(&out[..width], &alone[..], "each head alone");
                if reach == usize::MAX {
                    let whole = MatrixMut::new(&mut alone, width, width);
                    attention.attend(&of, queries - 1..queries, text, reach, 0..heads, whole);
                    prop_assert_eq!(&out[(queries - 1) * (width + 3)..][..width], &alone[..], "the last query alone");
                }
            }
        }
    }

    proptest! {
        /// A kernel may take many words in a step, and zeros times what is left there from before must be zeros.
        #[test]
        fn beyond_the_tokens_are_zeros(tokens in 1usize..100, step in 0u32..5) {
            let words = tokens.div_ceil(2).next_multiple_of(1 << step);
            let rows: Vec<u32> = vec![0x3f80_3f80; tokens * 17];
            let rows = Left { words: &rows, stride: 17, rows: tokens };
            for mut panels in everywhere(|| vec![u32::MAX; 2 * PANEL * words]) {
                pack_values_bf16(rows, 34, words, &mut panels);
                for panel in panels.chunks(PANEL * words) {
                    prop_assert!(panel[tokens.div_ceil(2) * PANEL..].iter().all(|word| *word == 0));
                }
            }
            let stride = tokens.next_multiple_of(PANEL);
            for weights in everywhere(|| {
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
    fn what_is_out_of_reach_counts_for_nothing() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Bf16Vectors] {
            let mut attention = Attention::new(precision, 1, 2);
            // The first query sees its own value alone, and that is 0.
            let of = projections(&attention, [&[1.0; 4], &[1.0; 4], &[0.0, 0.0, -1.0, 1.0]], 2);
            let mut out = [f32::NAN; 4];
            attention.attend(&of, 0..2, 0..2, 0, 0..1, MatrixMut::new(&mut out, 2, 2));
            assert_eq!(out, [0.0, 0.0, -1.0, 1.0], "{precision}");
        }
    }

    #[test]
    fn huge_scores_are_no_trouble_and_what_is_no_number_stays_none() {
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
