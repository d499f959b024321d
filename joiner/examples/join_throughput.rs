//! How many records a second the join takes on one thread, and a checksum of the rows it returns.
//!
//! ```text
//! cargo run --release -p tapewire-joiner --example join_throughput
//! ```
//!
//! The stream is the same on every machine and in every version: 200 symbols and the benchmark over 20 sessions of
//! minute bars, of which some come after their watermark and some are corrected, 20,000 mentions, and a watermark on
//! both topics every minute. Only the time spent inside the join counts.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool: it stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapewire_core::exchange::{Calendar, Session};
use tapewire_core::{Bar, Impact, Mention, Run, Symbol, Watermark};
use tapewire_joiner::join::{JoinConfig, JoinEvent, JoinTopic, Partition, PerTopic};

const SYMBOLS: usize = 200;
const SESSIONS: usize = 20;
const MENTIONS_PER_SESSION: u64 = 1_000;

/// SplitMix64: the stream must not depend on the version of a library.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// One record, in the order in which it is read.
enum Record {
    Bar(Bar),
    TapeWatermark(Timestamp),
    Mention(Mention),
    NewsWatermark(Timestamp),
}

struct Stream {
    random: Random,
    symbols: Vec<Symbol>,
    prices: Vec<f64>,
    mentions: u64,
}

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

impl Stream {
    fn new() -> Self {
        let mut symbols: Vec<Symbol> = (0..SYMBOLS).map(|i| Symbol::new(&format!("S{i:03}")).unwrap()).collect();
        symbols.push(Symbol::new("SPY").unwrap());
        Self { random: Random(20_240_701), prices: vec![100.0; symbols.len()], symbols, mentions: 0 }
    }

    /// One session from its open to an hour after its close.
    fn session(&mut self, session: &Session) -> Vec<Record> {
        let minutes = session.close.duration_since(session.open).as_secs() / 60;
        let mut by_minute: BTreeMap<i64, Vec<Record>> = BTreeMap::new();
        for minute in 0..minutes {
            for symbol in 0..self.symbols.len() {
                if self.random.below(100) < 95 {
                    self.bar(symbol, session.open + seconds(60 * minute), minute, &mut by_minute);
                }
            }
        }
        for _ in 0..MENTIONS_PER_SESSION {
            let second = self.random.below(60 * (minutes as u64 + 60));
            let mention = self.mention(session.open + seconds(second as i64));
            by_minute.entry(second as i64 / 60).or_default().push(Record::Mention(mention));
        }
        let mut records = Vec::new();
        for (minute, batch) in by_minute {
            records.extend(batch);
            let end = session.open + seconds(60 * (minute + 1));
            records.push(Record::TapeWatermark(end));
            records.push(Record::NewsWatermark(end));
        }
        records
    }

    fn bar(&mut self, symbol: usize, start: Timestamp, minute: i64, by_minute: &mut BTreeMap<i64, Vec<Record>>) {
        let open = self.prices[symbol];
        let close = open * (1.0 + (self.random.below(2_001) as f64 - 1_000.0) * 1e-6);
        self.prices[symbol] = close;
        let bar = Bar {
            symbol: self.symbols[symbol].clone(),
            start,
            width_s: 60,
            open,
            high: open.max(close),
            low: open.min(close),
            close,
            volume: 100.0 + self.random.below(10_000) as f64,
            vwap: None,
            trades: None,
            received_at: start + seconds(60),
        };
        match self.random.below(100) {
            0 | 1 => by_minute.entry(minute + 2).or_default().push(Record::Bar(bar)),
            2 => {
                let corrected =
                    Bar { close: open, volume: bar.volume + 1.0, received_at: start + seconds(200), ..bar.clone() };
                by_minute.entry(minute).or_default().push(Record::Bar(bar));
                by_minute.entry(minute + 3).or_default().push(Record::Bar(corrected));
            }
            _ => by_minute.entry(minute).or_default().push(Record::Bar(bar)),
        }
    }

