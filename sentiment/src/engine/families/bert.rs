//! BERT (Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers").

use super::{Unsupported, activation};
use crate::engine::architecture::{Architecture, Biases, LayerKind, Names, Norms, Pooling, Positions};
use serde::Deserialize;
use tapewire_kernels::math::Activation;

/// The settings the engine needs; others are ignored.
///
/// ```json
/// {"model_type": "bert", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
///  "intermediate_size": 3072, "vocab_size": 30522, "max_position_embeddings": 512,
///  "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
///  "position_embedding_type": "absolute"}
/// ```
#[derive(Deserialize)]
pub struct Config {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    pub(super) max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    #[serde(default = "epsilon")]
    layer_norm_eps: f32,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn two() -> usize {
    2
}

fn epsilon() -> f32 {
    1e-12
}

fn absolute() -> String {
    "absolute".into()
}

impl Config {
    pub(super) fn architecture(self) -> Result<Architecture, Unsupported> {
        if self.position_embedding_type != "absolute" {
            return Err(Unsupported {
                what: format!("position_embedding_type {}", self.position_embedding_type),
                remedy: "absolute is".into(),
            });
        }
        if self.type_vocab_size == 0 {
            return Err(Unsupported { what: "type_vocab_size 0".into(), remedy: "1 or more is".into() });
        }
        Ok(Architecture {
            family: "BERT",
            hidden_size: self.hidden_size,
            layers: vec![LayerKind::PLAIN; self.num_hidden_layers],
            heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            vocab_size: self.vocab_size,
            type_vocab_size: self.type_vocab_size,
            positions: Some(Positions { rows: self.max_position_embeddings, padding: None }),
            max_seq_len: self.max_position_embeddings,
            layer_norm_eps: self.layer_norm_eps,
            norms: Norms::PostNorm,
            biases: Biases::ALL,
            activation: activation("hidden_act", &self.hidden_act)?,
            gated: false,
            pooling: Pooling::Cls,
            head_activation: Activation::Tanh,
            names: NAMES,
        })
    }
}

pub(super) const NAMES: Names = Names {
    prefix: "bert.",
    token_embeddings: "embeddings.word_embeddings",
    token_type_embeddings: Some("embeddings.token_type_embeddings"),
    position_embeddings: Some("embeddings.position_embeddings"),
    embedding_norm: "embeddings.LayerNorm",
    layer: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    feed_forward_in: "intermediate.dense",
    feed_forward_out: "output.dense",
    feed_forward_norm: "output.LayerNorm",
    final_norm: None,
    head: "bert.pooler.dense",
    head_norm: None,
    classifier: "classifier",
};
