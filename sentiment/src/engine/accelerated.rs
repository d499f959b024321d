//! The same classifier on candle's tensors, for a GPU.
//!
//! A GPU wants few large products, so texts of like length are padded to one length instead of packed.
//! Padded keys are masked: a text's numbers agree with those it has alone to rounding, not bit for
//! bit as on the processor.

use super::architecture::{Architecture, Positions};
use super::checkpoint::Checkpoint;
use super::tokens::Tokens;
use super::weights::{Embeddings, Head, Layer, LayerNorm, Linear, Source};
use crate::SentimentError;
use crate::kernels::math::Activation;
use candle_core::{D, Device, Result, Tensor};

/// Added to the scores of padded keys: softmax makes it 0, and no row of scores is all infinite.
const MASKED: f32 = -1e9;

/// A model's weights on a device.
pub struct AcceleratedModel {
    device: Device,
    architecture: Architecture,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    head: Head,
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
        Ok(Self {
            device: device.clone(),
            architecture: architecture.clone(),
            embeddings: source.embeddings()?,
            layers: (0..architecture.layers)
                .map(|number| source.layer(number))
                .collect::<std::result::Result<_, _>>()?,
            head: source.head()?,
        })
    }

    /// Logits of each text, in the order of the model's classes. Texts are as for
    /// [`PackedModel::logits`](super::packed::PackedModel::logits).
    ///
    /// # Errors
    /// What the device says, above all that its memory is full.
    pub fn logits(&self, texts: &[&Tokens]) -> Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        let mask = self.mask(texts, longest)?;
        let mut hidden = self.embed(texts, longest)?;
        let (last, others) = self.layers.split_last().expect("a model has layers");
        for layer in others {
            hidden = layer.apply(&hidden, &hidden, &mask, &self.architecture)?;
        }
        // The classifier reads the first token only.
        let first = hidden.narrow(1, 0, 1)?;
        let first = last.apply(&first, &hidden, &mask, &self.architecture)?.squeeze(1)?;
        let dense = activated(self.architecture.head_activation, &self.head.dense.apply(&first)?)?;
        self.head.classifier.apply(&dense)?.to_vec2()
    }

    /// `[texts, 1, 1, longest]`, to be added to scores of `[texts, heads, queries, longest]`.
    fn mask(&self, texts: &[&Tokens], longest: usize) -> Result<Tensor> {
        let row = |text: &&Tokens| (0..longest).map(|at| if at < text.ids.len() { 0.0 } else { MASKED }).collect();
        let numbers: Vec<f32> = texts.iter().flat_map::<Vec<f32>, _>(row).collect();
        Tensor::from_vec(numbers, (texts.len(), 1, 1, longest), &self.device)
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
        let counted: Positions = self.architecture.positions;
        let places = |text: &Tokens| counted.of(&text.ids).map(|position| position as u32).collect();
        norm.apply(&(sum + rows(&places, positions)?)?)
    }
}

impl Layer {
    /// The layer's output for the tokens of `asking`, `[texts, asking, width]`, which attend to `all`.
    fn apply(&self, asking: &Tensor, all: &Tensor, mask: &Tensor, architecture: &Architecture) -> Result<Tensor> {
        let heads = architecture.heads;
        let (texts, count, width) = asking.dims3()?;
        let by_head = |x: Tensor| x.reshape((texts, (), heads, width / heads))?.transpose(1, 2)?.contiguous();
        let scale = 1.0 / ((width / heads) as f64).sqrt();
        let query = (by_head(self.query.apply(asking)?)? * scale)?;
        let key = by_head(self.key.apply(all)?)?;
        let value = by_head(self.value.apply(all)?)?;
        let scores = query.matmul(&key.t()?)?.broadcast_add(mask)?;
        let context = softmax(&scores)?.matmul(&value)?.transpose(1, 2)?.reshape((texts, count, width))?;
        let attended = self.attention_norm.apply(&(self.attention_output.apply(&context)? + asking)?)?;
        let inner = activated(architecture.activation, &self.feed_forward_in.apply(&attended)?)?;
        self.feed_forward_norm.apply(&(self.feed_forward_out.apply(&inner)? + attended)?)
    }
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
