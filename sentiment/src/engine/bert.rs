//! A BERT sequence classifier and its forward pass over packed texts.

use super::checkpoint::Checkpoint;
use super::config::ModelConfig;
use super::tokens::Tokens;
use crate::SentimentError;
use crate::kernels::{Matrix, MatrixMut, multiply, rows};
use candle_core::Tensor;

/// A model's weights, shared by all threads.
pub struct Bert {
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
    /// Query, key and value side by side. Their biases are elsewhere: see [`Layer::load`].
    pub(super) query_key_value: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_norm: LayerNorm,
    pub(super) feed_forward_in: Linear,
    pub(super) feed_forward_out: Linear,
    pub(super) output_norm: LayerNorm,
}

/// `x W + b` with W stored input by input, so that matrix products read it in order.
pub(super) struct Linear {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

pub(super) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    pub(super) fn apply(&self, x: &mut [f32]) {
        rows::layer_norm(x, &self.weight, &self.bias, self.epsilon);
    }
}

impl Linear {
    /// `out = x W`, without the bias, for `count` rows of `x`.
    pub(super) fn multiply(&self, x: &[f32], count: usize, out: &mut [f32]) {
        self.multiply_columns(x, count, 0, self.outputs, self.outputs, out);
    }

    /// As [`Linear::multiply`] for the outputs from `first` to before `end`; a row of `out` is `stride` long.
    pub(super) fn multiply_columns(
        &self,
        x: &[f32],
        count: usize,
        first: usize,
        end: usize,
        stride: usize,
        out: &mut [f32],
    ) {
        let weight = Matrix::new(&self.weight[first..], self.inputs, end - first, self.outputs);
        let x = Matrix::new(x, count, self.inputs, self.inputs);
        multiply(x, weight, 1.0, &mut MatrixMut::new(out, count, end - first, stride));
    }
}

impl Bert {
    /// Reads the weights.
    ///
    /// # Errors
    /// [`SentimentError::Tensor`].
    pub fn load(config: &ModelConfig, labels: usize, checkpoint: &Checkpoint) -> Result<Self, SentimentError> {
        let source = Source { config, checkpoint };
        let width = config.hidden_size;
        let embeddings = Embeddings {
            words: source.numbers("bert.embeddings.word_embeddings.weight", &[config.vocab_size, width])?,
            positions: source
                .numbers("bert.embeddings.position_embeddings.weight", &[config.max_position_embeddings, width])?,
            types: source.numbers("bert.embeddings.token_type_embeddings.weight", &[config.type_vocab_size, width])?,
            norm: source.layer_norm("bert.embeddings.LayerNorm")?,
        };
        let layers =
            (0..config.num_hidden_layers).map(|layer| Layer::load(&source, layer)).collect::<Result<_, _>>()?;
        Ok(Self {
            width,
            heads: config.num_attention_heads,
            embeddings,
            layers,
            pooler: source.linear("bert.pooler.dense", width, width)?,
            classifier: source.linear("classifier", width, labels)?,
        })
    }

    /// Tokens the model has embeddings for.
    pub fn vocabulary(&self) -> usize {
        self.embeddings.words.len() / self.width
    }

    /// Segments the model has embeddings for.
    pub fn segments(&self) -> usize {
        self.embeddings.types.len() / self.width
    }

    /// The longest text, in tokens.
    pub fn positions(&self) -> usize {
        self.embeddings.positions.len() / self.width
    }

    /// Whether the model has embeddings for these tokens, and which it lacks.
    pub fn unknown(&self, tokens: &Tokens) -> Option<(u32, u32)> {
        let known =
            |(id, kind): &(&u32, &u32)| (**id as usize) < self.vocabulary() && (**kind as usize) < self.segments();
        tokens.ids.iter().zip(&tokens.types).find(|pair| !known(pair)).map(|(id, kind)| (*id, *kind))
    }
}

impl Layer {
    /// Two of the three attention biases need not be added to every token, exactly:
    /// a key's bias adds the same number to all scores of a query, which softmax takes away;
    /// a value's bias passes through the weights, which sum to 1, and is folded into the bias
    /// of the output projection. Only the query's bias stays, as `query_key_value.bias`.
    fn load(source: &Source<'_>, layer: usize) -> Result<Self, SentimentError> {
        let (width, inner) = (source.config.hidden_size, source.config.intermediate_size);
        let name = |part: &str| format!("bert.encoder.layer.{layer}.{part}");
        let projection = |part: &str| source.linear(&name(&format!("attention.self.{part}")), width, width);
        let (query, key, value) = (projection("query")?, projection("key")?, projection("value")?);
        let mut attention_output = source.linear(&name("attention.output.dense"), width, width)?;
        attention_output.add_to_bias(&value.bias);
        Ok(Self {
            query_key_value: Linear::side_by_side(&[&query, &key, &value], query.bias.clone()),
            attention_output,
            attention_norm: source.layer_norm(&name("attention.output.LayerNorm"))?,
            feed_forward_in: source.linear(&name("intermediate.dense"), width, inner)?,
            feed_forward_out: source.linear(&name("output.dense"), inner, width)?,
            output_norm: source.layer_norm(&name("output.LayerNorm"))?,
        })
    }
}

impl Linear {
    fn side_by_side(parts: &[&Self], bias: Vec<f32>) -> Self {
        let inputs = parts[0].inputs;
        let outputs = parts.iter().map(|part| part.outputs).sum();
        let mut weight = Vec::with_capacity(inputs * outputs);
        for input in 0..inputs {
            for part in parts {
                weight.extend_from_slice(&part.weight[input * part.outputs..(input + 1) * part.outputs]);
            }
        }
        Self { inputs, outputs, weight, bias }
    }

    /// Adds what the constant row `x` gives to the bias.
    fn add_to_bias(&mut self, x: &[f32]) {
        for (output, bias) in self.bias.iter_mut().enumerate() {
            let more: f64 = x
                .iter()
                .enumerate()
                .map(|(i, x)| f64::from(*x) * f64::from(self.weight[i * self.outputs + output]))
                .sum();
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
    /// Some checkpoints leave out the prefix `bert.`.
    fn tensor(&self, names: &[String], shape: &[usize]) -> Result<Tensor, SentimentError> {
        let bare = names.iter().filter_map(|name| name.strip_prefix("bert.").map(str::to_owned));
        let names: Vec<String> = names.iter().cloned().chain(bare).collect();
        self.checkpoint.tensor(&names, shape)
    }

    fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, SentimentError> {
        Ok(flat(&self.tensor(&[name.to_owned()], shape)?))
    }

    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, SentimentError> {
        // Checkpoints store output by output.
        let stored = self.tensor(&[format!("{name}.weight")], &[outputs, inputs])?;
        let weight = flat(&stored.t().expect("a matrix can be transposed"));
        Ok(Linear { inputs, outputs, weight, bias: self.numbers(&format!("{name}.bias"), &[outputs])? })
    }

    /// Checkpoints converted from TensorFlow call the two `gamma` and `beta`.
    fn layer_norm(&self, name: &str) -> Result<LayerNorm, SentimentError> {
        let width = self.config.hidden_size;
        let part = |new: &str, old: &str| {
            self.tensor(&[format!("{name}.{new}"), format!("{name}.{old}")], &[width]).map(|tensor| flat(&tensor))
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
