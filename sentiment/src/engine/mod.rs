//! Inference: texts in, probabilities out.
//!
//! A model's [`config`] becomes an [`architecture`], in the way of its family ([`families`]), and that alone tells how
//! its [`checkpoint`] is read and what both forward passes do. For the processor the weights are packed (`load`,
//! [`layers`]) and texts are computed without padding (`forward`); for int8 each layer is first measured and smoothed
//! (`calibration`, `smoothing`, `outliers`). For a GPU they stay tensors ([`mod@accelerated`]).

pub mod accelerated;
pub mod architecture;
mod calibration;
pub mod checkpoint;
pub mod config;
mod dense;
pub mod families;
mod forward;
pub mod labels;
pub mod layers;
mod legacy_pickle;
mod load;
mod outliers;
pub mod packing;
pub mod probabilities;
pub mod processor;
mod rotary;
mod smoothing;
pub mod tokens;
mod weights;
pub mod windows;

use crate::companies::Company;
use crate::sentences;
use crate::{ScoreError, SentimentError};
use accelerated::AcceleratedModel;
use architecture::Architecture;
use checkpoint::Checkpoint;
use config::ModelConfig;
use forward::Scratch;
use labels::Classes;
use layers::PackedModel;
use tapewire_kernels::Precision;

use processor::Processor;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;
use tapewire_core::{Probabilities, Sentiment};
use tapewire_models::ModelFiles;
use tokens::{TextTokenizer, Tokens, Window};
use windows::Long;

/// How the engine runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// `cpu`, `cuda`, or `cuda:1` for the second GPU.
    #[schemars(with = "String")]
    pub device: Processor,
    /// Inference threads; 0 is one for each processor.
    pub threads: usize,
    /// In which numbers matrix products are computed: `f32`, `bf16`, `bf16-vectors`, `int8` or `int8-wide`.
    /// Rows of the lower ones say so at the end of `model_revision`. A GPU takes `f32` only.
    #[schemars(with = "String")]
    pub precision: Precision,
    /// Renames the model's labels: `LABEL_0=positive, LABEL_1=negative, LABEL_2=neutral`.
    #[schemars(example = &"LABEL_0=positive, LABEL_1=negative, LABEL_2=neutral")]
    pub labels: Option<String>,
}

/// A text to score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// The text as it came from the wire; nothing is cleaned.
    pub text: &'a str,
    /// Whom the question is about. A model that reads it is asked by the name that the text uses
    /// ([`Company::name_in`]); one that does not scores the sentences that name it.
    pub company: Option<&'a Company>,
    /// What becomes of a text beyond the model's limit.
    pub long: Long,
}

impl<'a> Input<'a> {
    /// A text that is read whole, however long.
    pub fn new(text: &'a str, company: Option<&'a Company>) -> Self {
        Self { text, company, long: Long::Windows }
    }

    /// About how many tokens the model will read.
    pub fn tokens(&self) -> usize {
        // English has a little over four bytes a token; the rest is for the special ones and the company.
        self.text.len() / 4 + 8
    }
}

/// What the model said about a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Class probabilities, rounded to 1e-6.
    pub probabilities: Probabilities,
    /// Logits of positive, neutral and negative; `None` where several windows were combined,
    /// which have none in common.
    pub logits: Option<[f32; 3]>,
    /// In how many windows the text was read; 1 where it fits the model's limit.
    pub windows: u16,
}

/// A loaded model and the threads that run it.
pub struct Engine {
    name: String,
    revision: String,
    classes: Classes,
    tokenizer: TextTokenizer,
    config: ModelConfig,
    model: Model,
    threads: rayon::ThreadPool,
}

enum Model {
    Packed(PackedModel),
    Accelerated(AcceleratedModel),
}

/// Tokens of a batch on a GPU, padding included: enough to fill it, and with the longest texts a
/// gigabyte of attention scores at the width of BERT-base.
const DEVICE_TOKENS: usize = 32_768;

