//! The forward pass: all tokens of several texts in one matrix, no padding.
//!
//! Everything but attention works on each token alone, so texts are simply laid one after the
//! other; attention runs text by text. The classifier reads only the first token of a text,
//! so the last layer computes queries, output and feed-forward for that token alone.

use super::bert::{Bert, Embeddings, Layer};
use super::tokens::Tokens;
use crate::kernels::{Matrix, MatrixMut, multiply, rows};
use std::ops::Range;

/// Memory of one thread, kept between chunks.
#[derive(Default)]
pub struct Scratch {
    hidden: Vec<f32>,
    query_key_value: Vec<f32>,
    context: Vec<f32>,
    projected: Vec<f32>,
    inner: Vec<f32>,
    scores: Vec<f32>,
    first_hidden: Vec<f32>,
    first_query: Vec<f32>,
}

/// Matrix products are the same bit for bit from two rows on, so none has fewer.
fn padded(rows: usize) -> usize {
    rows.max(2)
}

fn room(buffer: &mut Vec<f32>, numbers: usize) -> &mut [f32] {
    if buffer.len() < numbers {
        buffer.resize(numbers, 0.0);
    }
    &mut buffer[..numbers]
}

impl Bert {
    /// Logits of each text, in the order of the model's classes. A text's numbers are the same
    /// bit for bit whatever texts stand beside it.
    ///
    /// Each text must have 1 to [`Bert::positions`] tokens, none of them [`Bert::unknown`].
    pub fn logits(&self, texts: &[&Tokens], scratch: &mut Scratch) -> Vec<Vec<f32>> {
        let spans = spans(texts);
        let tokens = spans.last().map_or(0, |span| span.end);
        self.embeddings.embed(texts, self.width, room(&mut scratch.hidden, padded(tokens) * self.width));
        let (last, others) = self.layers.split_last().expect("a model has layers");
        for layer in others {
            self.whole_layer(layer, &spans, tokens, scratch);
        }
        self.last_layer(last, &spans, tokens, scratch);
        self.classify(texts.len(), scratch)
    }

    fn whole_layer(&self, layer: &Layer, spans: &[Range<usize>], tokens: usize, scratch: &mut Scratch) {
        let (width, wide, count) = (self.width, 3 * self.width, padded(tokens));
        let hidden = &mut scratch.hidden[..count * width];
        let query_key_value = room(&mut scratch.query_key_value, count * wide);
        layer.query_key_value.multiply(hidden, count, query_key_value);
        for row in query_key_value.chunks_exact_mut(wide) {
            rows::add_bias(&mut row[..width], &layer.query_key_value.bias);
        }
        let context = room(&mut scratch.context, count * width);
        for span in spans {
            let text = &query_key_value[span.start * wide..span.end * wide];
            let out = &mut context[span.start * width..span.end * width];
            self.attend(text, wide, text, span.len(), &mut scratch.scores, out);
        }
        layer.finish(width, count, hidden, context, &mut scratch.projected, &mut scratch.inner);
    }

    /// Leaves the first token of each text in `scratch.first_hidden`.
    fn last_layer(&self, layer: &Layer, spans: &[Range<usize>], tokens: usize, scratch: &mut Scratch) {
        let (width, wide, count, texts) = (self.width, 3 * self.width, padded(tokens), padded(spans.len()));
        let hidden = &scratch.hidden[..count * width];
        let first = room(&mut scratch.first_hidden, texts * width);
        for (row, span) in first.chunks_exact_mut(width).zip(spans) {
            row.copy_from_slice(&hidden[span.start * width..(span.start + 1) * width]);
        }
        let query = room(&mut scratch.first_query, texts * width);
        layer.query_key_value.multiply_columns(first, texts, 0, width, width, query);
        rows::add_bias(query, &layer.query_key_value.bias);
        let query_key_value = room(&mut scratch.query_key_value, count * wide);
        layer.query_key_value.multiply_columns(hidden, count, width, wide, wide, &mut query_key_value[width..]);
        let context = room(&mut scratch.context, texts * width);
        for (text, span) in spans.iter().enumerate() {
            let row = text * width..(text + 1) * width;
            let keys = &query_key_value[span.start * wide..span.end * wide];
            self.attend(&query[row.clone()], width, keys, 1, &mut scratch.scores, &mut context[row]);
        }
        layer.finish(width, texts, first, context, &mut scratch.projected, &mut scratch.inner);
    }

