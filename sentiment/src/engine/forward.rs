//! The forward pass: all tokens of several texts in one matrix, without padding.
//!
//! Everything but attention processes each token by itself. So texts are concatenated and processed in blocks of rows
//! that stay in the cache from product to product; attention runs text by text. If the classifier reads only the first
//! token of a text, the last layer computes queries, output and feed-forward for that token only.
//!
//! A batch is divided into chunks of texts (`packing.rs`). One thread computes a chunk. If there are fewer chunks than
//! threads, as for a single text, several threads share a chunk: each takes blocks of its own, or, if there are few
//! rows, some outputs of every product. For attention each takes some heads.

use super::architecture::Pooling;
use super::layers::{Embeddings, FeedForward, Head, Layer, LayerNorm, PackedModel};
use super::rotary::Rotation;
use super::smoothing::Smoothing;
use super::tokenizer::Encoding;
use rayon::prelude::*;
use std::ops::Range;
use tapewire_kernels::Precision;
use tapewire_kernels::aligned::AlignedBuf;
use tapewire_kernels::attention::{Attention, Projections};
use tapewire_kernels::dot::PANEL;
use tapewire_kernels::linear::Epilogue;
use tapewire_kernels::matrix::MatrixMut;
use tapewire_kernels::operand::Operand;
use tapewire_kernels::rows::apply_rope;

/// Rows that pass from product to product together. With more of them, activations leave the second-level cache
/// between products; with fewer, weights are read too often.
const BLOCK_ROWS: usize = 144;

/// With fewer rows, a thread would spend more time on reading all weights than on multiplying by them.
const MIN_ROWS_PER_THREAD: usize = 16;

/// Memory for a chunk, reused for the next. Rows are padded to whole panels.
pub struct Scratch {
    precision: Precision,
    hidden: AlignedBuf,
    projections: Projections,
    context: AlignedBuf,
    /// One per thread that works on the chunk, like `blocks`.
    attention: Vec<Attention>,
    blocks: Vec<Block>,
}

/// Memory for a block of rows in a layer.
#[derive(Default)]
struct Block {
    normed: AlignedBuf,
    operand: Operand,
    /// Results of a product, input of the next.
    inner: AlignedBuf,
    inner_operand: Operand,
    /// Number of threads that share each product.
    threads: usize,
}

/// Observes the inputs of the sublayers before they are quantised. `()` observes nothing, at no cost.
pub(super) trait Observe: Sync {
    /// Rows that queries, keys and values are computed from, `stride` floats apart.
    fn attention_input(&self, _rows: &[f32], _stride: usize) {}

    /// Rows that the feed-forward network reads, `stride` floats apart.
    fn feed_forward_input(&self, _rows: &[f32], _stride: usize) {}
}

impl Observe for () {}

/// Divides the remaining rows among the blocks, of which there is one per thread. Returns the largest number of rows
/// per block in this round, and sets how many threads share the products of each block.
fn divide(rows: usize, blocks: &mut [Block]) -> usize {
    let threads = blocks.len();
    let (blocks_in_use, sharing) = if rows < MIN_ROWS_PER_THREAD * threads { (1, threads) } else { (threads, 1) };
    blocks.iter_mut().for_each(|block| block.threads = sharing);
    rows.div_ceil(blocks_in_use).min(BLOCK_ROWS)
}

impl PackedModel {
    /// Memory for [`PackedModel::logits`].
    pub fn scratch(&self) -> Scratch {
        self.scratch_for(self.precision)
    }

    /// Memory for layers in that precision.
    pub(super) fn scratch_for(&self, precision: Precision) -> Scratch {
        let (hidden, projections, context, attention, blocks) = Default::default();
        Scratch { precision, hidden, projections, context, attention, blocks }
    }

