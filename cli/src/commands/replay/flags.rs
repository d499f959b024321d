//! The flags of `tapewire replay`.

use crate::commands::duration;
use crate::config::Config;
use crate::exit::UsageError;
use clap::Args;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_formats::{Format, Options};
use tapewire_ingest::replay::values::ticker::ticker;
use tapewire_ingest::replay::values::time::DateOrder;
use tapewire_ingest::replay::{Inputs, Mapping, ReplayOptions, SymbolOf, bar_width};

/// Sends recorded news and bars through the topics, the worker, the joiner and the tables, and ends with a summary of the
/// rows.
///
/// Files are CSV, TSV, JSON lines, JSON or Parquet, and may be compressed. Columns are known by the names that Massive,
/// Alpaca, Finnhub, Alpha Vantage, Tiingo, Yahoo, Stooq and others give them; --news-columns and --bar-columns name others.
/// All files are read and checked before anything is sent.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire replay --news news.jsonl --bars bars.csv\n  \
    tapewire replay --news news.jsonl --bars hourly.csv --bar-width 1h --benchmark SPX --alias GOOG=GOOGL --run may-2025\n  \
    tapewire replay --news news-*.jsonl.gz --bars 2025-05-*.csv.gz\n  \
    tapewire replay --news news.csv --news-columns title=head,published_at=when,symbols= --news-zone America/New_York --bars bars.csv\n  \
    tapewire replay --news news.jsonl --bars AAPL.csv MSFT.csv --symbol-from-file-name --bar-zone America/New_York\n\n\
    A line of news:     {\"id\": \"a1\", \"title\": \"...\", \"source\": \"Wire\", \"published_at\": \"2025-05-12T19:43:00Z\", \"symbols\": [\"EXMP\"]}\n\
    A line of bars:     symbol,start,open,high,low,close,volume with start in UTC, with its offset, or as seconds since 1970\n\n\
    A row that can't be read is kept as a dead letter with file, line and reason, and the replay continues. Exit code 1: a\n\
    file can't be read, or none of its rows.")]
pub struct Replay {
    /// Files of news
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    news: Vec<PathBuf>,
    /// Files of bars
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    bars: Vec<PathBuf>,
    /// Name of the run in topics and tables [default: derived from what is sent]
    #[arg(long)]
    run: Option<String>,
    /// Time from publication, or from an edit, until a text counts as known: 1s, 500ms, or a number of seconds
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = duration::parse)]
    delay: Duration,
    /// Width of the bars: 1m, 1h, 1d, or a number of seconds [default: the least distance between starts]
    #[arg(long, value_name = "WIDTH", value_parser = width)]
    bar_width: Option<Duration>,
    /// Symbol in the news = symbol on the tape; may be given more than once
    #[arg(long, value_name = "NEWS=TAPE", value_parser = alias)]
    alias: Vec<(Symbol, Symbol)>,
    /// Benchmark of the market model, or `none` [default: prices.benchmark]
    #[arg(long, value_name = "SYMBOL", value_parser = benchmark)]
    benchmark: Option<Benchmark>,
    /// Time zone of news times that have none, such as America/New_York or UTC
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    news_zone: Option<TimeZone>,
    /// Time zone of bar starts that have none, such as America/New_York or UTC
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    bar_zone: Option<TimeZone>,
    /// Order of dates such as 05/12/2025: `mdy` has the month first, `dmy` the day
    #[arg(long, value_name = "ORDER", value_parser = date_order)]
    date_order: Option<DateOrder>,
    /// Columns of the news: what=name, with commas between; what= if it has nothing of the kind. What: id, title, description, symbols,
    /// published_at, updated_at, received_at, publisher, author, url, keywords
    #[arg(long, value_name = "WHAT=NAME,...", value_delimiter = ',', value_parser = column)]
    news_columns: Vec<(String, Option<String>)>,
    /// Columns of the bars, as --news-columns. What: symbol, start, open, high, low, close, volume, vwap, trades, width
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
    /// Only send; the roles sentiment and join run in other processes
    #[arg(long)]
    pub(super) send_only: bool,
}

/// What `--benchmark` says.
#[derive(Debug, Clone)]
enum Benchmark {
    None,
    Symbol(Symbol),
}

impl Replay {
    /// The files.
    pub(super) fn inputs(&self) -> Inputs {
        Inputs { news: self.news.clone(), bars: self.bars.clone() }
    }

    /// How they are to be read.
    ///
    /// # Errors
    /// [`UsageError`] if two flags contradict each other.
    pub(super) fn options(&self, config: &Config) -> anyhow::Result<ReplayOptions> {
        let benchmark = match &self.benchmark {
            Some(Benchmark::None) => None,
            Some(Benchmark::Symbol(symbol)) => Some(symbol.clone()),
            None => Some(config.prices.benchmark.clone()),
        };
        let symbol = match (&self.symbol, self.symbol_from_file_name) {
            (Some(symbol), _) => SymbolOf::Given(symbol.clone()),
            (None, true) => SymbolOf::FileName,
            (None, false) => SymbolOf::Column,
        };
        let format = |format| Options { format, encoding: self.encoding.clone(), ..Options::default() };
        Ok(ReplayOptions {
            run: self.run.clone(),
            delay: self.delay,
            width: self.bar_width,
            actions: self.actions.clone(),
            aliases: self.alias.iter().cloned().collect(),
            benchmark,
            benchmark_is_required: self.benchmark.is_some(),
            news_zone: self.news_zone.clone(),
            bar_zone: self.bar_zone.clone(),
            date_order: self.date_order,
            news_columns: mapping("--news-columns", &self.news_columns)?,
            bar_columns: mapping("--bar-columns", &self.bar_columns)?,
            symbol,
            news_format: format(self.news_format),
            bar_format: Options { header: !self.no_bar_header, ..format(self.bar_format) },
        })
    }
}

fn mapping(flag: &str, pairs: &[(String, Option<String>)]) -> Result<Mapping, UsageError> {
    let mut mapping = Mapping::new();
    for (what, name) in pairs {
        if mapping.insert(what.clone(), name.clone()).is_some() {
            return Err(UsageError(format!("{flag}: {what} is there twice")));
        }
    }
    Ok(mapping)
}

fn column(text: &str) -> Result<(String, Option<String>), String> {
    let (what, name) = text.split_once('=').ok_or("write it as WHAT=NAME")?;
    let name = Some(name.trim()).filter(|name| !name.is_empty());
    Ok((what.trim().to_owned(), name.map(str::to_owned)))
}

fn alias(text: &str) -> Result<(Symbol, Symbol), String> {
    let (news, tape) = text.split_once('=').ok_or("write it as NEWS=TAPE")?;
    Ok((symbol(news)?, symbol(tape)?))
}

fn symbol(text: &str) -> Result<Symbol, String> {
    ticker(text)
}

fn benchmark(text: &str) -> Result<Benchmark, String> {
    if text == "none" { Ok(Benchmark::None) } else { symbol(text).map(Benchmark::Symbol) }
}

fn width(text: &str) -> Result<Duration, String> {
    bar_width(text).map_or_else(|| duration::whole_seconds(text), Ok)
}

fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text)
        .map_err(|_| "write a name of the time zone database, such as America/New_York or UTC".to_owned())
}

fn date_order(text: &str) -> Result<DateOrder, String> {
    match text {
        "mdy" => Ok(DateOrder::MonthFirst),
        "dmy" => Ok(DateOrder::DayFirst),
        _ => Err("write mdy or dmy".to_owned()),
    }
}
