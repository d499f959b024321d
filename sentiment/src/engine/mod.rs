//! Inference: texts in, probabilities out.
//!
//! Each model family ([`families`]) turns its `config.json` ([`config`]) into an [`architecture`]. This description
//! alone determines how the [`checkpoint`] is read and what both forward passes compute. For the processor, weights are
//! packed (`load`, [`layers`]) and texts are computed without padding (`forward`); for int8 each layer is measured and
//! smoothed first (`calibration`, `smoothing`, `outliers`). For a GPU, weights stay tensors ([`mod@accelerated`]).
//! Families that this description does not cover are run by candle-transformers ([`transformers`]).

pub mod accelerated;
pub mod architecture;
mod calibration;
pub mod checkpoint;
pub mod config;
mod dense;
pub mod device;
pub mod families;
mod forward;
pub mod labels;
pub mod layers;
mod legacy_pickle;
mod load;
mod outliers;
pub mod packing;
pub mod probabilities;
mod rotary;
mod sentencepiece;
mod smoothing;
#[cfg(test)]
mod testing;
pub mod tokenizer;
pub mod transformers;
mod weights;
pub mod windows;

use crate::companies::Company;
use crate::sentences;
use crate::{ScoreError, SentimentError};
use accelerated::AcceleratedModel;
use checkpoint::Checkpoint;
use config::{Limits, ModelConfig};
use device::Device;
use families::Family;
use forward::Scratch;
use labels::Classes;
use layers::PackedModel;
use tapewire_kernels::Precision;

use candle_core::Device as CandleDevice;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use tapewire_core::{Probabilities, Sentiment};
use tapewire_models::ModelFiles;
use tokenizer::{Encoding, TextTokenizer, Window};
use transformers::{Description, TransformersModel};
use windows::Overflow;

/// How the engine runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// `cpu`, `cuda`, or `cuda:1` for the second GPU.
    #[schemars(with = "String")]
    pub device: Device,
    /// Inference threads; 0 means one per processor core.
    pub threads: usize,
    /// Number format of matrix products: `f32`, `bf16`, `bf16-vectors`, `int8` or `int8-wide`. The default on a CPU
    /// is `int8` for models whose weights are stored in 8 bits, such as the shipped ones; otherwise it is `f32`.
    /// `model_revision` ends in the format unless it is `f32`. A GPU supports `f32` only. DeBERTa runs in `f32`
    /// whatever is set here.
    #[schemars(with = "Option<String>", example = &"f32")]
    pub precision: Option<Precision>,
    /// Renames the model's labels: `LABEL_0=positive, LABEL_1=negative, LABEL_2=neutral`.
    #[schemars(example = &"LABEL_0=positive, LABEL_1=negative, LABEL_2=neutral")]
    pub labels: Option<String>,
}

/// A text to score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// The text as it is tokenized; callers clean it ([`tapewire_core::text::readable`]).
    pub text: &'a str,
    /// The company whose sentiment is asked for. A model that reads the company gets the name that the text uses
    /// ([`Company::name_in`]); another model scores the sentences that name it.
    pub company: Option<&'a Company>,
    /// What happens if the text is too long for the model.
    pub overflow: Overflow,
}

impl<'a> Input<'a> {
    /// A text that is read completely, at any length.
    pub fn new(text: &'a str, company: Option<&'a Company>) -> Self {
        Self { text, company, overflow: Overflow::Windows }
    }

    /// About how many tokens the model will read.
    pub fn tokens(&self) -> usize {
        // English has slightly more than four bytes per token; the rest is for special tokens and the company.
        self.text.len() / 4 + 8
    }
}

/// The model's answer for a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextScore {
    /// Class probabilities, rounded to 1e-6.
    pub probabilities: Probabilities,
    /// Logits of positive, neutral and negative; `None` if several windows were combined.
    pub logits: Option<[f32; 3]>,
    /// Number of windows in which the text was read; 1 if it fits into the model.
    pub windows: u16,
}

/// A loaded model and the threads that run it.
pub struct Engine {
    name: Arc<str>,
    revision: Arc<str>,
    classes: Classes,
    tokenizer: TextTokenizer,
    config: ModelConfig,
    precision: Precision,
    model: Model,
    threads: rayon::ThreadPool,
}

enum Model {
    Packed(PackedModel),
    Accelerated(AcceleratedModel),
    Transformers(Box<TransformersModel>),
}

