//! Reading files of news and bars: the flags of all commands that do, and the reading itself.

use crate::commands::duration;
use crate::config::Config;
use crate::exit::UsageError;
use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_core::exchange::{Market, NotAMarket};
use tapewire_formats::{Format, Options};
use tapewire_ingest::IngestError;
use tapewire_ingest::replay::values::ticker::ticker;
use tapewire_ingest::replay::values::time::DateOrder;
use tapewire_ingest::replay::{
    self, BarTime, Inputs, Mapping, Prepared, ReplayOptions, ReplayProgress, Stage, SymbolOf, bar_width,
};
use tapewire_runtime::{Clock, Shutdown};

/// Files of news and bars, and how to read them.
#[derive(Args, Clone)]
pub struct Reading {
    /// Files of news; `-` is the standard input
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    news: Vec<PathBuf>,
    /// Files of bars; `-` is the standard input
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    bars: Vec<PathBuf>,
    /// Name of the run in topics and tables [default: derived from what is sent]
    #[arg(long)]
    run: Option<String>,
    /// Time from publication, or from an edit, until a text counts as known: 1s, 500ms, or a number of seconds [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    delay: Option<Duration>,
    /// Width of the bars: 1m, 1h, 1d, or a number of seconds [default: the least distance between starts]
    #[arg(long, value_name = "WIDTH", value_parser = width)]
    bar_width: Option<Duration>,
    /// What the time of a bar is: its `start`, or its `end`; a daily bar that is stamped with a midnight is then of the day that
    /// ends at it, and a date is its own day either way [default: start; a file whose bars seem to be stamped with their ends
    /// is refused]
    #[arg(long, value_name = "start|end")]
    bar_time: Option<BarTime>,
    /// What the prices of the bars are multiplied by: 1e-9 where they are counted in billionths of a dollar [default: 1; a file
    /// whose prices are all large whole numbers is refused]
    #[arg(long, value_name = "FACTOR", value_parser = price_scale)]
    price_scale: Option<f64>,
    /// Symbol in the news = symbol on the tape; may be given more than once
    #[arg(long, value_name = "NEWS=TAPE", value_parser = alias)]
    alias: Vec<(Symbol, Symbol)>,
    /// Benchmark of the market model, or `none`; may be given once for each market [default: prices.benchmark, and Bitcoin
    /// for cryptocurrencies]
    #[arg(long, value_name = "SYMBOL", value_parser = benchmark)]
    benchmark: Vec<Benchmark>,
    /// Where symbols are traded: of one symbol (BTC=crypto), of a beginning or an ending (.SW=xetra), or of all whose
    /// spelling does not say it (tokyo); may be given more than once. Markets: us, london, xetra, paris, tokyo, hong kong,
    /// toronto, crypto, currencies [default: join.calendars; BTC-USD, X:BTCUSD, BTCUSDT and what has bars at weekends are
    /// crypto, VOD.L is london, and so on; all others are us]
    #[arg(long, value_name = "[WHAT=]MARKET", value_parser = market)]
    market: Vec<(String, Market)>,
    /// Time zone of news times that have none, such as America/New_York or UTC [default: that of a column `timezone`]
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    news_zone: Option<TimeZone>,
    /// Time zone of bar starts that have none, such as America/New_York or UTC [default: that of a column `timezone`]
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    bar_zone: Option<TimeZone>,
    /// Order of dates such as 05/12/2025 in all files: `mdy` has the month first, `dmy` the day
    #[arg(long, value_name = "ORDER", value_parser = date_order)]
    date_order: Option<DateOrder>,
    /// Order of dates in the news [default: --date-order]
    #[arg(long, value_name = "ORDER", value_parser = date_order)]
    news_date_order: Option<DateOrder>,
    /// Order of dates in the bars [default: --date-order]
    #[arg(long, value_name = "ORDER", value_parser = date_order)]
    bar_date_order: Option<DateOrder>,
    /// Columns of the news: what=name, with commas between; what= if it has nothing of the kind. What: id, title, description, symbols,
    /// published_at, time_zone, updated_at, received_at, publisher, author, url, keywords
    #[arg(long, value_name = "WHAT=NAME,...", value_delimiter = ',', value_parser = column)]
    news_columns: Vec<(String, Option<String>)>,
    /// Columns of the bars, as --news-columns. What: symbol, start, time_zone, open, high, low, close, volume, vwap, trades,
    /// width, exchange
    #[arg(long, value_name = "WHAT=NAME,...", value_delimiter = ',', value_parser = column)]
    bar_columns: Vec<(String, Option<String>)>,
    /// Symbol of a bars file that has no column of symbols
    #[arg(long, value_parser = symbol, conflicts_with = "symbol_from_file_name")]
    symbol: Option<Symbol>,
    /// Take the symbol of a bars file without a column of symbols from its name, up to the first `_` or the ending:
    /// AAPL.csv, AAPL_1h.csv.gz, aapl.us.txt
    #[arg(long)]
    symbol_from_file_name: bool,
    /// Format of the news: csv, tsv, json, jsonl, parquet [default: the contents decide]
    #[arg(long, value_name = "FORMAT")]
    news_format: Option<Format>,
    /// Format of the bars, as --news-format
    #[arg(long, value_name = "FORMAT")]
    bar_format: Option<Format>,
    /// Encoding of files that are not UTF-8, such as windows-1252
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// The bars are CSV without a header; --bar-columns says which columns c1, c2, ... are
    #[arg(long)]
    no_bar_header: bool,
    /// Splits and dividends, CSV: symbol,ex_date,kind,from,to,amount; the bars have to be as printed then, not adjusted
    #[arg(long, value_name = "FILE")]
    actions: Option<PathBuf>,
}

