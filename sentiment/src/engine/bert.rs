//! A BERT sequence classifier and its forward pass over packed texts.

use super::checkpoint::Checkpoint;
use super::config::ModelConfig;
use crate::SentimentError;
use crate::kernels::linear::Linear;
use crate::kernels::{Precision, dot, rows};
use candle_core::Tensor;
use std::ops::Range;

/// Columns of the feed-forward layer worked on together, so that they stay in the cache between its
/// two products.
const INNER_PART: usize = 768;

/// A model's weights, shared by all threads.
pub struct Bert {
    pub(super) precision: Precision,
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) embeddings: Embeddings,
    pub(super) layers: Vec<Layer>,
    pub(super) pooler: Linear,
    pub(super) classifier: Linear,
}

pub(super) struct Embeddings {
    pub(super) words: Vec<f32>,
    pub(super) positions: Vec<f32>,
    pub(super) types: Vec<f32>,
    pub(super) norm: LayerNorm,
}

pub(super) struct Layer {
    /// Gives queries with the scale of the scores already in them.
    pub(super) query: Linear,
    /// Keys, then values, each in whole panels. Without their biases: see [`Layer::load`].
    pub(super) key_value: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_norm: LayerNorm,
    pub(super) feed_forward: Vec<FeedForward>,
    pub(super) output_norm: LayerNorm,
}

/// Some columns of the feed-forward layer's inside: the outputs of the first product that give them, and
/// the inputs of the second that take them.
pub(super) struct FeedForward {
    pub(super) into: Linear,
    pub(super) out: Linear,
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

impl Bert {
    /// Reads the weights.
    ///
    /// # Errors
    /// [`SentimentError::Tensor`].
    pub fn load(
        config: &ModelConfig,
        labels: usize,
        checkpoint: &Checkpoint,
        precision: Precision,
    ) -> Result<Self, SentimentError> {
        let source = Source { config, checkpoint };
        let width = config.hidden_size;
        let embeddings = Embeddings {
            words: source.numbers("bert.embeddings.word_embeddings.weight", &[config.vocab_size, width])?,
            positions: source
                .numbers("bert.embeddings.position_embeddings.weight", &[config.max_position_embeddings, width])?,
            types: source.numbers("bert.embeddings.token_type_embeddings.weight", &[config.type_vocab_size, width])?,
            norm: source.layer_norm("bert.embeddings.LayerNorm")?,
        };
        let layers = (0..config.num_hidden_layers)
            .map(|layer| Layer::load(&source, layer, precision))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            precision,
            width,
            heads: config.num_attention_heads,
            embeddings,
            layers,
            // Of these there is one row a text, so that nothing is gained by rounding them.
            pooler: source.dense("bert.pooler.dense", width, width)?.pack(Precision::F32),
            classifier: source.dense("classifier", width, labels)?.pack(Precision::F32),
        })
    }
}

impl Layer {
    /// Two of the three attention biases need not be added to every token, exactly:
    /// a key's bias adds the same number to all scores of a query, which softmax takes away;
    /// a value's bias passes through the weights, which sum to 1, and is folded into the bias
    /// of the output projection. Only the query's bias stays.
    fn load(source: &Source<'_>, layer: usize, precision: Precision) -> Result<Self, SentimentError> {
        let (width, inner) = (source.config.hidden_size, source.config.intermediate_size);
        let name = |part: &str| format!("bert.encoder.layer.{layer}.{part}");
        let dense = |part: &str, inputs, outputs| source.dense(&name(part), inputs, outputs);
        let projection = |part: &str| dense(&format!("attention.self.{part}"), width, width);
        let (mut query, key, value) = (projection("query")?, projection("key")?, projection("value")?);
        query.scale(1.0 / ((width / source.config.num_attention_heads) as f32).sqrt());
        let mut attention_output = dense("attention.output.dense", width, width)?;
        attention_output.add_to_bias(&value.bias);
        let (into, out) = (dense("intermediate.dense", width, inner)?, dense("output.dense", inner, width)?);
        let part = |first| first..inner.min(first + INNER_PART);
        let feed_forward = |first| FeedForward {
            into: into.outputs(part(first)).pack(precision),
            out: out.inputs(part(first)).pack(precision),
        };
        Ok(Self {
            query: query.pack(precision),
            key_value: key.beside(value).pack(precision),
            attention_output: attention_output.pack(precision),
            attention_norm: source.layer_norm(&name("attention.output.LayerNorm"))?,
            feed_forward: (0..inner).step_by(INNER_PART).map(feed_forward).collect(),
            output_norm: source.layer_norm(&name("output.LayerNorm"))?,
        })
    }
}

