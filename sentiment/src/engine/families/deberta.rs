//! DeBERTa v2 and v3 (He et al. 2021, "DeBERTaV3"): attention also reads how far tokens are from each other.
//!
//! Both versions, and mDeBERTa, say `deberta-v2`. DeBERTa v1 says `deberta`, and its tensors differ.

use super::{Unsupported, activation};
use crate::engine::config::Limits;
use crate::engine::transformers::{Description, Model};
use candle_transformers::models::debertav2::{Config as CandleConfig, HiddenAct};
use serde::Deserialize;
use tapewire_kernels::math::Activation;

/// The settings that the model needs; others are ignored. A setting that is left out has its default in transformers.
///
/// ```json
/// {"model_type": "deberta-v2", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
///  "intermediate_size": 3072, "vocab_size": 128100, "max_position_embeddings": 512, "type_vocab_size": 0,
///  "layer_norm_eps": 1e-07, "hidden_act": "gelu", "relative_attention": true, "position_buckets": 256,
///  "max_relative_positions": -1, "pos_att_type": "p2c|c2p", "share_att_key": true,
///  "norm_rel_ebd": "layer_norm", "position_biased_input": false,
///  "pooler_hidden_size": 768, "pooler_hidden_act": "gelu"}
/// ```
#[derive(Deserialize)]
pub struct Config {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    type_vocab_size: usize,
    #[serde(default = "epsilon")]
    layer_norm_eps: f64,
    hidden_act: Option<String>,
    #[serde(default)]
    relative_attention: bool,
    max_relative_positions: Option<isize>,
    position_buckets: Option<isize>,
    #[serde(default = "yes")]
    position_biased_input: bool,
    pos_att_type: Option<Words>,
    share_att_key: Option<bool>,
    attention_head_size: Option<usize>,
    embedding_size: Option<usize>,
    norm_rel_ebd: Option<String>,
    conv_kernel_size: Option<usize>,
    pooler_hidden_size: Option<usize>,
    pooler_hidden_act: Option<String>,
}

fn epsilon() -> f64 {
    1e-7
}

fn yes() -> bool {
    true
}

/// Words in a list, or in a text with `|` between them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn list(self) -> Vec<String> {
        let words = match self {
            Self::Text(text) => text.split('|').map(str::to_owned).collect(),
            Self::List(words) => words,
        };
        words.iter().map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty()).collect()
    }
}

/// Attention of content to positions, and of positions to content.
const KINDS: [&str; 2] = ["c2p", "p2c"];

impl Config {
    pub(super) fn description(mut self) -> Result<Description, Unsupported> {
        let kinds = self.pos_att_type.take().map(Words::list).unwrap_or_default();
        self.refuse_what_candle_lacks(&kinds)?;
        let limits = Limits {
            vocab_size: self.vocab_size,
            type_vocab_size: self.type_vocab_size,
            max_seq_len: self.max_position_embeddings,
        };
        Ok(Description {
            family: "DeBERTa",
            prefix: "deberta.",
            limits,
            // candle-transformers adds learned positions to a single text only.
            batches: !self.position_biased_input,
            model: Model::Deberta(Box::new(self.candle_config(kinds)?)),
        })
    }

    /// Refuses settings that candle-transformers' model does not compute, or not as transformers does.
    fn refuse_what_candle_lacks(&self, kinds: &[String]) -> Result<(), Unsupported> {
        if let Some(other) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            return Err(unsupported(format!("pos_att_type {other}"), "c2p and p2c are"));
        }
        // candle-transformers has the layer, but not its computation.
        if let Some(kernel @ 1..) = self.conv_kernel_size {
            return Err(unsupported(
                format!("conv_kernel_size {kernel}"),
                "DeBERTa without a convolution is: v3 in any size, or v2 other than xlarge and xxlarge",
            ));
        }
        if self.position_buckets == Some(1) {
            return Err(unsupported("position_buckets 1".into(), "2 or more are, or none"));
        }
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if let Some(size) = self.attention_head_size.filter(|size| size.checked_mul(heads) != Some(hidden)) {
            let what = format!("attention_head_size {size} with {heads} heads");
            return Err(unsupported(what, "heads that together have hidden_size elements are"));
        }
        if let Some(size) = self.pooler_hidden_size.filter(|&size| size != hidden) {
            return Err(unsupported(format!("pooler_hidden_size {size}"), "that of hidden_size is"));
        }
        if let Some(size) = self.projected_embedding_size().filter(|_| self.type_vocab_size > 0) {
            let what = format!("embedding_size {size} with type_vocab_size {}", self.type_vocab_size);
            return Err(unsupported(what, "one of them is"));
        }
        Ok(())
    }

    /// The size of the embeddings, if they are projected to hidden states of another size.
    fn projected_embedding_size(&self) -> Option<usize> {
        self.embedding_size.filter(|&size| size != self.hidden_size)
    }

    /// The settings as candle-transformers names them.
    fn candle_config(self, kinds: Vec<String>) -> Result<CandleConfig, Unsupported> {
        let embedding_size = self.projected_embedding_size();
        let norms = Words::Text(self.norm_rel_ebd.unwrap_or_default()).list();
        let gelu = || "gelu".to_owned();
        Ok(CandleConfig {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            hidden_act: act("hidden_act", &self.hidden_act.unwrap_or_else(gelu))?,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            max_position_embeddings: self.max_position_embeddings,
            type_vocab_size: self.type_vocab_size,
            initializer_range: 0.0,
            layer_norm_eps: self.layer_norm_eps,
            relative_attention: self.relative_attention,
            max_relative_positions: self.max_relative_positions.unwrap_or(-1),
            pad_token_id: None,
            position_biased_input: self.position_biased_input,
            pos_att_type: kinds,
            position_buckets: self.position_buckets,
            share_att_key: self.share_att_key,
            attention_head_size: None,
            embedding_size,
            norm_rel_ebd: norms.iter().any(|norm| norm == "layer_norm").then(|| "layer_norm".into()),
            conv_kernel_size: None,
            conv_groups: None,
            conv_act: None,
            id2label: None,
            label2id: None,
            pooler_dropout: Some(0.0),
            pooler_hidden_act: Some(act("pooler_hidden_act", &self.pooler_hidden_act.unwrap_or_else(gelu))?),
            pooler_hidden_size: Some(self.hidden_size),
            cls_dropout: None,
        })
    }
}

fn act(key: &str, name: &str) -> Result<HiddenAct, Unsupported> {
    match activation(key, name)? {
        Activation::Gelu => Ok(HiddenAct::Gelu),
        Activation::GeluTanh => Ok(HiddenAct::GeluApproximate),
        Activation::Relu => Ok(HiddenAct::Relu),
        Activation::Tanh => Err(unsupported(format!("{key} {name}"), "gelu, gelu_new and relu are")),
    }
}

fn unsupported(what: String, remedy: &str) -> Unsupported {
    Unsupported { what, remedy: remedy.into() }
}
