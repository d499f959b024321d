//! Measuring how large the channels of a model get, for int8's [`super::smoothing`].
//!
//! Texts of random tokens are taken through each layer before it is packed: which channels are large is a property of
//! the model rather than of what it reads.

use super::architecture::Architecture;
use super::forward::{Observe, Scratch};
use super::layers::{Layer, PackedModel};
use super::smoothing::Ranges;
use super::tokens::Tokens;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use tapewire_kernels::Precision;
use tapewire_kernels::operand::update_max_abs;

/// Texts that a model is measured on, and the tokens of each, where its limit allows that. Other values would give every
/// model other scores.
const TEXTS: usize = 8;
const TOKENS: usize = 32;

/// The texts on their way through the layers.
pub(super) struct Calibration {
    spans: Vec<Range<usize>>,
    scratch: Scratch,
}

const _: () = assert!(Calibration::PRECISION.is_reproducible());

impl Calibration {
    /// Ranges need few digits, and these products, unlike those of floats, have the same bits on every instruction
    /// set: smoothing is the same wherever the model is loaded.
    pub(super) const PRECISION: Precision = Precision::Bf16Vectors;

    /// Before the first layer.
    pub(super) fn begin(model: &PackedModel, architecture: &Architecture) -> Self {
        let texts = texts(architecture.vocabulary, architecture.limit);
        let mut scratch = model.scratch_for(Self::PRECISION);
        let texts: Vec<&Tokens> = texts.iter().collect();
        let spans = model.begin(&texts, rayon::current_num_threads(), &mut scratch);
        Self { spans, scratch }
    }

    /// Takes the texts through the next layer of the model, given in [`Calibration::PRECISION`].
    pub(super) fn ranges(&mut self, model: &PackedModel, layer: &Layer) -> Ranges {
        let observer = Observer::new(model.width);
        model.whole_layer(layer, &self.spans, &mut self.scratch, &observer);
        observer.ranges()
    }
}

/// The largest magnitude of each channel so far. The threads that share a layer write it in turn; the order does not
/// matter to a maximum.
struct Observer {
    attention: Mutex<Vec<f32>>,
    feed_forward: Mutex<Vec<f32>>,
}

impl Observer {
    fn new(width: usize) -> Self {
        let zeros = || Mutex::new(vec![0.0; width]);
        Self { attention: zeros(), feed_forward: zeros() }
    }

    fn ranges(self) -> Ranges {
        let inner = |ranges: Mutex<Vec<f32>>| ranges.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ranges { attention: inner(self.attention), feed_forward: inner(self.feed_forward) }
    }
}

impl Observe for Observer {
    fn attention_input(&self, rows: &[f32], stride: usize) {
        raise(&self.attention, rows, stride);
    }

    fn feed_forward_input(&self, rows: &[f32], stride: usize) {
        raise(&self.feed_forward, rows, stride);
    }
}

fn raise(ranges: &Mutex<Vec<f32>>, rows: &[f32], stride: usize) {
    let mut ranges = ranges.lock().unwrap_or_else(PoisonError::into_inner);
    let width = ranges.len();
    rows.chunks(stride).for_each(|row| update_max_abs(&mut ranges, &row[..width]));
}

/// Random tokens, the same for every model of that vocabulary and limit.
fn texts(vocabulary: usize, limit: usize) -> Vec<Tokens> {
    let length = TOKENS.min(limit);
    // Multiples of the golden ratio, of which only what is behind the point counts, spread evenly.
    let share = |index: usize| (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let id = |index| ((share(index) * vocabulary as u64) >> 32) as u32;
    let text = |text| Tokens { ids: (text * length..(text + 1) * length).map(id).collect(), types: vec![0; length] };
    (0..TEXTS).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_the_largest_magnitude_of_each_channel() {
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
    fn texts_are_of_known_tokens_within_the_limit() {
        for (vocabulary, limit) in [(30_522, 512), (64, 10), (1, 1), (50_368, 8192)] {
            let texts = texts(vocabulary, limit);
            assert_eq!(texts.len(), TEXTS);
            for Tokens { ids, types } in &texts {
                assert_eq!((ids.len(), types.len()), (TOKENS.min(limit), TOKENS.min(limit)));
                assert!(ids.iter().all(|&id| (id as usize) < vocabulary));
            }
            let mut ids: Vec<u32> = texts.into_iter().flat_map(|text| text.ids).collect();
            ids.sort_unstable();
            ids.dedup();
            assert!(ids.len() * 2 >= vocabulary.min(TEXTS * TOKENS.min(limit)), "{} of {vocabulary}", ids.len());
        }
    }
}
