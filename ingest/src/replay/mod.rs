//! Replay: news and bars from files are sent to the topics of live data, as a run of their own.
//!
//! [`prepare()`] reads all files and decides what they mean before anything is sent. Then [`Prepared::send`] sends the
//! records, or [`Prepared::into_records`] returns them where there are no topics.
//!
//! All times come from the data: an article is received a configured delay after its publication, a bar when it ends.
//! So a replay gives the same records each time it is run.

mod actions;
mod aliases;
mod bars;
mod markets;
mod moments;
mod names;
mod news;
mod prepare;
mod send;
mod source;
mod spellings;
mod trades;
pub mod values;
mod zones;

pub use aliases::Aliases;
pub use bars::{BarTime, SymbolOf};
pub use names::Mapping;
pub use prepare::{Prepared, prepare};
pub use send::{Records, Summary};
pub use source::{Origin, Rejected};
pub use trades::{FoldedTrades, TradesOptions, fold_trades};

use crate::providers::items::ItemResult;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::exchange::{Calendars, Market};
use tapewire_core::{Article, Symbol};
use tapewire_formats::{Options, Row};
use values::time::DateOrder;

/// Name of the stage, for dead letters.
pub(crate) const STAGE: &str = "replay";

/// The files of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// News.
    pub news: Vec<PathBuf>,
    /// Bars.
    pub bars: Vec<PathBuf>,
}

/// How to read the files.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// Name of the run; by default `replay-` and a fingerprint of what is sent.
    pub run: Option<String>,
    /// The delay from publication, or from an edit, to receipt.
    pub delay: Duration,
    /// Symbols to be read as others.
    pub aliases: Aliases,
    /// The symbol that stands for the market; `None` without one.
    pub benchmark: Option<Symbol>,
    /// Benchmarks of other markets than the benchmark's.
    pub other_benchmarks: Vec<Symbol>,
    /// The market of each symbol. [`prepare()`] adds symbols that have bars at weekends, if it is not known otherwise where
    /// they are traded, as cryptocurrencies.
    pub calendars: Calendars,
    /// The rules of `calendars` that were given for these files: a note names each that is of none of their symbols.
    pub market_rules: Vec<(String, Market)>,
    /// Whether bars without the benchmarks are refused.
    pub benchmark_is_required: bool,
    /// Width of a bar, where the rows do not give it; by default it is found from the starts.
    pub width: Option<Duration>,
    /// Whether the times of bars are their starts or their ends; by default starts, and files that show ends are refused.
    pub bar_time: Option<BarTime>,
    /// What prices are multiplied by, such as 1e-9 where they are counted in billionths; by default 1, and files whose prices
    /// seem to be counted so are refused.
    pub price_scale: Option<f64>,
    /// The time when the files are read (UTC): a bar that ends after it is refused, because its prices are not final.
    /// Without it no bar is refused for this reason.
    pub now: Option<Timestamp>,
    /// The tickers that are known. Words in capitals with spaces between them are tickers only if all of them are known:
    /// `HOME DEPOT` is a name. By default any words may be.
    pub tickers: Option<Arc<HashSet<Symbol>>>,
    /// CSV file of splits and dividends; without one, prices are compared as they are.
    pub actions: Option<PathBuf>,
    /// The zone of news times without one.
    pub news_zone: Option<TimeZone>,
    /// The zone of bar starts without one.
    pub bar_zone: Option<TimeZone>,
    /// The order of dates such as `05/12/2025` in the news.
    pub news_date_order: Option<DateOrder>,
    /// The order of such dates in the bars.
    pub bar_date_order: Option<DateOrder>,
    /// Columns of the news that have other names than we know.
    pub news_columns: Mapping,
    /// Columns of the bars that have other names than we know.
    pub bar_columns: Mapping,
    /// The symbol of bars without a column of symbols.
    pub symbol: SymbolOf,
    /// How the news files are read.
    pub news_format: Options,
    /// How the bars files are read.
    pub bar_format: Options,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            run: None,
            delay: Duration::from_secs(1),
            aliases: Aliases::default(),
            benchmark: Some(Symbol::new("SPY").expect("SPY is a ticker")),
            other_benchmarks: Vec::new(),
            calendars: Calendars::default(),
            market_rules: Vec::new(),
            benchmark_is_required: false,
            width: None,
            bar_time: None,
            price_scale: None,
            now: None,
            tickers: None,
            actions: None,
            news_zone: None,
            bar_zone: None,
            news_date_order: None,
            bar_date_order: None,
            news_columns: Mapping::new(),
            bar_columns: Mapping::new(),
            symbol: SymbolOf::Column,
            news_format: Options::default(),
            bar_format: Options::default(),
        }
    }
}

/// Reads an item that a provider has sent as the row of a news file is read, by the names of its fields.
///
/// # Errors
/// Why it can't be used.
pub(crate) fn article_of_item(
    options: &ReplayOptions,
    provider: &str,
    raw: &str,
    received_at: Timestamp,
) -> ItemResult<Article> {
    news::Reader::of_items(options)?.item(&Row::of_json(1, raw)?, provider, received_at)
}

/// Refuses names of fields that no article has.
///
/// # Errors
/// The reason, in words.
pub(crate) fn check_fields(options: &ReplayOptions) -> Result<(), String> {
    news::Reader::of_items(options).map(drop)
}

impl ReplayOptions {
    /// The benchmark as the join's settings have it; without one, a symbol that no bar has.
    pub fn benchmark_of_the_join(&self) -> Symbol {
        let none = || Symbol::new("_NONE").expect("it has the characters of a ticker");
        self.benchmark.clone().unwrap_or_else(none)
    }

    /// All benchmarks.
    pub fn benchmarks(&self) -> impl Iterator<Item = &Symbol> {
        self.benchmark.iter().chain(&self.other_benchmarks)
    }
}

/// What a replay is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading the files, counted in bytes.
    Reading,
    /// Sending, counted in records.
    Sending,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// What the replay is doing.
    pub stage: Stage,
    /// How much of it is done.
    pub done: u64,
    /// How much there is in all.
    pub total: u64,
}

/// The width that a text says, in seconds: `1m`, `5Min`, `1h`, `1d`, `daily`; a bare number is seconds.
pub fn bar_width(text: &str) -> Option<Duration> {
    bars::of_width(text.trim(), Some(1)).map(|seconds| Duration::from_secs(u64::from(seconds)))
}

/// The moment `delay` after another.
fn delayed(at: Timestamp, delay: Duration) -> Timestamp {
    at.saturating_add(SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
