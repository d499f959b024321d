//! `tapewire bars`: files of trades to bars.

use super::duration;
use super::reading::{self, column, date_order, mapping, market, symbol, with_markets, zone};
use crate::batch::output::{self, Format};
use crate::config::Config;
use crate::exit::UsageError;
use clap::Args;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tapewire_bars::Widths;
use tapewire_core::exchange::Market;
use tapewire_core::{Bar, Symbol};
use tapewire_formats::{Format as FileFormat, Options};
use tapewire_ingest::IngestError;
use tapewire_ingest::replay::values::time::DateOrder;
use tapewire_ingest::replay::{FoldedTrades, ReplayProgress, SymbolOf, TradesOptions, bar_width, fold_trades};
use tapewire_runtime::Shutdown;

/// Makes bars of files of trades, by the time of the trades and the rules of the consolidated tape for their conditions.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire bars trades.csv.gz -o bars.csv\n  \
    tapewire bars BTCUSDT-trades.csv --symbol X:BTCUSD --no-header \\\n      \
    --columns id=c1,price=c2,size=c3,at=c5 --width 1m --width 5m -o btc.csv\n  \
    tapewire bars trades.parquet --width 1s | head\n  \
    tapewire bars trades.csv --width 1h --width 1d --market VOD=london -o days.csv\n\n\
    The trades of a symbol have to be in the order of time; a trade may be up to --lateness behind. A trade with the id,\n\
    time, price and size of another is that trade, and counts once; rows without an id are trades of their own. Odd lots,\n\
    late reports and the like count for volume only, where the conditions are those of the consolidated tape as Massive\n\
    numbers them, or TAQ's letters; cancelled and corrected trades do not count. A bar needs a trade that may be its open.\n\n\
    Bars of up to 5m are by the clock of UTC, and so are wider ones of coins and currencies. Wider bars that would hold\n\
    trades from before the open or after the close are cut by the sessions of the symbol's market: bars of 1h start at the\n\
    open, and the last ends at the close; a bar of 1d has the trades of the session, and closes with the closing auction.\n\n\
    Bars are written as they are complete: in the order of time for each symbol. `tapewire replay`, `join` and `study` read them.")]
pub struct Bars {
    /// Files of trades: CSV, TSV, JSON, JSON lines or Parquet, compressed or not; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    trades: Vec<PathBuf>,
    /// Width of the bars: 1s, 1m, 5m, 1h, 1d; may be given more than once
    #[arg(long, value_name = "WIDTH", default_value = "1m", value_parser = width)]
    width: Vec<u32>,
    /// How far a trade may be behind the latest of its symbol in the file: 10s, 5m, or a number of seconds
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    lateness: Duration,
    /// Where the bars go [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Format of the bars [default: by the extension of --output, otherwise csv]
    #[arg(long)]
    format: Option<Format>,
    /// Replace an output that is there
    #[arg(long)]
    overwrite: bool,
    /// Columns of the trades: what=name, with commas between; what= if it has nothing of the kind. What: symbol, suffix, at,
    /// time_zone, date, price, size, id, sequence, conditions, correction, exchange, facility, action
    #[arg(long, value_name = "WHAT=NAME,...", value_delimiter = ',', value_parser = column)]
    columns: Vec<(String, Option<String>)>,
    /// Symbol of a file that has no column of symbols
    #[arg(long, value_parser = symbol, conflicts_with = "symbol_from_file_name")]
    symbol: Option<Symbol>,
    /// Take the symbol of a file without a column of symbols from its name, up to the first `_` or the ending
    #[arg(long)]
    symbol_from_file_name: bool,
    /// Where symbols are traded, for bars that are cut by sessions: of one symbol (BTC=crypto), of a beginning or an ending
    /// (.SW=xetra), or of all whose spelling does not say it (tokyo); may be given more than once [default: join.calendars;
    /// BTC-USD is crypto, VOD.L is london, and so on; all others are us]
    #[arg(long, value_name = "[WHAT=]MARKET", value_parser = market)]
    market: Vec<(String, Market)>,
    /// Time zone of times that have none, such as America/New_York or UTC [default: that of a column `timezone`]
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    zone: Option<TimeZone>,
    /// Order of dates such as 05/12/2025: `mdy` has the month first, `dmy` the day
    #[arg(long, value_name = "ORDER", value_parser = date_order)]
    date_order: Option<DateOrder>,
    /// Format of the trades: csv, tsv, json, jsonl, parquet [default: the contents decide]
    #[arg(long, value_name = "FORMAT")]
    trade_format: Option<FileFormat>,
    /// The trades are CSV without a header; --columns says which columns c1, c2, ... are
    #[arg(long)]
    no_header: bool,
}

impl Bars {
    pub async fn run(self, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        let (options, format) = (self.options(&config)?, self.output_format()?);
        let outputs: Vec<_> = self.output.as_deref().into_iter().collect();
        output::check(&outputs, None, &self.trades, self.overwrite)?;
        let (progress, stop) = (reading::progress_bar(), shutdown.clone());
        let shown = progress.clone();
        let report = move |done| {
            reading::show(&shown, done);
            if stop.is_cancelled() { Err(IngestError::Stopped) } else { Ok(()) }
        };
        let folded = tokio::task::spawn_blocking(move || self.fold(&options, format, report)).await?;
        progress.finish_and_clear();
        if shutdown.is_cancelled() {
            anyhow::bail!("interrupted while reading the trades; the bars are not complete");
        }
        if let Some(folded) = folded? {
            say(&folded);
        }
        Ok(())
    }

