//! Makes bars of the readings of all files.

use super::stamped::{self, BarTime};
use super::traded::Traded;
use super::width::{self, DAYS, Width};
use super::{DAY_S, DayKind, Prices, Reading, Stamp, SymbolOf, round_the_clock};
use crate::IngestError;
use crate::replay::prepare::own_symbol;
use crate::replay::source::{Origin, Rejected};
use crate::replay::values::thousands;
use crate::replay::{ReplayOptions, markets};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use tapewire_core::exchange::{Calendar, Calendars, Market};
use tapewire_core::{Bar, Symbol};

/// All readings, by file.
#[derive(Debug, Default)]
pub(in crate::replay) struct Collector {
    files: Vec<FileReadings>,
}

#[derive(Debug)]
struct FileReadings {
    file: Arc<Path>,
    numbers_lines: bool,
    readings: Vec<Reading>,
    /// The bytes of rows that may be rejected later, by the number of the row.
    doubtful: HashMap<u64, Vec<u8>>,
    /// How many daily bars are of the day before their stamp.
    moved_days: usize,
}

/// The bars of all files.
#[derive(Debug, Default)]
pub(in crate::replay) struct Collected {
    bars: Vec<Kept>,
    symbols: Vec<Symbol>,
    /// How many rows are equal to another row.
    pub repeated: u64,
    /// How many rows are replaced by a later row of the same bar.
    pub replaced: u64,
    /// The first of these, with its symbol and the row that replaces it.
    first_replaced: String,
    /// Rows that can't be used.
    pub rejected: Vec<Rejected>,
    /// For each file, the width of its bars and how it was found.
    pub widths: Vec<String>,
    /// The market of each symbol, and what was found about it in the bars.
    pub calendars: Calendars,
    /// What a person should know about the markets.
    pub markets: Vec<String>,
}

/// A bar that is sent.
#[derive(Debug, Clone, Copy)]
struct Kept {
    symbol: u32,
    written: u32,
    /// In microseconds since 1970.
    start: i64,
    width_s: u32,
    /// When it was complete, in microseconds since 1970.
    end: i64,
    prices: Prices,
    file: u32,
    number: u64,
    is_sent: bool,
}

impl Collector {
    /// Adds a reading of the file that was given in this place.
    pub fn add(&mut self, origin: &Origin, reading: Reading, raw: &[u8]) {
        if self.files.last().is_none_or(|last| last.file != origin.file) {
            let (file, numbers_lines) = (origin.file.clone(), origin.numbers_lines);
            let (readings, doubtful) = (Vec::new(), HashMap::new());
            self.files.push(FileReadings { file, numbers_lines, readings, doubtful, moved_days: 0 });
        }
        if let Some(last) = self.files.last_mut() {
            let Stamp { at, day } = reading.stamp;
            if day.is_some_and(|(day, _)| at.is_none() || Calendar::xnys().on(day).is_none()) {
                last.doubtful.insert(reading.number, raw.to_vec());
            }
            last.readings.push(reading);
        }
    }

