//! A model's weights as the processor's kernels read them.

use super::architecture::{Architecture, LayerKind, Pooling, Positions};
use super::checkpoint::Checkpoint;
use super::outliers::Outliers;
use super::rotary::Rotation;
use super::smoothing::{Calibration, Input, Ranges};
use super::weights::{self, Around, Source};
use crate::SentimentError;
use candle_core::{Device, Tensor};
use std::iter;
use std::sync::Arc;
use tapewire_kernels::linear::Linear;
use tapewire_kernels::math::Activation;
use tapewire_kernels::{Precision, dot, rows};

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
    pub(super) attention_input: Input,
    pub(super) rotation: Option<Arc<Rotation>>,
    /// How far away attention looks.
    pub(super) reach: usize,
    pub(super) feed_forward: FeedForward,
    pub(super) feed_forward_norm: Around<LayerNorm>,
    /// Of `into` and `gate`.
    pub(super) feed_forward_input: Input,
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
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    pub(super) fn apply(&self, x: &mut [f32], stride: usize) {
        rows::layer_norm(x, stride, &self.weight, &self.bias, self.epsilon);
    }
}

impl PackedModel {
    /// Reads the weights of a model of so many classes.
    ///
    /// # Errors
    /// [`SentimentError::Tensor`].
    pub fn load(
        architecture: &Architecture,
        labels: usize,
        checkpoint: &Checkpoint,
        precision: Precision,
    ) -> Result<Self, SentimentError> {
        let source = Source { architecture, labels, checkpoint, device: &Device::Cpu };
        let (embeddings, head) = (source.embeddings()?, source.head()?);
        let pairs = architecture.width / architecture.heads / 2;
        let mut rotations: Vec<(f64, Arc<Rotation>)> = Vec::new();
        let mut rotation = |theta: f64| match rotations.iter().find(|(known, _)| *known == theta) {
            Some((_, rotation)) => Arc::clone(rotation),
            None => {
                let rotation = Arc::new(Rotation::new(theta, architecture.limit, pairs));
                rotations.push((theta, Arc::clone(&rotation)));
                rotation
            }
        };
        let mut model = Self {
            precision,
            width: architecture.width,
            heads: architecture.heads,
            activation: architecture.activation,
            embeddings: Embeddings {
                words: flat(&embeddings.words),
                types: embeddings.types.as_ref().map(flat).unwrap_or_default(),
                positions: architecture.positions.zip(embeddings.positions.as_ref().map(flat)),
                norm: embeddings.norm.into(),
            },
            layers: Vec::with_capacity(architecture.layers.len()),
            final_norm: source.final_norm()?.map(Into::into),
            pooling: architecture.pooling,
            head: Head {
                dense: Dense::from(head.dense).pack(Precision::F32),
                activation: architecture.head_activation,
                norm: head.norm.map(Into::into),
                classifier: Dense::from(head.classifier).pack(Precision::F32),
            },
        };
        let mut calibration = precision.is_int8().then(|| Calibration::begin(&model, architecture));
        for (number, kind) in architecture.layers.iter().enumerate() {
            let (stored, rotation) = (source.layer(number)?, kind.theta.map(&mut rotation));
            let pack = |precision, ranges| {
                Layer::pack(stored.clone(), *kind, rotation.clone(), architecture, precision, ranges)
            };
            let ranges =
                calibration.as_mut().map(|calibration| calibration.ranges(&model, pack(Calibration::PRECISION, None)));
            model.layers.push(pack(precision, ranges.as_ref()));
        }
        Ok(model)
    }
}