/// `--delay`, if it is not given.
const DELAY: Duration = Duration::from_secs(1);

/// What `--benchmark` says.
#[derive(Debug, Clone)]
enum Benchmark {
    None,
    Symbol(Symbol),
}

impl Reading {
    /// The files.
    pub fn inputs(&self) -> Inputs {
        Inputs { news: self.news.clone(), bars: self.bars.clone() }
    }

    /// The name of the run, if one was given.
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// The first flag about reading files that was given, for a command that reads none, or only bars (`with_bars`): then
    /// flags about bars do not count.
    pub fn given(&self, with_bars: bool) -> Option<&'static str> {
        let of_news = [
            ("--delay", self.delay.is_some()),
            ("--alias", !self.alias.is_empty()),
            ("--news-zone", self.news_zone.is_some()),
            ("--news-date-order", self.news_date_order.is_some()),
            ("--news-columns", !self.news_columns.is_empty()),
            ("--news-format", self.news_format.is_some()),
        ];
        let of_bars = [
            ("--bar-width", self.bar_width.is_some()),
            ("--bar-time", self.bar_time.is_some()),
            ("--price-scale", self.price_scale.is_some()),
            ("--bar-zone", self.bar_zone.is_some()),
            ("--date-order", self.date_order.is_some()),
            ("--bar-date-order", self.bar_date_order.is_some()),
            ("--bar-columns", !self.bar_columns.is_empty()),
            ("--symbol", self.symbol.is_some()),
            ("--symbol-from-file-name", self.symbol_from_file_name),
            ("--bar-format", self.bar_format.is_some()),
            ("--encoding", self.encoding.is_some()),
            ("--no-bar-header", self.no_bar_header),
            ("--actions", self.actions.is_some()),
        ];
        let given = |(flag, is_given): (&'static str, bool)| is_given.then_some(flag);
        let bars = if with_bars { &[][..] } else { &of_bars[..] };
        of_news.into_iter().chain(bars.iter().copied()).find_map(given)
    }

    /// Whether `--benchmark` was given, with a symbol or with `none`.
    pub fn has_benchmark(&self) -> bool {
        !self.benchmark.is_empty()
    }

    /// The paths of all files that are read, which no output may be.
    pub fn files(&self) -> Vec<PathBuf> {
        self.news.iter().chain(&self.bars).chain(&self.actions).cloned().collect()
    }

    /// The benchmark, and those of other markets.
    fn benchmarks(&self, config: &Config) -> Result<(Option<Symbol>, Vec<Symbol>), UsageError> {
        let given: Vec<&Symbol> = self
            .benchmark
            .iter()
            .filter_map(|given| match given {
                Benchmark::None => None,
                Benchmark::Symbol(symbol) => Some(symbol),
            })
            .collect();
        match given.split_first() {
            None if self.benchmark.is_empty() => {
                Ok((Some(config.prices.benchmark.clone()), config.prices.other_benchmarks.clone()))
            }
            None => Ok((None, Vec::new())),
            Some(_) if given.len() < self.benchmark.len() => {
                Err(UsageError("--benchmark: `none` is given beside a symbol".to_owned()))
            }
            Some((first, others)) => Ok(((*first).clone().into(), others.iter().copied().cloned().collect())),
        }
    }

