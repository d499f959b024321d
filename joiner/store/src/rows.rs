//! The rows of the fact tables, column for column as the migrations have them.
//! Times are microseconds since 1970 UTC.

mod joined;

pub(crate) use joined::IMPACT_COLUMNS;
pub use joined::{ColumnKind, ImpactRow, MentionRow};

use base64::Engine as _;
use clickhouse::Row;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tapewire_core::record::ListedInstrument;
use tapewire_core::tape::ActionKind;
use tapewire_core::{Article, Bar, CorporateAction, DeadLetter, Halt, Run, Trade};

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
    pub symbols_found: bool,
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
            symbols_found: article.symbols_found,
            keywords: article.keywords,
            published_at: micros(article.published_at),
            received_at: micros(article.received_at),
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

/// Row of `actions`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct ActionRow {
    pub run: String,
    pub symbol: String,
    /// Days since 1970.
    pub ex_date: i32,
    pub kind: &'static str,
    pub id: String,
    pub split_from: Option<f64>,
    pub split_to: Option<f64>,
    pub amount: Option<f64>,
    pub currency: String,
    pub received_at: i64,
}

impl ActionRow {
    /// The row of a split or a dividend.
    pub fn new(run: &Run, action: &CorporateAction) -> Self {
        let (kind, split, amount, currency) = match &action.kind {
            ActionKind::Split { from, to } => ("split", Some((*from, *to)), None, String::new()),
            ActionKind::Dividend { amount, currency } => ("dividend", None, Some(*amount), currency.clone()),
        };
        Self {
            run: run.as_str().to_owned(),
            symbol: action.symbol.as_str().to_owned(),
            ex_date: (action.ex_date - jiff::civil::date(1970, 1, 1)).get_days(),
            kind,
            id: action.id.clone(),
            split_from: split.map(|(from, _)| from),
            split_to: split.map(|(_, to)| to),
            amount,
            currency,
            received_at: micros(action.received_at),
        }
    }
}

/// Row of `instruments`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct InstrumentRow {
    pub symbol: String,
    pub name: String,
    pub aliases: Vec<String>,
    pub kind: &'static str,
    pub exchange: String,
    pub cik: Option<u64>,
    pub figi: Option<String>,
    pub valid_from: i32,
    pub valid_to: Option<i32>,
    pub source: String,
    pub seen_at: i64,
}

impl InstrumentRow {
    /// The row of an instrument.
    pub fn new(listed: ListedInstrument) -> Self {
        // The first and the last day that a Date32 can hold.
        let (first, last) = (date(1900, 1, 1), date(2299, 12, 31));
        let days = |day: Date| (day.clamp(first, last) - date(1970, 1, 1)).get_days();
        let ListedInstrument { instrument, source, seen_at } = listed;
        Self {
            symbol: instrument.symbol.into(),
            name: instrument.name,
            aliases: instrument.aliases,
            kind: instrument.kind.as_str(),
            exchange: instrument.exchange,
            cik: instrument.cik,
            figi: instrument.figi,
            valid_from: days(instrument.valid_from.unwrap_or(first)),
            valid_to: instrument.valid_to.map(days),
            source,
            seen_at: micros(seen_at),
        }
    }
}

/// Row of `dead_letters`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct DeadLetterRow {
    pub run: String,
    pub id: String,
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
    /// The row of a dead letter found at `offset` of `partition`. A dead letter that can't be read, or whose bytes are
    /// not base64, is kept as it is on the topic, so that it is not lost.
    pub fn from_topic(
        partition: i32,
        offset: i64,
        letter: Result<DeadLetter, serde_json::Error>,
        payload: &[u8],
    ) -> Self {
        let whole = |reason: String| Self {
            run: String::new(),
            id: String::new(),
            kafka_partition: partition,
            kafka_offset: offset,
            stage: String::new(),
            origin: format!("topic dead-letter, partition {partition}, offset {offset}"),
            reason,
            bytes: payload.to_vec(),
            at: 0,
        };
        let read = letter.map_err(|error| format!("not a dead letter: {error}")).and_then(|letter| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(&letter.bytes);
            bytes.map(|bytes| (letter, bytes)).map_err(|error| format!("its bytes are not base64: {error}"))
        });
        let row = match read {
            Err(reason) => whole(reason),
            Ok((letter, bytes)) => Self {
                run: letter.run.map_or_else(String::new, |run| run.as_str().to_owned()),
                id: String::new(),
                kafka_partition: partition,
                kafka_offset: offset,
                stage: letter.stage,
                origin: letter.origin,
                reason: letter.reason,
                bytes,
                at: micros(letter.at),
            },
        };
        row.with_id()
    }

    /// The id is the same when the same input is refused again for the same reason, so that it does not count twice.
    fn with_id(self) -> Self {
        let mut hash = Sha256::new();
        for part in [&self.stage, &self.origin, &self.reason] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(&self.bytes);
        Self { id: hex::encode(hash.finalize()), ..self }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;

    fn letter(run: &str, origin: &str, at: i64) -> DeadLetterRow {
        let json = serde_json::json!({
            "v": 1, "run": run, "stage": "replay", "origin": origin, "reason": "why", "bytes": "/wA=", "at": at,
        });
        DeadLetterRow::from_topic(0, at, serde_json::from_value(json), b"")
    }

    #[test]
    fn the_same_dead_letter_has_the_same_id_wherever_and_whenever_it_is() {
        let (first, again) = (letter("may", "bars.csv line 3", 1), letter("may", "bars.csv line 3", 2));
        assert_eq!((first.run.as_str(), &first.bytes[..]), ("may", &[0xff, 0][..]));
        assert_eq!(first.id, again.id);
        assert_eq!(first.id.len(), 64);
        assert_ne!(first.id, letter("may", "bars.csv line 4", 1).id);
        // Dead letters that can't be read differ by their place.
        let unreadable = |offset| DeadLetterRow::from_topic(0, offset, serde_json::from_str("{"), b"{");
        assert_ne!(unreadable(1).id, unreadable(2).id);
        assert_eq!((unreadable(1).run.as_str(), &unreadable(1).bytes[..]), ("", &b"{"[..]));
        // A dead letter of a build that did not write the run.
        let old = serde_json::json!({"v": 1, "stage": "s", "origin": "o", "reason": "r", "bytes": "", "at": 0});
        assert_eq!(DeadLetterRow::from_topic(0, 0, serde_json::from_value(old), b"").run, "");
    }
}
