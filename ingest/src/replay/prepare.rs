//! Reads the files and prepares what is sent. Whatever can be refused is refused here.

use super::source::{Files, Origin, Rejected, check_standard_input, is_standard_input, reasons};
use super::values::time::is_of_other_order;
use super::{Inputs, ReplayOptions, ReplayProgress, SymbolOf, actions, bars, delayed, news, spellings};
use crate::IngestError;
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tapewire_core::exchange::{Calendars, Market};
use tapewire_core::{Article, CorporateAction, Run, Symbol};
use tapewire_formats::{Options, Row};

/// A replay whose files have been read, ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    pub(super) run: Run,
    pub(super) actions: Vec<CorporateAction>,
    pub(super) articles: Vec<Article>,
    pub(super) mentions: u64,
    pub(super) bars: bars::Collected,
    pub(super) options: ReplayOptions,
    /// Rows that can't be used, then rows of which a part can't be used.
    pub(super) rejected: Vec<Rejected>,
    pub(super) in_part: Vec<Rejected>,
    pub(super) repeated: u64,
    edits: u64,
    midnights: Vec<news::Midnights>,
    without_id: news::WithoutId,
    /// What a person should know of the columns of the news.
    column_notes: Vec<String>,
}

/// Reads all files and decides what they mean: names, times, widths, edits, repetitions. `report` may stop it with an
/// error.
///
/// # Errors
/// [`IngestError::Format`] and [`IngestError::Shape`] if a file can't be read, not one of its rows can, or it does not say
/// how wide its bars are; [`IngestError::Config`]; whatever `report` returns.
pub fn prepare(
    inputs: &Inputs,
    options: &ReplayOptions,
    mut report: impl FnMut(ReplayProgress) -> Result<(), IngestError>,
) -> Result<Prepared, IngestError> {
    let run = check_name(options.run.as_deref())?;
    check_standard_input(inputs.bars.iter().chain(&inputs.news))?;
    let actions = match &options.actions {
        Some(path) => actions::read(path, options)?,
        None => Vec::new(),
    };
    let sizes = |files: &[PathBuf]| files.iter().map(|file| size(file)).sum::<Result<u64, _>>();
    let (bar_bytes, news_bytes) = (sizes(&inputs.bars)?, sizes(&inputs.news)?);
    let total = bar_bytes + news_bytes;
    let (mut rejected, mut in_part) = (Vec::new(), Vec::new());

    // Tables of pandas are taken apart in `bars::rows_of`.
    let bar_format = Options { tables: true, ..options.bar_format.clone() };
    let mut files = Files::new(&inputs.bars, &bar_format, 0, total, &mut report);
    let bars = read_bars(&mut files, inputs, options, &mut rejected, &mut in_part)?;
    let mut files = Files::new(&inputs.news, &options.news_format, bar_bytes, total, &mut report);
    let news = read_news(&mut files, options, &mut rejected, &mut in_part)?;

    check_benchmark(&bars, options)?;
    let (benchmark, other_benchmarks) = benchmarks(&bars, options);
    let options = &ReplayOptions { calendars: bars.calendars.clone(), benchmark, other_benchmarks, ..options.clone() };
    let run = match run {
        Some(run) => run,
        None => Run::named(&format!("replay-{}", fingerprint(&news, &bars, &actions, options))),
    };
    let news::Collected { articles, mentions, repeated, edits, midnights, without_id, rejected: contradicting, notes } =
        news;
    rejected.extend(contradicting);
    Ok(Prepared {
        run,
        actions,
        articles,
        mentions,
        bars,
        options: options.clone(),
        rejected,
        in_part,
        repeated,
        edits,
        midnights,
        without_id,
        column_notes: notes,
    })
}