    /// How the files are to be read.
    ///
    /// # Errors
    /// [`UsageError`] if two flags contradict each other; a list of companies can't be read.
    pub fn options(&self, config: &Config) -> anyhow::Result<ReplayOptions> {
        let (benchmark, other_benchmarks) = self.benchmarks(config)?;
        check_once("--alias", &self.alias)?;
        let config = with_markets(config, &self.market)?;
        let symbol = match (&self.symbol, self.symbol_from_file_name) {
            (Some(symbol), _) => SymbolOf::Given(symbol.clone()),
            (None, true) => SymbolOf::FileName,
            (None, false) => SymbolOf::Column,
        };
        let format = |format| Options { format, encoding: self.encoding.clone(), ..Options::default() };
        Ok(ReplayOptions {
            run: self.run.clone(),
            delay: self.delay.unwrap_or(DELAY),
            width: self.bar_width,
            bar_time: self.bar_time,
            now: Some(Clock::wall().now()),
            tickers: Some(Arc::new(config.sentiment.companies()?.symbols().cloned().collect())),
            price_scale: self.price_scale,
            actions: self.actions.clone(),
            aliases: self.alias.iter().cloned().collect(),
            benchmark,
            other_benchmarks,
            calendars: config.join.calendars,
            market_rules: self.market.clone(),
            benchmark_is_required: !self.benchmark.is_empty(),
            news_zone: self.news_zone.clone(),
            bar_zone: self.bar_zone.clone(),
            news_date_order: self.news_date_order.or(self.date_order),
            bar_date_order: self.bar_date_order.or(self.date_order),
            news_columns: mapping("--news-columns", &self.news_columns)?,
            bar_columns: mapping("--bar-columns", &self.bar_columns)?,
            symbol,
            news_format: format(self.news_format),
            bar_format: Options { header: !self.no_bar_header, ..format(self.bar_format) },
        })
    }
}

/// The settings with the markets that were given and those of the lists of companies.
///
/// # Errors
/// [`UsageError`] if a rule can't be used, or two contradict each other; a list of companies can't be read.
pub(super) fn with_markets(config: &Config, given: &[(String, Market)]) -> anyhow::Result<Config> {
    check_once("--market", given)?;
    let mut config = config.clone();
    for (what, market) in given {
        config.join.calendars.set(what, *market).map_err(|error| UsageError(format!("--market: {error}")))?;
    }
    config.learn_markets()?;
    Ok(config)
}

/// Sets the markets and benchmarks that were found in the files.
pub fn set_markets(config: &mut Config, options: &ReplayOptions) {
    config.join.benchmark = options.benchmark_of_the_join();
    config.join.other_benchmarks = options.other_benchmarks.clone();
    config.set_calendars(options.calendars.clone());
}

/// Reads the files on a thread of their own. A signal stops that; then the error ends in `nothing`, such as "nothing was
/// written".
///
/// # Errors
/// A file can't be read, with the remedy; a signal came.
pub async fn prepare(
    inputs: Inputs,
    options: ReplayOptions,
    shutdown: &Shutdown,
    nothing: &'static str,
) -> anyhow::Result<Prepared> {
    let (bar, stop) = (progress_bar(), shutdown.clone());
    let shown = bar.clone();
    let reading = tokio::task::spawn_blocking(move || {
        replay::prepare(&inputs, &options, |progress| {
            show(&shown, progress);
            if stop.is_cancelled() { Err(IngestError::Stopped) } else { Ok(()) }
        })
    });
    let prepared = reading.await.context("the files could not be read")?;
    bar.finish_and_clear();
    match prepared {
        Err(IngestError::Stopped) => anyhow::bail!("interrupted while reading the files; {nothing}"),
        prepared => Ok(prepared?),
    }
}

/// Shows how far a replay is.
pub fn show(bar: &ProgressBar, progress: ReplayProgress) {
    let ReplayProgress { stage, done, total } = progress;
    bar.set_message(match stage {
        Stage::Reading => format!("read {} of {} KiB", done / 1024, total / 1024),
        Stage::Sending => format!("sent {done} of {total} records"),
    });
}