    /// Logits of each text, in the order of the model's classes. They have the same bits whatever the other texts are,
    /// and for any number of rayon's threads.
    ///
    /// Each text must have between 1 and `max_seq_len` tokens, all of them in the vocabulary.
    pub fn logits(&self, texts: &[&Encoding], threads: usize, scratch: &mut Scratch) -> Vec<Vec<f32>> {
        let spans = self.embed(texts, threads, scratch);
        let (last, others) = self.layers.split_last().expect("a model has layers");
        for layer in others {
            self.forward_layer(layer, &spans, scratch, &());
        }
        match self.pooling {
            Pooling::Cls => self.last_layer(last, &spans, scratch),
            Pooling::Mean => self.forward_layer(last, &spans, scratch, &()),
        }
        self.pool(&spans, scratch);
        self.classify(texts.len(), scratch)
    }

    /// Computes the input of the first layer in `scratch.hidden`, and returns the rows of each text.
    pub(super) fn embed(&self, texts: &[&Encoding], threads: usize, scratch: &mut Scratch) -> Vec<Range<usize>> {
        scratch.blocks.resize_with(threads, Block::default);
        let attention = || Attention::new(scratch.precision, self.heads, self.hidden_size / self.heads);
        scratch.attention.resize_with(threads, attention);
        let spans = spans(texts);
        let hidden = scratch.hidden.floats_mut(tokens(&spans) * self.stride());
        self.embeddings.sum(texts, self.hidden_size, self.stride(), hidden);
        spans
    }

    /// Floats from a hidden state to the next.
    fn stride(&self) -> usize {
        self.hidden_size.next_multiple_of(PANEL)
    }

    /// Replaces the input of a layer in `scratch.hidden` by its output, for all tokens.
    pub(super) fn forward_layer(
        &self,
        layer: &Layer,
        spans: &[Range<usize>],
        scratch: &mut Scratch,
        observer: &impl Observe,
    ) {
        let tokens = tokens(spans);
        self.project(layer, spans, true, scratch, observer);
        let Scratch { hidden, projections, context, attention, blocks, .. } = scratch;
        let (stride, hidden) = (self.stride(), hidden.floats_mut(tokens * self.stride()));
        let context = context.floats_mut(tokens * stride);
        self.attend(layer, projections, spans, spans, attention, context);
        self.attention_output_and_ffn(layer, hidden, context, blocks, observer);
    }

    /// As [`PackedModel::forward_layer`], for the first token of each text only; these become the first rows of
    /// `scratch.hidden`.
    fn last_layer(&self, layer: &Layer, spans: &[Range<usize>], scratch: &mut Scratch) {
        let tokens = tokens(spans);
        self.project(layer, spans, false, scratch, &());
        let Scratch { hidden, projections, context, attention, blocks, .. } = scratch;
        let (stride, hidden) = (self.stride(), hidden.floats_mut(tokens * self.stride()));
        for (text, span) in spans.iter().enumerate() {
            hidden.copy_within(span.start * stride..(span.start + 1) * stride, text * stride);
        }
        let hidden = &mut hidden[..spans.len() * stride];
        divide(spans.len(), blocks);
        let block = &mut blocks[0];
        for hidden in hidden.chunks(BLOCK_ROWS * stride) {
            self.set_attention_input(layer, hidden, block, &());
            let Block { operand, inner, threads, .. } = &mut *block;
            let queries = inner.floats_mut(hidden.len());
            layer.query.apply(operand, Epilogue::Store, queries, stride, *threads);
            // Not rotated: each belongs to the first token of its text, whose angle is 0.
            projections.queries.extend(queries, stride);
        }
        let context = context.floats_mut(hidden.len());
        let first_rows: Vec<Range<usize>> = (0..spans.len()).map(|text| text..text + 1).collect();
        self.attend(layer, projections, &first_rows, spans, attention, context);
        self.attention_output_and_ffn(layer, hidden, context, blocks, &());
    }

