//! What a model is made of: the one description that loading and both forward passes obey.

use crate::kernels::math::Activation;

/// A sequence classifier as its configuration describes it.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// As people call the family.
    pub family: &'static str,
    /// Numbers a token.
    pub width: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Attention heads a layer; divides `width`.
    pub heads: usize,
    /// Width of the feed-forward layer.
    pub inner: usize,
    /// Tokens known.
    pub vocabulary: usize,
    /// Segments known; 0 where the model has none and ignores them.
    pub segments: usize,
    /// Learned positions.
    pub positions: Positions,
    /// Added to the variance in layer norms.
    pub epsilon: f32,
    /// Within the feed-forward layer.
    pub activation: Activation,
    /// Between the two products of the classification head.
    pub head_activation: Activation,
    /// Where checkpoints keep the parts.
    pub names: Names,
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
    /// Segment embeddings, where there are segments.
    pub types: &'static str,
    /// Position embeddings.
    pub positions: &'static str,
    /// Layer norm of the embeddings.
    pub embedding_norm: &'static str,
    /// What a layer's number follows; its parts follow the number.
    pub layer: &'static str,
    /// Gives queries.
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
    /// First product of the head, with the prefix if it has one.
    pub head: &'static str,
    /// Second product of the head, with the prefix if it has one.
    pub classifier: &'static str,
}

impl Architecture {
    /// Longest text, in tokens, special ones included.
    pub fn limit(&self) -> usize {
        self.positions.limit()
    }

    /// Multiplications and additions in the matrix products that a text of so many tokens needs. In
    /// the last layer only the first token has a query, an output and a feed-forward part.
    pub fn operations(&self, tokens: u64, labels: u64) -> u64 {
        let (width, inner) = (self.width as u64, self.inner as u64);
        // A product of a row and a width x outputs matrix; attention takes two products with all tokens.
        let token = width * (2 * width + 2 * inner) + 2 * width * tokens;
        let (whole, last) = (tokens * (token + 2 * width * width), token + tokens * 2 * width * width);
        let head = width * (width + labels);
        2 * ((self.layers as u64 - 1) * whole + last + head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roberta_counts_positions_after_its_padding_token() {
        let bert = Positions { rows: 512, padding: None };
        assert_eq!((bert.limit(), bert.of(&[7, 0, 1]).collect::<Vec<_>>()), (512, vec![0, 1, 2]));
        let roberta = Positions { rows: 514, padding: Some(1) };
        assert_eq!((roberta.limit(), roberta.of(&[0, 1, 9, 2]).collect::<Vec<_>>()), (512, vec![2, 1, 3, 4]));
    }
}