    /// Attention within one text for its first `count` tokens. `queries` has a row of `stride`
    /// for each of them; `text` has query, key and value side by side for every token.
    fn attend(
        &self,
        queries: &[f32],
        stride: usize,
        text: &[f32],
        count: usize,
        scores: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let (width, wide, size) = (self.width, 3 * self.width, self.width / self.heads);
        let tokens = text.len() / wide;
        let scores = room(scores, count * tokens);
        for head in (0..width).step_by(size) {
            let query = Matrix::new(&queries[head..], count, size, stride);
            let key = Matrix::new(&text[width + head..], tokens, size, wide);
            let value = Matrix::new(&text[2 * width + head..], tokens, size, wide);
            let scale = 1.0 / (size as f32).sqrt();
            multiply(query, key.transposed(), scale, &mut MatrixMut::new(scores, count, tokens, tokens));
            for row in scores.chunks_exact_mut(tokens) {
                rows::softmax(row);
            }
            let weights = Matrix::new(scores, count, tokens, tokens);
            multiply(weights, value, 1.0, &mut MatrixMut::new(&mut out[head..], count, size, width));
        }
    }

    fn classify(&self, texts: usize, scratch: &mut Scratch) -> Vec<Vec<f32>> {
        let (count, labels) = (padded(texts), self.classifier.outputs);
        let first = &scratch.first_hidden[..count * self.width];
        let pooled = room(&mut scratch.projected, count * self.width);
        self.pooler.multiply(first, count, pooled);
        rows::add_bias(pooled, &self.pooler.bias);
        for x in pooled.iter_mut() {
            *x = x.tanh();
        }
        let logits = room(&mut scratch.inner, count * labels);
        self.classifier.multiply(pooled, count, logits);
        rows::add_bias(logits, &self.classifier.bias);
        logits.chunks_exact(labels).take(texts).map(<[f32]>::to_vec).collect()
    }
}

impl Layer {
    /// From attention's `context` to the layer's output, which replaces `hidden`.
    fn finish(
        &self,
        width: usize,
        count: usize,
        hidden: &mut [f32],
        context: &[f32],
        projected: &mut Vec<f32>,
        inner: &mut Vec<f32>,
    ) {
        let projected = room(projected, count * width);
        self.attention_output.multiply(context, count, projected);
        rows::add_residual(hidden, projected, &self.attention_output.bias);
        self.attention_norm.apply(hidden);
        let inner = room(inner, count * self.feed_forward_in.outputs);
        self.feed_forward_in.multiply(hidden, count, inner);
        rows::add_bias_and_gelu(inner, &self.feed_forward_in.bias);
        self.feed_forward_out.multiply(inner, count, projected);
        rows::add_residual(hidden, projected, &self.feed_forward_out.bias);
        self.output_norm.apply(hidden);
    }
}

impl Embeddings {
    fn embed(&self, texts: &[&Tokens], width: usize, out: &mut [f32]) {
        let tokens = texts.iter().flat_map(|text| text.ids.iter().zip(&text.types).enumerate());
        for (out, (position, (&id, &kind))) in out.chunks_exact_mut(width).zip(tokens) {
            let word = &self.words[id as usize * width..];
            let kind = &self.types[kind as usize * width..];
            let position = &self.positions[position * width..];
            for (((x, word), kind), position) in out.iter_mut().zip(word).zip(kind).zip(position) {
                *x = word + kind + position;
            }
        }
        self.norm.apply(out);
    }
}

/// Where each text's tokens stand among all.
fn spans(texts: &[&Tokens]) -> Vec<Range<usize>> {
    let mut end = 0;
    let mut span = |text: &&Tokens| {
        let start = end;
        end += text.ids.len();
        start..end
    };
    texts.iter().map(&mut span).collect()
}
