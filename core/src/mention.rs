//! One article about one company, with its sentiment.

use crate::Symbol;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use strum::{IntoStaticStr, VariantNames};

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
    /// Class probabilities as the model gives them, calibrated or not.
    pub probabilities: Probabilities,
    /// Model name as configured (`ProsusAI/finbert`, `tapewire-e5-sentiment`).
    pub model: Arc<str>,
    /// What was loaded: the hub's revision, or a hash of the weights.
    pub model_revision: Arc<str>,
    /// Number of overlapping windows the text was read in: 1 where it fits the model's limit.
    #[serde(default = "one_window")]
    pub windows: u16,
}

/// The default for records that were written before there were windows: they lack the field.
fn one_window() -> u16 {
    1
}

/// Why a mention has no sentiment. Such a mention is never given a neutral score instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Unscored {
    /// Title and description have nothing that a reader or the model can read.
    EmptyText,
    /// The model failed on this text; the worker's log and metrics give the error.
    ModelFailed,
    /// The headline is that of a law firm's notice to investors, which is not news.
    Promotional,
    /// An edit of the article no longer names the company. The mention does not count.
    Withdrawn,
}

impl Unscored {
    /// The names of all reasons, as tables have them.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The reason as in tables.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One (article, company) pair. An article that names no company gives one mention
/// without a symbol, so that every article is accounted for.
///
/// Texts that many mentions have in common can be shared: who keeps mentions in memory keeps each of these texts once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mention {
    /// [`crate::Article::id`].
    pub article_id: String,
    /// [`crate::Article::revision`].
    pub article_revision: u64,
    /// The company; `None` where the article names none.
    pub symbol: Option<Symbol>,
    /// Whether the company was found by us in the text, because the provider named none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub symbol_found: bool,
    /// Headline as a reader sees it, carried along for the joined row.
    pub title: String,
    /// The article's provider.
    pub provider: Arc<str>,
    /// The article's publisher.
    pub publisher: Arc<str>,
    /// The article's URL.
    pub url: String,
    /// When the provider says the article was published (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub published_at: Timestamp,
    /// When we received the article (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
    /// When the score was computed (UTC); equals `received_at` outside the live run.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub scored_at: Timestamp,
    /// How much the article is about this company, in (0, 1]; the worker has the formula. `None` without a company.
    pub relevance: Option<f64>,
    /// The name by which the model was asked about the company. `None` if there is no company, or if no name of it is
    /// known and the text marks no ticker; then the text was scored as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_as: Option<String>,
    /// The model's answer, or why it gave none. On the topic these are two fields, `sentiment` and `unscored`, of
    /// which exactly one is not null.
    #[serde(flatten, with = "sentiment_or_reason")]
    pub sentiment: Result<Sentiment, Unscored>,
}

impl Mention {
    /// The key of the article that the mention is about, as [`crate::Article::key`].
    pub fn article_key(&self) -> String {
        crate::article::article_key(&self.provider, &self.article_id)
    }

    /// Whether an edit of the article has withdrawn the mention.
    pub fn is_withdrawn(&self) -> bool {
        self.sentiment == Err(Unscored::Withdrawn)
    }

    /// Class probabilities, if the mention was scored.
    pub fn probabilities(&self) -> Option<Probabilities> {
        self.sentiment.as_ref().ok().map(|sentiment| sentiment.probabilities)
    }

    /// The first moment at which anybody could have acted on the mention: the latest of `published_at`, `received_at`
    /// and `scored_at`. No price at or before this moment may be an outcome.
    pub fn available_at(&self) -> Timestamp {
        self.published_at.max(self.received_at).max(self.scored_at)
    }
}

/// [`Mention::sentiment`] as the topic has it.
mod sentiment_or_reason {
    use super::{Sentiment, Unscored};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Fields<S> {
        sentiment: Option<S>,
        unscored: Option<Unscored>,
    }

