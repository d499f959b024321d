//! The records on each topic: versioned JSON in one envelope.
//!
//! Records are JSON because a person must be able to read a dead letter, and because every tool that reads Kafka reads
//! JSON. Times are integer microseconds since 1970 UTC, so reading gives exactly what was written.

use crate::{Article, Bar, CorporateAction, Halt, Instrument, Mention, Run, Trade, Watermark};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Version of the envelope and the records in it. A reader refuses records of a newer version.
pub const VERSION: u32 = 1;

/// A body with its version and run. The record types of the topics are aliases of this type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<Body> {
    /// [`VERSION`] of the writer.
    pub v: u32,
    /// The run that the body belongs to.
    pub run: Run,
    /// The record itself.
    pub body: Body,
}

/// On topic `news`, key: [`Article::key`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// One article.
    Article(Article),
    /// The poller has followed the wire up to here.
    Watermark(Watermark),
}

/// On topic `sentiment`, key: symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scored {
    /// One article about one company.
    Mention(Mention),
    /// Everything on one partition of `news` up to here has been scored and sent.
    Watermark(Watermark),
}

/// On topic `bars`, key: symbol. The benchmark's bars go to every partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tape {
    /// One bar, new or corrected.
    Bar(Bar),
    /// A copy of the benchmark's bar, for each partition that the bar's key does not map to: the market model needs the
    /// bar on every partition. Copies are not stored.
    BenchmarkBar(Bar),
    /// The feed has sent every bar that ended up to here.
    Watermark(Watermark),
}

/// On topic `trades`, key: symbol.
///
/// The trades of most sources are kept as they are. Where the setting `fold_trades` is on for a source, the role `bars`
/// makes bars of its trades; only such a source has gaps and watermarks here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Print {
    /// A trade of a source that has bars of its own.
    Trade(Trade),
    /// A trade that becomes part of a bar.
    Fold(SourceTrade),
    /// A copy of a benchmark's trade, for each partition that its key does not map to: each partition makes the bars of the
    /// benchmarks by itself. Copies are not stored.
    BenchmarkFold(SourceTrade),
    /// Trades of a source are missing.
    Gap(Gap),
    /// The source has sent every trade up to here, except late ones.
    Watermark(Watermark),
}

impl Print {
    /// The trade, if it is one and not a copy.
    pub fn into_trade(self) -> Option<Trade> {
        match self {
            Self::Trade(trade) | Self::Fold(SourceTrade { trade, .. }) => Some(trade),
            Self::BenchmarkFold(_) | Self::Gap(_) | Self::Watermark(_) => None,
        }
    }
}

/// A trade, and the source whose watermarks say how far its trades are complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceTrade {
    /// Name of the source: [`Watermark::source`].
    pub source: String,
    /// The trade.
    pub trade: Trade,
}

/// Some or all trades of a source are missing from `from` until `to` (UTC): bars that overlap this time can't be made of
/// those that are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Name of the source: [`Watermark::source`].
    pub source: String,
    /// The first moment of which trades may be missing.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub from: jiff::Timestamp,
    /// The first moment from which the trades are complete again.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub to: jiff::Timestamp,
}

/// On topic `instruments`: an instrument as a source lists it. The topic is compacted: of two records with one key the
/// later counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedInstrument {
    /// The instrument.
    #[serde(flatten)]
    pub instrument: Instrument,
    /// Who lists it: `builtin`, `sec`, `massive`.
    pub source: String,
    /// When the list was read (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub seen_at: jiff::Timestamp,
}

impl ListedInstrument {
    /// The record's key: the symbol, and its first day where there is one.
    pub fn key(&self) -> String {
        let Instrument { symbol, valid_from, .. } = &self.instrument;
        valid_from.map_or_else(|| symbol.to_string(), |from| format!("{symbol} {from}"))
    }
}

/// Record of topic `news`.
pub type NewsRecord = Envelope<News>;
/// Record of topic `sentiment`.
pub type SentimentRecord = Envelope<Scored>;
/// Record of topic `bars`.
pub type TapeRecord = Envelope<Tape>;
/// Record of topic `trades`.
pub type TradeRecord = Envelope<Print>;
/// Record of topic `halts`, key: symbol.
pub type HaltRecord = Envelope<Halt>;
/// Record of topic `actions`, key: symbol. The benchmark's splits and dividends go to every partition.
pub type ActionRecord = Envelope<CorporateAction>;

/// Record of topic `instruments`, key: [`ListedInstrument::key`]. Its run is always the live one.
pub type InstrumentRecord = Envelope<ListedInstrument>;

/// Record of topic `dead-letter`: what could not be read or handled, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// [`VERSION`] of the writer.
    pub v: u32,
    /// The run that the input belongs to, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// The stage that could not read or handle the input, such as `news-poller`, `price-feed`, `sentiment-worker` or
    /// `joiner`.
    pub stage: String,
    /// Where the input came from: `topic news, partition 2, offset 77`, or a URL without secrets, or `FILE line 3`.
    pub origin: String,
    /// Why the input could not be read or handled, as a sentence for a person.
    pub reason: String,
    /// The bytes as received, in base64 (RFC 4648, padded), because they need not be UTF-8.
    pub bytes: String,
    /// Event time or arrival time, microseconds since 1970 UTC.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub at: jiff::Timestamp,
}

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Not JSON, or not of this shape. The message includes that of the parser, because it becomes the reason of a dead
    /// letter.
    #[error("not a record of this topic: {0}")]
    Malformed(serde_json::Error),
    /// The record has a newer version.
    #[error("record version {found} is newer than {VERSION}, which this build reads; upgrade this role first")]
    Newer {
        /// The version found.
        found: u32,
    },
}