thread_local! {
    /// Of the one engine whose thread this is. Taken out while in use: a thread that waits for others may
    /// meanwhile begin another chunk.
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

impl Engine {
    /// Loads a model. Takes a second or so for a BERT of base size; blocks. For int8 it first reads a few texts,
    /// each layer as it is loaded, for which another copy of that layer is in memory.
    ///
    /// # Errors
    /// [`SentimentError`], naming the file and what is wrong with it.
    pub fn load(files: &ModelFiles, config: &EngineConfig) -> Result<Self, SentimentError> {
        let model_config = ModelConfig::read(&files.config)?;
        let classes = Classes::find(&model_config.labels, config.labels.as_deref())?;
        let tokenizer = TextTokenizer::load(&files.tokenizer, model_config.architecture.limit)?;
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(config.threads)
            .thread_name(|index| format!("inference-{index}"))
            .build()
            .map_err(|error| SentimentError::Threads { threads: config.threads, reason: error.to_string() })?;
        let checkpoint = Checkpoint::open(&files.weights)?;
        let model = threads.install(|| Model::load(&model_config, &checkpoint, config))?;
        let revision = match config.precision {
            Precision::F32 => files.revision.clone(),
            lower => format!("{}+{}", files.revision, lower.effective_name()),
        };
        tracing::info!(model = files.name, revision, threads = threads.current_num_threads(), "model loaded");
        Ok(Self { name: files.name.clone(), revision, classes, tokenizer, config: model_config, model, threads })
    }

    /// The model's name, as rows carry it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What exactly was loaded, as rows carry it: with `+` and [`Precision::effective_name`] where it runs in less
    /// than single precision.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Whether the model's answer depends on the company asked about.
    pub fn reads_company(&self) -> bool {
        self.config.reads_company
    }

    /// Multiplications and additions that a text of so many tokens needs: those of its matrix
    /// products, without padding and without what the class doesn't depend on.
    pub fn operations(&self, tokens: usize) -> u64 {
        self.config.architecture.operations(tokens as u64, self.config.labels.len() as u64)
    }

    /// Threads that compute.
    pub fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Scores texts, each in its place; one that fails does not touch the others. Equal texts
    /// are computed once. Blocks until all are done, on the engine's own threads.
    pub fn score(&self, inputs: &[Input<'_>]) -> Vec<Result<Scored, ScoreError>> {
        let texts: Vec<Result<Vec<Window>, ScoreError>> =
            self.threads.install(|| inputs.par_iter().map(|input| self.windows(input)).collect());
        let mut places: HashMap<&Tokens, usize> = HashMap::new();
        let mut distinct: Vec<&Tokens> = Vec::new();
        for Window { tokens, .. } in texts.iter().flatten().flatten() {
            places.entry(tokens).or_insert_with(|| {
                distinct.push(tokens);
                distinct.len() - 1
            });
        }
        let logits = self.logits(&distinct);
        let scored = texts.iter().map(|windows| {
            let windows = windows.as_ref().map_err(Clone::clone)?;
            let computed =
                windows.iter().map(|Window { tokens, weight }| Ok((logits[places[tokens]].clone()?, *weight)));
            self.scored(&computed.collect::<Result<Vec<_>, _>>()?)
        });
        scored.collect()
    }

    /// What the model has to read to score a text: one window, or several for a long one.
    ///
    /// # Errors
    /// As [`TextTokenizer::encode`].
    pub fn windows(&self, input: &Input<'_>) -> Result<Vec<Window>, ScoreError> {
        let (text, name) = match input.company {
            Some(company) if self.reads_company() => (input.text.into(), Some(company.name_in(input.text))),
            Some(company) => (sentences::about(input.text, company), None),
            None => (input.text.into(), None),
        };
        self.tokenizer.encode(&text, name, input.long)
    }

    /// The score of a text from the logits of its windows, each with its [`Window::weight`].
    ///
    /// # Errors
    /// [`ScoreError::NotFinite`].
    pub fn scored(&self, windows: &[(Vec<f32>, f64)]) -> Result<Scored, ScoreError> {
        let probabilities = probabilities::probabilities(windows, self.classes).ok_or(ScoreError::NotFinite)?;
        let logits = match windows {
            [(alone, _)] => Some(self.classes.pick(alone)),
            _ => None,
        };
        Ok(Scored { probabilities, logits, windows: u16::try_from(windows.len()).unwrap_or(u16::MAX) })
    }

    /// The model's raw outputs for tokenized texts, in the order of its own classes. On the processor
    /// a text's numbers are the same bit for bit whatever texts it is given with.
    pub fn logits(&self, texts: &[&Tokens]) -> Vec<Result<Vec<f32>, ScoreError>> {
        let mut results: Vec<Result<Vec<f32>, ScoreError>> =
            texts.iter().map(|text| self.check(text).map(|()| Vec::new())).collect();
        let sound: Vec<usize> = (0..texts.len()).filter(|&text| results[text].is_ok()).collect();
        let checked: Vec<&Tokens> = sound.iter().map(|&text| texts[text]).collect();
        let computed = match &self.model {
            Model::Packed(model) => self.packed(model, &checked),
            Model::Accelerated(model) => accelerated(model, &checked),
        };
        for (at, logits) in computed {
            results[sound[at]] = logits;
        }
        results
    }

    /// Logits with the place of their text.
    fn packed(&self, model: &PackedModel, texts: &[&Tokens]) -> Vec<(usize, Result<Vec<f32>, ScoreError>)> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.ids.len()).collect();
        let threads = self.threads.current_num_threads();
        let chunks = packing::chunks(&lengths, threads);
        let threads_a_chunk = (threads / chunks.len().max(1)).max(1);
        let computed: Vec<Vec<Vec<f32>>> = self.threads.install(|| {
            let compute = |chunk: &Vec<usize>| {
                let chunk: Vec<&Tokens> = chunk.iter().map(|&at| texts[at]).collect();
                let mut scratch = SCRATCH.take().unwrap_or_else(|| model.scratch());
                let logits = model.logits(&chunk, threads_a_chunk, &mut scratch);
                SCRATCH.set(Some(scratch));
                logits
            };
            chunks.par_iter().with_max_len(1).map(compute).collect()
        });
        chunks.into_iter().flatten().zip(computed.into_iter().flatten().map(Ok)).collect()
    }

    /// A published score with the model's name on it.
    pub fn sentiment(&self, scored: Scored) -> Sentiment {
        Sentiment {
            probabilities: scored.probabilities,
            model: self.name.clone(),
            model_revision: self.revision.clone(),
            windows: scored.windows,
        }
    }

    fn check(&self, tokens: &Tokens) -> Result<(), ScoreError> {
        let Architecture { vocabulary, segments, .. } = self.config.architecture;
        let limit = self.config.architecture.limit;
        if tokens.ids.is_empty() || tokens.ids.len() > limit || tokens.ids.len() != tokens.types.len() {
            return Err(ScoreError::Length { tokens: tokens.ids.len(), limit });
        }
        let known =
            |(id, kind): &(&u32, &u32)| (**id as usize) < vocabulary && (segments == 0 || (**kind as usize) < segments);
        match tokens.ids.iter().zip(&tokens.types).find(|pair| !known(pair)) {
            Some((&token, &segment)) => Err(ScoreError::UnknownToken { token, segment }),
            None => Ok(()),
        }
    }
}

/// Logits with the place of their text. A batch that the device has no room for is tried in halves.
fn accelerated(model: &AcceleratedModel, texts: &[&Tokens]) -> Vec<(usize, Result<Vec<f32>, ScoreError>)> {
    let lengths: Vec<usize> = texts.iter().map(|text| text.ids.len()).collect();
    let mut batches = packing::padded_batches(&lengths, DEVICE_TOKENS);
    let mut computed = Vec::with_capacity(texts.len());
    while let Some(mut batch) = batches.pop() {
        let together: Vec<&Tokens> = batch.iter().map(|&at| texts[at]).collect();
        match model.logits(&together) {
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

impl Model {
    fn load(model: &ModelConfig, checkpoint: &Checkpoint, config: &EngineConfig) -> Result<Self, SentimentError> {
        let (architecture, labels) = (&model.architecture, model.labels.len());
        match config.device {
            Processor::Cpu => PackedModel::load(architecture, labels, checkpoint, config.precision).map(Self::Packed),
            Processor::Cuda(number) => {
                let device = processor::open_cuda(number, config.precision)?;
                AcceleratedModel::load(architecture, labels, checkpoint, &device).map(Self::Accelerated)
            }
        }
    }
}