    /// Decides how wide the bars of each file are, whether their times are starts, and which of several rows of one bar
    /// counts. `said` is the width that the user gives, in seconds. Symbols that are traded at weekends are added to the
    /// calendars, which are those of the reader.
    ///
    /// # Errors
    /// [`IngestError::Shape`]: a width can't be told, times seem to be ends, starts or of another zone than the file or the
    /// user says, or two symbols that an alias makes one, or two files that are named alike, have different prices.
    pub fn finish(
        mut self,
        said: Option<u32>,
        options: &ReplayOptions,
        symbols: &[Symbol],
        calendars: &Calendars,
    ) -> Result<Collected, IngestError> {
        let mut collected =
            Collected { symbols: symbols.to_vec(), calendars: calendars.clone(), ..Collected::default() };
        let readings = self.files.iter().flat_map(|file| &file.readings);
        collected.markets = round_the_clock::find(readings, symbols, &mut collected.calendars);
        let mut kept: HashMap<(u32, u32, i64), usize> = HashMap::new();
        let time = options.bar_time;
        let mut file_widths = Vec::with_capacity(self.files.len());
        for file in &mut self.files {
            let wrong = |reason| IngestError::Shape { path: file.file.to_path_buf(), reason };
            if options.price_scale.is_none() {
                fixed_point(&file.readings).map_err(wrong)?;
                let ohlc = |prices: Prices| [prices.open, prices.high, prices.low, prices.close];
                thousands::check(file.readings.iter().map(|row| (row.symbol, ohlc(row.prices)))).map_err(wrong)?;
            }
            let width = width::of_file(&file.readings, said, symbols).map_err(wrong)?;
            match time {
                None => stamped::check(&file.readings, &width, symbols, &collected.calendars).map_err(wrong)?,
                Some(BarTime::Start) => {}
                Some(BarTime::End) => {
                    stamped::check_ends(&file.readings, &width, symbols, &collected.calendars).map_err(wrong)?;
                    stamped::to_starts(&mut file.readings, &width);
                    let moved = stamped::to_days(&mut file.readings, &width, symbols, &collected.calendars);
                    file.moved_days = moved.map_err(wrong)?;
                }
            }
            file_widths.push(width);
        }
        for (index, width) in file_widths.iter().enumerate() {
            collected.add_file(index, width, said.is_some(), &mut kept, &self.files, options)?;
        }
        let doubtful = markets::doubtful(&collected.symbols(), &collected.calendars, options.tickers.as_deref());
        collected.markets.extend(doubtful);
        Ok(collected)
    }
}

impl FileReadings {
    fn origin(&self, number: u64) -> Origin {
        Origin { file: self.file.clone(), number, numbers_lines: self.numbers_lines }
    }

    /// What a person should know of bars that end after the file was written: their prices were not final then. Where
    /// the file was copied since, the system may not say when it was written.
    fn unfinished(&self, bars: &[Kept]) -> Option<String> {
        let written = std::fs::metadata(&self.file).ok()?.modified().ok()?;
        let written = Timestamp::try_from(written).ok()?;
        let count = bars.iter().filter(|bar| bar.end > written.as_microsecond()).count();
        (count > 0).then(|| {
            format!(
                "{}: {count} bars end after {written}, when the file was written: their prices may not be final, and \
                 the last price of a day that was not over is no closing price; get the file again, or leave these rows \
                 out",
                self.file.display()
            )
        })
    }

    /// The width of the file's bars, and how it was found. `named` is the symbol that the file's name gives.
    fn describe(
        &self,
        width: &Width,
        is_said: bool,
        time: Option<BarTime>,
        bars: &[Kept],
        named: Option<&Symbol>,
    ) -> String {
        let symbols: BTreeSet<u32> = bars.iter().map(|bar| bar.symbol).collect();
        let mut widths: BTreeMap<u32, usize> = BTreeMap::new();
        for bar in bars {
            *widths.entry(bar.width_s).or_default() += 1;
        }
        let name = |width: u32| if width == DAY_S { "1 day".to_owned() } else { format!("{width} s") };
        let widths: Vec<String> = widths.into_keys().map(name).collect();
        let how = match (width, is_said) {
            (Width::OfRow, _) => "as its rows say",
            (_, true) => "as --bar-width says",
            (Width::Of(_), false) => "by the least distance between starts",
            (Width::Daily, false) => "by their starts, which are days",
        };
        let moved = match (time, self.moved_days) {
            (Some(BarTime::End), 1..) => "; a midnight is the end of a daily bar, as --bar-time says",
            (Some(BarTime::End), 0) if *width != Width::Daily => {
                "; each starts its width before its time, as --bar-time says"
            }
            _ => "",
        };
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let symbols = match named {
            Some(symbol) if symbols.len() == 1 => symbol.to_string(),
            _ => count(symbols.len(), "symbol"),
        };
        format!(
            "{}: {} of {symbols}, each {} wide, {how}{moved}",
            self.file.display(),
            count(bars.iter().filter(|bar| bar.is_sent).count(), "bar"),
            widths.join(" or ")
        )
    }
}