impl<Body: Serialize + DeserializeOwned> Envelope<Body> {
    /// Wraps a body in the current version.
    pub fn new(run: Run, body: Body) -> Self {
        Self { v: VERSION, run, body }
    }

    /// The bytes for the topic.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("records hold only strings, numbers, lists and structs, as JSON does")
    }

    /// Reads the bytes of a topic.
    ///
    /// # Errors
    /// [`CodecError::Newer`] if the version is newer, even if the rest can't be read; otherwise [`CodecError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        /// Only the version is read first, so that a newer record is not taken for a malformed one.
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        match serde_json::from_slice::<Self>(bytes) {
            Ok(record) if record.v <= VERSION => Ok(record),
            Ok(record) => Err(CodecError::Newer { found: record.v }),
            Err(error) => match serde_json::from_slice::<Version>(bytes) {
                Ok(Version { v }) if v > VERSION => Err(CodecError::Newer { found: v }),
                _ => Err(CodecError::Malformed(error)),
            },
        }
    }
}

impl TradeRecord {
    /// Reads a record of the topic `trades`. Earlier versions wrote nothing but trades there, without a tag.
    ///
    /// # Errors
    /// As [`Envelope::decode`].
    pub fn decode_print(bytes: &[u8]) -> Result<Self, CodecError> {
        match Self::decode(bytes) {
            Err(CodecError::Malformed(error)) => match Envelope::<Trade>::decode(bytes) {
                Ok(Envelope { v, run, body }) => Ok(Self { v, run, body: Print::Trade(body) }),
                Err(_) => Err(CodecError::Malformed(error)),
            },
            read => read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn trades_of_earlier_versions_are_read() {
        let plain =
            r#"{"symbol":"MKR","at":1000000,"id":"7","sequence":1,"price":2.5,"size":3.0,"received_at":2000000}"#;
        let read =
            |body: &str| TradeRecord::decode_print(format!(r#"{{"v":1,"run":"live","body":{body}}}"#).as_bytes());
        let earlier = read(plain).unwrap();
        assert_eq!(read(&format!(r#"{{"trade":{plain}}}"#)).unwrap(), earlier);
        let Print::Trade(trade) = earlier.body else { panic!("{earlier:?}") };
        assert_eq!((trade.price, trade.at.as_second()), (2.5, 1));
        let fold = read(&format!(r#"{{"fold":{{"source":"coinbase","trade":{plain}}}}}"#)).unwrap();
        assert_eq!(fold.body.clone().into_trade(), Some(trade));
        assert_eq!(TradeRecord::decode_print(&fold.encode()).unwrap(), fold);
        let gap = read(r#"{"gap":{"source":"coinbase","from":1000000,"to":2000000}}"#).unwrap();
        assert_eq!(gap.body.clone().into_trade(), None);
        assert_eq!(TradeRecord::decode_print(&gap.encode()).unwrap(), gap);
        assert!(matches!(read("{}"), Err(CodecError::Malformed(_))));
        assert!(matches!(TradeRecord::decode_print(br#"{"v":2}"#), Err(CodecError::Newer { found: 2 })));
    }

    #[test]
    fn watermark_survives_the_topic() {
        let record = NewsRecord::new(
            Run::live(),
            News::Watermark(Watermark::new(0, 1, Timestamp::from_microsecond(1_700_000_000_123_456).unwrap())),
        );
        let bytes = record.encode();
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            r#"{"v":1,"run":"live","body":{"watermark":{"index":0,"count":1,"at":1700000000123456}}}"#
        );
        assert_eq!(NewsRecord::decode(&bytes).unwrap(), record);
    }

    #[test]
    fn an_instrument_survives_the_topic_and_each_of_a_ticker_has_its_key() {
        let symbol = crate::Symbol::new("FB").unwrap();
        let instrument = Instrument { cik: Some(1_326_801), ..Instrument::new(symbol, "Meta Platforms") };
        let mut listed = ListedInstrument { instrument, source: "sec".into(), seen_at: Timestamp::UNIX_EPOCH };
        let record = InstrumentRecord::new(Run::live(), listed.clone());
        assert_eq!(InstrumentRecord::decode(&record.encode()).unwrap(), record);
        assert_eq!(listed.key(), "FB");
        listed.instrument.valid_from = Some(jiff::civil::date(2022, 6, 9));
        assert_eq!(listed.key(), "FB 2022-06-09");
    }

    #[test]
    fn a_newer_record_is_called_newer_whatever_its_shape() {
        let error = NewsRecord::decode(br#"{"v":2,"shape":"unknown"}"#).unwrap_err();
        assert!(matches!(error, CodecError::Newer { found: 2 }), "{error}");
        assert!(matches!(NewsRecord::decode(b"{"), Err(CodecError::Malformed(_))));
    }
}