    /// Folds the trades and writes the bars; `None` if the reader of the standard output has closed it.
    fn fold(
        &self,
        options: &TradesOptions,
        format: Format,
        report: impl Report,
    ) -> anyhow::Result<Option<FoldedTrades>> {
        let Some(path) = &self.output else {
            return match self.fold_into(&mut std::io::stdout().lock(), options, format, report) {
                Err(error) if output::is_closed_pipe(&error) => Ok(None),
                folded => folded.map(Some),
            };
        };
        let mut folded = None;
        output::write(path, |to| {
            folded = Some(self.fold_into(to, options, format, report)?);
            Ok(())
        })?;
        Ok(folded)
    }

    fn fold_into(
        &self,
        to: &mut dyn Write,
        options: &TradesOptions,
        format: Format,
        report: impl Report,
    ) -> anyhow::Result<FoldedTrades> {
        let mut bars = Writer::new(format, to);
        let mut failed = None;
        let folded = fold_trades(&self.trades, options, report, |bar| {
            bars.write(&bar).map_err(|error| {
                failed = Some(error);
                IngestError::Stopped
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let folded = folded?;
        bars.finish()?;
        Ok(folded)
    }

    fn output_format(&self) -> Result<Format, UsageError> {
        let format = match (self.format, &self.output) {
            (Some(format), _) => format,
            (None, Some(path)) => Format::of(path)?,
            (None, None) => Format::Csv,
        };
        if format == Format::Parquet {
            let reason =
                "bars are written as they are complete, and Parquet has columns; name the output .csv or .jsonl";
            return Err(UsageError(reason.to_owned()));
        }
        Ok(format)
    }

    fn options(&self, config: &Config) -> anyhow::Result<TradesOptions> {
        let symbol = match (&self.symbol, self.symbol_from_file_name) {
            (Some(symbol), _) => SymbolOf::Given(symbol.clone()),
            (None, true) => SymbolOf::FileName,
            (None, false) => SymbolOf::Column,
        };
        Ok(TradesOptions {
            widths: Widths::new(&self.width).map_err(|error| UsageError(format!("--width: {error}")))?,
            calendars: with_markets(config, &self.market)?.join.calendars,
            lateness: SignedDuration::try_from(self.lateness)?,
            zone: self.zone.clone(),
            date_order: self.date_order,
            columns: mapping("--columns", &self.columns)?,
            symbol,
            format: Options { format: self.trade_format, header: !self.no_header, ..Options::default() },
        })
    }
}

/// What is called with how far the reading is, and may stop it.
trait Report: FnMut(ReplayProgress) -> Result<(), IngestError> {}

impl<F: FnMut(ReplayProgress) -> Result<(), IngestError>> Report for F {}

fn say(folded: &FoldedTrades) {
    let FoldedTrades { trades, bars, symbols, rejected, reasons, notes } = folded;
    eprintln!("{trades} trades of {symbols} symbols: {bars} bars");
    notes.iter().for_each(|note| eprintln!("{note}"));
    if *rejected > 0 {
        eprintln!("{rejected} rows can't be read: {}", reasons.join("; "));
    }
}

fn width(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is not the width of a bar; write 1s, 1m, 5m, 1h, 1d or a number of seconds");
    bar_width(text).and_then(|width| u32::try_from(width.as_secs()).ok()).ok_or_else(wrong)
}

/// Writes bars with the columns that the readers of bars know.
enum Writer<'w> {
    Csv(Box<csv::Writer<&'w mut dyn Write>>),
    Jsonl(&'w mut dyn Write),
}

impl<'w> Writer<'w> {
    fn new(format: Format, to: &'w mut dyn Write) -> Self {
        if format == Format::Csv { Self::Csv(Box::new(csv::Writer::from_writer(to))) } else { Self::Jsonl(to) }
    }

    fn write(&mut self, bar: &Bar) -> anyhow::Result<()> {
        match self {
            Self::Csv(csv) => csv.serialize(Row::new(bar))?,
            Self::Jsonl(to) => {
                serde_json::to_writer(&mut **to, &Row::new(bar))?;
                to.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Csv(csv) => csv.flush()?,
            Self::Jsonl(to) => to.flush()?,
        }
        Ok(())
    }
}

/// A bar as a file has it.
#[derive(serde::Serialize)]
struct Row<'b> {
    symbol: &'b str,
    start: String,
    width_s: u32,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    vwap: Option<f64>,
    trades: Option<u64>,
}

impl<'b> Row<'b> {
    fn new(bar: &'b Bar) -> Self {
        let Bar { symbol, start, width_s, open, high, low, close, volume, vwap, trades, received_at: _ } = bar;
        Self {
            symbol: symbol.as_str(),
            start: start.to_string(),
            width_s: *width_s,
            open: *open,
            high: *high,
            low: *low,
            close: *close,
            volume: *volume,
            vwap: *vwap,
            trades: *trades,
        }
    }
}