/// A line of progress on a terminal; nothing in a pipe.
pub fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("the template is valid"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Refuses a flag that gives two values for one name: only the last would count.
fn check_once<N: Ord + Display, V: PartialEq + Display>(flag: &str, pairs: &[(N, V)]) -> Result<(), UsageError> {
    let mut given: BTreeMap<&N, &V> = BTreeMap::new();
    for (name, value) in pairs {
        if let Some(other) = given.insert(name, value).filter(|other| *other != value) {
            return Err(UsageError(format!("{flag}: {name} is {other} and {value}; give one of them")));
        }
    }
    Ok(())
}

pub(super) fn mapping(flag: &str, pairs: &[(String, Option<String>)]) -> Result<Mapping, UsageError> {
    let mut mapping = Mapping::new();
    for (what, name) in pairs {
        if mapping.insert(what.clone(), name.clone()).is_some() {
            return Err(UsageError(format!("{flag}: {what} is there twice")));
        }
    }
    Ok(mapping)
}

pub(super) fn column(text: &str) -> Result<(String, Option<String>), String> {
    let (what, name) = text.split_once('=').ok_or("write it as WHAT=NAME")?;
    let name = Some(name.trim()).filter(|name| !name.is_empty());
    Ok((what.trim().to_owned(), name.map(str::to_owned)))
}

fn alias(text: &str) -> Result<(Symbol, Symbol), String> {
    let (news, tape) = text.split_once('=').ok_or("write it as NEWS=TAPE")?;
    Ok((symbol(news)?, symbol(tape)?))
}

pub(super) fn symbol(text: &str) -> Result<Symbol, String> {
    ticker(text)
}

fn benchmark(text: &str) -> Result<Benchmark, String> {
    if text == "none" { Ok(Benchmark::None) } else { symbol(text).map(Benchmark::Symbol) }
}

pub(super) fn market(text: &str) -> Result<(String, Market), String> {
    let (what, market) = text.split_once('=').unwrap_or(("*", text));
    Ok((what.to_owned(), market.parse().map_err(|error: NotAMarket| error.to_string())?))
}

fn width(text: &str) -> Result<Duration, String> {
    bar_width(text).map_or_else(|| duration::whole_seconds(text), Ok)
}

pub(super) fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text)
        .map_err(|_| "write a name of the time zone database, such as America/New_York or UTC".to_owned())
}

fn price_scale(text: &str) -> Result<f64, String> {
    let scale = text.parse::<f64>().ok().filter(|scale| scale.is_finite() && *scale > 0.0);
    scale.ok_or_else(|| "write a number greater than 0, such as 1e-9 or 0.01".to_owned())
}

pub(super) fn date_order(text: &str) -> Result<DateOrder, String> {
    match text {
        "mdy" => Ok(DateOrder::MonthFirst),
        "dmy" => Ok(DateOrder::DayFirst),
        _ => Err("write mdy or dmy".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        reading: Reading,
    }

    /// The options that these flags give.
    fn options(flags: &[&str]) -> anyhow::Result<ReplayOptions> {
        let files = ["tapewire", "--news", "news.csv", "--bars", "bars.csv"];
        Line::try_parse_from(files.iter().chain(flags))?.reading.options(&Config::default())
    }

    #[test]
    fn two_values_for_one_name_are_a_wrong_usage() {
        for flags in [
            ["--alias", "FOO=AAPL", "--alias", "FOO=SPY"],
            ["--alias", "foo=AAPL", "--alias", "FOO=SPY"],
            ["--market", "FOO=london", "--market", "FOO=us"],
            ["--market", "london", "--market", "us"],
        ] {
            let error = options(&flags).unwrap_err();
            assert_eq!(exit::code(&error), exit::USAGE, "{flags:?}: {error:#}");
            assert!(exit::text(&error).contains("give one of them"), "{flags:?}: {error:#}");
        }
        assert!(options(&["--alias", "FOO=AAPL", "--alias", "FOO=AAPL", "--alias", "BAR=AAPL"]).is_ok());
        assert!(options(&["--market", "FOO=london", "--market", "BAR=us"]).is_ok());
    }

    #[test]
    fn news_and_bars_may_have_dates_in_two_orders() {
        let orders = |flags: &[&str]| {
            let options = options(flags).unwrap();
            (options.news_date_order, options.bar_date_order)
        };
        let (month, day) = (Some(DateOrder::MonthFirst), Some(DateOrder::DayFirst));
        assert_eq!(orders(&[]), (None, None));
        assert_eq!(orders(&["--date-order", "dmy"]), (day, day));
        assert_eq!(orders(&["--date-order", "dmy", "--news-date-order", "mdy"]), (month, day));
        assert_eq!(orders(&["--bar-date-order", "dmy", "--news-date-order", "mdy"]), (month, day));
        assert_eq!(orders(&["--bar-date-order", "dmy"]), (None, day));
    }
}
