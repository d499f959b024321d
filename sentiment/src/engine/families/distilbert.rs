//! DistilBERT (Sanh et al. 2019): BERT without segments, and with a different head instead of the pooler.

use super::{Unsupported, activation, bert};
use crate::engine::architecture::{Architecture, Biases, LayerKind, Names, Norms, Pooling, Positions};
use serde::Deserialize;
use tapewire_kernels::math::Activation;

/// The settings the engine needs; others are ignored, among them `sinusoidal_pos_embds`: it says how positions were
/// initialised, but they are in the checkpoint in any case.
///
/// ```json
/// {"model_type": "distilbert", "dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072,
///  "vocab_size": 30522, "max_position_embeddings": 512, "activation": "gelu"}
/// ```
#[derive(Deserialize)]
pub struct Config {
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    activation: String,
}

impl Config {
    pub(super) fn architecture(self) -> Result<Architecture, Unsupported> {
        Ok(Architecture {
            family: "DistilBERT",
            hidden_size: self.dim,
            layers: vec![LayerKind::PLAIN; self.n_layers],
            heads: self.n_heads,
            intermediate_size: self.hidden_dim,
            vocab_size: self.vocab_size,
            type_vocab_size: 0,
            positions: Some(Positions { rows: self.max_position_embeddings, padding: None }),
            max_seq_len: self.max_position_embeddings,
            // The family has no setting for it.
            layer_norm_eps: 1e-12,
            norms: Norms::PostNorm,
            biases: Biases::ALL,
            activation: activation("activation", &self.activation)?,
            gated: false,
            pooling: Pooling::Cls,
            head_activation: Activation::Relu,
            names: NAMES,
        })
    }
}

/// Embeddings have the same names as in BERT.
const NAMES: Names = Names {
    prefix: "distilbert.",
    token_type_embeddings: None,
    layer: "transformer.layer",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    feed_forward_in: "ffn.lin1",
    feed_forward_out: "ffn.lin2",
    feed_forward_norm: "output_layer_norm",
    head: "pre_classifier",
    ..bert::NAMES
};