    /// Computes keys and values of all tokens, and their queries if `with_queries`.
    fn project(
        &self,
        layer: &Layer,
        spans: &[Range<usize>],
        with_queries: bool,
        scratch: &mut Scratch,
        observer: &impl Observe,
    ) {
        let (stride, tokens) = (self.stride(), tokens(spans));
        let Projections { queries, keys, values } = &mut scratch.projections;
        for rows in [&mut *queries, keys, values] {
            rows.clear(scratch.attention[0].precision(), self.hidden_size);
        }
        let (mut rest, blocks) = (&*scratch.hidden.floats_mut(tokens * stride), &mut scratch.blocks);
        let mut first = 0;
        while !rest.is_empty() {
            let height = divide(rest.len() / stride, blocks);
            let hidden;
            (hidden, rest) = rest.split_at(rest.len().min(height * blocks.len() * stride));
            let in_parallel = blocks.par_iter_mut().zip(hidden.par_chunks(height * stride)).enumerate();
            in_parallel.for_each(|(at, (block, hidden))| {
                let first = first + at * height;
                let rotate = |rows: &mut [f32], stride: usize| {
                    if let Some(rotation) = &layer.rotation {
                        self.rotate(rotation, spans, first, rows, stride);
                    }
                };
                self.project_block(layer, hidden, with_queries, block, observer, rotate);
            });
            for (block, hidden) in blocks.iter_mut().zip(hidden.chunks(height * stride)) {
                let projected = block.inner.floats_mut(3 * hidden.len());
                if with_queries {
                    queries.extend(&projected[..hidden.len()], stride);
                }
                keys.extend(&projected[hidden.len()..], 2 * stride);
                values.extend(&projected[hidden.len() + stride..], 2 * stride);
            }
            first += hidden.len() / stride;
        }
    }

    /// Computes attention for the rows `queries_of` of each text, into the same rows of `context`. Heads are divided
    /// among the `attention`s, one per thread.
    fn attend(
        &self,
        layer: &Layer,
        projections: &Projections,
        queries_of: &[Range<usize>],
        texts: &[Range<usize>],
        attention: &mut [Attention],
        context: &mut [f32],
    ) {
        let context = MatrixMut::new(context, self.stride(), self.hidden_size);
        let parts = context.split_columns(attention.len(), self.hidden_size / self.heads);
        parts.into_par_iter().zip(attention).for_each(|((heads, mut context), attention)| {
            for (queries, text) in queries_of.iter().zip(texts) {
                let out = context.rows(queries.clone());
                attention.attend(projections, queries.clone(), text.clone(), layer.window, heads.clone(), out);
            }
        });
    }

    /// Computes in `block.inner` the queries, if `with_queries`, and after them rows of one key and one value each.
    /// `rotate` gets rows of queries or keys, and their stride in floats.
    fn project_block(
        &self,
        layer: &Layer,
        hidden: &[f32],
        with_queries: bool,
        block: &mut Block,
        observer: &impl Observe,
        rotate: impl Fn(&mut [f32], usize),
    ) {
        let stride = self.stride();
        self.set_attention_input(layer, hidden, block, observer);
        let Block { operand, inner, threads, .. } = block;
        let (queries, keys_and_values) = inner.floats_mut(3 * hidden.len()).split_at_mut(hidden.len());
        if with_queries {
            layer.query.apply(operand, Epilogue::Store, queries, stride, *threads);
            rotate(queries, stride);
        }
        layer.key_value.apply(operand, Epilogue::Store, keys_and_values, 2 * stride, *threads);
        rotate(keys_and_values, 2 * stride);
    }

    /// Computes the output of the layer from the result of attention, `context`, and replaces `hidden` by it.
    fn attention_output_and_ffn(
        &self,
        layer: &Layer,
        mut rest: &mut [f32],
        mut context: &[f32],
        blocks: &mut [Block],
        observer: &impl Observe,
    ) {
        let stride = self.stride();
        while !rest.is_empty() {
            let height = divide(rest.len() / stride, blocks);
            let (hidden, hidden_rest) = rest.split_at_mut(rest.len().min(height * blocks.len() * stride));
            let (context_here, context_rest) = context.split_at(hidden.len());
            let rows = hidden.par_chunks_mut(height * stride).zip(context_here.par_chunks(height * stride));
            blocks.par_iter_mut().zip(rows).for_each(|(block, (hidden, context))| {
                self.attention_output_and_ffn_block(layer, hidden, context, block, observer);
            });
            (rest, context) = (hidden_rest, context_rest);
        }
    }

