//! `config.json` of a BERT classifier, in Hugging Face's keys.

use crate::SentimentError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The settings the engine needs; others are ignored.
///
/// ```json
/// {"model_type": "bert", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
///  "intermediate_size": 3072, "vocab_size": 30522, "max_position_embeddings": 512,
///  "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
///  "position_embedding_type": "absolute", "id2label": {"0": "positive", "1": "negative", "2": "neutral"},
///  "tapewire_reads_company": true}
/// ```
#[derive(Debug, Clone, Deserialize)]
pub struct ModelConfig {
    /// Architecture; only `bert` runs here.
    pub model_type: String,
    /// Numbers a token.
    pub hidden_size: usize,
    /// Encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads a layer; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Tokens known.
    pub vocab_size: usize,
    /// Longest text, in tokens, special ones included.
    pub max_position_embeddings: usize,
    /// Segments known.
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    /// Added to the variance in layer norms.
    #[serde(default = "bert_epsilon")]
    pub layer_norm_eps: f32,
    /// Activation of the feed-forward layer; only `gelu` runs here.
    pub hidden_act: String,
    /// Only `absolute` runs here.
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
    /// Class names by index.
    #[serde(default)]
    pub id2label: BTreeMap<String, String>,
    /// Whether the model was trained on `[CLS] text [SEP] company [SEP]`. Hugging Face has no
    /// key for that and `type_vocab_size` does not tell, so this one is ours.
    #[serde(default)]
    pub tapewire_reads_company: bool,
}

/// Room for the special tokens and a few of the text.
const SHORTEST_LIMIT: usize = 8;

fn two() -> usize {
    2
}

fn bert_epsilon() -> f32 {
    1e-12
}

fn absolute() -> String {
    "absolute".into()
}

impl ModelConfig {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`SentimentError::Unreadable`] or [`SentimentError::Unsupported`].
    pub fn read(path: &Path) -> Result<Self, SentimentError> {
        let unreadable = |reason: String| SentimentError::Unreadable { path: path.to_owned(), reason };
        let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let config: Self = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        match config.unsupported() {
            None => Ok(config),
            Some(what) => Err(SentimentError::Unsupported { path: path.to_owned(), what }),
        }
    }

    fn unsupported(&self) -> Option<String> {
        let sizes = [
            self.hidden_size,
            self.num_hidden_layers,
            self.num_attention_heads,
            self.intermediate_size,
            self.vocab_size,
            self.max_position_embeddings,
            self.type_vocab_size,
        ];
        if self.model_type != "bert" {
            Some(format!("model_type {}", self.model_type))
        } else if self.hidden_act != "gelu" {
            Some(format!("hidden_act {}", self.hidden_act))
        } else if self.position_embedding_type != "absolute" {
            Some(format!("position_embedding_type {}", self.position_embedding_type))
        } else if sizes.contains(&0) {
            Some("a size of 0".into())
        } else if self.max_position_embeddings < SHORTEST_LIMIT {
            Some(format!("max_position_embeddings {}", self.max_position_embeddings))
        } else if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            Some(format!("hidden_size {} with {} heads", self.hidden_size, self.num_attention_heads))
        } else {
            None
        }
    }

    /// Class names in the order of the model's outputs.
    pub fn labels(&self) -> Vec<String> {
        let mut labels: Vec<(usize, &String)> =
            self.id2label.iter().filter_map(|(id, label)| Some((id.parse().ok()?, label))).collect();
        labels.sort();
        labels.into_iter().map(|(_, label)| label.clone()).collect()
    }

    /// Multiplications and additions in the matrix products that a text of so many tokens needs. In
    /// the last layer only the first token has a query, an output and a feed-forward part.
    pub fn operations(&self, tokens: u64) -> u64 {
        let (width, inner) = (self.hidden_size as u64, self.intermediate_size as u64);
        // A product of a row and a width x outputs matrix; attention takes two products with all tokens.
        let token = width * (2 * width + 2 * inner) + 2 * width * tokens;
        let (whole, last) = (tokens * (token + 2 * width * width), token + tokens * 2 * width * width);
        let head = width * (width + self.id2label.len() as u64);
        2 * ((self.num_hidden_layers as u64 - 1) * whole + last + head)
    }
}
