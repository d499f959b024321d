//! The rows of the fact tables, column for column as the migrations have them.
//! Times are microseconds since 1970 UTC.

use base64::Engine as _;
use clickhouse::Row;
use jiff::Timestamp;
use serde::Serialize;
use tapewire_core::{Article, Bar, DeadLetter, Halt, Impact, Mention, Run, Trade};

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Row of `articles`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct ArticleRow {
    pub run: String,
    pub article_id: String,
    pub revision: u64,
    pub provider: String,
    pub publisher: String,
    pub author: String,
    pub title: String,
    pub description: String,
    pub url: String,
    pub symbols: Vec<String>,
    pub keywords: Vec<String>,
    pub published_at: i64,
    pub received_at: i64,
    pub seq: u64,
}

impl ArticleRow {
    /// The row of an article found at `seq` in its partition.
    pub fn new(run: &Run, article: Article, seq: u64) -> Self {
        Self {
            run: run.as_str().to_owned(),
            article_id: article.id,
            revision: article.revision,
            provider: article.provider,
            publisher: article.publisher,
            author: article.author,
            title: article.title,
            description: article.description,
            url: article.url,
            symbols: article.symbols.into_iter().map(String::from).collect(),
            keywords: article.keywords,
            published_at: micros(article.published_at),
            received_at: micros(article.received_at),
            seq,
        }
    }
}

/// Row of `mentions`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct MentionRow {
    pub run: String,
    pub symbol: String,
    pub article_id: String,
    pub article_revision: u64,
    pub title: String,
    pub provider: String,
    pub publisher: String,
    pub url: String,
    pub published_at: i64,
    pub received_at: i64,
    pub scored_at: i64,
    pub available_at: i64,
    pub relevance: Option<f64>,
    pub p_positive: Option<f64>,
    pub p_neutral: Option<f64>,
    pub p_negative: Option<f64>,
    pub score: Option<f64>,
    pub label: String,
    pub model: String,
    pub model_revision: String,
    pub windows: Option<u16>,
    pub unscored: String,
    pub seq: u64,
}

impl MentionRow {
    /// The row of a mention found at `seq` in its partition.
    pub fn new(run: &Run, mention: &Mention, seq: u64) -> Self {
        let sentiment = mention.sentiment.as_ref();
        let probabilities = sentiment.map(|s| s.probabilities);
        Self {
            run: run.as_str().to_owned(),
            symbol: mention.symbol.as_ref().map(|s| s.as_str().to_owned()).unwrap_or_default(),
            article_id: mention.article_id.clone(),
            article_revision: mention.article_revision,
            title: mention.title.clone(),
            provider: mention.provider.clone(),
            publisher: mention.publisher.clone(),
            url: mention.url.clone(),
            published_at: micros(mention.published_at),
            received_at: micros(mention.received_at),
            scored_at: micros(mention.scored_at),
            available_at: micros(mention.available_at()),
            relevance: mention.relevance,
            p_positive: probabilities.map(|p| p.positive),
            p_neutral: probabilities.map(|p| p.neutral),
            p_negative: probabilities.map(|p| p.negative),
            score: probabilities.map(|p| p.score()),
            label: probabilities.map_or("", |p| p.label()).to_owned(),
            model: sentiment.map(|s| s.model.clone()).unwrap_or_default(),
            model_revision: sentiment.map(|s| s.model_revision.clone()).unwrap_or_default(),
            windows: sentiment.map(|s| s.windows),
            unscored: mention.unscored.map_or("", |u| u.as_str()).to_owned(),
            seq,
        }
    }
}

/// Row of `bars`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct BarRow {
    pub run: String,
    pub symbol: String,
    pub width_s: u32,
    pub start: i64,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
    pub vwap: Option<f64>,
    pub trades: Option<u64>,
    pub received_at: i64,
}

impl BarRow {
    /// The row of a bar.
    pub fn new(run: &Run, bar: &Bar) -> Self {
        Self {
            run: run.as_str().to_owned(),
            symbol: bar.symbol.as_str().to_owned(),
            width_s: bar.width_s,
            start: micros(bar.start),
            open: bar.open,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            volume: bar.volume,
            vwap: bar.vwap,
            trades: bar.trades,
            received_at: micros(bar.received_at),
        }
    }
}

/// Row of `trades`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct TradeRow {
    pub run: String,
    pub symbol: String,
    pub at: i64,
    pub id: String,
    pub sequence: u64,
    pub price: f64,
    pub size: f64,
    pub received_at: i64,
}

impl TradeRow {
    /// The row of a trade.
    pub fn new(run: &Run, trade: Trade) -> Self {
        Self {
            run: run.as_str().to_owned(),
            symbol: trade.symbol.into(),
            at: micros(trade.at),
            id: trade.id,
            sequence: trade.sequence,
            price: trade.price,
            size: trade.size,
            received_at: micros(trade.received_at),
        }
    }
}

/// Row of `halts`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct HaltRow {
    pub run: String,
    pub symbol: String,
    pub at: i64,
    pub halted: bool,
    pub reason: String,
    pub received_at: i64,
}

impl HaltRow {
    /// The row of a halt.
    pub fn new(run: &Run, halt: &Halt) -> Self {
        Self {
            run: run.as_str().to_owned(),
            symbol: halt.symbol.as_str().to_owned(),
            at: micros(halt.at),
            halted: halt.halted,
            reason: halt.reason.clone(),
            received_at: micros(halt.received_at),
        }
    }
}