/// Tokens of a batch on a GPU, including padding: enough to keep it busy, and with the longest texts a gigabyte of
/// attention scores for a model of the size of BERT-base.
const DEVICE_TOKENS: usize = 32_768;

thread_local! {
    /// Memory of this thread, which belongs to one engine. It is taken out while in use, because a thread that waits
    /// for others may begin another chunk.
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

impl Engine {
    /// Loads a model. Blocks, for about a second for a BERT of base size. For int8, each layer is packed twice, once to
    /// measure it on a few texts, so two copies of one layer are in memory.
    ///
    /// # Errors
    /// [`SentimentError`], naming the file and what is wrong with it.
    pub fn load(files: &ModelFiles, config: &EngineConfig) -> Result<Self, SentimentError> {
        let model_config = ModelConfig::read(&files.config)?;
        let classes = Classes::find(&model_config.labels, config.labels.as_deref())?;
        let tokenizer = TextTokenizer::load(&files.tokenizer, model_config.limits().max_seq_len)?;
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(config.threads)
            .thread_name(|index| format!("inference-{index}"))
            .build()
            .map_err(|error| SentimentError::Threads { threads: config.threads, reason: error.to_string() })?;
        let checkpoint = Checkpoint::open(&files.weights)?;
        let precision = precision_of(&model_config, &files.name, config);
        let model = threads.install(|| Model::load(&model_config, &checkpoint, config.device, precision))?;
        let revision = match precision {
            Precision::F32 => files.revision.clone(),
            lower => format!("{}+{}", files.revision, lower.effective_name()),
        };
        let engine = model_config.engine();
        tracing::info!(model = files.name, revision, engine, threads = threads.current_num_threads(), "model loaded");
        Ok(Self {
            name: files.name.as_str().into(),
            revision: revision.into(),
            classes,
            tokenizer,
            config: model_config,
            precision,
            model,
            threads,
        })
    }

    /// The model's name, as rows carry it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The revision of the weights, as rows carry it; followed by `+` and [`Precision::effective_name`] unless the
    /// model runs in single precision.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What runs the model: `tapewire`, or `candle-transformers`, which is several times slower.
    pub fn runs_in(&self) -> &'static str {
        self.config.engine()
    }

    /// The usual name of the model's family.
    pub fn family(&self) -> &'static str {
        self.config.family_name()
    }

    /// The number format of matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The model's names of its classes, in the order of its outputs.
    pub fn labels(&self) -> &[String] {
        &self.config.labels
    }

    /// Longest text in tokens, including special tokens; a longer one is read in several windows.
    pub fn max_seq_len(&self) -> usize {
        self.config.limits().max_seq_len
    }

    /// Whether the model reads the company and answers for it.
    pub fn reads_company(&self) -> bool {
        self.config.reads_company
    }

    /// Multiplications and additions in the matrix products of a text of `tokens` tokens, without padding and without
    /// outputs that the head does not read.
    pub fn operations(&self, tokens: usize) -> u64 {
        let (tokens, labels) = (tokens as u64, self.config.labels.len() as u64);
        match &self.config.family {
            Family::Own(architecture) => architecture.operations(tokens, labels),
            Family::Transformers(description) => description.operations(tokens, labels),
        }
    }

    /// Number of inference threads.
    pub fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Scores texts, in their order; a text that fails does not affect the others. Equal texts are computed once.
    /// Blocks until all are done; the engine's own threads do the work.
    pub fn score(&self, inputs: &[Input<'_>]) -> Vec<Result<TextScore, ScoreError>> {
        let texts: Vec<Result<Vec<Window>, ScoreError>> =
            self.threads.install(|| inputs.par_iter().map(|input| self.windows(input)).collect());
        let mut indices: HashMap<&Encoding, usize> = HashMap::new();
        let mut distinct: Vec<&Encoding> = Vec::new();
        for Window { encoding, .. } in texts.iter().flatten().flatten() {
            indices.entry(encoding).or_insert_with(|| {
                distinct.push(encoding);
                distinct.len() - 1
            });
        }
        let logits = self.logits(&distinct);
        let scored = texts.iter().map(|windows| {
            let windows = windows.as_ref().map_err(Clone::clone)?;
            let computed =
                windows.iter().map(|Window { encoding, weight }| Ok((logits[indices[encoding]].clone()?, *weight)));
            self.scored(&computed.collect::<Result<Vec<_>, _>>()?)
        });
        scored.collect()
    }

    /// The windows of a text: one, or several if it is too long for the model.
    ///
    /// # Errors
    /// [`ScoreError::NoTokens`], and as [`TextTokenizer::encode`].
    pub fn windows(&self, input: &Input<'_>) -> Result<Vec<Window>, ScoreError> {
        let Input { text, company, overflow } = *input;
        if !self.tokenizer.sees(text)? {
            return Err(ScoreError::NoTokens);
        }
        match company {
            Some(company) if self.reads_company() => match company.name_in(text) {
                Some(name) => {
                    let is_named = |part: &str| company.first_mention(part).is_some();
                    self.tokenizer.encode_about(text, name, is_named, overflow)
                }
                None => self.tokenizer.encode(text, None, overflow),
            },
            Some(company) => self.tokenizer.encode(&sentences::about(text, company), None, overflow),
            None => self.tokenizer.encode(text, None, overflow),
        }
    }

    /// The score of a text from the logits of its windows, each with its [`Window::weight`].
    ///
    /// # Errors
    /// [`ScoreError::NotFinite`].
    pub fn scored(&self, windows: &[(Vec<f32>, f64)]) -> Result<TextScore, ScoreError> {
        let probabilities = probabilities::probabilities(windows, self.classes).ok_or(ScoreError::NotFinite)?;
        let logits = match windows {
            [(alone, _)] => Some(self.classes.pick(alone)),
            _ => None,
        };
        Ok(TextScore { probabilities, logits, windows: u16::try_from(windows.len()).unwrap_or(u16::MAX) })
    }

    /// The model's raw outputs for encoded texts, in the order of its own classes. On the processor, the logits of a
    /// text have the same bits whatever the other texts are.
    pub fn logits(&self, texts: &[&Encoding]) -> Vec<Result<Vec<f32>, ScoreError>> {
        let mut results: Vec<Result<Vec<f32>, ScoreError>> =
            texts.iter().map(|text| self.check(text).map(|()| Vec::new())).collect();
        let valid: Vec<usize> = (0..texts.len()).filter(|&text| results[text].is_ok()).collect();
        let checked: Vec<&Encoding> = valid.iter().map(|&text| texts[text]).collect();
        let computed = match &self.model {
            Model::Packed(model) => self.packed(model, &checked),
            Model::Accelerated(model) => on_device(&checked, DEVICE_TOKENS, |batch| model.logits(batch)),
            Model::Transformers(model) if model.is_on_cpu() => self.without_padding(model, &checked),
            Model::Transformers(model) => on_device(&checked, model.batch_tokens(), |batch| model.logits(batch)),
        };
        for (at, logits) in computed {
            results[valid[at]] = logits;
        }
        results
    }

    /// Logits, each with the index of its text.
    fn packed(&self, model: &PackedModel, texts: &[&Encoding]) -> Vec<(usize, Result<Vec<f32>, ScoreError>)> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.input_ids.len()).collect();
        let threads = self.threads.current_num_threads();
        let chunks = packing::chunks(&lengths, threads);
        let threads_per_chunk = (threads / chunks.len().max(1)).max(1);
        let computed: Vec<Vec<Vec<f32>>> = self.threads.install(|| {
            let compute = |chunk: &Vec<usize>| {
                let chunk: Vec<&Encoding> = chunk.iter().map(|&at| texts[at]).collect();
                let mut scratch = SCRATCH.take().unwrap_or_else(|| model.scratch());
                let logits = model.logits(&chunk, threads_per_chunk, &mut scratch);
                SCRATCH.set(Some(scratch));
                logits
            };
            chunks.par_iter().with_max_len(1).map(compute).collect()
        });
        chunks.into_iter().flatten().zip(computed.into_iter().flatten().map(Ok)).collect()
    }

    /// Logits of a model of candle-transformers on the processor, each with the index of its text. Texts of one length
    /// are computed together.
    fn without_padding(
        &self,
        model: &TransformersModel,
        texts: &[&Encoding],
    ) -> Vec<(usize, Result<Vec<f32>, ScoreError>)> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.input_ids.len()).collect();
        let batches = packing::equal_batches(&lengths, model.batch_tokens());
        let compute = |batch: &Vec<usize>| {
            let together: Vec<&Encoding> = batch.iter().map(|&at| texts[at]).collect();
            match model.logits(&together) {
                Ok(logits) => batch.iter().copied().zip(logits.into_iter().map(Ok)).collect(),
                Err(error) => {
                    batch.iter().map(|&at| (at, Err(ScoreError::Model(error.to_string())))).collect::<Vec<_>>()
                }
            }
        };
        self.threads.install(|| batches.par_iter().with_max_len(1).flat_map_iter(compute).collect())
    }

    /// A score as it is published, with the model's name and revision.
    pub fn sentiment(&self, scored: TextScore) -> Sentiment {
        Sentiment {
            probabilities: scored.probabilities,
            model: Arc::clone(&self.name),
            model_revision: Arc::clone(&self.revision),
            windows: scored.windows,
        }
    }

    fn check(&self, encoding: &Encoding) -> Result<(), ScoreError> {
        let Encoding { input_ids, token_type_ids } = encoding;
        let Limits { vocab_size, type_vocab_size, max_seq_len: limit } = self.config.limits();
        if input_ids.is_empty() || input_ids.len() > limit || input_ids.len() != token_type_ids.len() {
            return Err(ScoreError::Length { tokens: input_ids.len(), limit });
        }
        let is_known = |(id, kind): &(&u32, &u32)| {
            (**id as usize) < vocab_size && (type_vocab_size == 0 || (**kind as usize) < type_vocab_size)
        };
        match input_ids.iter().zip(token_type_ids).find(|pair| !is_known(pair)) {
            Some((&token, &segment)) => Err(ScoreError::UnknownToken { token, segment }),
            None => Ok(()),
        }
    }
}

