//! Writes one run's records to their topics.

use crate::IngestError;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use tapewire_bus::traces::about_article;
use tapewire_bus::{Delivery, Producer, Topic};
use tapewire_core::exchange::Market;
use tapewire_core::record::{Gap, News, Print, SourceTrade, Tape};
use tapewire_core::{
    ActionRecord, Article, Bar, CorporateAction, Halt, HaltRecord, NewsRecord, Run, Symbol, TapeRecord, Trade,
    TradeRecord, Watermark,
};
use tapewire_runtime::traces::{Parent, Span};

/// Most records that may be unacknowledged at once; then all are waited for.
const IN_FLIGHT: usize = 10_000;

/// Key of watermarks. They go to every partition.
pub(crate) const WATERMARK: &str = "watermark";

/// A source as one of the watermark streams of its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatermarkStream {
    /// Position in the list of configured sources, from 0.
    pub index: u32,
    /// Length of that list.
    pub count: u32,
    /// Name of the source.
    pub source: String,
    /// `news` or `prices`.
    pub kind: &'static str,
    /// Its bars are made of its trades: its watermarks go to the topic `trades`, from where they are forwarded to `bars`.
    pub folds: bool,
}

impl WatermarkStream {
    /// Stream `index` of `count`, on topic `news`.
    pub fn news(index: u32, count: u32, source: &str) -> Self {
        Self { index, count, source: source.to_owned(), kind: "news", folds: false }
    }

    /// Stream `index` of `count`, on topic `bars`.
    pub fn prices(index: u32, count: u32, source: &str) -> Self {
        Self { index, count, source: source.to_owned(), kind: "prices", folds: false }
    }

    /// This stream with [`WatermarkStream::folds`] set.
    pub fn with_folds(self, folds: bool) -> Self {
        Self { folds, ..self }
    }

    /// The topic, and the record, that tells the readers of prices about this watermark.
    fn price_watermark(&self, run: Run, watermark: Watermark) -> (Topic, Vec<u8>) {
        if self.folds {
            (Topic::Trades, TradeRecord::new(run, Print::Watermark(watermark)).encode())
        } else {
            (Topic::Bars, TapeRecord::new(run, Tape::Watermark(watermark)).encode())
        }
    }

    fn watermark(&self, at: Timestamp) -> Watermark {
        Watermark { source: self.source.clone(), ..Watermark::new(self.index, self.count, at) }
    }

    /// Tells every partition of the live run that this source is idle; see [`Watermark::idle`].
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub(crate) async fn emit_idle(&self, producer: &Producer, at: Timestamp) -> Result<(), IngestError> {
        let watermark = Watermark { idle: true, ..self.watermark(at) };
        let (topic, record) = if self.kind == "news" {
            (Topic::News, NewsRecord::new(Run::live(), News::Watermark(watermark)).encode())
        } else {
            self.price_watermark(Run::live(), watermark)
        };
        Ok(producer.broadcast(topic, WATERMARK, &record).await?)
    }
}

/// What was sent of a run, by id, to be compared with what is stored in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Articles by provider and id.
    pub articles: BTreeMap<(String, String), SentArticle>,
    /// The starts of the bars of each symbol and width (seconds), in microseconds since 1970 UTC.
    pub bars: BTreeMap<(Symbol, u32), BTreeSet<i64>>,
}

/// An article that was sent, with its edits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentArticle {
    /// The companies of its last version.
    pub symbols: BTreeSet<Symbol>,
    /// The companies that only earlier versions named.
    pub withdrawn: BTreeSet<Symbol>,
}

impl Sent {
    fn article(&mut self, article: &Article) {
        let key = (article.provider.clone(), article.id.clone());
        let sent = self.articles.entry(key).or_default();
        let before = std::mem::replace(&mut sent.symbols, article.symbols.iter().cloned().collect());
        sent.withdrawn.extend(before);
        sent.withdrawn.extend(article.withdrawn.iter().flatten().cloned());
        sent.withdrawn.retain(|symbol| !sent.symbols.contains(symbol));
    }

