//! A model's weights as tensors, read from a checkpoint by the names of its architecture.

use super::architecture::{Architecture, Norms};
use super::checkpoint::Checkpoint;
use crate::SentimentError;
use candle_core::{DType, Device, Tensor};

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
    pub(super) positions: Option<Tensor>,
    pub(super) norm: LayerNorm,
}

#[derive(Clone)]
pub(super) struct Layer {
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_norm: Around<LayerNorm>,
    pub(super) feed_forward_in: Linear,
    pub(super) gate: Option<Linear>,
    pub(super) feed_forward_out: Linear,
    pub(super) feed_forward_norm: Around<LayerNorm>,
}

/// What stands before a part of a layer, and what after it.
#[derive(Clone, Default)]
pub(super) struct Around<T> {
    pub(super) before: Option<T>,
    pub(super) after: Option<T>,
}

impl<T> Around<T> {
    pub(super) fn map<U>(self, to: impl Fn(T) -> U) -> Around<U> {
        Around { before: self.before.map(&to), after: self.after.map(&to) }
    }
}

pub(super) struct Head {
    pub(super) dense: Linear,
    pub(super) norm: Option<LayerNorm>,
    pub(super) classifier: Linear,
}

#[derive(Clone)]
pub(super) struct Linear {
    /// `[outputs, inputs]`, as checkpoints store it.
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

#[derive(Clone)]
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
            types: names.types.map(|types| table(types, *segments)).transpose()?,
            positions: names
                .positions
                .zip(*positions)
                .map(|(name, positions)| table(name, positions.rows))
                .transpose()?,
            norm: self.layer_norm(&self.encoder(names.embedding_norm))?,
        })
    }

    pub(super) fn layer(&self, number: usize) -> Result<Layer, SentimentError> {
        let Architecture { width, inner, gated, biases, names, layers, .. } = self.architecture;
        let (width, inner) = (*width, *inner);
        let name = |part: &str| self.encoder(&format!("{}.{number}.{part}", names.layer));
        let fused = names.query == names.key && names.key == names.value;
        let projection = |part: &str, at| {
            let (of, biased) = (if fused { Part(at, 3) } else { Part::WHOLE }, biases.attention);
            self.part(&name(part), of, width, width, biased)
        };
        let half = |at| {
            let of = if *gated { Part(at, 2) } else { Part::WHOLE };
            self.part(&name(names.feed_forward_in), of, width, inner, biases.feed_forward)
        };
        let whole = |part: &str, inputs, biased| self.part(&name(part), Part::WHOLE, inputs, width, biased);
        let norm = |part: &str, there: bool| {
            let norm = there.then(|| self.layer_norm(&name(part))).transpose()?;
            Ok::<_, SentimentError>(match self.architecture.norms {
                Norms::BeforeParts => Around { before: norm, after: None },
                Norms::AfterParts => Around { before: None, after: norm },
            })
        };
        Ok(Layer {
            query: projection(names.query, 0)?,
            key: projection(names.key, 1)?,
            value: projection(names.value, 2)?,
            attention_output: whole(names.attention_output, width, biases.attention)?,
            attention_norm: norm(names.attention_norm, layers[number].attention_norm)?,
            feed_forward_in: half(0)?,
            gate: gated.then(|| half(1)).transpose()?,
            feed_forward_out: whole(names.feed_forward_out, inner, biases.feed_forward)?,
            feed_forward_norm: norm(names.feed_forward_norm, true)?,
        })
    }

    pub(super) fn final_norm(&self) -> Result<Option<LayerNorm>, SentimentError> {
        let name = self.architecture.names.final_norm;
        name.map(|name| self.layer_norm(&self.encoder(name))).transpose()
    }

    pub(super) fn head(&self) -> Result<Head, SentimentError> {
        let Architecture { width, biases, names, .. } = self.architecture;
        Ok(Head {
            dense: self.part(names.head, Part::WHOLE, *width, *width, biases.head)?,
            norm: names.head_norm.map(|name| self.layer_norm(name)).transpose()?,
            classifier: self.part(names.classifier, Part::WHOLE, *width, self.labels, true)?,
        })
    }

    fn encoder(&self, part: &str) -> String {
        format!("{}{part}", self.architecture.names.prefix)
    }

    /// Some of the outputs of a stored product.
    fn part(
        &self,
        name: &str,
        Part(at, of): Part,
        inputs: usize,
        outputs: usize,
        biased: bool,
    ) -> Result<Linear, SentimentError> {
        let cut = |tensor: Tensor| tensor.narrow(0, at * outputs, outputs).map_err(|error| self.failed(&error));
        let weight = cut(self.tensor(&[format!("{name}.weight")], &[of * outputs, inputs])?)?;
        let bias = match biased {
            true => cut(self.tensor(&[format!("{name}.bias")], &[of * outputs])?)?,
            false => self.zeros(outputs)?,
        };
        Ok(Linear { weight, bias })
    }

    /// Checkpoints converted from TensorFlow call the two `gamma` and `beta`.
    fn layer_norm(&self, name: &str) -> Result<LayerNorm, SentimentError> {
        let Architecture { width, epsilon, biases, .. } = *self.architecture;
        let part = |new: &str, old: &str| self.tensor(&[format!("{name}.{new}"), format!("{name}.{old}")], &[width]);
        let bias = if biases.norms { part("bias", "beta")? } else { self.zeros(width)? };
        Ok(LayerNorm { weight: part("weight", "gamma")?, bias, epsilon })
    }

    fn zeros(&self, count: usize) -> Result<Tensor, SentimentError> {
        Tensor::zeros(count, DType::F32, self.device).map_err(|error| self.failed(&error))
    }

    /// The first of `names` that is there, with the encoder's prefix or without.
    fn tensor(&self, names: &[String], shape: &[usize]) -> Result<Tensor, SentimentError> {
        let bare = names.iter().filter_map(|name| name.strip_prefix(self.architecture.names.prefix));
        let all: Vec<&str> = names.iter().map(String::as_str).chain(bare).collect();
        let tensor = self.checkpoint.tensor(&all, shape, self.architecture.family)?;
        tensor.to_device(self.device).map_err(|error| self.failed(&error))
    }

    pub(super) fn failed(&self, error: &candle_core::Error) -> SentimentError {
        SentimentError::Device { device: format!("{:?}", self.device), reason: error.to_string() }
    }
}

/// Which one of how many products that are stored one after the other.
#[derive(Clone, Copy)]
struct Part(usize, usize);

impl Part {
    const WHOLE: Self = Self(0, 1);
}
