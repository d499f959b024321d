//! Families that our own engine does not run, by the models of candle-transformers: on the processor or a GPU, in
//! single precision only.
//!
//! They are several times slower than our own: each text computes again what does not depend on it, such as the
//! projections of DeBERTa's relative positions. Texts that are computed together share that. On the processor only texts
//! of the same length are, without padding, and a text's logits have the same bits in any batch; on a GPU texts are
//! padded and padding is masked.

use super::checkpoint::Checkpoint;
use super::config::Limits;
use super::tokenizer::Encoding;
use crate::SentimentError;
use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, Linear, Module, VarBuilder, linear};
use candle_transformers::models::debertav2::{Config as DebertaConfig, DebertaV2ContextPooler, DebertaV2Model};
use std::sync::{Arc, Mutex};

/// What runs these models, as logs and `/info` name it.
pub const NAME: &str = "candle-transformers";

/// Tokens of a batch on the processor.
const CPU_TOKENS: usize = 512;

/// Tokens of a batch on a GPU, including padding. DeBERTa keeps the products of every token with all relative positions
/// twice, which for a model of base size takes 50 kB a token.
const GPU_TOKENS: usize = 8192;

/// A model as its `config.json` describes it.
#[derive(Debug, Clone)]
pub struct Description {
    /// The usual name of the family.
    pub family: &'static str,
    /// Beginning of all names of the encoder's tensors. Some checkpoints leave it out.
    pub prefix: &'static str,
    /// Inputs that the model takes.
    pub limits: Limits,
    /// Whether several texts can be computed together.
    pub batches: bool,
    /// The model and its settings.
    pub model: Model,
}

/// A model of candle-transformers and its settings.
#[derive(Debug, Clone)]
pub enum Model {
    /// DeBERTa v2 and v3.
    Deberta(Box<DebertaConfig>),
}

impl Description {
    /// Multiplications and additions in the matrix products of a text of `tokens` tokens that is computed alone.
    pub fn operations(&self, tokens: u64, labels: u64) -> u64 {
        let Model::Deberta(config) = &self.model;
        let (hidden, intermediate) = (config.hidden_size as u64, config.intermediate_size as u64);
        let positions = if config.relative_attention { 2 * span(config) as u64 } else { 0 };
        let kinds = if config.relative_attention { config.pos_att_type.len() as u64 } else { 0 };
        let token = 4 * hidden * hidden + 2 * hidden * intermediate;
        let projected = if config.share_att_key == Some(true) { 2 } else { kinds } * positions * hidden * hidden;
        let layer = tokens * token + 2 * hidden * tokens * tokens + projected + kinds * hidden * tokens * positions;
        2 * (config.num_hidden_layers as u64 * layer + hidden * (hidden + labels))
    }
}

/// Relative positions on one side of a token.
fn span(config: &DebertaConfig) -> usize {
    let positive = |number: isize| usize::try_from(number).ok().filter(|&number| number > 0);
    let farthest = positive(config.max_relative_positions).unwrap_or(config.max_position_embeddings);
    config.position_buckets.and_then(positive).unwrap_or(farthest)
}

/// A model's weights on a device.
pub struct TransformersModel {
    device: Device,
    batches: bool,
    encoder: DebertaV2Model,
    pooler: DebertaV2ContextPooler,
    classifier: Linear,
}