    fn bar(&mut self, bar: &Bar) {
        self.bars.entry((bar.symbol.clone(), bar.width_s)).or_default().insert(bar.start.as_microsecond());
    }
}

/// Sends articles, bars, trades, gaps, halts, splits and dividends, and watermarks of one run. An article, bar, trade,
/// halt or action counts as sent only when [`Writer::flush`] has returned.
pub struct Writer {
    producer: Producer,
    run: Run,
    benchmarks: Vec<Symbol>,
    in_flight: Vec<Delivery>,
    sent: Option<Sent>,
}

impl Writer {
    /// A writer for `run`; the bars of `benchmarks` are copied to every partition.
    pub fn new(producer: Producer, run: Run, benchmarks: impl IntoIterator<Item = Symbol>) -> Self {
        let benchmarks = benchmarks.into_iter().collect();
        Self { producer, run, benchmarks, in_flight: Vec::new(), sent: None }
    }

    /// Makes this writer remember the ids of what it sends. Not for a run without an end: they stay in memory.
    pub fn with_record_of_sent(self) -> Self {
        Self { sent: Some(Sent::default()), ..self }
    }

    /// What was sent; nothing without [`Writer::with_record_of_sent`].
    pub fn take_sent(&mut self) -> Sent {
        self.sent.take().unwrap_or_default()
    }

