//! RoBERTa (Liu et al. 2019) and XLM-R (Conneau et al. 2020): BERT's encoder with positions counted from the
//! padding token on, and with a different head instead of the pooler.

use super::{Unsupported, bert};
use crate::engine::architecture::{Architecture, Names, Positions};
use serde::Deserialize;

/// BERT's settings and one more.
///
/// ```json
/// {"model_type": "roberta", "hidden_size": 768, "num_hidden_layers": 6, "num_attention_heads": 12,
///  "intermediate_size": 3072, "vocab_size": 50265, "max_position_embeddings": 514,
///  "type_vocab_size": 1, "layer_norm_eps": 1e-05, "hidden_act": "gelu",
///  "position_embedding_type": "absolute", "pad_token_id": 1}
/// ```
#[derive(Deserialize)]
pub struct Config {
    #[serde(flatten)]
    bert: bert::Config,
    #[serde(default = "one")]
    pad_token_id: u32,
}

fn one() -> u32 {
    1
}

impl Config {
    pub(super) fn architecture(self, family: &'static str) -> Result<Architecture, Unsupported> {
        let positions = Positions { rows: self.bert.max_position_embeddings, padding: Some(self.pad_token_id) };
        Ok(Architecture {
            family,
            max_seq_len: positions.max_seq_len(),
            positions: Some(positions),
            names: NAMES,
            ..self.bert.architecture()?
        })
    }
}

const NAMES: Names =
    Names { prefix: "roberta.", head: "classifier.dense", classifier: "classifier.out_proj", ..bert::NAMES };
