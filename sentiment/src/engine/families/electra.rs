//! ELECTRA (Clark et al. 2020): BERT's encoder, trained as a discriminator, with RoBERTa's kind of head.

use super::{Unsupported, bert};
use crate::engine::architecture::{Architecture, Names};
use serde::Deserialize;
use tapewire_kernels::math::Activation;

/// BERT's settings and one more.
///
/// ```json
/// {"model_type": "electra", "embedding_size": 768, "hidden_size": 768, "num_hidden_layers": 12,
///  "num_attention_heads": 12, "intermediate_size": 3072, "vocab_size": 30522,
///  "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
/// ```
#[derive(Deserialize)]
pub struct Config {
    #[serde(flatten)]
    bert: bert::Config,
    #[serde(default = "default_embedding_size")]
    embedding_size: usize,
}

/// Of ELECTRA-small, the default of Hugging Face's configuration.
fn default_embedding_size() -> usize {
    128
}

impl Config {
    pub(super) fn architecture(self) -> Result<Architecture, Unsupported> {
        let bert = self.bert.architecture()?;
        if self.embedding_size != bert.hidden_size {
            return Err(Unsupported {
                what: format!("embedding_size {} with hidden_size {}", self.embedding_size, bert.hidden_size),
                remedy: "embeddings as wide as the hidden states are, as in ELECTRA base and large".into(),
            });
        }
        Ok(Architecture { family: "ELECTRA", head_activation: Activation::Gelu, names: NAMES, ..bert })
    }
}

const NAMES: Names =
    Names { prefix: "electra.", head: "classifier.dense", classifier: "classifier.out_proj", ..bert::NAMES };
