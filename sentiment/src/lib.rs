//! Scoring: what an article says about a company, as class probabilities of a BERT classifier.
//!
//! | module | holds |
//! |---|---|
//! | [`engine`] | [`Engine`]: loads a model and scores texts |
//! | [`kernels`] | the arithmetic under it |
//! | [`error`] | [`SentimentError`], [`ScoreError`] |

pub mod engine;
pub mod error;
pub mod kernels;

pub use engine::{Engine, EngineConfig, Input, Scored};
pub use error::{ScoreError, SentimentError};