    fn attention_output_and_ffn_block(
        &self,
        layer: &Layer,
        hidden: &mut [f32],
        context: &[f32],
        block: &mut Block,
        observer: &impl Observe,
    ) {
        let (stride, width) = (self.stride(), self.hidden_size);
        let (output, operand) = (&layer.attention_output, &mut block.operand);
        operand.set(output.precision(), context, stride, width);
        output.apply(operand, Epilogue::Add, hidden, stride, block.threads);
        if let Some(norm) = &layer.attention_norm.after {
            norm.apply(hidden, stride);
        }
        let FeedForward { up, gate, down, outliers } = &layer.feed_forward;
        let norm = layer.feed_forward_norm.before.as_ref();
        let observe = |rows: &[f32]| observer.feed_forward_input(rows, stride);
        self.set_input(up.precision(), norm, &layer.feed_forward_smoothing, hidden, block, observe);
        let Block { operand, inner, inner_operand, threads, .. } = block;
        let inner_stride = up.outputs().next_multiple_of(PANEL);
        let inner = inner.floats_mut(operand.rows() * inner_stride);
        up.apply(operand, Epilogue::Activate(self.activation), inner, inner_stride, *threads);
        if let Some(gate) = gate {
            gate.apply(operand, Epilogue::Multiply, inner, inner_stride, *threads);
        }
        outliers.apply(inner, inner_stride, hidden, stride);
        inner_operand.set(down.precision(), inner, inner_stride, up.outputs());
        down.apply(inner_operand, Epilogue::Add, hidden, stride, *threads);
        if let Some(norm) = &layer.feed_forward_norm.after {
            norm.apply(hidden, stride);
        }
    }

    fn set_attention_input(&self, layer: &Layer, rows: &[f32], block: &mut Block, observer: &impl Observe) {
        let norm = layer.attention_norm.before.as_ref();
        let observe = |rows: &[f32]| observer.attention_input(rows, self.stride());
        self.set_input(layer.query.precision(), norm, &layer.attention_smoothing, rows, block, observe);
    }

    /// Sets `block.operand` to the input of the first products of a sublayer: `rows`, after the norm if there is one.
    fn set_input(
        &self,
        precision: Precision,
        norm: Option<&LayerNorm>,
        smoothing: &Smoothing,
        rows: &[f32],
        Block { operand, normed, .. }: &mut Block,
        observe: impl Fn(&[f32]),
    ) {
        let stride = self.stride();
        let rows = match norm {
            None => rows,
            Some(norm) => {
                let normed = normed.floats_mut(rows.len());
                normed.copy_from_slice(rows);
                norm.apply(normed, stride);
                normed
            }
        };
        observe(rows);
        operand.clear(precision, self.hidden_size);
        operand.extend_scaled(rows, stride, smoothing.scales());
    }

    /// Rotates the heads at the beginning of each row by the row's position in its text. The first row is row `first`
    /// of the chunk.
    fn rotate(&self, rotation: &Rotation, spans: &[Range<usize>], first: usize, rows: &mut [f32], stride: usize) {
        let end = first + rows.len() / stride;
        for span in spans.iter().filter(|span| span.start < end && first < span.end) {
            let here = span.start.max(first)..span.end.min(end);
            let angles = (here.start - span.start) * rotation.pairs..;
            let rows = &mut rows[(here.start - first) * stride..(here.end - first) * stride];
            let (cosines, sines) = (&rotation.cosines[angles.clone()], &rotation.sines[angles]);
            apply_rope(rows, stride, self.heads, rotation.pairs, cosines, sines);
        }
    }