/// Logits, each with the index of its text. A batch that does not fit into the device's memory is split in halves.
fn on_device(
    texts: &[&Encoding],
    budget: usize,
    compute: impl Fn(&[&Encoding]) -> candle_core::Result<Vec<Vec<f32>>>,
) -> Vec<(usize, Result<Vec<f32>, ScoreError>)> {
    let lengths: Vec<usize> = texts.iter().map(|text| text.input_ids.len()).collect();
    let mut batches = packing::padded_batches(&lengths, budget);
    let mut computed = Vec::with_capacity(texts.len());
    while let Some(mut batch) = batches.pop() {
        let together: Vec<&Encoding> = batch.iter().map(|&at| texts[at]).collect();
        match compute(&together) {
            Ok(logits) => computed.extend(batch.into_iter().zip(logits.into_iter().map(Ok))),
            Err(error) if batch.len() == 1 => computed.push((batch[0], Err(ScoreError::Device(error.to_string())))),
            Err(_) => {
                let half = batch.split_off(batch.len() / 2);
                batches.extend([batch, half]);
            }
        }
    }
    computed
}

/// The precision that a model runs in: the configured one or the model's default, or `f32` with a warning.
fn precision_of(model: &ModelConfig, name: &str, config: &EngineConfig) -> Precision {
    let Family::Transformers(Description { family, .. }) = &model.family else {
        let default = match config.device {
            Device::Cpu if model.has_int8_weights => Precision::Int8,
            _ => Precision::F32,
        };
        return config.precision.unwrap_or(default);
    };
    tracing::info!(
        model = name,
        family,
        "the model's family runs in candle-transformers, several times slower than a model of this size in tapewire's own \
         engine; docs/running.md lists the families that it runs"
    );
    if let Some(configured) = config.precision.filter(|&precision| precision != Precision::F32) {
        tracing::warn!(
            model = name,
            family,
            precision = %configured,
            "the model's family runs in f32 only: the precision is not used"
        );
    }
    Precision::F32
}

impl Model {
    fn load(
        model: &ModelConfig,
        checkpoint: &Checkpoint,
        device: Device,
        precision: Precision,
    ) -> Result<Self, SentimentError> {
        let (labels, gpu) = (model.labels.len(), |number| device::open_cuda(number, precision));
        match (&model.family, device) {
            (Family::Own(architecture), Device::Cpu) => {
                PackedModel::load(architecture, labels, checkpoint, precision).map(Self::Packed)
            }
            (Family::Own(architecture), Device::Cuda(number)) => {
                AcceleratedModel::load(architecture, labels, checkpoint, &gpu(number)?).map(Self::Accelerated)
            }
            (Family::Transformers(description), device) => {
                let device = match device {
                    Device::Cpu => CandleDevice::Cpu,
                    Device::Cuda(number) => gpu(number)?,
                };
                let model = TransformersModel::load(description, labels, checkpoint, &device)?;
                Ok(Self::Transformers(Box::new(model)))
            }
        }
    }
}
