//! Scoring: what an article says about a company, as class probabilities of a sequence classifier.
//!
//! | module | holds |
//! |---|---|
//! | [`engine`] | [`Engine`]: loads a model and scores texts |
//! | [`companies`], [`sentences`] | what companies are called in a text, and where it speaks of them |
//! | [`queue`] | [`Queue`]: makes batches of what many ask, remembers what was asked before |
//! | [`worker`] | articles in, mentions out, over Kafka |
//! | [`http`] | texts in, scores out, over HTTP |
//! | [`error`] | [`SentimentError`], [`ScoreError`] |

pub mod companies;
pub mod engine;
pub mod error;
pub mod http;
pub mod queue;
pub mod sentences;
pub mod worker;

pub use engine::{Engine, EngineConfig, Input, Scored};
pub use error::{ScoreError, SentimentError};
pub use queue::{Queue, QueueConfig, Request};
pub use tapewire_kernels::Precision;
