//! One article about one company, and what a model read in it.

use crate::Symbol;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Class probabilities of a financial-sentiment model; they sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Probabilities {
    /// Good news for the company.
    pub positive: f64,
    /// Neither.
    pub neutral: f64,
    /// Bad news for the company.
    pub negative: f64,
}

impl Probabilities {
    /// Signed score in [-1, 1]: p(positive) - p(negative).
    pub fn score(&self) -> f64 {
        self.positive - self.negative
    }

    /// The likeliest class: `positive`, `neutral` or `negative`; ties go to `neutral`, then `negative`.
    pub fn label(&self) -> &'static str {
        if self.neutral >= self.positive && self.neutral >= self.negative {
            "neutral"
        } else if self.negative >= self.positive {
            "negative"
        } else {
            "positive"
        }
    }
}

/// What one model said about one text and company.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sentiment {
    /// Calibrated or raw class probabilities, as the model gives them.
    pub probabilities: Probabilities,
    /// Model name as configured (`ProsusAI/finbert`, `tapewire-minilm-sentiment`).
    pub model: String,
    /// What was loaded: hub revision or content hash of the weights.
    pub model_revision: String,
    /// In how many overlapping windows the text was read: 1 where it fits the model's limit.
    #[serde(default = "one_window")]
    pub windows: u16,
}

/// Records from before there were windows do not say.
fn one_window() -> u16 {
    1
}

/// Why a mention has no sentiment. There is no invented neutral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unscored {
    /// Title and description are both empty.
    EmptyText,
    /// The model failed on this text; the worker's log and metrics say how.
    ModelFailed,
}

impl Unscored {
    /// The reason as it stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmptyText => "empty_text",
            Self::ModelFailed => "model_failed",
        }
    }
}

/// One (article, company) pair. An article that names no company gives one mention
/// without a symbol, so that every article is accounted for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mention {
    /// [`crate::Article::id`].
    pub article_id: String,
    /// [`crate::Article::revision`].
    pub article_revision: u64,
    /// The company; `None` where the article names none.
    pub symbol: Option<Symbol>,
    /// Headline, carried along for the joined row.
    pub title: String,
    /// Who delivered the article.
    pub provider: String,
    /// Who wrote it.
    pub publisher: String,
    /// Where to read it.
    pub url: String,
    /// When the provider says it was published (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub published_at: Timestamp,
    /// When we had it (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
    /// When the score existed (UTC); equals `received_at` outside the live run.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub scored_at: Timestamp,
    /// How much the article is about this company, in (0, 1]; see the worker for the formula.
    pub relevance: Option<f64>,
    /// What the model said, or `None` with `unscored` telling why.
    pub sentiment: Option<Sentiment>,
    /// Why there is no sentiment; `None` exactly when `sentiment` is there.
    pub unscored: Option<Unscored>,
}

impl Mention {
    /// The key of the article it is about, as [`crate::Article::key`].
    pub fn article_key(&self) -> String {
        crate::article::article_key(&self.provider, &self.article_id)
    }

    /// The first moment anybody here could have acted on it: the latest of the three clocks.
    /// No price at or before this moment may be an outcome.
    pub fn available_at(&self) -> Timestamp {
        self.published_at.max(self.received_at).max(self.scored_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_never_become_an_opinion() {
        let p = |positive, neutral, negative| Probabilities { positive, neutral, negative };
        assert_eq!(p(0.4, 0.2, 0.4).label(), "negative");
        assert_eq!(p(0.4, 0.4, 0.2).label(), "neutral");
        assert_eq!(p(0.5, 0.3, 0.2).label(), "positive");
        assert!((p(0.5, 0.3, 0.2).score() - 0.3).abs() < 1e-15);
    }
}