fn read_bars<Report: FnMut(ReplayProgress) -> Result<(), IngestError>>(
    files: &mut Files<'_, Report>,
    inputs: &Inputs,
    options: &ReplayOptions,
    rejected: &mut Vec<Rejected>,
    in_part: &mut Vec<Rejected>,
) -> Result<bars::Collected, IngestError> {
    let mut reader = bars::Reader::new(options).map_err(IngestError::Config)?;
    let own_symbols =
        inputs.bars.iter().map(|file| own_symbol(file, &options.symbol)).collect::<Result<Vec<_>, _>>()?;
    let mut collector = bars::Collector::default();
    let (mut checked, mut without_column) = (None, 0);
    let mut rejected_parts = Vec::new();
    let mut read_one = |index: usize, origin: Origin, row: &Row| {
        let own = own_symbols[index].as_deref();
        if checked != Some(index) {
            let wrong = |reason| IngestError::Shape { path: origin.file.to_path_buf(), reason };
            reader.check(row, own).map_err(wrong)?;
            checked = Some(index);
            without_column += usize::from(matches!(options.symbol, SymbolOf::Given(_)));
            if without_column > 1 {
                let reason = "--symbol is for one file; --symbol-from-file-name is for several";
                return Err(wrong(reason.into()));
            }
        }
        let read = reader.read(row, origin.number, own);
        check_order(&origin, &read, "--bar-date-order gives that of the bars")?;
        Ok(read.map(|(reading, left_out)| {
            keep_parts(in_part, &origin, left_out, row);
            collector.add(&origin, reading, &row.raw);
        }))
    };
    files.each(rejected, |index, origin, row| {
        let rows = match bars::rows_of(row) {
            Ok(None) => return read_one(index, origin, row),
            Ok(Some(rows)) => rows,
            Err(reason) => return Ok(Err(reason)),
        };
        let (mut count, mut first) = (0, None);
        for row in rows {
            let origin = Origin { number: row.number, ..origin.clone() };
            match read_one(index, origin.clone(), &row)? {
                Ok(()) => count += 1,
                Err(reason) => {
                    first.get_or_insert_with(|| reason.clone());
                    rejected_parts.push(Rejected { origin, reason, raw: row.raw });
                }
            }
        }
        Ok(if count > 0 { Ok(()) } else { Err(first.unwrap_or_else(|| "it has no bars".into())) })
    })?;
    rejected.append(&mut rejected_parts);
    let mut collected = collector.finish(given_width(options)?, options, reader.symbols(), reader.calendars())?;
    collected.widths.extend(reader.notes());
    rejected.append(&mut collected.rejected);
    Ok(collected)
}

/// The width of the bars in seconds, if the user gave it.
fn given_width(options: &ReplayOptions) -> Result<Option<u32>, IngestError> {
    let Some(width) = options.width else { return Ok(None) };
    match u32::try_from(width.as_secs()) {
        Ok(seconds @ 1..) => Ok(Some(seconds)),
        _ => Err(IngestError::Config("--bar-width has to be a whole number of seconds, at least 1".into())),
    }
}

fn read_news<Report: FnMut(ReplayProgress) -> Result<(), IngestError>>(
    files: &mut Files<'_, Report>,
    options: &ReplayOptions,
    rejected: &mut Vec<Rejected>,
    in_part: &mut Vec<Rejected>,
) -> Result<news::Collected, IngestError> {
    let reader = news::Reader::new(options).map_err(IngestError::Config)?;
    let mut collector = news::Collector::default();
    files.each(rejected, |_, origin, row| {
        let read = reader.read(row);
        check_order(&origin, &read, "--news-date-order gives that of the news")?;
        Ok(read.map(|mut draft| {
            keep_parts(in_part, &origin, std::mem::take(&mut draft.left_out), row);
            collector.add(draft, origin, row.raw.clone());
        }))
    })?;
    match reader.missing_column() {
        Some(reason) => Err(IngestError::Config(reason)),
        None => Ok(news::Collected { notes: reader.notes(), ..collector.finish() }),
    }
}

/// Refuses a file of which a row has a date that is a day only in the other order than the user gave: its other dates would
/// be read as other days. `remedy` names the flag for files of this kind.
fn check_order<T>(origin: &Origin, read: &Result<T, String>, remedy: &str) -> Result<(), IngestError> {
    let Some(reason) = read.as_ref().err().filter(|reason| is_of_other_order(reason)) else { return Ok(()) };
    let reason = format!("{} {}: {reason}; {remedy} alone", origin.unit(), origin.number);
    Err(IngestError::Shape { path: origin.file.to_path_buf(), reason })
}

