//! Supported model families: each turns its `config.json` and its tensor names into a description, which our own engine
//! or [candle-transformers](super::transformers) runs.
//!
//! | module | `model_type` | engine |
//! |---|---|---|
//! | [`bert`] | `bert` | our own |
//! | [`roberta`] | `roberta`, `xlm-roberta`, `camembert` | our own |
//! | [`distilbert`] | `distilbert` | our own |
//! | [`electra`] | `electra` | our own |
//! | [`modernbert`] | `modernbert` | our own |
//! | [`deberta`] | `deberta-v2` | candle-transformers |

pub mod bert;
pub mod deberta;
pub mod distilbert;
pub mod electra;
pub mod modernbert;
pub mod roberta;

use super::architecture::Architecture;
use super::transformers::Description;
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

/// A model's description, by the engine that runs it.
#[derive(Debug, Clone)]
pub enum Family {
    /// Our own engine.
    Own(Architecture),
    /// candle-transformers.
    Transformers(Description),
}

/// The description of a model from the text of its `config.json`.
///
/// # Errors
/// The parser's error. The error of the inner result is a setting that is not supported.
pub fn family(model_type: &str, json: &[u8]) -> serde_json::Result<Result<Family, Unsupported>> {
    Ok(match model_type {
        "deberta-v2" => read::<deberta::Config>(json)?.description().map(Family::Transformers),
        _ => architecture(model_type, json)?.map(Family::Own),
    })
}

/// As [`family`], of a family that our own engine runs.
///
/// # Errors
/// As [`family`].
pub fn architecture(model_type: &str, json: &[u8]) -> serde_json::Result<Result<Architecture, Unsupported>> {
    Ok(match model_type {
        "bert" => read::<bert::Config>(json)?.architecture(),
        "roberta" => read::<roberta::Config>(json)?.architecture("RoBERTa"),
        "xlm-roberta" => read::<roberta::Config>(json)?.architecture("XLM-R"),
        "camembert" => read::<roberta::Config>(json)?.architecture("CamemBERT"),
        "electra" => read::<electra::Config>(json)?.architecture(),
        "distilbert" => read::<distilbert::Config>(json)?.architecture(),
        "modernbert" => read::<modernbert::Config>(json)?.architecture(),
        _ => Err(Unsupported {
            what: format!("model_type {model_type}"),
            remedy:
                "sequence classifiers of bert, distilbert, roberta, xlm-roberta, camembert, electra, modernbert and \
                     deberta-v2 (which DeBERTa v3 is, too) are"
                    .into(),
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
