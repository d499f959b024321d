//! The classifier that runs on the processor, again on candle's tensors, for a GPU.
//!
//! A GPU needs few large products, so texts of similar length are padded to one length instead of concatenated. Padding
//! is masked. In a batch, a text's logits are those of the text alone up to rounding, not bit for bit as on the
//! processor.

use super::architecture::{Architecture, LayerKind, Pooling};
use super::checkpoint::Checkpoint;
use super::rotary::Rotation;
use super::tokenizer::Encoding;
use super::weights::{EmbeddingTensors, HeadTensors, LayerNormTensors, LayerTensors, LinearTensors, TensorReader};
use crate::SentimentError;
use candle_core::{Device, Result, Tensor};
use candle_nn::{ops, rotary_emb};
use tapewire_kernels::math::Activation;

/// Added to the scores of masked keys, which softmax then turns into 0. Finite, because softmax of a row of infinities
/// is NaN.
const MASKED: f64 = -1e9;

/// A model's weights on a device.
pub struct AcceleratedModel {
    device: Device,
    architecture: Architecture,
    embeddings: EmbeddingTensors,
    layers: Vec<(LayerKind, Option<Angles>, LayerTensors)>,
    final_norm: Option<LayerNormTensors>,
    head: HeadTensors,
}

/// Cosines and sines of rotary positions, `[positions, head size / 2]` each.
#[derive(Clone)]
struct Angles {
    cosines: Tensor,
    sines: Tensor,
}

impl AcceleratedModel {
    /// Reads the weights of a model of `labels` classes and copies them to the device.
    ///
    /// # Errors
    /// [`SentimentError::Tensor`], [`SentimentError::Device`].
    pub fn load(
        architecture: &Architecture,
        labels: usize,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, SentimentError> {
        let reader = TensorReader { architecture, labels, checkpoint, device };
        let mut angles: Vec<(f64, Angles)> = Vec::new();
        let mut layers = Vec::with_capacity(architecture.layers.len());
        for (number, kind) in architecture.layers.iter().enumerate() {
            if let Some(theta) = kind.theta
                && !angles.iter().any(|(known, _)| *known == theta)
            {
                let made = Angles::new(theta, architecture, device).map_err(|error| reader.failed(&error))?;
                angles.push((theta, made));
            }
            let of_layer = angles.iter().find(|(theta, _)| Some(*theta) == kind.theta);
            layers.push((*kind, of_layer.map(|(_, angles)| angles.clone()), reader.layer(number)?));
        }
        Ok(Self {
            device: device.clone(),
            architecture: architecture.clone(),
            embeddings: reader.embeddings()?,
            layers,
            final_norm: reader.final_norm()?,
            head: reader.head()?,
        })
    }

    /// Logits of each text, in the order of the model's classes. The same texts are allowed as for
    /// [`PackedModel::logits`](super::layers::PackedModel::logits).
    ///
    /// # Errors
    /// The device's error, most likely that its memory is full.
    pub fn logits(&self, texts: &[&Encoding]) -> Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(|text| text.input_ids.len()).max().unwrap_or(0);
        let attention_mask = self.attention_mask(texts, longest)?;
        let padding = ((attention_mask.ones_like()? - &attention_mask)? * MASKED)?;
        let padding = padding.reshape((texts.len(), 1, 1, longest))?;
        let mut hidden = self.embed(texts, longest)?;
        for (number, (kind, angles, layer)) in self.layers.iter().enumerate() {
            let is_last = number + 1 == self.layers.len();
            let query_len = if is_last && self.architecture.pooling == Pooling::Cls { 1 } else { longest };
            let bias = match kind.sliding_window {
                Some(window) => padding.broadcast_add(&self.window_bias(query_len, longest, window)?)?,
                None => padding.clone(),
            };
            hidden = layer.apply(&hidden, query_len, &bias, angles.as_ref(), &self.architecture)?;
        }
        if let Some(norm) = &self.final_norm {
            hidden = norm.apply(&hidden)?;
        }
        let pooled = match self.architecture.pooling {
            Pooling::Cls => hidden.squeeze(1)?,
            Pooling::Mean => {
                let sum = hidden.broadcast_mul(&attention_mask.unsqueeze(2)?)?.sum(1)?;
                sum.broadcast_div(&attention_mask.sum_keepdim(1)?)?
            }
        };
        let mut dense = activated(self.architecture.head_activation, &self.head.dense.apply(&pooled)?)?;
        if let Some(norm) = &self.head.norm {
            dense = norm.apply(&dense)?;
        }
        self.head.classifier.apply(&dense)?.to_vec2()
    }

    /// 1 for a token and 0 for padding, `[texts, longest]`.
    fn attention_mask(&self, texts: &[&Encoding], longest: usize) -> Result<Tensor> {
        let row = |text: &&Encoding| (0..longest).map(|at| if at < text.input_ids.len() { 1.0 } else { 0.0 }).collect();
        let mask: Vec<f32> = texts.iter().flat_map::<Vec<f32>, _>(row).collect();
        Tensor::from_vec(mask, (texts.len(), longest), &self.device)
    }

