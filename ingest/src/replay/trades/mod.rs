//! Folds files of trades into bars.

mod folds;
mod row;

use super::names::Mapping;
use super::source::{Files, check_standard_input, reasons};
use super::values::time::{DateOrder, is_of_other_order};
use super::{ReplayProgress, SymbolOf, prepare};
use crate::IngestError;
use folds::Folds;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use tapewire_bars::Widths;
use tapewire_core::Bar;
use tapewire_core::exchange::Calendars;
use tapewire_formats::Options;

/// How to read files of trades.
#[derive(Debug, Clone)]
pub struct TradesOptions {
    /// Widths of the bars. Those that would hold trades of a session and of after hours are cut by the sessions of each
    /// symbol's market ([`Widths::by_market`]).
    pub widths: Widths,
    /// The market of each symbol.
    pub calendars: Calendars,
    /// How far a trade may be behind the latest trade of its symbol. Further back it is refused, because its bar may have
    /// been emitted.
    pub lateness: SignedDuration,
    /// The zone of times without one.
    pub zone: Option<TimeZone>,
    /// The order of dates such as `05/12/2025`.
    pub date_order: Option<DateOrder>,
    /// Columns that have other names than we know.
    pub columns: Mapping,
    /// The symbol of files without a column of symbols.
    pub symbol: SymbolOf,
    /// How the files are read.
    pub format: Options,
}

/// What became of the trades.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoldedTrades {
    /// Rows that are trades.
    pub trades: u64,
    /// Bars emitted.
    pub bars: u64,
    /// Symbols that have a trade.
    pub symbols: usize,
    /// Rows that can't be read.
    pub rejected: u64,
    /// The commonest reasons for them, each with its number of rows and its first row.
    pub reasons: Vec<String>,
    /// What a person should know of how the trades were read.
    pub notes: Vec<String>,
}

/// Reads files of trades and gives `out` each bar once: those of a symbol in the order of their ends, as soon as a trade of
/// the symbol is further on than [`TradesOptions::lateness`]. In memory are the trades of the widest bar of each symbol, or
/// of the session that cuts its bars.
///
/// # Errors
/// [`IngestError::Format`] and [`IngestError::Shape`] if a file can't be read, no row of it can, or its trades are not in
/// the order of time; [`IngestError::Config`]; whatever `report` and `out` return.
pub fn fold_trades(
    files: &[PathBuf],
    options: &TradesOptions,
    report: impl FnMut(ReplayProgress) -> Result<(), IngestError>,
    mut out: impl FnMut(Bar) -> Result<(), IngestError>,
) -> Result<FoldedTrades, IngestError> {
    let reader = row::Reader::new(options).map_err(IngestError::Config)?;
    check_standard_input(files.iter())?;
    let own_symbols =
        files.iter().map(|file| prepare::own_symbol(file, &options.symbol)).collect::<Result<Vec<_>, _>>()?;
    let total = files.iter().map(|file| prepare::size(file)).sum::<Result<u64, _>>()?;
    let (mut rejected, mut folds, mut folded) = (Vec::new(), Folds::new(options), FoldedTrades::default());
    let mut checked = None;
    Files::new(files, &options.format, 0, total, report).each(&mut rejected, |index, origin, row| {
        let own = own_symbols[index].as_deref();
        let wrong = |reason| IngestError::Shape { path: origin.file.to_path_buf(), reason };
        if checked != Some(index) {
            reader.check(row, own).map_err(wrong)?;
            checked = Some(index);
        }
        let trade = match reader.read(row, index, origin.number, own) {
            Ok(Some(trade)) => trade,
            // The row says of itself that it does not stand.
            Ok(None) => return Ok(Ok(())),
            Err(reason) if is_of_other_order(&reason) => {
                return Err(wrong(format!("{} {}: {reason}", origin.unit(), origin.number)));
            }
            Err(reason) => return Ok(Err(reason)),
        };
        folded.trades += 1;
        for bar in
            folds.trade(&trade).map_err(|reason| wrong(format!("{} {}: {reason}", origin.unit(), origin.number)))?
        {
            folded.bars += 1;
            out(bar)?;
        }
        Ok(Ok(()))
    })?;
    if let Some(reason) = reader.missing_column() {
        return Err(IngestError::Config(reason));
    }
    (folded.symbols, folded.notes) = (folds.symbols(), reader.notes().chain(folds.notes()).collect());
    for bar in folds.finish() {
        folded.bars += 1;
        out(bar)?;
    }
    Ok(FoldedTrades { rejected: rejected.len() as u64, reasons: reasons(&rejected), ..folded })
}