    fn mention(&mut self, at: Timestamp) -> Mention {
        self.mentions += 1;
        let symbol = self.symbols[self.random.below(SYMBOLS as u64) as usize].clone();
        Mention {
            article_id: format!("article-{:06}", self.mentions),
            article_revision: 1,
            symbol: Some(symbol),
            title: format!("Headline number {}", self.mentions),
            provider: "example".into(),
            publisher: "Example".into(),
            url: format!("https://example.com/{}", self.mentions),
            published_at: at,
            received_at: at,
            scored_at: at,
            relevance: Some(1.0),
            asked_as: None,
            sentiment: Err(tapewire_core::Unscored::EmptyText),
        }
    }
}

/// The join, and what was counted of its input and its rows.
struct Measurement {
    partition: Partition,
    run: Run,
    next: PerTopic<u64>,
    records: u64,
    rows: u64,
    checksum: u64,
    spent: Duration,
}

impl Measurement {
    fn feed(&mut self, records: Vec<Record>) {
        let mut rows = Vec::new();
        let begun = Instant::now();
        for record in records {
            let topic = match &record {
                Record::Mention(_) | Record::NewsWatermark(_) => JoinTopic::Sentiment,
                Record::Bar(_) | Record::TapeWatermark(_) => JoinTopic::Bars,
            };
            let offset = self.next[topic];
            self.next[topic] += 1;
            let event = match record {
                Record::Mention(mention) => JoinEvent::Mention { offset, mention },
                Record::NewsWatermark(at) => JoinEvent::NewsWatermark { offset, watermark: watermark(at) },
                Record::Bar(bar) => JoinEvent::Bar { offset, bar },
                Record::TapeWatermark(at) => JoinEvent::TapeWatermark { offset, watermark: watermark(at) },
            };
            rows.extend(self.partition.step(topic, offset, Some((&self.run, event))).unwrap());
            self.records += 1;
        }
        drop(self.partition.evict());
        let commits = self.partition.commits();
        self.spent += begun.elapsed();
        assert!(commits.1.is_empty());
        self.rows += rows.len() as u64;
        rows.iter().for_each(|row| self.add(row));
    }

    /// FNV-1a (64 bit) over a row, bit by bit.
    fn add(&mut self, row: &Impact) {
        self.text(&row.mention.article_id);
        self.text(row.status.as_str());
        self.text(row.status.reason().map_or("", |reason| reason.as_str()));
        self.text(row.phase.as_str());
        let quality = row.quality;
        let flags = [quality.stale, quality.halted, quality.gap, quality.late].map(u64::from);
        let times = [row.price_before_at, row.entry_at].map(|at| at.map_or(0, |at| at.as_microsecond() as u64));
        let numbers = row.returns.iter().chain(&row.abnormal).copied();
        let others = [row.price_before, row.entry_price, row.alpha, row.beta, row.volume_ratio];
        let numbers: Vec<u64> = numbers.chain(others).map(|number| number.map_or(0, f64::to_bits)).collect();
        for number in [row.version, row.bar_width_s.map_or(0, u64::from)].into_iter().chain(flags).chain(times) {
            self.bytes(&number.to_le_bytes());
        }
        numbers.into_iter().for_each(|number| self.bytes(&number.to_le_bytes()));
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.checksum = (self.checksum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

fn watermark(at: Timestamp) -> Watermark {
    Watermark::new(0, 1, at)
}

fn main() {
    let config = Arc::new(JoinConfig::default());
    let mut measurement = Measurement {
        partition: Partition::resume(config, &PerTopic::default()),
        run: Run::live(),
        next: PerTopic::default(),
        records: 0,
        rows: 0,
        checksum: 0xcbf2_9ce4_8422_2325,
        spent: Duration::ZERO,
    };
    let mut stream = Stream::new();
    let first = Calendar::xnys().on(jiff::civil::date(2024, 7, 1)).unwrap().index;
    for session in &Calendar::xnys().sessions()[first..first + SESSIONS] {
        measurement.feed(stream.session(session));
    }
    let end = Watermark::END;
    measurement.feed(vec![Record::TapeWatermark(end), Record::NewsWatermark(end)]);
    let seconds = measurement.spent.as_secs_f64();
    println!("records   {}", measurement.records);
    println!("rows      {}", measurement.rows);
    println!("checksum  {:016x}", measurement.checksum);
    println!("seconds   {seconds:.3}");
    println!("records/s {:.0}", measurement.records as f64 / seconds);
}