/// Row of `dead_letters`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct DeadLetterRow {
    pub kafka_partition: i32,
    pub kafka_offset: i64,
    pub stage: String,
    pub origin: String,
    pub reason: String,
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    pub at: i64,
}

impl DeadLetterRow {
    /// The row of a dead letter found at `offset` of `partition`. A letter that can't be read, or whose
    /// bytes are not base64, is kept as it stands in the topic: nothing here may be lost.
    pub fn from_topic(
        partition: i32,
        offset: i64,
        letter: Result<DeadLetter, serde_json::Error>,
        payload: &[u8],
    ) -> Self {
        let whole = |reason: String| Self {
            kafka_partition: partition,
            kafka_offset: offset,
            stage: String::new(),
            origin: "topic dead-letter".into(),
            reason,
            bytes: payload.to_vec(),
            at: 0,
        };
        let letter = match letter {
            Ok(letter) => letter,
            Err(error) => return whole(format!("not a dead letter: {error}")),
        };
        match base64::engine::general_purpose::STANDARD.decode(&letter.bytes) {
            Ok(bytes) => Self {
                kafka_partition: partition,
                kafka_offset: offset,
                stage: letter.stage,
                origin: letter.origin,
                reason: letter.reason,
                bytes,
                at: micros(letter.at),
            },
            Err(error) => whole(format!("its bytes are not base64: {error}")),
        }
    }
}

/// Row of `impact`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct ImpactRow {
    pub run: String,
    pub symbol: String,
    pub article_id: String,
    pub version: u64,
    pub status: &'static str,
    pub reason: &'static str,
    pub phase: &'static str,
    pub title: String,
    pub provider: String,
    pub publisher: String,
    pub url: String,
    pub published_at: i64,
    pub received_at: i64,
    pub scored_at: i64,
    pub available_at: i64,
    pub relevance: Option<f64>,
    pub p_positive: Option<f64>,
    pub p_neutral: Option<f64>,
    pub p_negative: Option<f64>,
    pub score: Option<f64>,
    pub label: String,
    pub model: String,
    pub model_revision: String,
    pub unscored: String,
    pub bar_width_s: Option<u32>,
    pub price_before: Option<f64>,
    pub price_before_at: Option<i64>,
    pub entry_at: Option<i64>,
    pub entry_price: Option<f64>,
    pub ret_1m: Option<f64>,
    pub ret_5m: Option<f64>,
    pub ret_15m: Option<f64>,
    pub ret_30m: Option<f64>,
    pub ret_60m: Option<f64>,
    pub ret_close: Option<f64>,
    pub ret_next_open: Option<f64>,
    pub ret_next_close: Option<f64>,
    pub ar_1m: Option<f64>,
    pub ar_5m: Option<f64>,
    pub ar_15m: Option<f64>,
    pub ar_30m: Option<f64>,
    pub ar_60m: Option<f64>,
    pub ar_close: Option<f64>,
    pub ar_next_open: Option<f64>,
    pub ar_next_close: Option<f64>,
    pub alpha: Option<f64>,
    pub beta: Option<f64>,
    pub volume_ratio: Option<f64>,
    pub flag_stale: bool,
    pub flag_halted: bool,
    pub flag_gap: bool,
    pub flag_late: bool,
}

impl ImpactRow {
    /// The row of an impact.
    pub fn new(impact: &Impact) -> Self {
        let mention = MentionRow::new(&impact.run, &impact.mention, 0);
        let [ret_1m, ret_5m, ret_15m, ret_30m, ret_60m, ret_close, ret_next_open, ret_next_close] = impact.returns;
        let [ar_1m, ar_5m, ar_15m, ar_30m, ar_60m, ar_close, ar_next_open, ar_next_close] = impact.abnormal;
        Self {
            run: mention.run,
            symbol: mention.symbol,
            article_id: mention.article_id,
            version: impact.version,
            status: impact.status.as_str(),
            reason: impact.reason.map_or("", |r| r.as_str()),
            phase: impact.phase.as_str(),
            title: mention.title,
            provider: mention.provider,
            publisher: mention.publisher,
            url: mention.url,
            published_at: mention.published_at,
            received_at: mention.received_at,
            scored_at: mention.scored_at,
            available_at: mention.available_at,
            relevance: mention.relevance,
            p_positive: mention.p_positive,
            p_neutral: mention.p_neutral,
            p_negative: mention.p_negative,
            score: mention.score,
            label: mention.label,
            model: mention.model,
            model_revision: mention.model_revision,
            unscored: mention.unscored,
            bar_width_s: impact.bar_width_s,
            price_before: impact.price_before,
            price_before_at: impact.price_before_at.map(micros),
            entry_at: impact.entry_at.map(micros),
            entry_price: impact.entry_price,
            ret_1m,
            ret_5m,
            ret_15m,
            ret_30m,
            ret_60m,
            ret_close,
            ret_next_open,
            ret_next_close,
            ar_1m,
            ar_5m,
            ar_15m,
            ar_30m,
            ar_60m,
            ar_close,
            ar_next_open,
            ar_next_close,
            alpha: impact.alpha,
            beta: impact.beta,
            volume_ratio: impact.volume_ratio,
            flag_stale: impact.quality.stale,
            flag_halted: impact.quality.halted,
            flag_gap: impact.quality.gap,
            flag_late: impact.quality.late,
        }
    }
}
