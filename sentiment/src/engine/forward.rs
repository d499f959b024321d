//! The forward pass: all tokens of several texts in one matrix, no padding.
//!
//! Everything but attention works on each token alone, so texts are simply laid one after the
//! other and taken in blocks of rows that stay in the cache from product to product; attention
//! runs text by text. Where the classifier reads only the first token of a text, the last layer
//! computes queries, output and feed-forward for that token alone.
//!
//! A chunk is one thread's work, but where there are fewer chunks than threads, as with a lone text, several
//! threads share it: each takes blocks of its own, or, where rows are few, some outputs of every product. For
//! attention each takes some heads.

use super::architecture::Pooling;
use super::layers::{Embeddings, FeedForward, Head, Layer, LayerNorm, PackedModel};
use super::rotary::Rotation;
use super::smoothing::Smoothing;
use super::tokens::Tokens;
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

/// Rows taken from product to product together: more of them and their numbers leave the second-level
/// cache in between, fewer and weights are fetched too often.
const BLOCK: usize = 144;

/// Threads with fewer rows each than these would take longer to fetch all weights than to multiply by them.
const FEWEST_ROWS: usize = 16;

/// Memory for one chunk, kept for the next. Rows are filled up to whole panels.
pub struct Scratch {
    precision: Precision,
    hidden: AlignedBuf,
    projections: Projections,
    context: AlignedBuf,
    /// One for each thread at work on the chunk, as are blocks.
    attention: Vec<Attention>,
    blocks: Vec<Block>,
}

/// What a block of rows needs on its way through a layer.
#[derive(Default)]
struct Block {
    normed: AlignedBuf,
    operand: Operand,
    /// What a product gives on its way to the next.
    inner: AlignedBuf,
    inner_operand: Operand,
    /// How many threads share each product.
    threads: usize,
}

/// Sees what the parts of a layer read, before it is rounded. The unit type sees nothing and costs nothing.
pub(super) trait Observe: Sync {
    /// Rows that queries, keys and values are made of, `stride` floats apart.
    fn attention_input(&self, _rows: &[f32], _stride: usize) {}

    /// Rows that the feed-forward part reads, `stride` floats apart.
    fn feed_forward_input(&self, _rows: &[f32], _stride: usize) {}
}

impl Observe for () {}