    pub fn serialize<S: Serializer>(value: &Result<Sentiment, Unscored>, to: S) -> Result<S::Ok, S::Error> {
        Fields { sentiment: value.as_ref().ok(), unscored: value.as_ref().err().copied() }.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Result<Sentiment, Unscored>, D::Error> {
        match Fields::deserialize(from)? {
            Fields { sentiment: Some(sentiment), unscored: None } => Ok(Ok(sentiment)),
            Fields { sentiment: None, unscored: Some(reason) } => Ok(Err(reason)),
            Fields { sentiment: Some(_), unscored: Some(_) } => {
                Err(D::Error::custom("a mention has both `sentiment` and `unscored`"))
            }
            Fields { sentiment: None, unscored: None } => {
                Err(D::Error::custom("a mention has neither `sentiment` nor `unscored`"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Scored;
    use crate::{CodecError, Run, SentimentRecord};

    const BEFORE: &str = concat!(
        r#"{"v":1,"run":"live","body":{"mention":{"article_id":"a1","article_revision":18446744073709551615,"#,
        r#""symbol":"AAPL","title":"Apple rises","provider":"massive","publisher":"Wire","url":"https://x.example/1","#,
        r#""published_at":1700000000000001,"received_at":1700000001000002,"scored_at":1700000002000003,"#,
    );
    const SENTIMENT: &str = concat!(
        r#"{"probabilities":{"positive":0.7000000000000001,"neutral":0.2,"negative":0.1},"#,
        r#""model":"m","model_revision":"r","windows":2}"#
    );

    /// A record of topic `sentiment` with these two fields.
    fn record(relevance: &str, sentiment: &str, unscored: &str) -> String {
        format!(r#"{BEFORE}"relevance":{relevance},"sentiment":{sentiment},"unscored":{unscored}}}}}}}"#)
    }

    fn mention(bytes: &str) -> Result<Mention, CodecError> {
        match SentimentRecord::decode(bytes.as_bytes())?.body {
            Scored::Mention(mention) => Ok(mention),
            Scored::Watermark(_) => panic!("not a mention: {bytes}"),
        }
    }

    #[test]
    fn the_topics_bytes_are_what_they_were() {
        let scored = record("0.5", SENTIMENT, "null");
        let unscored = record("null", "null", r#""model_failed""#);
        for bytes in [&scored, &unscored] {
            let mention = mention(bytes).unwrap();
            assert_eq!(mention.article_revision, u64::MAX);
            assert_eq!(mention.scored_at.as_microsecond(), 1_700_000_002_000_003);
            let again = SentimentRecord::new(Run::live(), Scored::Mention(mention)).encode();
            assert_eq!(String::from_utf8(again).unwrap(), **bytes);
        }
        let sentiment = mention(&scored).unwrap().sentiment.unwrap();
        assert_eq!(
            (sentiment.probabilities.positive.to_bits(), sentiment.windows),
            (0.700_000_000_000_000_1_f64.to_bits(), 2)
        );
        assert_eq!(mention(&unscored).unwrap().sentiment, Err(Unscored::ModelFailed));
    }

    #[test]
    fn the_name_that_was_asked_is_on_the_topic_and_may_be_absent() {
        let bytes = record("0.5", SENTIMENT, "null");
        let with = bytes.replace(r#""relevance":0.5,"#, r#""relevance":0.5,"asked_as":"Waters","#);
        assert_eq!(mention(&bytes).unwrap().asked_as, None);
        let mention = mention(&with).unwrap();
        assert_eq!(mention.asked_as.as_deref(), Some("Waters"));
        let again = SentimentRecord::new(Run::live(), Scored::Mention(mention)).encode();
        assert_eq!(String::from_utf8(again).unwrap(), with);
    }

    #[test]
    fn a_company_found_by_us_is_marked_on_the_topic() {
        let bytes = record("0.5", SENTIMENT, "null");
        assert!(!mention(&bytes).unwrap().symbol_found);
        let with = bytes.replace(r#""symbol":"AAPL","#, r#""symbol":"AAPL","symbol_found":true,"#);
        let mention = mention(&with).unwrap();
        assert!(mention.symbol_found);
        assert_eq!(
            String::from_utf8(SentimentRecord::new(Run::live(), Scored::Mention(mention)).encode()).unwrap(),
            with
        );
    }

    #[test]
    fn a_record_from_before_there_were_windows_was_read_in_one() {
        let old = SENTIMENT.replace(r#","windows":2"#, "");
        assert_eq!(mention(&record("0.5", &old, "null")).unwrap().sentiment.unwrap().windows, 1);
    }

    #[test]
    fn a_mention_with_both_or_neither_is_refused() {
        let both = record("0.5", SENTIMENT, r#""empty_text""#);
        let neither = record("0.5", "null", "null");
        let absent = neither.replace(r#","sentiment":null,"unscored":null"#, "");
        for (bytes, said) in [(both, "both"), (neither, "neither"), (absent, "neither")] {
            let error = mention(&bytes).unwrap_err();
            assert!(matches!(&error, CodecError::Malformed(cause) if cause.to_string().contains(said)), "{error}");
        }
    }

    #[test]
    fn a_reason_is_spelled_the_same_on_topics_and_in_tables() {
        for reason in [Unscored::EmptyText, Unscored::ModelFailed, Unscored::Promotional, Unscored::Withdrawn] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn ties_never_become_an_opinion() {
        let p = |positive, neutral, negative| Probabilities { positive, neutral, negative };
        assert_eq!(p(0.4, 0.2, 0.4).label(), "negative");
        assert_eq!(p(0.4, 0.4, 0.2).label(), "neutral");
        assert_eq!(p(0.5, 0.3, 0.2).label(), "positive");
        assert!((p(0.5, 0.3, 0.2).score() - 0.3).abs() < 1e-15);
    }
}
