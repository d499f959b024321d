//! The same classifier on candle's tensors, for a GPU.
//!
//! A GPU wants few large products, so texts of like length are padded to one length instead of packed.
//! Padded keys are masked: a text's numbers agree with those it has alone to rounding, not bit for
//! bit as on the processor.

use super::architecture::{Architecture, LayerKind, Pooling};
use super::checkpoint::Checkpoint;
use super::rotary::Rotation;
use super::tokens::Tokens;
use super::weights::{Embeddings, Head, Layer, LayerNorm, Linear, Source};
use crate::SentimentError;
use candle_core::{D, Device, Result, Tensor};
use tapewire_kernels::math::Activation;

/// Added to the scores of padded keys: softmax makes it 0, and no row of scores is all infinite.
const MASKED: f64 = -1e9;

/// A model's weights on a device.
pub struct AcceleratedModel {
    device: Device,
    architecture: Architecture,
    embeddings: Embeddings,
    layers: Vec<(LayerKind, Option<Angles>, Layer)>,
    final_norm: Option<LayerNorm>,
    head: Head,
}

/// Cosines and sines of rotary positions, `[places, numbers a head]` each.
#[derive(Clone)]
struct Angles {
    cosines: Tensor,
    sines: Tensor,
}

impl AcceleratedModel {
    /// Reads the weights of a model of so many classes and copies them to the device.
    ///
    /// # Errors
    /// [`SentimentError::Tensor`], [`SentimentError::Device`].
    pub fn load(
        architecture: &Architecture,
        labels: usize,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, SentimentError> {
        let source = Source { architecture, labels, checkpoint, device };
        let mut angles: Vec<(f64, Angles)> = Vec::new();
        let mut layers = Vec::with_capacity(architecture.layers.len());
        for (number, kind) in architecture.layers.iter().enumerate() {
            if let Some(theta) = kind.theta
                && !angles.iter().any(|(known, _)| *known == theta)
            {
                let made = Angles::new(theta, architecture, device).map_err(|error| source.failed(&error))?;
                angles.push((theta, made));
            }
            let turned = angles.iter().find(|(theta, _)| Some(*theta) == kind.theta);
            layers.push((*kind, turned.map(|(_, angles)| angles.clone()), source.layer(number)?));
        }
        Ok(Self {
            device: device.clone(),
            architecture: architecture.clone(),
            embeddings: source.embeddings()?,
            layers,
            final_norm: source.final_norm()?,
            head: source.head()?,
        })
    }

    /// Logits of each text, in the order of the model's classes. Texts are as for
    /// [`PackedModel::logits`](super::layers::PackedModel::logits).
    ///
    /// # Errors
    /// What the device says, above all that its memory is full.
    pub fn logits(&self, texts: &[&Tokens]) -> Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        let there = self.there(texts, longest)?;
        let padding = ((there.ones_like()? - &there)? * MASKED)?.reshape((texts.len(), 1, 1, longest))?;
        let mut hidden = self.embed(texts, longest)?;
        for (number, (kind, angles, layer)) in self.layers.iter().enumerate() {
            let is_last = number + 1 == self.layers.len();
            let asking = if is_last && self.architecture.pooling == Pooling::First { 1 } else { longest };
            let mask = match kind.reach {
                Some(reach) => padding.broadcast_add(&self.window(asking, longest, reach)?)?,
                None => padding.clone(),
            };
            hidden = layer.apply(&hidden, asking, &mask, angles.as_ref(), &self.architecture)?;
        }
        if let Some(norm) = &self.final_norm {
            hidden = norm.apply(&hidden)?;
        }
        let pooled = match self.architecture.pooling {
            Pooling::First => hidden.squeeze(1)?,
            Pooling::Mean => {
                let sum = hidden.broadcast_mul(&there.unsqueeze(2)?)?.sum(1)?;
                sum.broadcast_div(&there.sum_keepdim(1)?)?
            }
        };
        let mut dense = activated(self.architecture.head_activation, &self.head.dense.apply(&pooled)?)?;
        if let Some(norm) = &self.head.norm {
            dense = norm.apply(&dense)?;
        }
        self.head.classifier.apply(&dense)?.to_vec2()
    }

    /// 1 where a text has a token and 0 where it is padded, `[texts, longest]`.
    fn there(&self, texts: &[&Tokens], longest: usize) -> Result<Tensor> {
        let row = |text: &&Tokens| (0..longest).map(|at| if at < text.ids.len() { 1.0 } else { 0.0 }).collect();
        let numbers: Vec<f32> = texts.iter().flat_map::<Vec<f32>, _>(row).collect();
        Tensor::from_vec(numbers, (texts.len(), longest), &self.device)
    }