fn keep_parts(in_part: &mut Vec<Rejected>, origin: &Origin, left_out: Vec<String>, row: &Row) {
    if !left_out.is_empty() {
        let reason = format!("kept without a part of it: {}", left_out.join("; "));
        in_part.push(Rejected { origin: origin.clone(), reason, raw: row.raw.clone() });
    }
}

/// The symbol of a file without a column of symbols, from the file's name or from the user.
pub(super) fn own_symbol(file: &Path, symbol: &SymbolOf) -> Result<Option<String>, IngestError> {
    match symbol {
        SymbolOf::Column => Ok(None),
        SymbolOf::Given(symbol) => Ok(Some(symbol.to_string())),
        SymbolOf::FileName => {
            const ENDS: [&str; 14] = [
                ".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson",
                ".parquet", ".pq",
            ];
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let mut stem = name.as_str();
            while let Some(shorter) = ENDS.iter().find_map(|end| {
                let at = stem.len().checked_sub(end.len())?;
                let (shorter, own) = stem.split_at_checked(at)?;
                own.eq_ignore_ascii_case(end).then_some(shorter)
            }) {
                stem = shorter;
            }
            let stem = stem.split(['_', ' ']).next().unwrap_or_default();
            let ticker = super::values::ticker::ticker(stem);
            let wrong = |reason| IngestError::Shape { path: file.to_owned(), reason: format!("its name: {reason}") };
            ticker.map(|symbol| Some(symbol.to_string())).map_err(wrong)
        }
    }
}

fn check_benchmark(bars: &bars::Collected, options: &ReplayOptions) -> Result<(), IngestError> {
    let absent = options.benchmarks().find(|benchmark| !bars.has(benchmark));
    match absent.filter(|_| options.benchmark_is_required) {
        Some(benchmark) => Err(IngestError::Config(format!(
            "--benchmark: there is no bar of {benchmark}; name a symbol of the bars, or `none`"
        ))),
        None => Ok(()),
    }
}

/// The benchmark, and those benchmarks of other markets that have bars. If no benchmark with bars is a cryptocurrency,
/// Bitcoin is added where it has bars. Where all symbols are said to be coins, SPY is a cryptocurrency without bars:
/// then the first other benchmark that is one takes its place.
fn benchmarks(bars: &bars::Collected, options: &ReplayOptions) -> (Option<Symbol>, Vec<Symbol>) {
    let mut others: Vec<Symbol> = options.other_benchmarks.iter().filter(|symbol| bars.has(symbol)).cloned().collect();
    let is_coin = |symbol: &Symbol| bars.calendars.of(symbol) == Market::Crypto;
    let has_bars = |symbol: &Symbol| is_coin(symbol) && bars.has(symbol);
    let is_given = options.benchmark.iter().chain(&others).any(has_bars);
    if options.benchmark.is_some() && !is_given {
        let bitcoin = Symbol::new("X:BTCUSD").expect("it has the characters of a ticker");
        // In US dollars rather than in a stablecoin, which may lose its peg.
        let is_dollar =
            |symbol: &&Symbol| !["USDT", "USDC", "EUR"].iter().any(|quote| symbol.as_str().ends_with(quote));
        let of_bitcoin: Vec<&Symbol> =
            bars.symbols().into_iter().filter(|symbol| bars.calendars.is_same(symbol, &bitcoin)).collect();
        others.extend(of_bitcoin.iter().copied().find(is_dollar).or(of_bitcoin.first().copied()).cloned());
    }
    let absent_coin = options.benchmark.as_ref().is_some_and(|symbol| is_coin(symbol) && !bars.has(symbol));
    match others.iter().position(is_coin).filter(|_| absent_coin) {
        Some(at) => (Some(others.remove(at)), others),
        None => (options.benchmark.clone(), others),
    }
}

/// The size of a file in bytes; 0 of the standard input.
pub(super) fn size(file: &Path) -> Result<u64, IngestError> {
    if is_standard_input(file) {
        return Ok(0);
    }
    let wrong = |source| IngestError::File { path: file.to_owned(), source };
    std::fs::metadata(file).map(|metadata| metadata.len()).map_err(wrong)
}

/// A name that the user gives.
fn check_name(name: Option<&str>) -> Result<Option<Run>, IngestError> {
    let Some(name) = name else { return Ok(None) };
    let run = Run::named(name.trim());
    if run.as_str().is_empty() || run.is_live() {
        return Err(IngestError::Config(format!("`{run}` can't be the name of a replay; choose another")));
    }
    Ok(Some(run))
}

