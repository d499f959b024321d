//! Errors of loading a model and scoring texts.

use std::path::PathBuf;
use tapewire_bus::BusError;
use tapewire_models::ModelError;

/// An error that stops a role. An error that concerns one text only is a [`ScoreError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SentimentError {
    /// The model's files are not available.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Kafka failed.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A file of the model is not readable or not in the expected format.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine does not support this kind of model.
    #[error("{}: {what} is not supported; {remedy}", path.display())]
    Unsupported {
        /// The configuration file.
        path: PathBuf,
        /// The setting and its value.
        what: String,
        /// What is supported.
        remedy: String,
    },
    /// The weights lack a tensor, or its shape does not match the configuration.
    #[error("{}: tensor {name}: {problem}", path.display())]
    Tensor {
        /// The weights.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It is not known which of the model's classes are positive, neutral and negative.
    #[error(
        "the model's classes are {found}: {problem}; name them, for example labels = \"LABEL_0=positive, LABEL_1=negative, LABEL_2=neutral\" in section [sentiment.engine]"
    )]
    Labels {
        /// The class names of the model.
        found: String,
        /// What is wrong with them.
        problem: String,
    },
    /// The company table can't be read.
    #[error(
        "company table {place}: {problem}; the first line names the columns, such as symbol,name,aliases, where aliases are separated by semicolons"
    )]
    Companies {
        /// File and line.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A GPU is not usable.
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
        /// Number of threads that were requested.
        threads: usize,
        /// The system's error.
        reason: String,
    },
    /// The HTTP server's address could not be listened on.
    #[error(
        "can't listen on {}; set serve.listen to a free address",
        if address.is_empty() { "an empty address" } else { address }
    )]
    Listen {
        /// The configured address.
        address: String,
        /// The system's error.
        source: std::io::Error,
    },
}

impl SentimentError {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Model(error) => error.is_retryable(),
            Self::Bus(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// Why one text has no score; other texts are not affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// The text is too long for the model, and the company's name would fill most of each window.
    #[error("the company's name leaves the text less than half of the model's {limit} tokens")]
    CompanyTooLong {
        /// The model's limit, in tokens.
        limit: usize,
    },
    /// The model sees nothing of the text: it is empty, or all of it is dropped by the tokenizer.
    #[error("the model sees no token of the text")]
    NoTokens,
    /// The tokenizer failed on the text.
    #[error("the tokenizer failed on the text: {0}")]
    Tokenizer(String),
    /// The tokenizer produced an id for which the model has no embedding: the two don't belong together.
    #[error("the model has no token {token} or no segment {segment}")]
    UnknownToken {
        /// Token id.
        token: u32,
        /// Segment id.
        segment: u32,
    },
    /// There are no tokens, or more than the model takes, and windows were not requested.
    #[error("the text has {tokens} tokens; the model takes 1 to {limit}")]
    Length {
        /// Number of tokens of the text.
        tokens: usize,
        /// The model's limit.
        limit: usize,
    },
    /// The model failed on the text.
    #[error("the model failed on the text: {0}")]
    Model(String),
    /// The GPU failed; the text is not the reason.
    #[error("the GPU failed: {0}")]
    Device(String),
    /// The model computed a logit that is NaN or infinite.
    #[error("the model's output is not finite")]
    NotFinite,
    /// Inference panicked on this text or on another text of its batch.
    #[error("inference panicked on this text or on another of its batch; the log has the details")]
    Panicked,
}
