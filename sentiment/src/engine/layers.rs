//! A model's weights as the processor's kernels read them.

use super::architecture::{Pooling, Positions};
use super::outliers::Outliers;
use super::rotary::Rotation;
use super::smoothing::Smoothing;
use super::weights::PrePostNorm;
use std::sync::Arc;
use tapewire_kernels::linear::Linear;
use tapewire_kernels::math::Activation;
use tapewire_kernels::{Precision, rows};

/// A model's weights, shared by all threads.
pub struct PackedModel {
    pub(super) precision: Precision,
    pub(super) hidden_size: usize,
    pub(super) heads: usize,
    pub(super) activation: Activation,
    pub(super) embeddings: Embeddings,
    pub(super) layers: Vec<Layer>,
    pub(super) final_norm: Option<LayerNorm>,
    pub(super) pooling: Pooling,
    pub(super) head: Head,
}

pub(super) struct Embeddings {
    /// `[vocab_size, hidden_size]`.
    pub(super) tokens: Vec<f32>,
    /// `[type_vocab_size, hidden_size]`; empty if the model has no token types.
    pub(super) token_types: Vec<f32>,
    /// The table is `[rows, hidden_size]`.
    pub(super) positions: Option<(Positions, Vec<f32>)>,
    pub(super) norm: LayerNorm,
}

pub(super) struct Layer {
    /// Computes queries, already multiplied by the scale of the scores.
    pub(super) query: Linear,
    /// Computes keys, then values, each in whole panels. [`Layer::pack`] says which biases they have.
    pub(super) key_value: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_norm: PrePostNorm<LayerNorm>,
    /// For the input of `query` and `key_value`.
    pub(super) attention_smoothing: Smoothing,
    pub(super) rotation: Option<Arc<Rotation>>,
    /// Tokens on either side that a token attends to; `usize::MAX` is all.
    pub(super) window: usize,
    pub(super) feed_forward: FeedForward,
    pub(super) feed_forward_norm: PrePostNorm<LayerNorm>,
    /// For the input of `up` and `gate`.
    pub(super) feed_forward_smoothing: Smoothing,
}

pub(super) struct FeedForward {
    pub(super) up: Linear,
    /// Computes what the activated outputs of `up` are multiplied by.
    pub(super) gate: Option<Linear>,
    pub(super) down: Linear,
    /// Channels of the input of `down` that int8 leaves to single precision.
    pub(super) outliers: Outliers,
}

/// The classification head. Its two products stay in single precision: with one row per text, a lower
/// precision gains nothing.
pub(super) struct Head {
    pub(super) dense: Linear,
    pub(super) activation: Activation,
    pub(super) norm: Option<LayerNorm>,
    pub(super) classifier: Linear,
}

pub(super) struct LayerNorm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) eps: f32,
}

impl LayerNorm {
    pub(super) fn apply(&self, x: &mut [f32], stride: usize) {
        rows::layer_norm(x, stride, &self.weight, &self.bias, self.eps);
    }
}