impl TransformersModel {
    /// Reads the weights of a model of `labels` classes and copies them to the device.
    ///
    /// # Errors
    /// [`SentimentError::Tensor`], [`SentimentError::Device`].
    pub fn load(
        description: &Description,
        labels: usize,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, SentimentError> {
        let problem = Arc::new(Mutex::new(None));
        let tensors = Tensors { description, checkpoint, problem: Arc::clone(&problem) };
        let weights = VarBuilder::from_backend(Box::new(tensors), DType::F32, device.clone());
        Self::read(description, labels, &weights).map_err(|error| {
            let of_tensor = problem.lock().expect("no holder of this lock can panic").take();
            of_tensor.unwrap_or_else(|| SentimentError::failed_on(device, &error))
        })
    }

    fn read(description: &Description, labels: usize, weights: &VarBuilder<'_>) -> Result<Self> {
        let Model::Deberta(config) = &description.model;
        Ok(Self {
            device: weights.device().clone(),
            batches: description.batches,
            encoder: DebertaV2Model::load(weights.pp(description.prefix.trim_end_matches('.')), config)?,
            pooler: DebertaV2ContextPooler::load(weights.clone(), config)?,
            classifier: linear(config.hidden_size, labels, weights.pp("classifier"))?,
        })
    }

    /// Whether the weights are in main memory.
    pub fn is_on_cpu(&self) -> bool {
        self.device.is_cpu()
    }

    /// Tokens of a batch that is computed at once, including padding; a batch has at least one text.
    pub fn batch_tokens(&self) -> usize {
        match (self.batches, self.device.is_cpu()) {
            (false, _) => 1,
            (true, true) => CPU_TOKENS,
            (true, false) => GPU_TOKENS,
        }
    }

    /// Logits of each text, in the order of the model's classes. No text may be empty or longer than the model takes.
    /// Shorter texts are padded, which changes the last bits of their logits.
    ///
    /// # Errors
    /// The device's error, most likely that its memory is full.
    pub fn logits(&self, texts: &[&Encoding]) -> Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(|text| text.input_ids.len()).max().unwrap_or(0);
        let padded = |numbers_of: &dyn Fn(&Encoding) -> Vec<u32>| {
            let row = |text: &&Encoding| {
                let mut row = numbers_of(text);
                row.resize(longest, 0);
                row
            };
            Tensor::from_vec(texts.iter().flat_map(row).collect::<Vec<u32>>(), (texts.len(), longest), &self.device)
        };
        let ids = padded(&|text| text.input_ids.clone())?;
        let types = padded(&|text| text.token_type_ids.clone())?;
        let mask = padded(&|text| vec![1; text.input_ids.len()])?.to_dtype(DType::F32)?;
        let hidden = self.encoder.forward(&ids, Some(types), Some(mask))?;
        if !self.device.is_cpu() {
            return self.head(&hidden)?.to_vec2();
        }
        // A product of one row is computed by another routine than one of several, whose last bits differ.
        (0..texts.len()).map(|at| self.head(&hidden.narrow(0, at, 1)?)?.squeeze(0)?.to_vec1()).collect()
    }

    /// `[texts, labels]` from `[texts, tokens, hidden_size]`.
    fn head(&self, hidden: &Tensor) -> Result<Tensor> {
        self.classifier.forward(&self.pooler.forward(hidden)?)
    }
}

/// The tensors of a checkpoint, as candle-transformers asks for them.
struct Tensors<'a> {
    description: &'a Description,
    checkpoint: &'a Checkpoint,
    /// The first problem, which says more than candle's errors can hold.
    problem: Arc<Mutex<Option<SentimentError>>>,
}

impl Tensors<'_> {
    /// A tensor's name, and the name without the encoder's prefix.
    fn names<'a>(&self, name: &'a str) -> Vec<&'a str> {
        [name].into_iter().chain(name.strip_prefix(self.description.prefix)).collect()
    }
}

impl SimpleBackend for Tensors<'_> {
    fn get(&self, shape: Shape, name: &str, _: Init, _: DType, device: &Device) -> Result<Tensor> {
        match self.checkpoint.tensor(&self.names(name), shape.dims(), self.description.family) {
            Ok(tensor) => tensor.to_device(device),
            Err(error) => {
                let message = error.to_string();
                self.problem.lock().expect("no holder of this lock can panic").get_or_insert(error);
                Err(candle_core::Error::Msg(message))
            }
        }
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        Err(candle_core::Error::Msg(format!("{name} is read without its shape, which no supported model does")))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.names(name).into_iter().any(|name| self.checkpoint.contains(name))
    }
}