/// `x W + b` as checkpoints store it: W output by output.
struct Dense {
    inputs: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Dense {
    fn pack(&self, precision: Precision) -> Linear {
        Linear::pack(precision, self.inputs, &self.weight, &self.bias)
    }

    fn scale(&mut self, factor: f32) {
        self.weight.iter_mut().chain(&mut self.bias).for_each(|x| *x *= factor);
    }

    /// The outputs of both, without biases, each filled up with zeros to whole panels.
    fn beside(mut self, other: Self) -> Self {
        let outputs = self.bias.len().next_multiple_of(dot::PANEL);
        self.weight.resize(outputs * self.inputs, 0.0);
        self.weight.extend(other.weight);
        self.weight.resize(2 * outputs * self.inputs, 0.0);
        self.bias = vec![0.0; 2 * outputs];
        self
    }

    /// Some of the outputs.
    fn outputs(&self, range: Range<usize>) -> Self {
        let weight = self.weight[range.start * self.inputs..range.end * self.inputs].to_vec();
        Self { inputs: self.inputs, weight, bias: self.bias[range].to_vec() }
    }

    /// What some of the inputs contribute; the first of them bring the bias.
    fn inputs(&self, range: Range<usize>) -> Self {
        let weight =
            self.weight.chunks_exact(self.inputs).flat_map(|weights| &weights[range.clone()]).copied().collect();
        let bias = if range.start == 0 { self.bias.clone() } else { vec![0.0; self.bias.len()] };
        Self { inputs: range.len(), weight, bias }
    }

    /// Adds what the constant row `x` gives to the bias.
    fn add_to_bias(&mut self, x: &[f32]) {
        for (bias, weights) in self.bias.iter_mut().zip(self.weight.chunks_exact(self.inputs)) {
            let more: f64 = x.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            *bias = (f64::from(*bias) + more) as f32;
        }
    }
}

/// Where the parts of a model are read from, in the names of Hugging Face's checkpoints.
struct Source<'a> {
    config: &'a ModelConfig,
    checkpoint: &'a Checkpoint,
}

impl Source<'_> {
    fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, SentimentError> {
        Ok(flat(&self.checkpoint.tensor(&[name.to_owned()], shape)?))
    }

    fn dense(&self, name: &str, inputs: usize, outputs: usize) -> Result<Dense, SentimentError> {
        let weight = self.numbers(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Dense { inputs, weight, bias: self.numbers(&format!("{name}.bias"), &[outputs])? })
    }

    /// Checkpoints converted from TensorFlow call the two `gamma` and `beta`.
    fn layer_norm(&self, name: &str) -> Result<LayerNorm, SentimentError> {
        let width = self.config.hidden_size;
        let part = |new: &str, old: &str| {
            self.checkpoint
                .tensor(&[format!("{name}.{new}"), format!("{name}.{old}")], &[width])
                .map(|tensor| flat(&tensor))
        };
        Ok(LayerNorm {
            weight: part("weight", "gamma")?,
            bias: part("bias", "beta")?,
            epsilon: self.config.layer_norm_eps,
        })
    }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor
        .flatten_all()
        .and_then(|flat| flat.to_vec1())
        .expect("a tensor of 32-bit floats in main memory is a list of them")
}
