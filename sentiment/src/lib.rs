//! Scoring: what an article says about a company, as the class probabilities of a sequence classifier.
//!
//! The [`Engine`] loads a model and scores texts, for a company of the [`companies`] table or as a whole. The [`Queue`]
//! collects the requests of many callers into batches and caches scores. Two roles use it: the [`worker`] turns
//! articles into mentions over Kafka, and [`http`] answers requests.
//!
//! ```no_run
//! use tapewire_models::Source;
//! use tapewire_sentiment::companies::Company;
//! use tapewire_sentiment::{Engine, EngineConfig, Input};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::load(&Source::default().resolve()?, &EngineConfig::default())?;
//! let (text, gains) = ("Northgate gains, Selby sinks", Company::named("Northgate"));
//! for score in engine.score(&[Input::new(text, Some(&gains)), Input::new(text, None)]) {
//!     println!("{:?}", score?.probabilities);
//! }
//! # Ok(())
//! # }
//! ```

pub mod companies;
pub mod engine;
pub mod error;
pub mod http;
pub mod queue;
pub mod sentences;
pub mod worker;

pub use engine::{Engine, EngineConfig, Input, TextScore};
pub use error::{ScoreError, SentimentError};
pub use queue::{Queue, QueueConfig, Request};
pub use tapewire_kernels::Precision;
