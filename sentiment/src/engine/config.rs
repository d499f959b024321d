//! `config.json` of a sequence classifier, in Hugging Face's keys.

use super::architecture::Architecture;
use super::families::{Family, Unsupported, family};
use super::transformers::{self, Description, Model};
use crate::SentimentError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A model's configuration.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// The description of the model.
    pub family: Family,
    /// Class names in the order of the model's outputs.
    pub labels: Vec<String>,
    /// Whether the model was trained on `[CLS] text [SEP] company [SEP]`.
    pub reads_company: bool,
    /// Whether the checkpoint stores the weights of its layers as 8-bit integers.
    pub has_int8_weights: bool,
}

/// Inputs that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Number of token ids.
    pub vocab_size: usize,
    /// Number of token type ids (segments); 0 if the model ignores them.
    pub type_vocab_size: usize,
    /// Longest text in tokens, including special tokens.
    pub max_seq_len: usize,
}

/// What every family's configuration has; the rest is in [`families`](super::families).
///
/// ```json
/// {"model_type": "bert", "id2label": {"0": "positive", "1": "negative", "2": "neutral"},
///  "architectures": ["BertForSequenceClassification"], "problem_type": "single_label_classification",
///  "tapewire_reads_company": true}
/// ```
#[derive(Deserialize)]
struct Common {
    model_type: String,
    /// Class names by index.
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    problem_type: Option<String>,
    /// The classes of transformers that the weights were saved by.
    architectures: Option<Vec<String>>,
    /// How weights are stored in less than 16 bits.
    quantization_config: Option<serde_json::Value>,
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
        is_classifier(&common).map_err(unsupported)?;
        let family = family(&common.model_type, &text)
            .map_err(|error| unreadable(error.to_string()))?
            .and_then(checked)
            .map_err(unsupported)?;
        let labels = labels(&common.id2label).map_err(unreadable)?;
        let has_int8_weights = common.quantization_config.is_some_and(|settings| is_int_quantized(&settings));
        Ok(Self { family, labels, reads_company: common.tapewire_reads_company, has_int8_weights })
    }

    /// What runs the model.
    pub fn engine(&self) -> &'static str {
        match self.family {
            Family::Own(_) => "tapewire",
            Family::Transformers(_) => transformers::NAME,
        }
    }

    /// The usual name of the model's family.
    pub fn family_name(&self) -> &'static str {
        match &self.family {
            Family::Own(architecture) => architecture.family,
            Family::Transformers(description) => description.family,
        }
    }

    /// Inputs that the model takes.
    pub fn limits(&self) -> Limits {
        match &self.family {
            Family::Transformers(Description { limits, .. }) => *limits,
            Family::Own(Architecture { vocab_size, type_vocab_size, max_seq_len, .. }) => {
                Limits { vocab_size: *vocab_size, type_vocab_size: *type_vocab_size, max_seq_len: *max_seq_len }
            }
        }
    }
}

/// Refuses weights that another class of transformers has saved. Some have the same tensors, such as a classifier of
/// tokens by ModernBERT, and would give meaningless scores.
fn is_classifier(common: &Common) -> Result<(), Unsupported> {
    let saved_by = common.architectures.as_deref().unwrap_or_default();
    if let Some(other) = saved_by.first()
        && !saved_by.iter().any(|class| class.contains("ForSequenceClassification"))
    {
        let remedy = "choose a model that was fine-tuned to classify texts, a ...ForSequenceClassification".into();
        return Err(Unsupported { what: format!("a {other}"), remedy });
    }
    if common.quantization_config.as_ref().is_some_and(|settings| !settings.is_null() && !is_int_quantized(settings)) {
        let remedy = "choose a checkpoint in f32, f16 or bf16, and set precision = \"int8\" for speed".into();
        return Err(Unsupported { what: "quantization_config: a quantized checkpoint".into(), remedy });
    }
    Ok(())
}

/// Whether the weights are those that [`Checkpoint`](super::checkpoint::Checkpoint) widens: 8-bit integers with one scale for
/// each output, and inputs as they are.
fn is_int_quantized(settings: &serde_json::Value) -> bool {
    let groups = settings["config_groups"].as_object();
    let is_known = |group: &serde_json::Value| {
        let weights = &group["weights"];
        let is_int8 = weights["num_bits"] == 8 && weights["type"] == "int";
        is_int8
            && weights["symmetric"] == true
            && weights["strategy"] == "channel"
            && group["input_activations"].is_null()
    };
    settings["quant_method"] == "compressed-tensors"
        && settings["format"] == "int-quantized"
        && groups.is_some_and(|groups| !groups.is_empty() && groups.values().all(is_known))
}

fn checked(family: Family) -> Result<Family, Unsupported> {
    let (sizes, max_seq_len) = match &family {
        Family::Own(model) => (
            [model.hidden_size, model.layers.len(), model.heads, model.intermediate_size, model.vocab_size],
            model.max_seq_len,
        ),
        Family::Transformers(Description { model: Model::Deberta(model), .. }) => (
            [
                model.hidden_size,
                model.num_hidden_layers,
                model.num_attention_heads,
                model.intermediate_size,
                model.vocab_size,
            ],
            model.max_position_embeddings,
        ),
    };
    let [hidden_size, _, heads, ..] = sizes;
    let rotates = matches!(&family, Family::Own(model) if model.layers.iter().any(|layer| layer.theta.is_some()));
    let what = if sizes.contains(&0) {
        "a size of 0".into()
    } else if max_seq_len < MIN_SEQ_LEN {
        format!("a length of at most {max_seq_len} tokens")
    } else if !hidden_size.is_multiple_of(heads) {
        format!("a width of {hidden_size} with {heads} heads")
    } else if rotates && !(hidden_size / heads).is_multiple_of(2) {
        format!("rotary positions in heads of {} elements", hidden_size / heads)
    } else {
        return Ok(family);
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