impl Kept {
    /// The bar, unless it ends after this moment.
    ///
    /// # Errors
    /// Why its prices are not final.
    fn final_at(self, now: Option<Timestamp>) -> Result<Self, String> {
        match now.filter(|now| self.end > now.as_microsecond()) {
            None => Ok(self),
            Some(now) => {
                let end = Timestamp::from_microsecond(self.end).map_err(|error| error.to_string())?;
                Err(format!(
                    "its bar ends at `{end}` and is not over by this machine's clock (`{now}`), so its prices are not \
                     final; read the file when it is over"
                ))
            }
        }
    }
}

impl Collected {
    /// Adds the bars of the file in this place, and what a person should know of them.
    fn add_file(
        &mut self,
        index: usize,
        width: &Width,
        is_said: bool,
        kept: &mut HashMap<(u32, u32, i64), usize>,
        files: &[FileReadings],
        options: &ReplayOptions,
    ) -> Result<(), IngestError> {
        let file = &files[index];
        let (bars, rejects) = (self.bars.len(), self.rejected.len());
        let traded = Traded::of(&file.readings);
        for (_, reading) in file.readings.iter().enumerate().filter(|(place, _)| traded.is_bar(*place)) {
            let market = self.calendars.of(&self.symbols[reading.symbol as usize]);
            match bar(reading, width, market).and_then(|bar| bar.final_at(options.now)) {
                Ok(bar) => self.keep(Kept { file: index as u32, ..bar }, kept, files, &options.symbol)?,
                Err(reason) => {
                    let origin = file.origin(reading.number);
                    let raw = file.doubtful.get(&reading.number).cloned();
                    let described = || describe(reading, &self.symbols[reading.written as usize]).into_bytes();
                    let raw = raw.unwrap_or_else(described);
                    self.rejected.push(Rejected { origin, reason, raw });
                }
            }
        }
        if self.bars.len() == bars {
            let (rows, rejected) = (file.readings.len() as u64, &self.rejected[rejects..]);
            return Err(crate::replay::source::nothing_readable(&file.file, rows, rejected));
        }
        let bars = &self.bars[bars..];
        let named = bars.first().filter(|_| options.symbol == SymbolOf::FileName);
        let named = named.map(|bar| &self.symbols[bar.symbol as usize]);
        let described = file.describe(width, is_said, options.bar_time, bars, named);
        let unfinished = options.now.and_then(|_| file.unfinished(bars));
        self.widths.extend([Some(described), unfinished].into_iter().flatten());
        self.widths.extend(traded.notes(&file.file.display().to_string()));
        Ok(())
    }

    /// Keeps the bar. Of several rows of one bar the last counts.
    fn keep(
        &mut self,
        bar: Kept,
        kept: &mut HashMap<(u32, u32, i64), usize>,
        files: &[FileReadings],
        symbol_of: &SymbolOf,
    ) -> Result<(), IngestError> {
        let earlier = kept.insert((bar.symbol, bar.width_s, bar.start), self.bars.len());
        if let Some(at) = earlier {
            let earlier = self.bars[at];
            if let Some(reason) = self.contradiction([&earlier, &bar], files, symbol_of) {
                let path = files[bar.file as usize].file.to_path_buf();
                return Err(IngestError::Shape { path, reason });
            }
            self.bars[at].is_sent = false;
            if earlier.prices == bar.prices {
                self.repeated += 1;
            } else {
                if self.replaced == 0 {
                    let [first, second] = [earlier, bar].map(|bar| files[bar.file as usize].origin(bar.number));
                    self.first_replaced = format!("{} in {first} by {second}", self.symbols[bar.symbol as usize]);
                }
                self.replaced += 1;
            }
        }
        self.bars.push(bar);
        Ok(())
    }

