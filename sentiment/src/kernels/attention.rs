//! Attention within one text, head by head.

#![allow(
    unsafe_code,
    reason = "calling a function compiled for an instruction set is unsafe; the set is checked first"
)]

use super::Precision;
use super::dot::{self, Kernel, Left, PANEL, TALLEST};
use super::for_this_machine::for_this_machine;
use super::linear::{tiles, two};
use super::math::exp;
use super::operand::bf16;
use super::words::Words;

/// Scores are worked on in so many lanes, whatever the vector width.
const LANES: usize = 16;

/// Rows of floats, `stride` apart, of which the heads' numbers stand side by side at the beginning.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The floats; at least one row.
    pub data: &'a [f32],
    /// From a row to the next.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    fn count(self) -> usize {
        self.data.len().div_ceil(self.stride)
    }

    /// The same rows without their first `columns` numbers.
    pub fn from(self, columns: usize) -> Self {
        Self { data: &self.data[columns..], ..self }
    }
}

/// How attention is computed, and its memory.
pub struct Attention {
    kernel: &'static Kernel,
    /// f32 or bf16.
    precision: Precision,
    heads: usize,
    /// Numbers a head.
    size: usize,
    rows: Words,
    queries: Words,
    keys: Words,
    values: Words,
    scores: Words,
    weights: Words,
}

impl Attention {
    /// For `heads` heads of `size` numbers. There is no attention in int8: it takes bf16.
    pub fn new(precision: Precision, heads: usize, size: usize) -> Self {
        let precision = if precision == Precision::F32 { Precision::F32 } else { Precision::Bf16 };
        let [rows, queries, keys, values, scores, weights] = Default::default();
        let kernel = dot::kernel(precision);
        Self { kernel, precision, heads, size, rows, queries, keys, values, scores, weights }
    }

    /// `softmax(Q K^T) V` of each head into the rows of `out`, `out_stride` apart. There are as many
    /// `keys` as `values`, which are the tokens of the text; queries, which carry the scale already, are of
    /// the first of these tokens. Each looks at keys at most `reach` tokens away from it.
    ///
    /// # Panics
    /// If rows are shorter than all heads together, or not as many as they should be.
    pub fn attend(
        &mut self,
        queries: Rows<'_>,
        keys: Rows<'_>,
        values: Rows<'_>,
        reach: usize,
        out: &mut [f32],
        out_stride: usize,
    ) {
        let numbers = self.precision.numbers_in_a_word();
        let (count, tokens) = (queries.count(), keys.count());
        let query_words = self.size.div_ceil(numbers);
        let value_words = tokens.div_ceil(numbers);
        let padded = tokens.next_multiple_of(PANEL);
        for head in 0..self.heads {
            let first = head * self.size;
            let packed_queries = self.queries.room(count * query_words);
            let packed_keys = self.keys.room(padded * query_words);
            let packed_values = self.values.room(self.size.next_multiple_of(PANEL) * value_words);
            let rows = self.rows.room(tokens * query_words);
            match self.precision {
                Precision::F32 => {
                    copy_rows(queries.from(first), self.size, packed_queries);
                    copy_rows(keys.from(first), self.size, rows);
                    pack_values(values.from(first), self.size, packed_values);
                }
                _ => {
                    round_rows(queries.from(first), self.size, packed_queries);
                    round_rows(keys.from(first), self.size, rows);
                    round_values(values.from(first), self.size, packed_values);
                }
            }
            pack_keys(rows, query_words, packed_keys);
            for (row, rows) in tiles(count, self.kernel.rows) {
                let out = &mut out[row * out_stride + first..];
                self.tile(row, rows, tokens, reach, out, out_stride);
            }
        }
    }

