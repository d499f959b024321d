//! ModernBERT (Warner et al. 2024, "Smarter, Better, Faster, Longer"): rotary positions, sliding-window
//! attention in most layers, norms before the sublayers, and a gated feed-forward network.

use super::{Unsupported, activation};
use crate::engine::architecture::{Architecture, Biases, LayerKind, Names, Norms, Pooling};
use serde::Deserialize;

/// The settings the engine needs; others are ignored. Optional settings default to what they are in transformers. Its
/// version 5 spells layers and angles as below; earlier versions spell them
/// `"global_attn_every_n_layers": 3, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0`.
///
/// ```json
/// {"model_type": "modernbert", "hidden_size": 768, "num_hidden_layers": 22, "num_attention_heads": 12,
///  "intermediate_size": 1152, "vocab_size": 50368, "max_position_embeddings": 8192,
///  "hidden_activation": "gelu", "norm_eps": 1e-05, "norm_bias": false, "attention_bias": false,
///  "mlp_bias": false, "local_attention": 128, "layer_types": ["full_attention", "sliding_attention", ...],
///  "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 160000.0},
///                      "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}},
///  "classifier_pooling": "mean", "classifier_bias": false, "classifier_activation": "gelu"}
/// ```
#[derive(Deserialize)]
pub struct Config {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    hidden_activation: Option<String>,
    norm_eps: Option<f32>,
    #[serde(default)]
    norm_bias: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    local_attention: Option<usize>,
    layer_types: Option<Vec<String>>,
    global_attn_every_n_layers: Option<usize>,
    #[serde(default)]
    rope_parameters: RopeParameters,
    global_rope_theta: Option<f64>,
    local_rope_theta: Option<f64>,
    classifier_pooling: Option<String>,
    #[serde(default)]
    classifier_bias: bool,
    classifier_activation: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RopeParameters {
    full_attention: Rope,
    sliding_attention: Rope,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rope {
    rope_type: Option<String>,
    rope_theta: Option<f64>,
}

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

impl Config {
    pub(super) fn architecture(self) -> Result<Architecture, Unsupported> {
        let gelu = || "gelu".to_owned();
        Ok(Architecture {
            family: "ModernBERT",
            hidden_size: self.hidden_size,
            layers: self.layers()?,
            heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            vocab_size: self.vocab_size,
            type_vocab_size: 0,
            positions: None,
            max_seq_len: self.max_position_embeddings,
            layer_norm_eps: self.norm_eps.unwrap_or(1e-5),
            norms: Norms::PreNorm,
            biases: Biases {
                norms: self.norm_bias,
                attention: self.attention_bias,
                feed_forward: self.mlp_bias,
                head: self.classifier_bias,
            },
            activation: activation("hidden_activation", &self.hidden_activation.unwrap_or_else(gelu))?,
            gated: true,
            pooling: pooling(self.classifier_pooling.as_deref().unwrap_or("cls"))?,
            head_activation: activation("classifier_activation", &self.classifier_activation.unwrap_or_else(gelu))?,
            names: NAMES,
        })
    }

    fn layers(&self) -> Result<Vec<LayerKind>, Unsupported> {
        let every = self.global_attn_every_n_layers.unwrap_or(3).max(1);
        let default = |number: usize| if number.is_multiple_of(every) { FULL } else { SLIDING }.to_owned();
        let types = self.layer_types.clone().unwrap_or_else(|| (0..self.num_hidden_layers).map(default).collect());
        if types.len() != self.num_hidden_layers {
            let what = format!("layer_types of {} layers instead of {}", types.len(), self.num_hidden_layers);
            return Err(Unsupported { what, remedy: "one type per layer is".into() });
        }
        let full = theta(&self.rope_parameters.full_attention, self.global_rope_theta.unwrap_or(160_000.0))?;
        let sliding = theta(&self.rope_parameters.sliding_attention, self.local_rope_theta.unwrap_or(10_000.0))?;
        // `local_attention` counts both sides.
        let one_side = self.local_attention.unwrap_or(128) / 2;
        let layer = |(number, kind): (usize, &String)| {
            let (sliding_window, theta) = match kind.as_str() {
                FULL => (None, full),
                SLIDING => (Some(one_side), sliding),
                _ => {
                    let remedy = format!("{FULL} and {SLIDING} are");
                    return Err(Unsupported { what: format!("a layer of type {kind}"), remedy });
                }
            };
            // The first layer has no norm: its input comes directly from the norm of the embeddings.
            Ok(LayerKind { sliding_window, theta: Some(theta), attention_norm: number > 0 })
        };
        types.iter().enumerate().map(layer).collect()
    }
}

fn theta(rope: &Rope, otherwise: f64) -> Result<f64, Unsupported> {
    match rope.rope_type.as_deref() {
        None | Some("default") => Ok(rope.rope_theta.unwrap_or(otherwise)),
        Some(kind) => Err(Unsupported { what: format!("rope_type {kind}"), remedy: "default is".into() }),
    }
}

fn pooling(name: &str) -> Result<Pooling, Unsupported> {
    match name {
        "cls" => Ok(Pooling::Cls),
        "mean" => Ok(Pooling::Mean),
        _ => Err(Unsupported { what: format!("classifier_pooling {name}"), remedy: "cls and mean are".into() }),
    }
}

const NAMES: Names = Names {
    prefix: "model.",
    token_embeddings: "embeddings.tok_embeddings",
    token_type_embeddings: None,
    position_embeddings: None,
    embedding_norm: "embeddings.norm",
    layer: "layers",
    query: "attn.Wqkv",
    key: "attn.Wqkv",
    value: "attn.Wqkv",
    attention_output: "attn.Wo",
    attention_norm: "attn_norm",
    feed_forward_in: "mlp.Wi",
    feed_forward_out: "mlp.Wo",
    feed_forward_norm: "mlp_norm",
    final_norm: Some("final_norm"),
    head: "head.dense",
    head_norm: Some("head.norm"),
    classifier: "classifier",
};
