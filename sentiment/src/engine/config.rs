//! `config.json` of a sequence classifier, in Hugging Face's keys.

use super::architecture::Architecture;
use super::families::{Unsupported, architecture};
use crate::SentimentError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A model's configuration.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// The description of the model.
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
    /// Hugging Face has no key for this, and `type_vocab_size` does not imply it, so this key is our own.
    #[serde(default)]
    tapewire_reads_company: bool,
}

/// Positive, neutral and negative.
const CLASSES: usize = 3;

/// Special tokens and a few tokens of the text must fit.
const MIN_SEQ_LEN: usize = 8;

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
            let remedy = "only single_label_classification gives probabilities of one class among several".into();
            return Err(unsupported(Unsupported { what: format!("problem_type {kind}"), remedy }));
        }
        let architecture = architecture(&common.model_type, &text)
            .map_err(|error| unreadable(error.to_string()))?
            .and_then(checked)
            .map_err(unsupported)?;
        let labels = labels(&common.id2label).map_err(unreadable)?;
        Ok(Self { architecture, labels, reads_company: common.tapewire_reads_company })
    }
}

fn checked(model: Architecture) -> Result<Architecture, Unsupported> {
    let sizes = [model.hidden_size, model.layers.len(), model.heads, model.intermediate_size, model.vocab_size];
    let what = if sizes.contains(&0) {
        "a size of 0".into()
    } else if model.max_seq_len < MIN_SEQ_LEN {
        format!("a length of at most {} tokens", model.max_seq_len)
    } else if !model.hidden_size.is_multiple_of(model.heads) {
        format!("a width of {} with {} heads", model.hidden_size, model.heads)
    } else if model.layers.iter().any(|layer| layer.theta.is_some())
        && !(model.hidden_size / model.heads).is_multiple_of(2)
    {
        format!("rotary positions in heads of {} elements", model.hidden_size / model.heads)
    } else {
        return Ok(model);
    };
    Err(Unsupported { what, remedy: "the file can't belong to a trained model; download it again".into() })
}

/// Class names in the order of the outputs; by default those of transformers.
fn labels(by_index: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    if by_index.is_empty() {
        return Ok((0..CLASSES).map(|id| format!("LABEL_{id}")).collect());
    }
    let label = |id: usize| by_index.get(&id.to_string()).cloned();
    (0..by_index.len())
        .map(|id| label(id).ok_or_else(|| format!("id2label names {} classes, but none has id {id}", by_index.len())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels_of(id2label: &str) -> Result<Vec<String>, String> {
        labels(&serde_json::from_str(id2label).unwrap())
    }

    #[test]
    fn labels_are_in_the_order_of_outputs_and_complete() {
        let all: Vec<String> = (0..12).map(|id| format!("class {id}")).collect();
        let by_index: BTreeMap<usize, &String> = all.iter().enumerate().collect();
        assert_eq!(labels_of(&serde_json::to_string(&by_index).unwrap()), Ok(all));
        for (gaps, missing) in
            [(r#"{"0": "a", "2": "b", "5": "c"}"#, "id 1"), (r#"{"0": "a", "1": "b", "two": "c"}"#, "id 2")]
        {
            assert!(labels_of(gaps).unwrap_err().contains(missing), "{gaps}");
        }
    }

    #[test]
    fn unnamed_classes_can_be_named_as_the_error_says() {
        use crate::engine::labels::Classes;
        let unnamed = labels_of("{}").unwrap();
        let error = Classes::find(&unnamed, None).unwrap_err().to_string();
        let map = error.split('"').nth(1).unwrap();
        assert_eq!(
            Classes::find(&unnamed, Some(map)).unwrap(),
            Classes { positive: 0, negative: 1, neutral: 2 },
            "{error}"
        );
    }
}