    /// Why two rows of one bar can't both be right: they have different prices, and an alias makes one symbol of two, or
    /// the names of two files give them the same symbol.
    fn contradiction(
        &self,
        [earlier, later]: [&Kept; 2],
        files: &[FileReadings],
        symbol_of: &SymbolOf,
    ) -> Option<String> {
        let prices = |bar: &Kept| [bar.prices.open, bar.prices.high, bar.prices.low, bar.prices.close];
        if prices(earlier) == prices(later) {
            return None;
        }
        let [first, second] = [earlier, later].map(|bar| files[bar.file as usize].origin(bar.number));
        let name = |index: u32| &self.symbols[index as usize];
        let symbol = name(later.symbol);
        if earlier.written != later.written {
            let (own, other) = (name(earlier.written), name(later.written));
            return Some(format!(
                "{own} in {first} and {other} in {second} are both {symbol} by --alias, and have different prices at \
                 the same start; give one of them"
            ));
        }
        let is_named = |bar: &Kept| {
            let named = own_symbol(&files[bar.file as usize].file, symbol_of).ok().flatten();
            named.is_some_and(|named| named == name(bar.written).as_str())
        };
        // The last bar of an earlier download may have been unfinished.
        let own = &files[earlier.file as usize].readings;
        let stamp = |reading: &Reading| (reading.stamp.at, reading.stamp.day.map(|(day, _)| day));
        let is_last = || own.iter().find(|row| row.number == earlier.number).map(stamp) == own.iter().map(stamp).max();
        let are_files = *symbol_of == SymbolOf::FileName && earlier.file != later.file && !is_last();
        (are_files && is_named(earlier) && is_named(later)).then(|| {
            format!(
                "{first} and {second} are both of {symbol} by the names of their files, and have different prices at \
                 the same start; let the name of each file begin with its symbol, or give one of them"
            )
        })
    }

    /// What a person should know of rows that are replaced by another.
    pub fn replacement(&self) -> Option<String> {
        let (rows, first) = (self.replaced, &self.first_replaced);
        (rows > 0).then(|| {
            format!("{rows} rows are replaced by a later row of the same bar with other values, the first of {first}")
        })
    }

    /// Number of bars that are sent.
    pub fn count(&self) -> u64 {
        self.bars.iter().filter(|bar| bar.is_sent).count() as u64
    }

    /// The end of the last bar, where the tape ends.
    pub fn end(&self) -> Option<Timestamp> {
        self.bars.iter().map(|bar| bar.end).max().and_then(|end| Timestamp::from_microsecond(end).ok())
    }

    /// Adds all bars that will be sent to a fingerprint.
    pub fn digest(&self, hash: &mut Sha256) {
        for bar in self.bars.iter().filter(|bar| bar.is_sent) {
            let Prices { open, high, low, close, volume, vwap, trades } = bar.prices;
            hash.update(self.symbols[bar.symbol as usize].as_str());
            hash.update([bar.start, bar.end, i64::from(bar.width_s)].map(i64::to_le_bytes).concat());
            hash.update([open, high, low, close, volume, vwap.unwrap_or(f64::NAN)].map(f64::to_le_bytes).concat());
            hash.update(trades.unwrap_or(u64::MAX).to_le_bytes());
        }
    }

    /// The symbols that have bars.
    pub fn symbols(&self) -> BTreeSet<&Symbol> {
        self.bars
            .iter()
            .map(|bar| bar.symbol)
            .collect::<BTreeSet<u32>>()
            .into_iter()
            .map(|at| &self.symbols[at as usize])
            .collect()
    }

    /// The symbols that have bars, with the widths of their bars in seconds.
    pub fn widths_of_symbols(&self) -> BTreeMap<&Symbol, BTreeSet<u32>> {
        let mut widths: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for bar in &self.bars {
            widths.entry(bar.symbol).or_default().insert(bar.width_s);
        }
        widths.into_iter().map(|(at, widths)| (&self.symbols[at as usize], widths)).collect()
    }

    /// Whether there is a bar of the symbol.
    pub fn has(&self, symbol: &Symbol) -> bool {
        let index = self.symbols.iter().position(|own| own == symbol);
        index.is_some_and(|index| self.bars.iter().any(|bar| bar.symbol as usize == index))
    }