/// Divides the rows that are left among blocks, of which there is one for each thread. Gives how many rows each takes
/// at most in this round, and tells each how many threads share its products.
fn divide(rows: usize, blocks: &mut [Block]) -> usize {
    let threads = blocks.len();
    let (at_work, sharing) = if rows < FEWEST_ROWS * threads { (1, threads) } else { (threads, 1) };
    blocks.iter_mut().for_each(|block| block.threads = sharing);
    rows.div_ceil(at_work).min(BLOCK)
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

    /// Logits of each text, in the order of the model's classes. A text's numbers are the same
    /// bit for bit whatever texts stand beside it, and however many of rayon's threads are at work.
    ///
    /// Each text must have 1 to as many tokens as the model has positions, all of them known to it.
    pub fn logits(&self, texts: &[&Tokens], threads: usize, scratch: &mut Scratch) -> Vec<Vec<f32>> {
        let spans = self.begin(texts, threads, scratch);
        let (last, others) = self.layers.split_last().expect("a model has layers");
        for layer in others {
            self.whole_layer(layer, &spans, scratch, &());
        }
        match self.pooling {
            Pooling::First => self.last_layer(last, &spans, scratch),
            Pooling::Mean => self.whole_layer(last, &spans, scratch, &()),
        }
        self.pool(&spans, scratch);
        self.classify(texts.len(), scratch)
    }

    /// Leaves what the first layer reads in `scratch.hidden`, and says where each text's tokens stand.
    pub(super) fn begin(&self, texts: &[&Tokens], threads: usize, scratch: &mut Scratch) -> Vec<Range<usize>> {
        scratch.blocks.resize_with(threads, Block::default);
        let attention = || Attention::new(scratch.precision, self.heads, self.width / self.heads);
        scratch.attention.resize_with(threads, attention);
        let spans = spans(texts);
        let hidden = scratch.hidden.floats_mut(tokens(&spans) * self.stride());
        self.embeddings.embed(texts, self.width, self.stride(), hidden);
        spans
    }

    /// From a row to the next, where a row has the model's width.
    fn stride(&self) -> usize {
        self.width.next_multiple_of(PANEL)
    }

    /// The layer's output for all tokens replaces its input in `scratch.hidden`.
    pub(super) fn whole_layer(
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
        self.finish(layer, hidden, context, blocks, observer);
    }

    /// Leaves the first token of each text in the first rows of `scratch.hidden`.
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
        for hidden in hidden.chunks(BLOCK * stride) {
            self.set_for_attention(layer, hidden, block, &());
            let Block { operand, inner, threads, .. } = &mut *block;
            let queries = inner.floats_mut(hidden.len());
            layer.query.apply(operand, Epilogue::Store, queries, stride, *threads);
            // Each is the first of its text, which no angle turns.
            projections.queries.extend(queries, stride);
        }
        let context = context.floats_mut(hidden.len());
        let asking: Vec<Range<usize>> = (0..spans.len()).map(|text| text..text + 1).collect();
        self.attend(layer, projections, &asking, spans, attention, context);
        self.finish(layer, hidden, context, blocks, &());
    }

    /// Keys and values of all tokens, and their queries where these are wanted.
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
            rows.clear(scratch.attention[0].precision(), self.width);
        }
        let (mut rest, blocks) = (&*scratch.hidden.floats_mut(tokens * stride), &mut scratch.blocks);
        let mut first = 0;
        while !rest.is_empty() {
            let height = divide(rest.len() / stride, blocks);
            let hidden;
            (hidden, rest) = rest.split_at(rest.len().min(height * blocks.len() * stride));
            let side_by_side = blocks.par_iter_mut().zip(hidden.par_chunks(height * stride)).enumerate();
            side_by_side.for_each(|(at, (block, hidden))| {
                self.project_block(layer, spans, first + at * height, hidden, with_queries, block, observer);
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

    /// What attention gives for these rows of queries of each text, in the same rows of `context`. Heads are divided
    /// among as many threads as there are `attention`s.
    fn attend(
        &self,
        layer: &Layer,
        of: &Projections,
        asking: &[Range<usize>],
        texts: &[Range<usize>],
        attention: &mut [Attention],
        context: &mut [f32],
    ) {
        let context = MatrixMut::new(context, self.stride(), self.width);
        let shares = context.split_columns(attention.len(), self.width / self.heads);
        shares.into_par_iter().zip(attention).for_each(|((heads, mut context), attention)| {
            for (asking, text) in asking.iter().zip(texts) {
                let out = context.rows(asking.clone());
                attention.attend(of, asking.clone(), text.clone(), layer.reach, heads.clone(), out);
            }
        });
    }

    /// Leaves queries in `block.inner`, where these are wanted, and behind them rows of a key and a value each.
    /// The first row is row `first` among all.
    fn project_block(
        &self,
        layer: &Layer,
        spans: &[Range<usize>],
        first: usize,
        hidden: &[f32],
        with_queries: bool,
        block: &mut Block,
        observer: &impl Observe,
    ) {
        let stride = self.stride();
        self.set_for_attention(layer, hidden, block, observer);
        let Block { operand, inner, threads, .. } = block;
        let rotate = |rows: &mut [f32], stride: usize| {
            if let Some(rotation) = &layer.rotation {
                self.rotate(rotation, spans, first, rows, stride);
            }
        };
        let (queries, keys_and_values) = inner.floats_mut(3 * hidden.len()).split_at_mut(hidden.len());
        if with_queries {
            layer.query.apply(operand, Epilogue::Store, queries, stride, *threads);
            rotate(queries, stride);
        }
        layer.key_value.apply(operand, Epilogue::Store, keys_and_values, 2 * stride, *threads);
        rotate(keys_and_values, 2 * stride);
    }

    /// From attention's `context` to the layer's output, which replaces `hidden`.
    fn finish(
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
                self.finish_block(layer, hidden, context, block, observer);
            });
            (rest, context) = (hidden_rest, context_rest);
        }
    }

    fn finish_block(
        &self,
        layer: &Layer,
        hidden: &mut [f32],
        context: &[f32],
        block: &mut Block,
        observer: &impl Observe,
    ) {
        let (stride, width) = (self.stride(), self.width);
        let (output, operand) = (&layer.attention_output, &mut block.operand);
        operand.set(output.precision(), context, stride, width);
        output.apply(operand, Epilogue::Add, hidden, stride, block.threads);
        if let Some(norm) = &layer.attention_norm.after {
            norm.apply(hidden, stride);
        }
        let FeedForward { into, gate, out, outliers } = &layer.feed_forward;
        let norm = layer.feed_forward_norm.before.as_ref();
        let see = |rows: &[f32]| observer.feed_forward_input(rows, stride);
        self.set(into.precision(), norm, &layer.feed_forward_input, hidden, block, see);
        let Block { operand, inner, inner_operand, threads, .. } = block;
        let inner_stride = into.outputs().next_multiple_of(PANEL);
        let inner = inner.floats_mut(operand.rows() * inner_stride);
        into.apply(operand, Epilogue::Activate(self.activation), inner, inner_stride, *threads);
        if let Some(gate) = gate {
            gate.apply(operand, Epilogue::Multiply, inner, inner_stride, *threads);
        }
        outliers.take(inner, inner_stride, hidden, stride);
        inner_operand.set(out.precision(), inner, inner_stride, into.outputs());
        out.apply(inner_operand, Epilogue::Add, hidden, stride, *threads);
        if let Some(norm) = &layer.feed_forward_norm.after {
            norm.apply(hidden, stride);
        }
    }

    fn set_for_attention(&self, layer: &Layer, rows: &[f32], block: &mut Block, observer: &impl Observe) {
        let norm = layer.attention_norm.before.as_ref();
        let see = |rows: &[f32]| observer.attention_input(rows, self.stride());
        self.set(layer.query.precision(), norm, &layer.attention_input, rows, block, see);
    }

    /// Leaves rows as the first products of a part take them in `block.operand`, through a norm where there is one.
    fn set(
        &self,
        precision: Precision,
        norm: Option<&LayerNorm>,
        smoothing: &Smoothing,
        rows: &[f32],
        Block { operand, normed, .. }: &mut Block,
        see: impl Fn(&[f32]),
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
        see(rows);
        operand.clear(precision, self.width);
        operand.extend_scaled(rows, stride, smoothing.factors());
    }

    /// Turns the heads at the beginning of each row by the row's place in its text. The first row is row
    /// `first` among all.
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

    /// Leaves what the head reads of each text in the first rows of `scratch.hidden`.
    fn pool(&self, spans: &[Range<usize>], scratch: &mut Scratch) {
        let stride = self.stride();
        let rows = match self.pooling {
            Pooling::First => spans.len(),
            Pooling::Mean => tokens(spans),
        };
        let hidden = scratch.hidden.floats_mut(rows * stride);
        if let Some(norm) = &self.final_norm {
            norm.apply(hidden, stride);
        }
        if self.pooling == Pooling::Mean {
            for (text, span) in spans.iter().enumerate() {
                hidden.copy_within(span.start * stride..(span.start + 1) * stride, text * stride);
                // Row `text` is at most the text's first; those after the first are as they were.
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
        operand.set(dense.precision(), scratch.hidden.floats_mut(texts * stride), stride, self.width);
        dense.apply(operand, Epilogue::Activate(*activation), pooled, stride, *threads);
        if let Some(norm) = norm {
            norm.apply(pooled, stride);
        }
        let labels = classifier.outputs();
        let label_stride = labels.next_multiple_of(PANEL);
        let logits = inner.floats_mut(texts * label_stride);
        operand.set(classifier.precision(), pooled, stride, self.width);
        classifier.apply(operand, Epilogue::Store, logits, label_stride, *threads);
        logits.chunks_exact(label_stride).map(|logits| logits[..labels].to_vec()).collect()
    }
}

impl Embeddings {
    fn embed(&self, texts: &[&Tokens], width: usize, stride: usize, out: &mut [f32]) {
        let tokens = texts.iter().flat_map(|text| text.ids.iter().zip(&text.types));
        for (out, (&id, &kind)) in out.chunks_exact_mut(stride).zip(tokens) {
            let (out, beyond) = out.split_at_mut(width);
            out.copy_from_slice(&self.words[id as usize * width..][..width]);
            if !self.types.is_empty() {
                add(out, &self.types[kind as usize * width..]);
            }
            beyond.fill(0.0);
        }
        if let Some((positions, table)) = &self.positions {
            let places = texts.iter().flat_map(|text| positions.of(&text.ids));
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

/// How many tokens all texts have.
fn tokens(spans: &[Range<usize>]) -> usize {
    spans.last().map_or(0, |span| span.end)
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
