//! The description of a model that loading and both forward passes follow.

use tapewire_kernels::math::Activation;

/// A sequence classifier as its configuration describes it.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// The usual name of the family.
    pub family: &'static str,
    /// Elements of a token's hidden state.
    pub hidden_size: usize,
    /// Encoder layers, from the first to the last.
    pub layers: Vec<LayerKind>,
    /// Attention heads per layer; divides `hidden_size`.
    pub heads: usize,
    /// Elements of a token inside the feed-forward network.
    pub intermediate_size: usize,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Number of token type ids (segments); 0 if the model ignores them.
    pub type_vocab_size: usize,
    /// Learned positions, if the model has them.
    pub positions: Option<Positions>,
    /// Longest text in tokens, including special tokens.
    pub max_seq_len: usize,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f32,
    /// Whether layer norms come before or after the sublayers.
    pub norms: Norms,
    /// Which parts have biases.
    pub biases: Biases,
    /// Activation inside the feed-forward network.
    pub activation: Activation,
    /// Whether the first product of the feed-forward network gives twice the intermediate size: the elements that are
    /// activated, and the gate that they are multiplied by (Shazeer 2020, "GLU Variants Improve Transformer").
    pub gated: bool,
    /// What the classification head reads.
    pub pooling: Pooling,
    /// Activation between the two products of the classification head.
    pub head_activation: Activation,
    /// Names of the tensors in checkpoints.
    pub names: Names,
}

/// What can differ from layer to layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerKind {
    /// A token attends to tokens at most this far away on either side; `None` is the whole text.
    pub sliding_window: Option<usize>,
    /// Base of the angles by which queries and keys are rotated; `None` if they are not.
    pub theta: Option<f64>,
    /// Whether the attention sublayer has a layer norm.
    pub attention_norm: bool,
}

impl LayerKind {
    /// Attends to the whole text; order comes from learned positions.
    pub const PLAIN: Self = Self { sliding_window: None, theta: None, attention_norm: true };
}

/// Whether layer norms come before or after the sublayers of a layer: attention and the feed-forward network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// Each sublayer is followed by a norm: `norm(x + sublayer(x))`.
    PostNorm,
    /// Each sublayer is preceded by a norm, `x + sublayer(norm(x))`, and the encoder ends with one more norm.
    PreNorm,
}

/// Which parts have biases. Embeddings never have one, and the classifier always does.
#[derive(Debug, Clone, Copy)]
pub struct Biases {
    /// All layer norms.
    pub norms: bool,
    /// Products of the attention sublayer.
    pub attention: bool,
    /// Products of the feed-forward network.
    pub feed_forward: bool,
    /// The first product of the head.
    pub head: bool,
}

impl Biases {
    /// Everywhere.
    pub const ALL: Self = Self { norms: true, attention: true, feed_forward: true, head: true };
}

/// What the classification head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The hidden state of the first token, `[CLS]`.
    Cls,
    /// The mean over all tokens.
    Mean,
}

/// A table of learned positions.
#[derive(Debug, Clone, Copy)]
pub struct Positions {
    /// Rows of the table.
    pub rows: usize,
    /// RoBERTa counts positions from the id of this padding token plus one; a padding token itself always has the
    /// position of its id. Other families count from 0.
    pub padding: Option<u32>,
}

impl Positions {
    /// Longest text in tokens, including special tokens.
    pub fn max_seq_len(&self) -> usize {
        self.rows.saturating_sub(self.first())
    }

    /// The row of each token.
    pub fn of(&self, ids: &[u32]) -> impl Iterator<Item = usize> {
        let mut next = self.first();
        ids.iter().map(move |&id| {
            if Some(id) == self.padding {
                return id as usize;
            }
            next += 1;
            next - 1
        })
    }

    fn first(&self) -> usize {
        self.padding.map_or(0, |padding| padding as usize + 1)
    }
}

