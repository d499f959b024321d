//! Measures how large the channels of a model become, for int8's [`super::smoothing`].
//!
//! Texts of random tokens pass through each layer before it is packed. Which channels are large is a property of the
//! model rather than of the texts.

use super::architecture::Architecture;
use super::forward::{Observe, Scratch};
use super::layers::{Layer, PackedModel};
use super::smoothing::Ranges;
use super::tokenizer::Encoding;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use tapewire_kernels::Precision;
use tapewire_kernels::operand::update_max_abs;

/// The number of texts that a model is measured on, and of tokens in each if the model takes as many. Other numbers
/// would change the int8 scores of every model.
const TEXTS: usize = 8;
const TOKENS: usize = 32;

/// The hidden states of the texts, between two layers.
pub(super) struct Calibration {
    spans: Vec<Range<usize>>,
    scratch: Scratch,
}

const _: () = assert!(Calibration::PRECISION.is_reproducible());

impl Calibration {
    /// Ranges need few digits, and products of this precision, unlike those of f32, have the same bits on every
    /// instruction set: smoothing is the same on every machine.
    pub(super) const PRECISION: Precision = Precision::Bf16Vectors;

    /// Embeds the texts.
    pub(super) fn new(model: &PackedModel, architecture: &Architecture) -> Self {
        let texts = texts(architecture.vocab_size, architecture.max_seq_len);
        let mut scratch = model.scratch_for(Self::PRECISION);
        let texts: Vec<&Encoding> = texts.iter().collect();
        let spans = model.embed(&texts, rayon::current_num_threads(), &mut scratch);
        Self { spans, scratch }
    }

    /// Passes the texts through the next layer of the model, packed in [`Calibration::PRECISION`], and returns the
    /// ranges of its inputs.
    pub(super) fn measure(&mut self, model: &PackedModel, layer: &Layer) -> Ranges {
        let observer = Observer::new(model.hidden_size);
        model.forward_layer(layer, &self.spans, &mut self.scratch, &observer);
        observer.ranges()
    }
}

/// The largest magnitude of each channel so far. The threads that share a layer update it in turn, and the order does
/// not matter to a maximum.
struct Observer {
    attention: Mutex<Vec<f32>>,
    feed_forward: Mutex<Vec<f32>>,
}

impl Observer {
    fn new(hidden_size: usize) -> Self {
        let zeros = || Mutex::new(vec![0.0; hidden_size]);
        Self { attention: zeros(), feed_forward: zeros() }
    }

    fn ranges(self) -> Ranges {
        let inner = |ranges: Mutex<Vec<f32>>| ranges.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ranges { attention: inner(self.attention), feed_forward: inner(self.feed_forward) }
    }
}

impl Observe for Observer {
    fn attention_input(&self, rows: &[f32], stride: usize) {
        update(&self.attention, rows, stride);
    }

    fn feed_forward_input(&self, rows: &[f32], stride: usize) {
        update(&self.feed_forward, rows, stride);
    }
}

fn update(ranges: &Mutex<Vec<f32>>, rows: &[f32], stride: usize) {
    let mut ranges = ranges.lock().unwrap_or_else(PoisonError::into_inner);
    let width = ranges.len();
    rows.chunks(stride).for_each(|row| update_max_abs(&mut ranges, &row[..width]));
}

/// Random tokens, the same for every model of this vocabulary and length.
fn texts(vocab_size: usize, max_seq_len: usize) -> Vec<Encoding> {
    let length = TOKENS.min(max_seq_len);
    // The fractional parts of multiples of the golden ratio are spread evenly.
    let fraction = |index: usize| (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let id = |index| ((fraction(index) * vocab_size as u64) >> 32) as u32;
    let text = |text| Encoding {
        input_ids: (text * length..(text + 1) * length).map(id).collect(),
        token_type_ids: vec![0; length],
    };
    (0..TEXTS).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_magnitude_of_each_channel_is_measured() {
        let observer = Observer::new(3);
        observer.attention_input(&[1.0, -2.0, 0.0, 9.0, -3.0, 1.0, 0.0, 9.0], 4);
        observer.attention_input(&[0.0, f32::NAN, 0.5, 9.0, 2.0, 1.0, -0.25, 9.0], 4);
        observer.attention_input(&[0.0, 7.0, 0.0, 0.0], 4);
        observer.feed_forward_input(&[0.0, 0.0, -4.0, 0.0], 4);
        let Ranges { attention: ranges, feed_forward } = observer.ranges();
        assert_eq!(feed_forward, [0.0, 0.0, 4.0]);
        assert_eq!((ranges[0], ranges[2]), (3.0, 0.5));
        assert!(ranges[1].is_nan());
    }

    #[test]
    fn texts_have_known_tokens_and_are_not_too_long() {
        for (vocab_size, max_seq_len) in [(30_522, 512), (64, 10), (1, 1), (50_368, 8192)] {
            let texts = texts(vocab_size, max_seq_len);
            assert_eq!(texts.len(), TEXTS);
            for Encoding { input_ids, token_type_ids } in &texts {
                assert_eq!((input_ids.len(), token_type_ids.len()), (TOKENS.min(max_seq_len), TOKENS.min(max_seq_len)));
                assert!(input_ids.iter().all(|&id| (id as usize) < vocab_size));
            }
            let mut ids: Vec<u32> = texts.into_iter().flat_map(|text| text.input_ids).collect();
            ids.sort_unstable();
            ids.dedup();
            assert!(ids.len() * 2 >= vocab_size.min(TEXTS * TOKENS.min(max_seq_len)), "{} of {vocab_size}", ids.len());
        }
    }
}
