//! The same classifier on candle's tensors, for a GPU.
//!
//! A GPU wants few large products, so texts of like length are padded to one length instead of packed.
//! Padded keys are masked: a text's numbers agree with those it has alone to rounding, not bit for
//! bit as on the processor.

use super::checkpoint::Checkpoint;
use super::config::ModelConfig;
use super::tokens::Tokens;
use crate::SentimentError;
use candle_core::{D, DType, Device, Result, Tensor};

/// Added to the scores of padded keys: softmax makes it 0, and no row of scores is all infinite.
const MASKED: f32 = -1e9;

/// A model's weights on a device.
pub struct AcceleratedBert {
    device: Device,
    heads: usize,
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    pooler: Linear,
    classifier: Linear,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    feed_forward_in: Linear,
    feed_forward_out: Linear,
    output_norm: LayerNorm,
}

struct Linear {
    /// `[outputs, inputs]`, as checkpoints store it.
    weight: Tensor,
    bias: Tensor,
}

struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl AcceleratedBert {
    /// Reads the weights and copies them to the device.
    ///
    /// # Errors
    /// [`SentimentError::Tensor`], [`SentimentError::Device`].
    pub fn load(
        config: &ModelConfig,
        labels: usize,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, SentimentError> {
        let source = Source { config, checkpoint, device };
        let width = config.hidden_size;
        let embedding = |name: &str, rows| source.tensor(&[&format!("bert.embeddings.{name}.weight")], &[rows, width]);
        Ok(Self {
            device: device.clone(),
            heads: config.num_attention_heads,
            words: embedding("word_embeddings", config.vocab_size)?,
            positions: embedding("position_embeddings", config.max_position_embeddings)?,
            types: embedding("token_type_embeddings", config.type_vocab_size)?,
            norm: source.layer_norm("bert.embeddings.LayerNorm")?,
            layers: (0..config.num_hidden_layers)
                .map(|layer| source.layer(&format!("bert.encoder.layer.{layer}")))
                .collect::<std::result::Result<_, _>>()?,
            pooler: source.linear("bert.pooler.dense", width, width)?,
            classifier: source.linear("classifier", width, labels)?,
        })
    }

    /// Logits of each text, in the order of the model's classes. Texts are as for
    /// [`Bert::logits`](super::bert::Bert::logits).
    ///
    /// # Errors
    /// What the device says, above all that its memory is full.
    pub fn logits(&self, texts: &[&Tokens]) -> Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        let mask = self.mask(texts, longest)?;
        let mut hidden = self.embed(texts, longest)?;
        let (last, others) = self.layers.split_last().expect("a model has layers");
        for layer in others {
            hidden = layer.apply(&hidden, &hidden, &mask, self.heads)?;
        }
        // The classifier reads the first token only.
        let first = hidden.narrow(1, 0, 1)?;
        let first = last.apply(&first, &hidden, &mask, self.heads)?.squeeze(1)?;
        self.classifier.apply(&self.pooler.apply(&first)?.tanh()?)?.to_vec2()
    }

    /// `[texts, 1, 1, longest]`, to be added to scores of `[texts, heads, queries, longest]`.
    fn mask(&self, texts: &[&Tokens], longest: usize) -> Result<Tensor> {
        let row = |text: &&Tokens| (0..longest).map(|at| if at < text.ids.len() { 0.0 } else { MASKED }).collect();
        let numbers: Vec<f32> = texts.iter().flat_map::<Vec<f32>, _>(row).collect();
        Tensor::from_vec(numbers, (texts.len(), 1, 1, longest), &self.device)
    }

    /// `[texts, longest, width]`; what stands at padded places is masked later.
    fn embed(&self, texts: &[&Tokens], longest: usize) -> Result<Tensor> {
        let padded = |part: fn(&Tokens) -> &[u32], table: &Tensor| {
            let row = |text: &&Tokens| (0..longest).map(|at| part(text).get(at).copied().unwrap_or(0)).collect();
            let indices: Vec<u32> = texts.iter().flat_map::<Vec<u32>, _>(row).collect();
            let rows = table.index_select(&Tensor::from_vec(indices, texts.len() * longest, &self.device)?, 0)?;
            rows.reshape((texts.len(), longest, ()))
        };
        let words = padded(|text| &text.ids, &self.words)?;
        let types = padded(|text| &text.types, &self.types)?;
        self.norm.apply(&(words + types)?.broadcast_add(&self.positions.narrow(0, 0, longest)?)?)
    }
}

