//! What a model is made of: the one description that loading and both forward passes obey.

use tapewire_kernels::math::Activation;

/// A sequence classifier as its configuration describes it.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// As people call the family.
    pub family: &'static str,
    /// Numbers a token.
    pub width: usize,
    /// Encoder layers, the first one first.
    pub layers: Vec<LayerKind>,
    /// Attention heads a layer; divides `width`.
    pub heads: usize,
    /// Width of the feed-forward layer.
    pub inner: usize,
    /// Tokens known.
    pub vocabulary: usize,
    /// Segments known; 0 where the model has none and ignores them.
    pub segments: usize,
    /// Learned positions, where the model has them.
    pub positions: Option<Positions>,
    /// Longest text, in tokens, special ones included.
    pub limit: usize,
    /// Added to the variance in layer norms.
    pub epsilon: f32,
    /// Where the layer norms of a layer stand.
    pub norms: Norms,
    /// Which parts have biases.
    pub biases: Biases,
    /// Within the feed-forward layer.
    pub activation: Activation,
    /// Whether the feed-forward layer's first product gives twice its width: what is activated, and what
    /// that is multiplied by (Shazeer 2020, "GLU Variants Improve Transformer").
    pub gated: bool,
    /// What the classification head reads.
    pub pooling: Pooling,
    /// Between the two products of the classification head.
    pub head_activation: Activation,
    /// Where checkpoints keep the parts.
    pub names: Names,
}

/// How one layer differs from its neighbours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerKind {
    /// A token attends to tokens so far away at most; to all of the text where there is no limit.
    pub reach: Option<usize>,
    /// Base of the angles by which queries and keys are rotated, where they are.
    pub theta: Option<f64>,
    /// Whether the attention part has a layer norm.
    pub attention_norm: bool,
}

impl LayerKind {
    /// Attends to the whole text and leaves order to learned positions.
    pub const PLAIN: Self = Self { reach: None, theta: None, attention_norm: true };
}

/// Where the layer norms of a layer stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// On the sum of a part's input and its output.
    AfterParts,
    /// On a part's input, beside which the sum goes on as it is; at the end of the encoder is a norm for it.
    BeforeParts,
}

/// Which parts have biases. Embeddings have none, and the classifier has one always.
#[derive(Debug, Clone, Copy)]
pub struct Biases {
    /// All layer norms.
    pub norms: bool,
    /// Products of the attention part.
    pub attention: bool,
    /// Products of the feed-forward part.
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
    /// The first token.
    First,
    /// The mean of all tokens.
    Mean,
}

/// A table of learned positions.
#[derive(Debug, Clone, Copy)]
pub struct Positions {
    /// Rows of the table.
    pub rows: usize,
    /// RoBERTa counts positions from one after this token's id, which is also the position of that
    /// token itself wherever it stands. Others count from 0.
    pub padding: Option<u32>,
}

impl Positions {
    /// Longest text, in tokens, special ones included.
    pub fn limit(&self) -> usize {
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
    /// Of the encoder: in front of all names but those of the head. Some checkpoints leave it out.
    pub prefix: &'static str,
    /// Token embeddings.
    pub words: &'static str,
    /// Segment embeddings.
    pub types: Option<&'static str>,
    /// Position embeddings.
    pub positions: Option<&'static str>,
    /// Layer norm of the embeddings.
    pub embedding_norm: &'static str,
    /// What a layer's number follows; its parts follow the number.
    pub layer: &'static str,
    /// Gives queries. Where all three have one name they are stored one after the other.
    pub query: &'static str,
    /// Gives keys.
    pub key: &'static str,
    /// Gives values.
    pub value: &'static str,
    /// Takes what attention gives.
    pub attention_output: &'static str,
    /// Layer norm of the attention part.
    pub attention_norm: &'static str,
    /// First product of the feed-forward part.
    pub feed_forward_in: &'static str,
    /// Second product of the feed-forward part.
    pub feed_forward_out: &'static str,
    /// Layer norm of the feed-forward part.
    pub feed_forward_norm: &'static str,
    /// Layer norm of the whole encoder, where there is one.
    pub final_norm: Option<&'static str>,
    /// First product of the head, with the prefix if it has one.
    pub head: &'static str,
    /// Layer norm between the products of the head, where there is one.
    pub head_norm: Option<&'static str>,
    /// Second product of the head, with the prefix if it has one.
    pub classifier: &'static str,
}

impl Architecture {
    /// Multiplications and additions in the matrix products that a text of so many tokens needs. Where the
    /// head reads the first token, only that has a query, an output and a feed-forward part in the last layer.
    pub fn operations(&self, tokens: u64, labels: u64) -> u64 {
        let (width, inner) = (self.width as u64, self.inner as u64);
        // A product of a row and a width x outputs matrix; attention takes two products with what it reads.
        let token = 2 * width * width + if self.gated { 3 } else { 2 } * width * inner;
        let layer = |at: usize, kind: &LayerKind| {
            let reach = kind.reach.map_or(tokens, |reach| reach as u64).min(tokens - 1);
            let (asking, pairs) = match self.pooling {
                Pooling::First if at + 1 == self.layers.len() => (1, 1 + reach),
                // At either end windows lack 1 + 2 + ... + reach tokens.
                _ => (tokens, tokens * (2 * reach + 1) - reach * (reach + 1)),
            };
            tokens * 2 * width * width + asking * token + 2 * width * pairs
        };
        let layers: u64 = self.layers.iter().enumerate().map(|(at, kind)| layer(at, kind)).sum();
        2 * (layers + width * (width + labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::families::architecture;

    #[test]
    fn roberta_counts_positions_after_its_padding_token() {
        let bert = Positions { rows: 512, padding: None };
        assert_eq!((bert.limit(), bert.of(&[7, 0, 1]).collect::<Vec<_>>()), (512, vec![0, 1, 2]));
        let roberta = Positions { rows: 514, padding: Some(1) };
        assert_eq!((roberta.limit(), roberta.of(&[0, 1, 9, 2]).collect::<Vec<_>>()), (512, vec![2, 1, 3, 4]));
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
                    let asking = if at == 3 && pooling == "cls" { 1 } else { tokens };
                    count += tokens * 2 * 6 * 6 + asking * (2 * 6 * 6 + 3 * 6 * 10);
                    let pairs = (0..asking).flat_map(|a| (0..tokens).filter(move |b| a.abs_diff(*b) <= near)).count();
                    count += 2 * 6 * pairs as u64;
                }
                assert_eq!(model.operations(tokens, 3), 2 * count, "{tokens} tokens, {pooling}");
            }
        }
    }
}
