//! A model's weights as the processor's kernels read them.

use super::architecture::{Pooling, Positions};
use super::outliers::Outliers;
use super::rotary::Rotation;
use super::smoothing::Smoothing;
use super::weights::Around;
use std::sync::Arc;
use tapewire_kernels::linear::Linear;
use tapewire_kernels::math::Activation;
use tapewire_kernels::{Precision, rows};

/// A model's weights, shared by all threads.
pub struct PackedModel {
    pub(super) precision: Precision,
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) activation: Activation,
    pub(super) embeddings: Embeddings,
    pub(super) layers: Vec<Layer>,
    pub(super) final_norm: Option<LayerNorm>,
    pub(super) pooling: Pooling,
    pub(super) head: Head,
}

pub(super) struct Embeddings {
    pub(super) words: Vec<f32>,
    /// Empty where the model has no segments.
    pub(super) types: Vec<f32>,
    pub(super) positions: Option<(Positions, Vec<f32>)>,
    pub(super) norm: LayerNorm,
}

pub(super) struct Layer {
    /// Gives queries with the scale of the scores already in them.
    pub(super) query: Linear,
    /// Keys, then values, each in whole panels. Which biases they have: see [`Layer::pack`].
    pub(super) key_value: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_norm: Around<LayerNorm>,
    /// Of queries, keys and values.
    pub(super) attention_input: Smoothing,
    pub(super) rotation: Option<Arc<Rotation>>,
    /// How far away attention looks.
    pub(super) reach: usize,
    pub(super) feed_forward: FeedForward,
    pub(super) feed_forward_norm: Around<LayerNorm>,
    /// Of `into` and `gate`.
    pub(super) feed_forward_input: Smoothing,
}

pub(super) struct FeedForward {
    pub(super) into: Linear,
    /// Gives what the activated outputs of the first are multiplied by.
    pub(super) gate: Option<Linear>,
    pub(super) out: Linear,
    /// Of what `out` reads: what int8 leaves to single precision.
    pub(super) outliers: Outliers,
}

/// Its two products are of single precision: there is one row a text, so that nothing is gained by
/// rounding them.
pub(super) struct Head {
    pub(super) dense: Linear,
    pub(super) activation: Activation,
    pub(super) norm: Option<LayerNorm>,
    pub(super) classifier: Linear,
}

pub(super) struct LayerNorm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) epsilon: f32,
}

impl LayerNorm {
    pub(super) fn apply(&self, x: &mut [f32], stride: usize) {
        rows::layer_norm(x, stride, &self.weight, &self.bias, self.epsilon);
    }
}