    /// Sorts the bars by time, and leaves those of one time in the order of the files. Files may have the newest first, and
    /// indicators are computed from one bar to the next.
    pub fn sort(&mut self) {
        self.bars.sort_by_key(|bar| bar.start);
    }

    /// The bars, in the order of the files, or by time after [`Self::sort`].
    pub fn into_bars(self) -> impl Iterator<Item = Bar> {
        let symbols = self.symbols;
        self.bars.into_iter().filter(|bar| bar.is_sent).filter_map(move |bar| {
            let moment = |at| Timestamp::from_microsecond(at).ok();
            let symbol = symbols[bar.symbol as usize].clone();
            Some(bar.prices.bar(symbol, moment(bar.start)?, bar.width_s, moment(bar.end)?))
        })
    }
}

/// Refuses prices that seem to be counted in parts of a dollar, such as billionths: all are large whole numbers.
fn fixed_point(readings: &[Reading]) -> Result<(), String> {
    let prices = || readings.iter().map(|reading| reading.prices).flat_map(|p| [p.open, p.high, p.low, p.close]);
    let least = prices().fold(f64::INFINITY, f64::min);
    let is_large = least >= 1e6 || least >= 1e4 && readings.len() >= 10;
    if !is_large || least.is_infinite() || prices().any(|price| price.fract() != 0.0) {
        return Ok(());
    }
    Err(format!(
        "all its prices are large whole numbers, such as {least}, so they seem to be counted in parts of a dollar; --price-scale \
         1e-9 says that these are billionths, 0.0001 or another that they are such parts, and 1 that they are dollars"
    ))
}

/// The bar of a reading.
///
/// # Errors
/// Why the reading does not become a bar.
fn bar(reading: &Reading, width: &Width, market: Market) -> Result<Kept, String> {
    let width_s = match width {
        Width::Of(width) => *width,
        Width::Daily => DAY_S,
        Width::OfRow => reading.width_s.ok_or("the row does not say how wide its bar is")?,
    };
    let (start, end) = match (width_s, reading.stamp.day) {
        (DAY_S, Some((day, _))) => of_day(day, market)?,
        (DAY_S, None) => {
            return Err(format!("its bar is daily, but its start is not {DAYS}"));
        }
        (_, day) => {
            let start = reading.stamp.at.ok_or_else(|| {
                let day = day.map(|(day, _)| day.to_string()).unwrap_or_default();
                format!("its start `{day}` is a day without a time of day, and its bar is not daily")
            })?;
            (start, start + i64::from(width_s) * 1_000_000)
        }
    };
    let (symbol, written) = (reading.symbol, reading.written);
    let (prices, number) = (reading.prices, reading.number);
    Ok(Kept { symbol, written, start, width_s, end, prices, file: 0, number, is_sent: true })
}

/// Where a daily bar starts and ends, in microseconds since 1970: at the open and the close of the regular session of
/// its day. Where a market does not close at night, days are those of UTC.
fn of_day(day: Date, market: Market) -> Result<(i64, i64), String> {
    if market.is_round_the_clock() {
        let start = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map_err(|error| error.to_string())?;
        let end = start + SignedDuration::from_secs(i64::from(DAY_S));
        return Ok((start.as_microsecond(), end.as_microsecond()));
    }
    let place = if market == Market::NewYork { "in New York".to_owned() } else { format!("of {market}") };
    let session = market.calendar().on(day);
    let session = session.ok_or_else(|| format!("`{day}` is no trading day {place}, and its bar is daily"))?;
    Ok((session.open.as_microsecond(), session.close.as_microsecond()))
}

/// A row written from its reading, where the row's own bytes were not kept.
fn describe(reading: &Reading, symbol: &Symbol) -> String {
    let Prices { open, high, low, close, volume, .. } = reading.prices;
    let start = match (reading.stamp.at.and_then(|at| Timestamp::from_microsecond(at).ok()), reading.stamp.day) {
        (None, Some((day, DayKind::Written | DayKind::Midnight))) => day.to_string(),
        (at, _) => at.map(|at| at.to_string()).unwrap_or_default(),
    };
    format!("{symbol},{start},{open},{high},{low},{close},{volume}")
}