    /// Computes the input of the head for each text, in the first rows of `scratch.hidden`.
    fn pool(&self, spans: &[Range<usize>], scratch: &mut Scratch) {
        let stride = self.stride();
        let rows = match self.pooling {
            Pooling::Cls => spans.len(),
            Pooling::Mean => tokens(spans),
        };
        let hidden = scratch.hidden.floats_mut(rows * stride);
        if let Some(norm) = &self.final_norm {
            norm.apply(hidden, stride);
        }
        if self.pooling == Pooling::Mean {
            for (text, span) in spans.iter().enumerate() {
                hidden.copy_within(span.start * stride..(span.start + 1) * stride, text * stride);
                // Row `text` comes no later than the text's first row, so the rows after the first are unchanged.
                let (mean, rest) = hidden[text * stride..].split_at_mut(stride);
                let rest = &rest[(span.start - text) * stride..][..(span.len() - 1) * stride];
                rest.chunks_exact(stride).for_each(|row| add(mean, row));
                mean.iter_mut().for_each(|x| *x /= span.len() as f32);
            }
        }
    }

    fn classify(&self, texts: usize, scratch: &mut Scratch) -> Vec<Vec<f32>> {
        let stride = self.stride();
        divide(texts, &mut scratch.blocks);
        let Block { operand, inner, threads, .. } = &mut scratch.blocks[0];
        let pooled = scratch.context.floats_mut(texts * stride);
        let Head { dense, activation, norm, classifier } = &self.head;
        operand.set(dense.precision(), scratch.hidden.floats_mut(texts * stride), stride, self.hidden_size);
        dense.apply(operand, Epilogue::Activate(*activation), pooled, stride, *threads);
        if let Some(norm) = norm {
            norm.apply(pooled, stride);
        }
        let labels = classifier.outputs();
        let label_stride = labels.next_multiple_of(PANEL);
        let logits = inner.floats_mut(texts * label_stride);
        operand.set(classifier.precision(), pooled, stride, self.hidden_size);
        classifier.apply(operand, Epilogue::Store, logits, label_stride, *threads);
        logits.chunks_exact(label_stride).map(|logits| logits[..labels].to_vec()).collect()
    }
}

impl Embeddings {
    /// Adds up the embeddings of each token and normalises the sum.
    fn sum(&self, texts: &[&Encoding], width: usize, stride: usize, out: &mut [f32]) {
        let tokens = texts.iter().flat_map(|text| text.input_ids.iter().zip(&text.token_type_ids));
        for (out, (&id, &kind)) in out.chunks_exact_mut(stride).zip(tokens) {
            let (out, beyond) = out.split_at_mut(width);
            out.copy_from_slice(&self.tokens[id as usize * width..][..width]);
            if !self.token_types.is_empty() {
                add(out, &self.token_types[kind as usize * width..]);
            }
            beyond.fill(0.0);
        }
        if let Some((positions, table)) = &self.positions {
            let places = texts.iter().flat_map(|text| positions.of(&text.input_ids));
            for (out, place) in out.chunks_exact_mut(stride).zip(places) {
                add(&mut out[..width], &table[place * width..]);
            }
        }
        self.norm.apply(out, stride);
    }
}

fn add(x: &mut [f32], row: &[f32]) {
    for (x, more) in x.iter_mut().zip(row) {
        *x += more;
    }
}

/// Number of tokens of all texts.
fn tokens(spans: &[Range<usize>]) -> usize {
    spans.last().map_or(0, |span| span.end)
}

/// The rows of each text's tokens.
fn spans(texts: &[&Encoding]) -> Vec<Range<usize>> {
    let mut end = 0;
    let mut span = |text: &&Encoding| {
        let start = end;
        end += text.input_ids.len();
        start..end
    };
    texts.iter().map(&mut span).collect()
}
