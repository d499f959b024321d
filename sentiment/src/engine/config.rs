//! `config.json` of a sequence classifier, in Hugging Face's keys.

use super::architecture::Architecture;
use super::families::{Unsupported, architecture};
use crate::SentimentError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What a model's configuration says.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// What the model is made of.
    pub architecture: Architecture,
    /// Class names in the order of the model's outputs.
    pub labels: Vec<String>,
    /// Whether the model was trained on `[CLS] text [SEP] company [SEP]`.
    pub reads_company: bool,
}

/// What every family's configuration has; the rest is in [`families`](super::families).
///
/// ```json
/// {"model_type": "bert", "id2label": {"0": "positive", "1": "negative", "2": "neutral"},
///  "problem_type": "single_label_classification", "tapewire_reads_company": true}
/// ```
#[derive(Deserialize)]
struct Common {
    model_type: String,
    /// Class names by index.
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    problem_type: Option<String>,
    /// Hugging Face has no key for that and `type_vocab_size` does not tell, so this one is ours.
    #[serde(default)]
    tapewire_reads_company: bool,
}

/// Room for the special tokens and a few of the text.
const SHORTEST_LIMIT: usize = 8;

impl ModelConfig {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`SentimentError::Unreadable`] or [`SentimentError::Unsupported`].
    pub fn read(path: &Path) -> Result<Self, SentimentError> {
        let unreadable = |reason: String| SentimentError::Unreadable { path: path.to_owned(), reason };
        let unsupported =
            |Unsupported { what, remedy }| SentimentError::Unsupported { path: path.to_owned(), what, remedy };
        let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let common: Common = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if let Some(kind) = common.problem_type.as_deref().filter(|&kind| kind != "single_label_classification") {
            let remedy = "probabilities of one class among several need single_label_classification".into();
            return Err(unsupported(Unsupported { what: format!("problem_type {kind}"), remedy }));
        }
        let architecture = architecture(&common.model_type, &text)
            .map_err(|error| unreadable(error.to_string()))?
            .and_then(checked)
            .map_err(unsupported)?;
        Ok(Self { architecture, labels: labels(&common.id2label), reads_company: common.tapewire_reads_company })
    }
}

fn checked(model: Architecture) -> Result<Architecture, Unsupported> {
    let sizes = [model.width, model.layers.len(), model.heads, model.inner, model.vocabulary];
    let what = if sizes.contains(&0) {
        "a size of 0".into()
    } else if model.limit < SHORTEST_LIMIT {
        format!("room for {} tokens", model.limit)
    } else if !model.width.is_multiple_of(model.heads) {
        format!("a width of {} with {} heads", model.width, model.heads)
    } else if model.layers.iter().any(|layer| layer.theta.is_some()) && !(model.width / model.heads).is_multiple_of(2) {
        format!("rotating pairs of {} numbers", model.width / model.heads)
    } else {
        return Ok(model);
    };
    Err(Unsupported { what, remedy: "the file can't be that of a trained model; fetch it again".into() })
}

fn labels(by_index: &BTreeMap<String, String>) -> Vec<String> {
    let mut labels: Vec<(usize, &String)> =
        by_index.iter().filter_map(|(id, label)| Some((id.parse().ok()?, label))).collect();
    labels.sort();
    labels.into_iter().map(|(_, label)| label.clone()).collect()
}
