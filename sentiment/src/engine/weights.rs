//! A model's weights as tensors, read from a checkpoint under the names of its architecture.

use super::architecture::{Architecture, Norms};
use super::checkpoint::Checkpoint;
use crate::SentimentError;
use candle_core::{DType, Device, Tensor};

/// Reads the parts of a model onto a device.
pub(super) struct TensorReader<'a> {
    pub(super) architecture: &'a Architecture,
    /// Number of classes.
    pub(super) labels: usize,
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) device: &'a Device,
}

pub(super) struct EmbeddingTensors {
    /// `[vocab_size, hidden_size]`.
    pub(super) tokens: Tensor,
    /// `[type_vocab_size, hidden_size]`.
    pub(super) token_types: Option<Tensor>,
    /// `[rows, hidden_size]`.
    pub(super) positions: Option<Tensor>,
    pub(super) norm: LayerNormTensors,
}

#[derive(Clone)]
pub(super) struct LayerTensors {
    pub(super) query: LinearTensors,
    pub(super) key: LinearTensors,
    pub(super) value: LinearTensors,
    pub(super) attention_output: LinearTensors,
    pub(super) attention_norm: PrePostNorm<LayerNormTensors>,
    pub(super) feed_forward_in: LinearTensors,
    pub(super) gate: Option<LinearTensors>,
    pub(super) feed_forward_out: LinearTensors,
    pub(super) feed_forward_norm: PrePostNorm<LayerNormTensors>,
}

/// The norms before and after a sublayer, which has one of them or neither.
#[derive(Clone, Default)]
pub(super) struct PrePostNorm<T> {
    pub(super) before: Option<T>,
    pub(super) after: Option<T>,
}

impl<T> PrePostNorm<T> {
    pub(super) fn map<U>(self, to: impl Fn(T) -> U) -> PrePostNorm<U> {
        PrePostNorm { before: self.before.map(&to), after: self.after.map(&to) }
    }
}

pub(super) struct HeadTensors {
    pub(super) dense: LinearTensors,
    pub(super) norm: Option<LayerNormTensors>,
    pub(super) classifier: LinearTensors,
}

#[derive(Clone)]
pub(super) struct LinearTensors {
    /// `[outputs, inputs]`, as checkpoints store it.
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

#[derive(Clone)]
pub(super) struct LayerNormTensors {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) eps: f32,
}