impl Layer {
    /// The layer's output for the tokens of `asking`, `[texts, asking, width]`, which attend to `all`.
    fn apply(&self, asking: &Tensor, all: &Tensor, mask: &Tensor, heads: usize) -> Result<Tensor> {
        let (texts, count, width) = asking.dims3()?;
        let by_head = |x: Tensor| x.reshape((texts, (), heads, width / heads))?.transpose(1, 2)?.contiguous();
        let scale = 1.0 / ((width / heads) as f64).sqrt();
        let query = (by_head(self.query.apply(asking)?)? * scale)?;
        let key = by_head(self.key.apply(all)?)?;
        let value = by_head(self.value.apply(all)?)?;
        let scores = query.matmul(&key.t()?)?.broadcast_add(mask)?;
        let context = softmax(&scores)?.matmul(&value)?.transpose(1, 2)?.reshape((texts, count, width))?;
        let attended = self.attention_norm.apply(&(self.attention_output.apply(&context)? + asking)?)?;
        let inner = self.feed_forward_in.apply(&attended)?.gelu_erf()?;
        self.output_norm.apply(&(self.feed_forward_out.apply(&inner)? + attended)?)
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
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + self.epsilon)?.sqrt()?;
        centred.broadcast_div(&deviation)?.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)
    }
}

/// Where the parts are read from, in the names of Hugging Face's checkpoints.
struct Source<'a> {
    config: &'a ModelConfig,
    checkpoint: &'a Checkpoint,
    device: &'a Device,
}

impl Source<'_> {
    fn tensor(&self, names: &[&str], shape: &[usize]) -> std::result::Result<Tensor, SentimentError> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let tensor = self.checkpoint.tensor(&names, shape)?;
        let moved = tensor.to_dtype(DType::F32).and_then(|tensor| tensor.to_device(self.device));
        moved
            .map_err(|error| SentimentError::Device { device: format!("{:?}", self.device), reason: error.to_string() })
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> std::result::Result<Linear, SentimentError> {
        Ok(Linear {
            weight: self.tensor(&[&format!("{name}.weight")], &[outputs, inputs])?,
            bias: self.tensor(&[&format!("{name}.bias")], &[outputs])?,
        })
    }

    /// Checkpoints converted from TensorFlow call the two `gamma` and `beta`.
    fn layer_norm(&self, name: &str) -> std::result::Result<LayerNorm, SentimentError> {
        let part = |new: &str, old: &str| {
            self.tensor(&[&format!("{name}.{new}"), &format!("{name}.{old}")], &[self.config.hidden_size])
        };
        let epsilon = f64::from(self.config.layer_norm_eps);
        Ok(LayerNorm { weight: part("weight", "gamma")?, bias: part("bias", "beta")?, epsilon })
    }

    fn layer(&self, name: &str) -> std::result::Result<Layer, SentimentError> {
        let (width, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let linear = |part: &str, inputs, outputs| self.linear(&format!("{name}.{part}"), inputs, outputs);
        Ok(Layer {
            query: linear("attention.self.query", width, width)?,
            key: linear("attention.self.key", width, width)?,
            value: linear("attention.self.value", width, width)?,
            attention_output: linear("attention.output.dense", width, width)?,
            attention_norm: self.layer_norm(&format!("{name}.attention.output.LayerNorm"))?,
            feed_forward_in: linear("intermediate.dense", width, inner)?,
            feed_forward_out: linear("output.dense", inner, width)?,
            output_norm: self.layer_norm(&format!("{name}.output.LayerNorm"))?,
        })
    }
}