    /// `[asking, longest]`, to be added to scores: each token looks at those within its reach.
    fn window(&self, asking: usize, longest: usize, reach: usize) -> Result<Tensor> {
        let row = |at: usize| (0..longest).map(move |key| if key.abs_diff(at) <= reach { 0.0 } else { MASKED as f32 });
        let numbers: Vec<f32> = (0..asking).flat_map(row).collect();
        Tensor::from_vec(numbers, (asking, longest), &self.device)
    }

    /// `[texts, longest, width]`; what stands at padded places is masked later.
    fn embed(&self, texts: &[&Tokens], longest: usize) -> Result<Tensor> {
        let rows = |of: &dyn Fn(&Tokens) -> Vec<u32>, table: &Tensor| {
            let row = |text: &&Tokens| {
                let mut row = of(text);
                row.resize(longest, 0);
                row
            };
            let indices: Vec<u32> = texts.iter().flat_map(row).collect();
            let rows = table.index_select(&Tensor::from_vec(indices, texts.len() * longest, &self.device)?, 0)?;
            rows.reshape((texts.len(), longest, ()))
        };
        let Embeddings { words, types, positions, norm } = &self.embeddings;
        let mut sum = rows(&|text| text.ids.clone(), words)?;
        if let Some(types) = types {
            sum = (sum + rows(&|text| text.types.clone(), types)?)?;
        }
        if let (Some(counted), Some(positions)) = (&self.architecture.positions, positions) {
            let places = |text: &Tokens| counted.of(&text.ids).map(|place| place as u32).collect();
            sum = (sum + rows(&places, positions)?)?;
        }
        norm.apply(&sum)
    }
}

impl Layer {
    /// The layer's output for the first `asking` tokens of `hidden`, `[texts, tokens, width]`.
    fn apply(
        &self,
        hidden: &Tensor,
        asking: usize,
        mask: &Tensor,
        angles: Option<&Angles>,
        architecture: &Architecture,
    ) -> Result<Tensor> {
        let (texts, _, width) = hidden.dims3()?;
        let size = width / architecture.heads;
        let by_head = |x: Tensor| x.reshape((texts, (), architecture.heads, size))?.transpose(1, 2)?.contiguous();
        let turned = |x: Tensor| angles.map_or(Ok(x.clone()), |angles| angles.turn(&x));
        let all = normed(self.attention_norm.before.as_ref(), hidden)?;
        let query = turned(by_head(self.query.apply(&all.narrow(1, 0, asking)?)?)?)?;
        let key = turned(by_head(self.key.apply(&all)?)?)?;
        let value = by_head(self.value.apply(&all)?)?;
        let scores = (query * (1.0 / (size as f64).sqrt()))?.matmul(&key.t()?)?.broadcast_add(mask)?;
        let context = softmax(&scores)?.matmul(&value)?.transpose(1, 2)?.reshape((texts, asking, width))?;
        let sum = (self.attention_output.apply(&context)? + hidden.narrow(1, 0, asking)?)?;
        let sum = normed(self.attention_norm.after.as_ref(), &sum)?;
        let fed = self.feed_forward(&normed(self.feed_forward_norm.before.as_ref(), &sum)?, architecture.activation)?;
        normed(self.feed_forward_norm.after.as_ref(), &(fed + sum)?)
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
        let pairs = architecture.width / architecture.heads / 2;
        let Rotation { cosines, sines, .. } = Rotation::new(theta, architecture.limit, pairs);
        let table = |numbers| {
            let half = Tensor::from_vec(numbers, (architecture.limit, pairs), device)?;
            Tensor::cat(&[&half, &half], 1)
        };
        Ok(Self { cosines: table(cosines)?, sines: table(sines)? })
    }

    /// Turns `[texts, heads, tokens, numbers]` by the place of each token.
    fn turn(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, tokens, size) = x.dims4()?;
        let (first, second) = (x.narrow(3, 0, size / 2)?, x.narrow(3, size / 2, size / 2)?);
        let crossed = Tensor::cat(&[&second.neg()?, &first], 3)?;
        let along = x.broadcast_mul(&self.cosines.narrow(0, 0, tokens)?)?;
        along + crossed.broadcast_mul(&self.sines.narrow(0, 0, tokens)?)?
    }
}

fn normed(norm: Option<&LayerNorm>, x: &Tensor) -> Result<Tensor> {
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

/// Over the last dimension.
fn softmax(x: &Tensor) -> Result<Tensor> {
    let exponentials = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)
}

impl Linear {
    /// Over the last dimension, `inputs` numbers to `outputs`.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.weight.dims2()?;
        let mut shape = x.dims().to_vec();
        *shape.last_mut().expect("there is a last dimension") = outputs;
        let rows = x.reshape(((), inputs))?.matmul(&self.weight.t()?)?;
        rows.broadcast_add(&self.bias)?.reshape(shape)
    }
}

impl LayerNorm {
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + f64::from(self.epsilon))?.sqrt()?;
        centred.broadcast_div(&deviation)?.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)
    }
}
