//! Folds files of trades into bars.

mod row;

use super::names::Mapping;
use super::source::{Files, reasons};
use super::values::time::{DateOrder, is_of_other_order};
use super::{ReplayProgress, SymbolOf, prepare};
use crate::IngestError;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::path::PathBuf;
use tapewire_bars::{Fold, Widths};
use tapewire_core::{Bar, Symbol, Trade};
use tapewire_formats::Options;

/// How to read files of trades.
#[derive(Debug, Clone)]
pub struct TradesOptions {
    /// Widths of the bars.
    pub widths: Widths,
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
}

/// Reads files of trades and gives `out` each bar once: those of a symbol in the order of their ends, as soon as a trade of
/// the symbol is further on than [`TradesOptions::lateness`]. In memory are the trades of the widest bar of each symbol.
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
    folded.symbols = folds.by_symbol.len();
    for bar in folds.finish() {
        folded.bars += 1;
        out(bar)?;
    }
    Ok(FoldedTrades { rejected: rejected.len() as u64, reasons: reasons(&rejected), ..folded })
}

/// The fold of each symbol, and the time of its latest trade.
struct Folds<'o> {
    options: &'o TradesOptions,
    by_symbol: HashMap<Symbol, (Fold, Timestamp)>,
}

impl<'o> Folds<'o> {
    fn new(options: &'o TradesOptions) -> Self {
        Self { options, by_symbol: HashMap::new() }
    }

    /// Takes a trade, and returns the bars that are complete now.
    ///
    /// # Errors
    /// The trade is too far behind the latest of its symbol.
    fn trade(&mut self, trade: &Trade) -> Result<Vec<Bar>, String> {
        let lateness = self.options.lateness;
        if !self.by_symbol.contains_key(&trade.symbol) {
            let fold = Fold::new(trade.symbol.clone(), self.options.widths.clone(), SignedDuration::ZERO);
            self.by_symbol.insert(trade.symbol.clone(), (fold, trade.at));
        }
        let (fold, latest) = self.by_symbol.get_mut(&trade.symbol).expect("it was just inserted");
        let behind = latest.duration_since(trade.at);
        if behind > lateness {
            return Err(format!(
                "the trade of {} at {} is {behind:#} behind one before it; sort the file by time, or allow more with \
                 --lateness",
                trade.symbol, trade.at
            ));
        }
        *latest = trade.at.max(*latest);
        let _ = fold.trade(trade);
        match latest.checked_sub(lateness) {
            Ok(complete) => Ok(fold.watermark(complete)),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// The bars of the trades that are left, by symbol.
    fn finish(self) -> Vec<Bar> {
        let mut folds: Vec<(Symbol, (Fold, Timestamp))> = self.by_symbol.into_iter().collect();
        folds.sort_by(|(a, _), (b, _)| a.cmp(b));
        folds.into_iter().flat_map(|(_, (mut fold, _))| fold.watermark(Timestamp::MAX)).collect()
    }
}
