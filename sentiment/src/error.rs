//! What can go wrong between a model's files and a scored article.

use std::path::PathBuf;
use tapewire_bus::BusError;
use tapewire_models::ModelError;

/// An error that stops a stage; what concerns one text only is a [`ScoreError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SentimentError {
    /// The model's files could not be had.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Kafka failed.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A file of the model can't be read as what it should be.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model is of a kind this engine does not run.
    #[error("{}: {what} does not run here; {remedy}", path.display())]
    Unsupported {
        /// The configuration that says so.
        path: PathBuf,
        /// The setting and its value.
        what: String,
        /// What would run.
        remedy: String,
    },
    /// The weights lack a tensor or it has another shape than the configuration says.
    #[error("{}: tensor {name}: {problem}", path.display())]
    Tensor {
        /// The weights.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The model's classes are not known to be positive, neutral and negative.
    #[error(
        "model's classes are {found}: {problem}; say which is which, e.g. labels = \"LABEL_0=positive, LABEL_1=negative, LABEL_2=neutral\" in section [sentiment.engine]"
    )]
    Labels {
        /// The class names of the model.
        found: String,
        /// What is wrong with them.
        problem: String,
    },
    /// The company table can't be read.
    #[error(
        "company table {place}: {problem}; the first line is symbol,name,aliases and each further one SYMBOL,NAME,ALIAS;ALIAS"
    )]
    Companies {
        /// File and line.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A GPU can't be used.
    #[error("{device}: {reason}")]
    Device {
        /// As configured.
        device: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The threads of the engine could not be started.
    #[error("can't start {threads} inference threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// The system's answer.
        reason: String,
    },
    /// The HTTP server's address could not be listened on.
    #[error("can't listen on {address}: {source}; name a free address as serve.listen")]
    Listen {
        /// Address as configured.
        address: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl SentimentError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Model(error) => error.is_retryable(),
            Self::Bus(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// Why one text has no score; the texts beside it do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// The text is beyond the model's limit, and the company's name would fill most of each window.
    #[error("the company's name leaves the text less than half of the model's {limit} tokens")]
    CompanyTooLong {
        /// The model's limit, in tokens.
        limit: usize,
    },
    /// The tokenizer refused the text.
    #[error("the tokenizer refused the text: {0}")]
    Tokenizer(String),
    /// The tokenizer gave what the model has no embedding for: they don't belong together.
    #[error("token {token} or its segment {segment} is unknown to the model")]
    UnknownToken {
        /// Token id.
        token: u32,
        /// Segment id.
        segment: u32,
    },
    /// There are no tokens, or more than the model has positions and no windows were asked for.
    #[error("{tokens} tokens where the model takes 1 to {limit}")]
    Length {
        /// How many there are.
        tokens: usize,
        /// The model's limit.
        limit: usize,
    },
    /// The GPU failed: the text is not to blame.
    #[error("the GPU failed: {0}")]
    Device(String),
    /// The model computed something that is no number.
    #[error("the model's output is not finite")]
    NotFinite,
    /// Inference broke down on this text or on one that was computed with it.
    #[error("inference panicked on this text or on one beside it; the log says where")]
    Panicked,
}