impl Layer {
    /// Two of the three attention biases need not be added to every token, exactly:
    /// a key's bias adds the same number to all scores of a query, which softmax takes away (unless keys
    /// are rotated); a value's bias passes through the weights, which sum to 1, and is folded into the
    /// bias of the output projection.
    ///
    /// Where ranges of its inputs are known, these are smoothed.
    fn pack(
        stored: weights::Layer,
        kind: LayerKind,
        rotation: Option<Arc<Rotation>>,
        architecture: &Architecture,
        precision: Precision,
        ranges: Option<&Ranges>,
    ) -> Self {
        let [mut query, mut key, mut value] = [stored.query, stored.key, stored.value].map(Dense::from);
        query.scale(1.0 / ((query.bias.len() / architecture.heads) as f32).sqrt());
        if rotation.is_none() {
            key.bias.fill(0.0);
        }
        let mut attention_output = Dense::from(stored.attention_output);
        attention_output.add_to_bias(&value.bias);
        value.bias.fill(0.0);
        let (mut into, mut gate) = (Dense::from(stored.feed_forward_in), stored.gate.map(Dense::from));
        let (attention_input, feed_forward_input) = match ranges {
            None => Default::default(),
            Some(Ranges { attention, feed_forward }) => {
                let into_and_gate: &mut [_] = &mut iter::once(&mut into).chain(&mut gate).collect::<Vec<_>>();
                let attention = Input::smoothed(attention, &mut [&mut query, &mut key, &mut value]);
                (attention, Input::smoothed(feed_forward, into_and_gate))
            }
        };
        let mut out = Dense::from(stored.feed_forward_out);
        let outliers = if precision.is_int8() { Outliers::of(&mut out) } else { Outliers::default() };
        let feed_forward = FeedForward {
            into: into.pack(precision),
            gate: gate.map(|gate| gate.pack(precision)),
            out: out.pack(precision),
            outliers,
        };
        Self {
            query: query.pack(precision),
            key_value: key.beside(value).pack(precision),
            attention_output: attention_output.pack(precision),
            attention_norm: stored.attention_norm.map(Into::into),
            attention_input,
            rotation,
            reach: kind.reach.unwrap_or(usize::MAX),
            feed_forward,
            feed_forward_norm: stored.feed_forward_norm.map(Into::into),
            feed_forward_input,
        }
    }
}

/// `x W + b` as checkpoints store it: W output by output.
pub(super) struct Dense {
    pub(super) inputs: usize,
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Dense {
    pub(super) fn pack(&self, precision: Precision) -> Linear {
        Linear::pack(precision, self.inputs, &self.weight, &self.bias)
    }

    fn scale(&mut self, factor: f32) {
        self.weight.iter_mut().chain(&mut self.bias).for_each(|x| *x *= factor);
    }

    /// Multiplies the weights of each input by its factor.
    pub(super) fn scale_inputs(&mut self, factors: &[f32]) {
        for weights in self.weight.chunks_exact_mut(self.inputs) {
            weights.iter_mut().zip(factors).for_each(|(weight, factor)| *weight *= factor);
        }
    }

    /// The outputs of both, each filled up with zeros to whole panels.
    fn beside(mut self, other: Self) -> Self {
        let outputs = self.bias.len().next_multiple_of(dot::PANEL);
        self.weight.resize(outputs * self.inputs, 0.0);
        self.bias.resize(outputs, 0.0);
        self.weight.extend(other.weight);
        self.bias.extend(other.bias);
        self.weight.resize(2 * outputs * self.inputs, 0.0);
        self.bias.resize(2 * outputs, 0.0);
        self
    }

    /// Adds what the constant row `x` gives to the bias.
    fn add_to_bias(&mut self, x: &[f32]) {
        for (bias, weights) in self.bias.iter_mut().zip(self.weight.chunks_exact(self.inputs)) {
            let more: f64 = x.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            *bias = (f64::from(*bias) + more) as f32;
        }
    }
}

impl From<weights::Linear> for Dense {
    fn from(stored: weights::Linear) -> Self {
        let weight = flat(&stored.weight);
        let bias = flat(&stored.bias);
        Self { inputs: weight.len() / bias.len(), weight, bias }
    }
}

impl From<weights::LayerNorm> for LayerNorm {
    fn from(stored: weights::LayerNorm) -> Self {
        Self { weight: flat(&stored.weight), bias: flat(&stored.bias), epsilon: stored.epsilon }
    }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor
        .flatten_all()
        .and_then(|flat| flat.to_vec1())
        .expect("a tensor of 32-bit floats in main memory is a list of them")
}