/// A fingerprint of everything that is sent, so that the same contents give one name, compressed or not, from a file or
/// a pipe.
fn fingerprint(
    news: &news::Collected,
    bars: &bars::Collected,
    actions: &[CorporateAction],
    options: &ReplayOptions,
) -> String {
    let mut hash = Sha256::new();
    for article in &news.articles {
        let times = [article.published_at, article.received_at].map(|at| at.as_microsecond().to_le_bytes());
        hash.update(format!("{}\0{}\0{:?}", article.key(), article.revision, article.withdrawn));
        hash.update(times.concat());
    }
    bars.digest(&mut hash);
    for action in actions {
        hash.update(format!("{action:?}"));
    }
    hash.update(format!("{:?}", options.benchmark));
    if !options.other_benchmarks.is_empty() || options.calendars != Default::default() {
        hash.update(format!("{:?}{:?}", options.other_benchmarks, options.calendars));
    }
    hex::encode(&hash.finalize()[..6])
}

impl Prepared {
    /// How the files were read, with the markets and benchmarks that were found in them.
    pub fn options(&self) -> &ReplayOptions {
        &self.options
    }

    /// The articles in the order in which they are sent.
    pub fn articles(&self) -> &[Article] {
        &self.articles
    }

    /// The markets and their benchmarks. New York is not named, unless it lacks a benchmark although other markets have one.
    fn market_notes(&self) -> Vec<String> {
        let (options, symbols) = (&self.options, self.bars.symbols());
        let described = Market::ALL.into_iter().filter_map(|market| {
            let count = symbols.iter().filter(|symbol| options.calendars.of(symbol) == market).count();
            let benchmark = options.benchmarks().find(|benchmark| options.calendars.of(benchmark) == market);
            let is_usual = market == Market::NewYork && (benchmark.is_some() || options.benchmark.is_none());
            let benchmark = match benchmark {
                Some(benchmark) => format!("with the benchmark {benchmark}"),
                None => "without a benchmark, so their alpha, beta and ar_* will be empty".to_owned(),
            };
            let symbols = if count == 1 { "1 symbol".to_owned() } else { format!("{count} symbols") };
            (count > 0 && !is_usual).then(|| format!("calendar {market}: {symbols}, {benchmark}"))
        });
        described.collect()
    }

    /// Symbols that are not compared with their benchmark, because all their bars have other widths than its bars.
    fn width_notes(&self) -> Vec<String> {
        let (options, widths) = (&self.options, self.bars.widths_of_symbols());
        let mut apart: BTreeMap<&Symbol, Vec<&Symbol>> = BTreeMap::new();
        for (&symbol, own) in &widths {
            let benchmark = options.calendars.benchmark_of(symbol, options.benchmarks());
            let of_benchmark = benchmark.and_then(|benchmark| widths.get_key_value(benchmark));
            if let Some((&benchmark, _)) = of_benchmark.filter(|(_, widths)| own.is_disjoint(widths)) {
                apart.entry(benchmark).or_default().push(symbol);
            }
        }
        let note = |(benchmark, symbols): (&Symbol, Vec<&Symbol>)| {
            let (count, first) = (symbols.len(), symbols[0]);
            format!(
                "alpha, beta and ar_* of {count} symbols, such as {first}, will be empty, because their bars have other \
                 widths than those of the benchmark {benchmark}"
            )
        };
        apart.into_iter().map(note).collect()
    }