    /// Sends an article, with which a trace begins if it is one of the share that is sampled.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn article(&mut self, article: Article) -> Result<(), IngestError> {
        let delivery = self.enqueue_article(article, Parent::New).await?;
        self.in_flight.push(delivery);
        Ok(())
    }

    /// Sends an article in a span, which ends when the article is acknowledged.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub(crate) async fn article_within(&mut self, article: Article, span: Span) -> Result<(), IngestError> {
        let delivery = self.enqueue_article(article, Parent::Span(&span)).await?;
        self.in_flight.push(delivery.within(span));
        Ok(())
    }

    async fn enqueue_article(&mut self, article: Article, parent: Parent<'_>) -> Result<Delivery, IngestError> {
        self.flush_if_full().await?;
        if let Some(sent) = &mut self.sent {
            sent.article(&article);
        }
        let key = article.key();
        let record = NewsRecord::new(self.run.clone(), News::Article(article));
        let describe = |span: &mut Span| {
            if let News::Article(article) = &record.body {
                about_article(span, &record.run, article);
            }
        };
        Ok(self.producer.enqueue_traced(Topic::News, &key, &record.encode(), parent, describe).await?)
    }

    /// Sends a bar.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn bar(&mut self, bar: Bar) -> Result<(), IngestError> {
        let key = bar.symbol.clone();
        if let Some(sent) = &mut self.sent {
            sent.bar(&bar);
        }
        if self.benchmarks.contains(&key) {
            let copy = TapeRecord::new(self.run.clone(), Tape::BenchmarkBar(bar.clone())).encode();
            self.in_flight.extend(self.producer.enqueue_to_others(Topic::Bars, key.as_str(), &copy).await?);
        }
        self.send(Topic::Bars, key.as_str(), &TapeRecord::new(self.run.clone(), Tape::Bar(bar)).encode()).await
    }

    /// Sends a trade.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn trade(&mut self, trade: Trade) -> Result<(), IngestError> {
        let key = trade.symbol.clone();
        let record = TradeRecord::new(self.run.clone(), Print::Trade(trade));
        self.send(Topic::Trades, key.as_str(), &record.encode()).await
    }

    /// Sends a trade of a source whose trades become bars. A benchmark's is copied to every partition, as bars are.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn fold_trade(&mut self, source: &str, trade: Trade) -> Result<(), IngestError> {
        let key = trade.symbol.clone();
        let trade = SourceTrade { source: source.to_owned(), trade };
        if self.benchmarks.contains(&key) {
            let copy = TradeRecord::new(self.run.clone(), Print::BenchmarkFold(trade.clone())).encode();
            self.in_flight.extend(self.producer.enqueue_to_others(Topic::Trades, key.as_str(), &copy).await?);
        }
        let record = TradeRecord::new(self.run.clone(), Print::Fold(trade));
        self.send(Topic::Trades, key.as_str(), &record.encode()).await
    }

    /// Says on every partition of `trades` that trades of a source from `from` until `to` (UTC) are missing.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn gap(&mut self, source: &str, from: Timestamp, to: Timestamp) -> Result<(), IngestError> {
        let gap = Gap { source: source.to_owned(), from, to };
        let record = TradeRecord::new(self.run.clone(), Print::Gap(gap)).encode();
        Ok(self.producer.broadcast(Topic::Trades, "gap", &record).await?)
    }

    /// Sends a halt. One of a whole market ([`Market::as_symbol`]) goes to every partition.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn halt(&mut self, halt: Halt) -> Result<(), IngestError> {
        let key = halt.symbol.clone();
        let record = HaltRecord::new(self.run.clone(), halt).encode();
        if Market::of_symbol(&key).is_some() {
            self.in_flight.extend(self.producer.enqueue_to_others(Topic::Halts, key.as_str(), &record).await?);
        }
        self.send(Topic::Halts, key.as_str(), &record).await
    }

    /// Sends a split or a dividend. A benchmark's goes to every partition, as its bars do.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn action(&mut self, action: CorporateAction) -> Result<(), IngestError> {
        let key = action.symbol.clone();
        let record = ActionRecord::new(self.run.clone(), action).encode();
        if self.benchmarks.contains(&key) {
            self.in_flight.extend(self.producer.enqueue_to_others(Topic::Actions, key.as_str(), &record).await?);
        }
        self.send(Topic::Actions, key.as_str(), &record).await
    }

    /// Sends a record as it is.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub(crate) async fn record(&mut self, topic: Topic, key: &str, record: &[u8]) -> Result<(), IngestError> {
        self.send(topic, key, record).await
    }

    /// Waits until everything sent is acknowledged.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn flush(&mut self) -> Result<(), IngestError> {
        for delivery in self.in_flight.drain(..) {
            delivery.acknowledged().await?;
        }
        Ok(())
    }

    /// Says on every partition of `news` that `stream` has sent everything up to `at`, after
    /// waiting until all before it is acknowledged.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn emit_news_watermark(&mut self, stream: &WatermarkStream, at: Timestamp) -> Result<(), IngestError> {
        self.flush().await?;
        let record = NewsRecord::new(self.run.clone(), News::Watermark(stream.watermark(at)));
        Ok(self.producer.broadcast(Topic::News, WATERMARK, &record.encode()).await?)
    }

    /// Says on every partition of `bars` that `stream` has sent every bar that ended up to `at`, after
    /// waiting until all before it is acknowledged; or on `trades` that it has sent every trade.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn emit_tape_watermark(&mut self, stream: &WatermarkStream, at: Timestamp) -> Result<(), IngestError> {
        self.flush().await?;
        let (topic, record) = stream.price_watermark(self.run.clone(), stream.watermark(at));
        Ok(self.producer.broadcast(topic, WATERMARK, &record).await?)
    }

    async fn flush_if_full(&mut self) -> Result<(), IngestError> {
        if self.in_flight.len() >= IN_FLIGHT {
            self.flush().await?;
        }
        Ok(())
    }

    async fn send(&mut self, topic: Topic, key: &str, record: &[u8]) -> Result<(), IngestError> {
        self.flush_if_full().await?;
        self.in_flight.push(self.producer.enqueue(topic, key, record).await?);
        Ok(())
    }
}
