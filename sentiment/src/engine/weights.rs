//! A model's weights as tensors, read from a checkpoint by the names of its architecture.

use super::architecture::Architecture;
use super::checkpoint::Checkpoint;
use crate::SentimentError;
use candle_core::{Device, Tensor};

/// Reads the parts of a model onto a device.
pub(super) struct Source<'a> {
    pub(super) architecture: &'a Architecture,
    /// How many classes there are.
    pub(super) labels: usize,
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) device: &'a Device,
}

pub(super) struct Embeddings {
    /// This and the other two: `[rows, width]`.
    pub(super) words: Tensor,
    pub(super) types: Option<Tensor>,
    pub(super) positions: Tensor,
    pub(super) norm: LayerNorm,
}

pub(super) struct Layer {
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_norm: LayerNorm,
    pub(super) feed_forward_in: Linear,
    pub(super) feed_forward_out: Linear,
    pub(super) feed_forward_norm: LayerNorm,
}

pub(super) struct Head {
    pub(super) dense: Linear,
    pub(super) classifier: Linear,
}

pub(super) struct Linear {
    /// `[outputs, inputs]`, as checkpoints store it.
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

pub(super) struct LayerNorm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) epsilon: f32,
}

impl Source<'_> {
    pub(super) fn embeddings(&self) -> Result<Embeddings, SentimentError> {
        let Architecture { vocabulary, segments, positions, names, .. } = self.architecture;
        let table = |part: &str, rows| self.tensor(&[self.encoder(part) + ".weight"], &[rows, self.architecture.width]);
        Ok(Embeddings {
            words: table(names.words, *vocabulary)?,
            types: (*segments > 0).then(|| table(names.types, *segments)).transpose()?,
            positions: table(names.positions, positions.rows)?,
            norm: self.layer_norm(&self.encoder(names.embedding_norm))?,
        })
    }

    pub(super) fn layer(&self, number: usize) -> Result<Layer, SentimentError> {
        let Architecture { width, inner, names, .. } = self.architecture;
        let name = |part: &str| self.encoder(&format!("{}.{number}.{part}", names.layer));
        let linear = |part: &str, inputs, outputs| self.linear(&name(part), inputs, outputs);
        Ok(Layer {
            query: linear(names.query, *width, *width)?,
            key: linear(names.key, *width, *width)?,
            value: linear(names.value, *width, *width)?,
            attention_output: linear(names.attention_output, *width, *width)?,
            attention_norm: self.layer_norm(&name(names.attention_norm))?,
            feed_forward_in: linear(names.feed_forward_in, *width, *inner)?,
            feed_forward_out: linear(names.feed_forward_out, *inner, *width)?,
            feed_forward_norm: self.layer_norm(&name(names.feed_forward_norm))?,
        })
    }

    pub(super) fn head(&self) -> Result<Head, SentimentError> {
        let Architecture { width, names, .. } = self.architecture;
        Ok(Head {
            dense: self.linear(names.head, *width, *width)?,
            classifier: self.linear(names.classifier, *width, self.labels)?,
        })
    }

    fn encoder(&self, part: &str) -> String {
        format!("{}{part}", self.architecture.names.prefix)
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, SentimentError> {
        Ok(Linear {
            weight: self.tensor(&[format!("{name}.weight")], &[outputs, inputs])?,
            bias: self.tensor(&[format!("{name}.bias")], &[outputs])?,
        })
    }

    /// Checkpoints converted from TensorFlow call the two `gamma` and `beta`.
    fn layer_norm(&self, name: &str) -> Result<LayerNorm, SentimentError> {
        let Architecture { width, epsilon, .. } = *self.architecture;
        let part = |new: &str, old: &str| self.tensor(&[format!("{name}.{new}"), format!("{name}.{old}")], &[width]);
        Ok(LayerNorm { weight: part("weight", "gamma")?, bias: part("bias", "beta")?, epsilon })
    }

    /// The first of `names` that is there, with the encoder's prefix or without.
    fn tensor(&self, names: &[String], shape: &[usize]) -> Result<Tensor, SentimentError> {
        let bare = names.iter().filter_map(|name| name.strip_prefix(self.architecture.names.prefix));
        let all: Vec<&str> = names.iter().map(String::as_str).chain(bare).collect();
        let tensor = self.checkpoint.tensor(&all, shape, self.architecture.family)?;
        tensor
            .to_device(self.device)
            .map_err(|error| SentimentError::Device { device: format!("{:?}", self.device), reason: error.to_string() })
    }
}
