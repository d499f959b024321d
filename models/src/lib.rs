//! Where models come from: the one that ships with tapewire, a folder, or the model hub.
//!
//! A model is named by one string, read into a [`Source`]; a [`Registry`] resolves it to
//! [`ModelFiles`], downloading once into the cache all hub clients share. This crate knows
//! files, names and revisions; what is in the files is the engine's business.
//!
//! | module | holds |
//! |---|---|
//! | [`source`] | [`Source`]: the string a user types, read |
//! | [`registry`] | [`Registry`]: resolves a source; its settings come from the environment |
//! | [`files`] | [`ModelFiles`]: the files of one resolved model and its revision |
//! | `hub` | download and cache of hub models |
//! | [`error`] | [`ModelError`] |

pub mod error;
pub mod files;
mod hub;
pub mod registry;
pub mod source;

pub use error::ModelError;
pub use files::{ModelFiles, TokenizerFiles, Weights};
pub use registry::Registry;
pub use source::Source;
