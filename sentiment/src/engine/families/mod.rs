//! Supported model families: each turns its `config.json` and its tensor names into the common description.
//!
//! | module | `model_type` |
//! |---|---|
//! | [`bert`] | `bert` |
//! | [`roberta`] | `roberta`, `xlm-roberta` |
//! | [`distilbert`] | `distilbert` |
//! | [`modernbert`] | `modernbert` |

pub mod bert;
pub mod distilbert;
pub mod modernbert;
pub mod roberta;

use super::architecture::Architecture;
use serde::Deserialize;
use tapewire_kernels::math::Activation;

/// A setting that the engine does not support.
#[derive(Debug)]
pub struct Unsupported {
    /// The setting and its value.
    pub what: String,
    /// What is supported instead.
    pub remedy: String,
}

/// The description of a model from the text of its `config.json`.
///
/// # Errors
/// The parser's error. The error of the inner result is a setting that is not supported.
pub fn architecture(model_type: &str, json: &[u8]) -> serde_json::Result<Result<Architecture, Unsupported>> {
    Ok(match model_type {
        "bert" => read::<bert::Config>(json)?.architecture(),
        "roberta" => read::<roberta::Config>(json)?.architecture("RoBERTa"),
        "xlm-roberta" => read::<roberta::Config>(json)?.architecture("XLM-R"),
        "distilbert" => read::<distilbert::Config>(json)?.architecture(),
        "modernbert" => read::<modernbert::Config>(json)?.architecture(),
        _ => Err(Unsupported {
            what: format!("model_type {model_type}"),
            remedy: "sequence classifiers of bert, distilbert, roberta, xlm-roberta and modernbert are".into(),
        }),
    })
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json)
}

/// The activation that transformers calls `name`; `key` is the setting that names it.
fn activation(key: &str, name: &str) -> Result<Activation, Unsupported> {
    match name {
        "gelu" | "gelu_python" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        _ => Err(Unsupported {
            what: format!("{key} {name}"),
            remedy: "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh and relu are".into(),
        }),
    }
}