    /// One head for `rows` queries from `first`, when all is packed.
    fn tile(&mut self, first: usize, rows: usize, tokens: usize, reach: usize, out: &mut [f32], out_stride: usize) {
        let numbers = self.precision.numbers_in_a_word();
        let (query_words, value_words) = (self.size.div_ceil(numbers), tokens.div_ceil(numbers));
        // Keys that one of the queries looks at, from a whole panel on.
        let seen = first.saturating_sub(reach) / PANEL * PANEL..tokens.min((first + rows).saturating_add(reach));
        let stride = seen.len().next_multiple_of(PANEL);
        let zeros = [0; PANEL];

        let scores = self.scores.room(rows * stride);
        let queries = Left { words: &self.queries.as_slice()[first * query_words..], stride: query_words, rows };
        for column in seen.clone().step_by(PANEL) {
            let panel = &self.keys.as_slice()[column * query_words..][..PANEL * query_words];
            let halves = (seen.end - column).div_ceil(PANEL / 2).min(2);
            self.kernel.run(queries, panel, halves, &zeros, &mut scores[column - seen.start..], stride);
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
        let mut sums = [[0; PANEL]; TALLEST];
        let sums = &mut sums[..rows];
        for column in (0..self.size).step_by(PANEL) {
            let panel = &self.values.as_slice()[column * value_words + seen.start / numbers * PANEL..];
            let panel = &panel[..PANEL * seen.len().div_ceil(numbers)];
            let columns = (self.size - column).min(PANEL);
            self.kernel.run(weights, panel, columns.div_ceil(PANEL / 2), &zeros, sums.as_flattened_mut(), PANEL);
            scale_rows(sums, scales, columns, &mut out[column..], out_stride);
        }
    }
}

for_this_machine! {
    /// The first `size` numbers of each row, row after row.
    fn copy_rows(x: Rows<'_>, size: usize, out: &mut [u32]) = copy_rows_plain
}
for_this_machine! {
    /// As [`copy_rows`], two bfloat16 a word.
    fn round_rows(x: Rows<'_>, size: usize, out: &mut [u32]) = round_rows_plain
}
for_this_machine! {
    /// Rows of `words` words to panels: a row becomes a column. Columns beyond the rows stay as they are.
    fn pack_keys(rows: &[u32], words: usize, out: &mut [u32]) = pack_keys_plain
}
for_this_machine! {
    /// The first `size` numbers of each row to panels.
    fn pack_values(x: Rows<'_>, size: usize, out: &mut [u32]) = pack_values_plain
}
for_this_machine! {
    /// As [`pack_values`], two rows of bfloat16 a word.
    fn round_values(x: Rows<'_>, size: usize, out: &mut [u32]) = round_values_plain
}
for_this_machine! {
    /// `e` to the first `tokens` numbers of each row less its largest, and one over their sum.
    fn softmax(scores: &mut [f32], stride: usize, tokens: usize, out: &mut [f32], scales: &mut [f32]) = softmax_plain
}
for_this_machine! {
    /// As [`softmax`], the numbers rounded to bfloat16; a row of them has 32-bit words of `stride`.
    fn softmax_bf16(scores: &mut [f32], stride: usize, tokens: usize, out: &mut [u16], scales: &mut [f32]) = softmax_bf16_plain
}
for_this_machine! {
    /// The first `columns` of each row of sums times the row's scale.
    fn scale_rows(sums: &[[u32; PANEL]], scales: &[f32], columns: usize, out: &mut [f32], stride: usize) = scale_rows_plain
}

#[inline(always)]
fn copy_rows_plain(x: Rows<'_>, size: usize, out: &mut [u32]) {
    for (x, out) in x.data.chunks(x.stride).zip(out.chunks_exact_mut(size)) {
        out.copy_from_slice(bytemuck::cast_slice(&x[..size]));
    }
}

#[inline(always)]
fn round_rows_plain(x: Rows<'_>, size: usize, out: &mut [u32]) {
    for (x, out) in x.data.chunks(x.stride).zip(out.chunks_exact_mut(size.div_ceil(2))) {
        let out: &mut [u16] = bytemuck::cast_slice_mut(out);
        for (x, out) in x[..size].iter().zip(&mut *out) {
            *out = bf16(*x);
        }
        out[size..].fill(0);
    }
}

#[inline(always)]
fn pack_keys_plain(rows: &[u32], words: usize, out: &mut [u32]) {
    for (row, words) in rows.chunks_exact(words).enumerate() {
        let panel = &mut out[row / PANEL * PANEL * words.len()..];
        for (word, out) in words.iter().zip(panel.as_chunks_mut::<PANEL>().0) {
            out[row % PANEL] = *word;
        }
    }
}

#[inline(always)]
fn pack_values_plain(x: Rows<'_>, size: usize, out: &mut [u32]) {
    let words = x.count();
    for (row, x) in x.data.chunks(x.stride).enumerate() {
        for (panel, x) in x[..size].chunks(PANEL).enumerate() {
            out[(panel * words + row) * PANEL..][..x.len()].copy_from_slice(bytemuck::cast_slice(x));
        }
    }
}

#[inline(always)]
fn round_values_plain(x: Rows<'_>, size: usize, out: &mut [u32]) {
    let words = x.count().div_ceil(2);
    for (row, pair) in x.data.chunks(2 * x.stride).enumerate() {
        let (lower, upper) = pair.split_at(x.stride.min(pair.len()));
        for panel in 0..size.div_ceil(PANEL) {
            let columns = panel * PANEL..size.min((panel + 1) * PANEL);
            let lower = &lower[columns.clone()];
            let out = &mut out[(panel * words + row) * PANEL..][..lower.len()];
            match upper.get(columns) {
                Some(upper) => {
                    for ((lower, upper), out) in lower.iter().zip(upper).zip(out) {
                        *out = two(&[*lower, *upper]);
                    }
                }
                None => {
                    for (lower, out) in lower.iter().zip(out) {
                        *out = two(&[*lower]);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn softmax_plain(scores: &mut [f32], stride: usize, tokens: usize, out: &mut [f32], scales: &mut [f32]) {
    exponentials(scores, stride, tokens, out, scales, |x| x);
}

#[inline(always)]
fn softmax_bf16_plain(scores: &mut [f32], stride: usize, tokens: usize, out: &mut [u16], scales: &mut [f32]) {
    exponentials(scores, 2 * stride, tokens, out, scales, bf16);
}

/// `stride` is that of `out`.
#[inline(always)]
fn exponentials<T>(
    scores: &mut [f32],
    stride: usize,
    tokens: usize,
    out: &mut [T],
    scales: &mut [f32],
    rounded: impl Fn(f32) -> T,
) {
    let padded = tokens.next_multiple_of(LANES);
    let rows = scales.len();
    let score_stride = scores.len() / rows;
    for ((scores, out), scale) in scores.chunks_exact_mut(score_stride).zip(out.chunks_exact_mut(stride)).zip(scales) {
        // What stands beyond the tokens must not count: of this, exp leaves nothing worth adding.
        scores[tokens..padded].fill(f32::NEG_INFINITY);
        let (scores, _) = scores[..padded].as_chunks::<LANES>();
        let largest = joined(
            scores.iter().fold([f32::NEG_INFINITY; LANES], |largest, scores| {
                std::array::from_fn(|lane| if scores[lane] > largest[lane] { scores[lane] } else { largest[lane] })
            }),
            f32::max,
        );
        let mut sums = [0.0; LANES];
        for (scores, out) in scores.iter().zip(out.as_chunks_mut::<LANES>().0) {
            for lane in 0..LANES {
                let x = exp(scores[lane] - largest);
                sums[lane] += x;
                out[lane] = rounded(x);
            }
        }
        *scale = 1.0 / joined(sums, |a, b| a + b);
    }
}

/// Joins lanes in halves, in an order that is always the same.
#[inline(always)]
fn joined(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
    }
    lanes[0]
}

#[inline(always)]
fn scale_rows_plain(sums: &[[u32; PANEL]], scales: &[f32], columns: usize, out: &mut [f32], stride: usize) {
    for ((sums, scale), out) in sums.iter().zip(scales).zip(out.chunks_mut(stride)) {
        for (sum, out) in sums[..columns].iter().zip(out) {
            *out = f32::from_bits(*sum) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn is_the_textbooks(tokens in 1usize..200, share in 0.0..1.0, near in 0usize..250, heads in 1usize..4, size in 1usize..70, seed in 0u64..99) {
            let queries = 1 + (share * tokens as f64) as usize;
            let reach = if near < 200 { near } else { usize::MAX };
            let width = heads * size;
            let (q, k, v) = (numbers(queries * width, seed), numbers(tokens * width, seed + 1), numbers(tokens * width, seed + 2));
            let q: Vec<f32> = q.into_iter().map(|q| q / size as f32).collect();
            let exact = textbook(&q, &k, &v, width, size, reach);
            let rows = |data| Rows { data, stride: width };
            for (precision, tolerance) in [(Precision::F32, 2e-5), (Precision::Bf16, 0.08)] {
                let mut attention = Attention::new(precision, heads, size);
                let mut out = vec![f32::NAN; queries * (width + 3)];
                // Twice, for what the first leaves in memory must not matter.
                for _ in 0..2 {
                    attention.attend(rows(&q), rows(&k), rows(&v), reach, &mut out, width + 3);
                }
                for (out, exact) in out.chunks_exact(width + 3).zip(exact.chunks_exact(width)) {
                    prop_assert!(out[width..].iter().all(|x| x.is_nan()), "wrote beside its columns");
                    prop_assert!(out.iter().zip(exact).all(|(a, b)| (f64::from(*a) - b).abs() < tolerance), "{precision}");
                }
                let mut alone = vec![0.0; width];
                attention.attend(rows(&q[..width]), rows(&k), rows(&v), reach, &mut alone, width);
                prop_assert_eq!(&out[..width], &alone[..], "the first query alone");
                if reach == usize::MAX {
                    attention.attend(rows(&q[(queries - 1) * width..]), rows(&k), rows(&v), reach, &mut alone, width);
                    prop_assert_eq!(&out[(queries - 1) * (width + 3)..][..width], &alone[..], "the last query alone");
                }
            }
        }
    }

    #[test]
    fn huge_scores_are_no_trouble_and_what_is_no_number_stays_none() {
        let mut attention = Attention::new(Precision::Bf16, 1, 2);
        let rows = |data| Rows { data, stride: 2 };
        let mut out = [0.0; 2];
        attention.attend(
            rows(&[1e9, 0.0]),
            rows(&[1e9, 0.0, 1.0, 0.0]),
            rows(&[5.0, 6.0, 7.0, 8.0]),
            usize::MAX,
            &mut out,
            2,
        );
        assert_eq!(out, [5.0, 6.0]);
        attention.attend(
            rows(&[f32::NAN, 0.0]),
            rows(&[1.0, 0.0, 1.0, 0.0]),
            rows(&[5.0, 6.0, 7.0, 8.0]),
            usize::MAX,
            &mut out,
            2,
        );
        assert!(out[0].is_nan() && out[1].is_nan());
    }
}