/// Names of tensors in Hugging Face's checkpoints, without `.weight` and `.bias`.
#[derive(Debug, Clone)]
pub struct Names {
    /// Beginning of all names of the encoder. Some checkpoints leave it out.
    pub prefix: &'static str,
    /// Token embeddings.
    pub token_embeddings: &'static str,
    /// Token type (segment) embeddings.
    pub token_type_embeddings: Option<&'static str>,
    /// Position embeddings.
    pub position_embeddings: Option<&'static str>,
    /// Layer norm of the embeddings.
    pub embedding_norm: &'static str,
    /// Beginning of the names of a layer; the number of the layer and the rest of the name follow.
    pub layer: &'static str,
    /// Query projection. If the three projections have the same name, they are stored one after the other.
    pub query: &'static str,
    /// Key projection.
    pub key: &'static str,
    /// Value projection.
    pub value: &'static str,
    /// Output projection of attention.
    pub attention_output: &'static str,
    /// Layer norm of the attention sublayer.
    pub attention_norm: &'static str,
    /// First product of the feed-forward network.
    pub feed_forward_in: &'static str,
    /// Second product of the feed-forward network.
    pub feed_forward_out: &'static str,
    /// Layer norm of the feed-forward network.
    pub feed_forward_norm: &'static str,
    /// Layer norm at the end of the encoder, if there is one.
    pub final_norm: Option<&'static str>,
    /// First product of the head, including the prefix if it has one.
    pub head: &'static str,
    /// Layer norm between the products of the head, if there is one.
    pub head_norm: Option<&'static str>,
    /// Second product of the head, including the prefix if it has one.
    pub classifier: &'static str,
}

impl Architecture {
    /// Multiplications and additions in the matrix products of a text of `tokens` tokens. If the head reads the first
    /// token only, the last layer computes queries, outputs and the feed-forward network for that token only.
    pub fn operations(&self, tokens: u64, labels: u64) -> u64 {
        let (hidden, intermediate) = (self.hidden_size as u64, self.intermediate_size as u64);
        // Output projection and feed-forward network of a query.
        let token = 2 * hidden * hidden + if self.gated { 3 } else { 2 } * hidden * intermediate;
        let layer = |at: usize, kind: &LayerKind| {
            let window = kind.sliding_window.map_or(tokens, |window| window as u64).min(tokens - 1);
            let (queries, pairs) = match self.pooling {
                Pooling::Cls if at + 1 == self.layers.len() => (1, 1 + window),
                // At each end of the text, windows lack 1 + 2 + ... + window tokens.
                _ => (tokens, tokens * (2 * window + 1) - window * (window + 1)),
            };
            tokens * 2 * hidden * hidden + queries * token + 2 * hidden * pairs
        };
        let layers: u64 = self.layers.iter().enumerate().map(|(at, kind)| layer(at, kind)).sum();
        2 * (layers + hidden * (hidden + labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::families::architecture;

    #[test]
    fn roberta_counts_positions_after_its_padding_token() {
        let bert = Positions { rows: 512, padding: None };
        assert_eq!((bert.max_seq_len(), bert.of(&[7, 0, 1]).collect::<Vec<_>>()), (512, vec![0, 1, 2]));
        let roberta = Positions { rows: 514, padding: Some(1) };
        assert_eq!((roberta.max_seq_len(), roberta.of(&[0, 1, 9, 2]).collect::<Vec<_>>()), (512, vec![2, 1, 3, 4]));
    }

    #[test]
    fn operations_are_counted_one_by_one() {
        let json = r#"{"hidden_size": 6, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 10,
            "vocab_size": 9, "max_position_embeddings": 50, "local_attention": 8, "classifier_pooling": "POOLING"}"#;
        for pooling in ["cls", "mean"] {
            let json = json.replace("POOLING", pooling);
            let model = architecture("modernbert", json.as_bytes()).unwrap().unwrap();
            for tokens in [1u64, 3, 5, 20] {
                let mut count = 6 * 6 + 6 * 3;
                for (at, near) in [tokens, 4, 4, tokens].into_iter().enumerate() {
                    let queries = if at == 3 && pooling == "cls" { 1 } else { tokens };
                    count += tokens * 2 * 6 * 6 + queries * (2 * 6 * 6 + 3 * 6 * 10);
                    let pairs = (0..queries).flat_map(|a| (0..tokens).filter(move |b| a.abs_diff(*b) <= near)).count();
                    count += 2 * 6 * pairs as u64;
                }
                assert_eq!(model.operations(tokens, 3), 2 * count, "{tokens} tokens, {pooling}");
            }
        }
    }
}
