//! Reading a model's weights and packing them, layer by layer.

use super::architecture::{Architecture, LayerKind};
use super::calibration::Calibration;
use super::checkpoint::Checkpoint;
use super::dense::{Dense, flat};
use super::layers::{Embeddings, FeedForward, Head, Layer, LayerNorm, PackedModel};
use super::outliers::Outliers;
use super::rotary::Rotation;
use super::smoothing::{Ranges, Smoothing};
use super::weights::{LayerNormTensors, LayerTensors, TensorReader};
use crate::SentimentError;
use candle_core::Device;
use std::iter;
use std::sync::Arc;
use tapewire_kernels::Precision;

impl PackedModel {
    /// Reads the weights of a model of `labels` classes.
    ///
    /// # Errors
    /// [`SentimentError::Tensor`].
    pub fn load(
        architecture: &Architecture,
        labels: usize,
        checkpoint: &Checkpoint,
        precision: Precision,
    ) -> Result<Self, SentimentError> {
        let reader = TensorReader { architecture, labels, checkpoint, device: &Device::Cpu };
        let (embeddings, head) = (reader.embeddings()?, reader.head()?);
        let pairs = architecture.hidden_size / architecture.heads / 2;
        let mut rotations: Vec<(f64, Arc<Rotation>)> = Vec::new();
        let mut rotation = |theta: f64| match rotations.iter().find(|(known, _)| *known == theta) {
            Some((_, rotation)) => Arc::clone(rotation),
            None => {
                let rotation = Arc::new(Rotation::new(theta, architecture.max_seq_len, pairs));
                rotations.push((theta, Arc::clone(&rotation)));
                rotation
            }
        };
        let mut model = Self {
            precision,
            hidden_size: architecture.hidden_size,
            heads: architecture.heads,
            activation: architecture.activation,
            embeddings: Embeddings {
                tokens: flat(&embeddings.tokens),
                token_types: embeddings.token_types.as_ref().map(flat).unwrap_or_default(),
                positions: architecture.positions.zip(embeddings.positions.as_ref().map(flat)),
                norm: embeddings.norm.into(),
            },
            layers: Vec::with_capacity(architecture.layers.len()),
            final_norm: reader.final_norm()?.map(Into::into),
            pooling: architecture.pooling,
            head: Head {
                dense: Dense::from(head.dense).pack(Precision::F32),
                activation: architecture.head_activation,
                norm: head.norm.map(Into::into),
                classifier: Dense::from(head.classifier).pack(Precision::F32),
            },
        };
        let mut calibration = precision.is_int8().then(|| Calibration::new(&model, architecture));
        for (number, kind) in architecture.layers.iter().enumerate() {
            let (stored, rotation) = (reader.layer(number)?, kind.theta.map(&mut rotation));
            let pack = |precision, ranges| {
                Layer::pack(stored.clone(), *kind, rotation.clone(), architecture, precision, ranges)
            };
            let ranges = calibration
                .as_mut()
                .map(|calibration| calibration.measure(&model, &pack(Calibration::PRECISION, None)));
            model.layers.push(pack(precision, ranges.as_ref()));
        }
        Ok(model)
    }
}

impl Layer {
    /// Packs a layer. If the ranges of its inputs are given, smooths the inputs.
    ///
    /// Two of the three attention biases need not be added to every token, and the result is exactly the same. The bias
    /// of keys adds the same value to all scores of a query, which softmax cancels (unless keys are rotated). The bias
    /// of values passes through the attention weights, which sum to 1, so it is folded into the bias of the output
    /// projection.
    fn pack(
        stored: LayerTensors,
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
        let (mut up, mut gate) = (Dense::from(stored.feed_forward_in), stored.gate.map(Dense::from));
        let (attention_smoothing, feed_forward_smoothing) = match ranges {
            None => Default::default(),
            Some(Ranges { attention, feed_forward }) => {
                let up_and_gate: &mut [_] = &mut iter::once(&mut up).chain(&mut gate).collect::<Vec<_>>();
                let attention = Smoothing::apply(attention, &mut [&mut query, &mut key, &mut value]);
                (attention, Smoothing::apply(feed_forward, up_and_gate))
            }
        };
        let mut down = Dense::from(stored.feed_forward_out);
        let outliers = if precision.is_int8() { Outliers::split_off(&mut down) } else { Outliers::default() };
        let feed_forward = FeedForward {
            up: up.pack(precision),
            gate: gate.map(|gate| gate.pack(precision)),
            down: down.pack(precision),
            outliers,
        };
        Self {
            query: query.pack(precision),
            key_value: key.concat(value).pack(precision),
            attention_output: attention_output.pack(precision),
            attention_norm: stored.attention_norm.map(Into::into),
            attention_smoothing,
            rotation,
            window: kind.sliding_window.unwrap_or(usize::MAX),
            feed_forward,
            feed_forward_norm: stored.feed_forward_norm.map(Into::into),
            feed_forward_smoothing,
        }
    }
}

impl From<LayerNormTensors> for LayerNorm {
    fn from(stored: LayerNormTensors) -> Self {
        Self { weight: flat(&stored.weight), bias: flat(&stored.bias), eps: stored.eps }
    }
}
