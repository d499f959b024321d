//! Scoring: what an article says about a company, as class probabilities of a BERT classifier.
//!
//! | module | holds |
//! |---|---|
//! | [`engine`] | [`Engine`]: loads a model and scores texts |
//! | [`kernels`] | the arithmetic under it |
//! | [`companies`] | what companies are called in a text |
//! | [`worker`] | articles in, mentions out, over Kafka |
//! | [`error`] | [`SentimentError`], [`ScoreError`] |

pub mod companies;
pub mod engine;
pub mod error;
pub mod kernels;
pub mod worker;

pub use engine::{Engine, EngineConfig, Input, Scored};
pub use error::{ScoreError, SentimentError};
pub use kernels::Precision;