    /// What a person should know before the replay is sent: widths, what is missing, what can't be read.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.bars.widths.clone();
        notes.extend(self.action_note());
        notes.extend(self.unused_actions_note());
        notes.extend(self.unused_flags_notes());
        notes.extend(self.bars.markets.iter().cloned());
        notes.extend(self.market_notes());
        notes.extend(self.width_notes());
        notes.extend(self.spelling_notes());
        notes.extend(self.absent_benchmark_note());
        notes.extend(self.column_notes.iter().cloned());
        notes.extend(self.late_note());
        notes.extend(self.row_notes());
        notes
    }

    /// Symbols of the news without bars, and those of the bars that may be the same.
    fn spelling_notes(&self) -> Vec<String> {
        let mentioned = self.articles.iter().flat_map(|article| &article.symbols);
        spellings::notes(mentioned, &self.bars.symbols(), &self.options.calendars)
    }

    /// How many splits and dividends the file of them has.
    fn action_note(&self) -> Option<String> {
        let path = self.options.actions.as_ref()?;
        Some(match self.actions.len() {
            0 => format!("{}: it has no splits or dividends, only the names of the columns", path.display()),
            count => format!("{count} splits and dividends"),
        })
    }

    fn absent_benchmark_note(&self) -> Option<String> {
        let (calendars, benchmark) = (&self.options.calendars, self.options.benchmark.as_ref()?);
        let market = calendars.of(benchmark);
        let has_market = self.bars.symbols().into_iter().any(|symbol| calendars.of(symbol) == market);
        (has_market && !self.bars.has(benchmark)).then(|| {
            format!(
                "there is no bar of the benchmark {benchmark}, so alpha, beta and ar_* will be empty; --benchmark NAME names \
                 another, and --benchmark none says that the bars have no benchmark"
            )
        })
    }

    /// How many articles count long after their publication because of their rows, and not because of the delay.
    fn late_note(&self) -> Option<String> {
        let is_late = |article: &&Article| {
            let usual = delayed(article.published_at, self.options.delay);
            article.received_at.duration_since(usual) > SignedDuration::from_hours(24)
        };
        let count = self.articles.iter().filter(is_late).count();
        (count > 0).then(|| {
            format!(
                "{count} articles or edits count from more than a day after their publication, because their rows say that they \
                 were received, crawled or edited then; --news-columns received_at= leaves the time of receipt out"
            )
        })
    }

    /// Splits and dividends that change nothing, because no bar has their symbol.
    fn unused_actions_note(&self) -> Option<String> {
        let known = self.bars.symbols();
        let unused: Vec<&CorporateAction> =
            self.actions.iter().filter(|action| !known.contains(&action.symbol)).collect();
        let symbol = &unused.first()?.symbol;
        Some(format!(
            "{} splits or dividends are of symbols without bars, such as {symbol}, and do nothing; --alias NEWS=TAPE \
             reads a symbol as that of the bars",
            unused.len()
        ))
    }

    /// Aliases and markets that change nothing, because no row has their symbol: most are misspelled.
    fn unused_flags_notes(&self) -> Vec<String> {
        let aliases = self.options.aliases.unused();
        let mut notes: Vec<String> = aliases
            .iter()
            .map(|(symbol, meant)| format!("--alias {symbol}={meant} changes nothing: no row has the symbol {symbol}"))
            .collect();
        let of_bars = self.bars.symbols();
        let of_news = self.articles.iter().flat_map(|article| &article.symbols);
        let symbols: BTreeSet<&Symbol> = of_bars.into_iter().chain(of_news).collect();
        for (rule, market) in self.options.market_rules.iter().filter(|(rule, _)| rule != "*") {
            let mut only = Calendars::default();
            let is_rule = only.set(rule, *market).is_ok();
            if is_rule && !symbols.iter().any(|symbol| only.has_rule_for(symbol)) {
                notes.push(format!("--market {rule}={market} changes nothing: no row has such a symbol"));
            }
        }
        notes
    }

    /// What a person should know of rows that do not count as they stand, or not at all.
    fn row_notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.midnights.iter().filter_map(|file| file.note(self.options.delay)).collect();
        notes.extend(self.without_id.note());
        if let edits @ 1.. = self.edits {
            notes.push(format!(
                "{edits} rows replace the text of an earlier row with the same id, as its edits; if they are articles \
                 of their own, --news-columns id= leaves the ids out"
            ));
        }
        if let repeated @ 1.. = self.repeated + self.bars.repeated {
            notes.push(format!("{repeated} rows repeat another, and count once"));
        }
        notes.extend(self.bars.replacement());
        for (rows, what) in [(&self.rejected, "can't be read"), (&self.in_part, "are kept without a part")] {
            if !rows.is_empty() {
                notes.push(format!("{} rows {what}: {}", rows.len(), reasons(rows).join("; ")));
            }
        }
        notes
    }
}
