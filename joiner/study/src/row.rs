//! The rows that a study reads: what it needs of a joined row, wherever the row is from.

use jiff::Timestamp;
use tapewire_core::impact::{PerHorizon, Phase};
use tapewire_core::{Impact, Symbol};

/// One article about one company, its score, and the returns that followed.
///
/// Rows of the join are made by `From<&Impact>`. Rows of table `impact`, and of files, are made field by field; their
/// values are those that `tapewire join` writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The company; `None` where the article names none.
    pub symbol: Option<Symbol>,
    /// Who delivered the article.
    pub provider: String,
    /// The article's publisher; empty if not known.
    pub publisher: String,
    /// The provider's id of the article.
    pub article_id: String,
    /// Headline.
    pub title: String,
    /// The name by which the model was asked about the company, if it was.
    pub asked_as: Option<String>,
    /// When the news could have been known (UTC), to the microsecond.
    pub available_at: Timestamp,
    /// Time of the entry (UTC), to the microsecond.
    pub entry_at: Option<Timestamp>,
    /// The score, finite; that of the join is p(positive) - p(negative).
    pub score: Option<f64>,
    /// The likeliest class: `positive`, `neutral` or `negative`.
    pub label: Option<&'static str>,
    /// The model that scored it and the model's revision, if they are known.
    pub model: Option<(String, String)>,
    /// Width of the bars that it was joined with, in seconds.
    pub bar_width_s: Option<u32>,
    /// How much the article is about the company, in (0, 1].
    pub relevance: Option<f64>,
    /// When in the trading day the news became available.
    pub phase: Option<Phase>,
    /// Why the row has no price path or no score, by its name in table `impact`.
    pub reason: Option<&'static str>,
    /// Log returns from the entry, finite.
    pub returns: PerHorizon,
    /// Abnormal log returns, finite.
    pub abnormal: PerHorizon,
    /// What the join says of the prices.
    pub flags: Flags,
}

/// What the join says of a row's prices. Where nothing is known, as without these columns, no flag is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// A price jumped overnight as if by an unknown split (`flag_possible_split`).
    pub possible_split: bool,
    /// A price was older than the join accepts (`flag_stale`); the horizon has no outcome then.
    pub stale: bool,
    /// A missing bar moved a price, or too many bars are missing (`flag_gap`).
    pub gap: bool,
}

/// The moment without the part of it that is finer than a microsecond, as tables have it.
fn whole_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

impl From<&Impact> for Row {
    fn from(row: &Impact) -> Self {
        let mention = &row.mention;
        let probabilities = mention.probabilities();
        let sentiment = mention.sentiment.as_ref().ok();
        let unscored = mention.sentiment.as_ref().err().map(|reason| reason.as_str());
        Self {
            symbol: mention.symbol.clone(),
            provider: mention.provider.to_string(),
            publisher: mention.publisher.to_string(),
            article_id: mention.article_id.clone(),
            title: mention.title.clone(),
            asked_as: mention.asked_as.clone(),
            available_at: whole_microseconds(mention.available_at()),
            entry_at: row.entry_at.map(whole_microseconds),
            score: probabilities.map(|probabilities| probabilities.score()),
            label: probabilities.map(|probabilities| probabilities.label()),
            model: sentiment.map(|sentiment| (sentiment.model.to_string(), sentiment.model_revision.to_string())),
            bar_width_s: row.bar_width_s,
            relevance: mention.relevance,
            phase: Some(row.phase),
            reason: row.status.reason().map(|reason| reason.as_str()).or(unscored),
            returns: row.returns,
            abnormal: row.abnormal,
            flags: Flags { possible_split: row.quality.possible_split, stale: row.quality.stale, gap: row.quality.gap },
        }
    }
}

impl From<&Row> for Row {
    fn from(row: &Row) -> Self {
        row.clone()
    }
}

/// The reasons that a row may have, as table `impact` names them.
pub const REASONS: [&str; 11] = [
    "no_symbol",
    "not_equity",
    "outside_calendar",
    "no_bars",
    "no_regular_bars",
    "no_entry_bar",
    "too_late",
    "withdrawn",
    "empty_text",
    "model_failed",
    "promotional",
];

/// The classes.
pub const LABELS: [&str; 3] = ["positive", "neutral", "negative"];

/// The phase of the trading day that a name in table `impact` stands for.
pub fn phase(name: &str) -> Option<Phase> {
    let all = [Phase::PreMarket, Phase::Session, Phase::Break, Phase::AfterHours, Phase::Closed];
    all.into_iter().find(|own| own.as_str() == name)
}