impl TensorReader<'_> {
    pub(super) fn embeddings(&self) -> Result<EmbeddingTensors, SentimentError> {
        let Architecture { hidden_size, vocab_size, type_vocab_size, positions, names, .. } = self.architecture;
        let table = |part: &str, rows| self.tensor(&[self.encoder(part) + ".weight"], &[rows, *hidden_size]);
        Ok(EmbeddingTensors {
            tokens: table(names.token_embeddings, *vocab_size)?,
            token_types: names.token_type_embeddings.map(|name| table(name, *type_vocab_size)).transpose()?,
            positions: names
                .position_embeddings
                .zip(*positions)
                .map(|(name, positions)| table(name, positions.rows))
                .transpose()?,
            norm: self.layer_norm(&self.encoder(names.embedding_norm))?,
        })
    }

    pub(super) fn layer(&self, number: usize) -> Result<LayerTensors, SentimentError> {
        let Architecture { hidden_size, intermediate_size, gated, biases, names, layers, .. } = self.architecture;
        let (hidden, intermediate) = (*hidden_size, *intermediate_size);
        let name = |part: &str| self.encoder(&format!("{}.{number}.{part}", names.layer));
        let fused = names.query == names.key && names.key == names.value;
        let projection = |part: &str, at| {
            let (of, biased) = (if fused { Slice(at, 3) } else { Slice::WHOLE }, biases.attention);
            self.linear(&name(part), of, hidden, hidden, biased)
        };
        let half = |at| {
            let of = if *gated { Slice(at, 2) } else { Slice::WHOLE };
            self.linear(&name(names.feed_forward_in), of, hidden, intermediate, biases.feed_forward)
        };
        let whole = |part: &str, inputs, biased| self.linear(&name(part), Slice::WHOLE, inputs, hidden, biased);
        let norm = |part: &str, exists: bool| {
            let norm = exists.then(|| self.layer_norm(&name(part))).transpose()?;
            Ok::<_, SentimentError>(match self.architecture.norms {
                Norms::PreNorm => PrePostNorm { before: norm, after: None },
                Norms::PostNorm => PrePostNorm { before: None, after: norm },
            })
        };
        Ok(LayerTensors {
            query: projection(names.query, 0)?,
            key: projection(names.key, 1)?,
            value: projection(names.value, 2)?,
            attention_output: whole(names.attention_output, hidden, biases.attention)?,
            attention_norm: norm(names.attention_norm, layers[number].attention_norm)?,
            feed_forward_in: half(0)?,
            gate: gated.then(|| half(1)).transpose()?,
            feed_forward_out: whole(names.feed_forward_out, intermediate, biases.feed_forward)?,
            feed_forward_norm: norm(names.feed_forward_norm, true)?,
        })
    }

    pub(super) fn final_norm(&self) -> Result<Option<LayerNormTensors>, SentimentError> {
        let name = self.architecture.names.final_norm;
        name.map(|name| self.layer_norm(&self.encoder(name))).transpose()
    }

    pub(super) fn head(&self) -> Result<HeadTensors, SentimentError> {
        let Architecture { hidden_size, biases, names, .. } = self.architecture;
        let hidden = *hidden_size;
        Ok(HeadTensors {
            dense: self.linear(names.head, Slice::WHOLE, hidden, hidden, biases.head)?,
            norm: names.head_norm.map(|name| self.layer_norm(name)).transpose()?,
            classifier: self.linear(names.classifier, Slice::WHOLE, hidden, self.labels, true)?,
        })
    }

    fn encoder(&self, part: &str) -> String {
        format!("{}{part}", self.architecture.names.prefix)
    }

    /// Weight and bias of a linear layer, which may be one of several that are stored under one name.
    fn linear(
        &self,
        name: &str,
        Slice(at, of): Slice,
        inputs: usize,
        outputs: usize,
        biased: bool,
    ) -> Result<LinearTensors, SentimentError> {
        let cut = |tensor: Tensor| tensor.narrow(0, at * outputs, outputs).map_err(|error| self.failed(&error));
        let weight = cut(self.tensor(&[format!("{name}.weight")], &[of * outputs, inputs])?)?;
        let bias = match biased {
            true => cut(self.tensor(&[format!("{name}.bias")], &[of * outputs])?)?,
            false => self.zeros(outputs)?,
        };
        Ok(LinearTensors { weight, bias })
    }

    /// Checkpoints converted from TensorFlow call weight and bias `gamma` and `beta`.
    fn layer_norm(&self, name: &str) -> Result<LayerNormTensors, SentimentError> {
        let Architecture { hidden_size, layer_norm_eps: eps, biases, .. } = *self.architecture;
        let part =
            |new: &str, old: &str| self.tensor(&[format!("{name}.{new}"), format!("{name}.{old}")], &[hidden_size]);
        let bias = if biases.norms { part("bias", "beta")? } else { self.zeros(hidden_size)? };
        Ok(LayerNormTensors { weight: part("weight", "gamma")?, bias, eps })
    }

    fn zeros(&self, count: usize) -> Result<Tensor, SentimentError> {
        Tensor::zeros(count, DType::F32, self.device).map_err(|error| self.failed(&error))
    }

    /// The first of `names` that the checkpoint has, with the encoder's prefix or without it.
    fn tensor(&self, names: &[String], shape: &[usize]) -> Result<Tensor, SentimentError> {
        let bare = names.iter().filter_map(|name| name.strip_prefix(self.architecture.names.prefix));
        let all: Vec<&str> = names.iter().map(String::as_str).chain(bare).collect();
        let tensor = self.checkpoint.tensor(&all, shape, self.architecture.family)?;
        tensor.to_device(self.device).map_err(|error| self.failed(&error))
    }

    pub(super) fn failed(&self, error: &candle_core::Error) -> SentimentError {
        SentimentError::failed_on(self.device, error)
    }
}

impl SentimentError {
    /// An operation on a device failed.
    pub(super) fn failed_on(device: &Device, error: &candle_core::Error) -> Self {
        let device = match device.location() {
            candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
            candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
            candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
        };
        Self::Device { device, reason: error.to_string() }
    }
}

/// The index of a layer among those stored one after the other under one name, and their number.
#[derive(Clone, Copy)]
struct Slice(usize, usize);

impl Slice {
    const WHOLE: Self = Self(0, 1);
}