    /// Added to the scores so that each token attends only to tokens within its window, `[query_len, longest]`.
    fn window_bias(&self, query_len: usize, longest: usize, window: usize) -> Result<Tensor> {
        let row = |at: usize| (0..longest).map(move |key| if key.abs_diff(at) <= window { 0.0 } else { MASKED as f32 });
        let bias: Vec<f32> = (0..query_len).flat_map(row).collect();
        Tensor::from_vec(bias, (query_len, longest), &self.device)
    }

    /// `[texts, longest, hidden_size]`; padding has arbitrary values, which are masked later.
    fn embed(&self, texts: &[&Encoding], longest: usize) -> Result<Tensor> {
        let rows = |indices_of: &dyn Fn(&Encoding) -> Vec<u32>, table: &Tensor| {
            let padded = |text: &&Encoding| {
                let mut indices = indices_of(text);
                indices.resize(longest, 0);
                indices
            };
            let indices: Vec<u32> = texts.iter().flat_map(padded).collect();
            let rows = table.index_select(&Tensor::from_vec(indices, texts.len() * longest, &self.device)?, 0)?;
            rows.reshape((texts.len(), longest, ()))
        };
        let EmbeddingTensors { tokens, token_types, positions, norm } = &self.embeddings;
        let mut sum = rows(&|text| text.input_ids.clone(), tokens)?;
        if let Some(token_types) = token_types {
            sum = (sum + rows(&|text| text.token_type_ids.clone(), token_types)?)?;
        }
        if let (Some(counted), Some(positions)) = (&self.architecture.positions, positions) {
            let positions_of = |text: &Encoding| counted.of(&text.input_ids).map(|at| at as u32).collect();
            sum = (sum + rows(&positions_of, positions)?)?;
        }
        norm.apply(&sum)
    }
}

impl LayerTensors {
    /// The layer's output for the first `query_len` tokens of `hidden`, `[texts, tokens, hidden_size]`. `bias` is added
    /// to the scores.
    fn apply(
        &self,
        hidden: &Tensor,
        query_len: usize,
        bias: &Tensor,
        angles: Option<&Angles>,
        architecture: &Architecture,
    ) -> Result<Tensor> {
        let (texts, _, hidden_size) = hidden.dims3()?;
        let head_size = hidden_size / architecture.heads;
        let by_head = |x: Tensor| x.reshape((texts, (), architecture.heads, head_size))?.transpose(1, 2)?.contiguous();
        let rotated = |x: Tensor| angles.map_or(Ok(x.clone()), |angles| angles.apply_rope(&x));
        let all = normed(self.attention_norm.before.as_ref(), hidden)?;
        let query = rotated(by_head(self.query.apply(&all.narrow(1, 0, query_len)?)?)?)?;
        let key = rotated(by_head(self.key.apply(&all)?)?)?;
        let value = by_head(self.value.apply(&all)?)?;
        let scores = (query * (1.0 / (head_size as f64).sqrt()))?.matmul(&key.t()?)?.broadcast_add(bias)?;
        let context = ops::softmax_last_dim(&scores)?.matmul(&value)?;
        let context = context.transpose(1, 2)?.reshape((texts, query_len, hidden_size))?;
        let sum = (self.attention_output.apply(&context)? + hidden.narrow(1, 0, query_len)?)?;
        let sum = normed(self.attention_norm.after.as_ref(), &sum)?;
        let ffn_input = normed(self.feed_forward_norm.before.as_ref(), &sum)?;
        let ffn_output = self.feed_forward(&ffn_input, architecture.activation)?;
        normed(self.feed_forward_norm.after.as_ref(), &(ffn_output + sum)?)
    }

    fn feed_forward(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        let mut inner = activated(activation, &self.feed_forward_in.apply(x)?)?;
        if let Some(gate) = &self.gate {
            inner = (inner * gate.apply(x)?)?;
        }
        self.feed_forward_out.apply(&inner)
    }
}

impl Angles {
    fn new(theta: f64, architecture: &Architecture, device: &Device) -> Result<Self> {
        let pairs = architecture.hidden_size / architecture.heads / 2;
        let Rotation { cosines, sines, .. } = Rotation::new(theta, architecture.max_seq_len, pairs);
        let table = |elements| Tensor::from_vec(elements, (architecture.max_seq_len, pairs), device);
        Ok(Self { cosines: table(cosines)?, sines: table(sines)? })
    }

    /// Rotates `[texts, heads, tokens, head size]`, which must be contiguous, by the position of each token.
    fn apply_rope(&self, x: &Tensor) -> Result<Tensor> {
        rotary_emb::rope(x, &self.cosines, &self.sines)
    }
}

fn normed(norm: Option<&LayerNormTensors>, x: &Tensor) -> Result<Tensor> {
    norm.map_or_else(|| Ok(x.clone()), |norm| norm.apply(x))
}

fn activated(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::Gelu => x.gelu_erf(),
        // candle's `gelu` is the approximation by tanh.
        Activation::GeluTanh => x.gelu(),
        Activation::Relu => x.relu(),
        Activation::Tanh => x.tanh(),
    }
}

impl LinearTensors {
    /// Over the last dimension, from `inputs` to `outputs` elements.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.weight.dims2()?;
        let mut shape = x.dims().to_vec();
        *shape.last_mut().expect("there is a last dimension") = outputs;
        let rows = x.reshape(((), inputs))?.matmul(&self.weight.t()?)?;
        rows.broadcast_add(&self.bias)?.reshape(shape)
    }
}

impl LayerNormTensors {
    /// Over the last dimension.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}
