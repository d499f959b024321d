//! The sources of models: the models that ship with tapewire, a folder, or the model hub.
//!
//! One string names a model. It is parsed into a [`Source`], which a [`Registry`] resolves to [`ModelFiles`],
//! downloading them once into the cache that all hub clients share. This crate knows names, revisions and files; the
//! engine reads their contents.
//!
//! ```no_run
//! use tapewire_models::{Registry, Source};
//!
//! # fn main() -> Result<(), tapewire_models::ModelError> {
//! let source: Source = "ProsusAI/finbert".parse()?;
//! let files = Registry::from_env().resolve(&source)?;
//! println!("{} at {}", files.name, files.revision);
//! # Ok(())
//! # }
//! ```

pub mod error;
pub mod files;
mod hub;
pub mod registry;
pub mod source;

pub use error::ModelError;
pub use files::{ModelFiles, TokenizerFiles, Weights};
pub use registry::Registry;
pub use source::Source;
