//! One partition of the topic `trades`: the folds of its symbols, and from where it has to be read again.

use crate::checkpoint::{Checkpoint, SourceState, TradeCompleteness};
use crate::fold::{Arrival, Fold};
use crate::widths::{Widths, lateness_micros};
use foldhash::fast::FixedState;
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tapewire_core::exchange::Calendars;
use tapewire_core::record::{Gap, Print, SourceTrade, Tape};
use tapewire_core::symbol::NotASymbol;
use tapewire_core::{Bar, PrintKind, PrintRef, Run, Symbol, TradeRef, Watermark};

/// A source is taken to be gone when this many records have followed its last one on the partition. Otherwise the
/// offset from which the topic is read again could never move past the source's last trades.
const MAX_SILENT_RECORDS: u64 = 1_000_000;

/// What decides which bars a set of trades gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldRules {
    /// Widths of the bars. A symbol has those that are by the clock in its market ([`Widths::by_market`]).
    pub widths: Widths,
    /// The market of each symbol.
    pub calendars: Arc<Calendars>,
    /// How long after the watermark has passed the end of a bar a trade may still change it.
    pub lateness: SignedDuration,
}

impl FoldRules {
    /// In microseconds.
    pub(crate) fn lateness(&self) -> i64 {
        lateness_micros(self.lateness)
    }
}

/// The folds of one partition. Each run and source has folds of its own.
///
/// The bars are a function of the records: records that are read again after a restart give the same bars. Bars that
/// were emitted before the last commit are not emitted again, and neither is a bar that overlaps a [`Gap`] of its
/// source. If the earlier records of a source are not known, because somebody moved offsets by hand, for example, it
/// has no bars until its watermark is 20 minutes (`checkpoint::UNKNOWN_FOR_MICROS`) after the first one that was read.
#[derive(Debug)]
pub struct Partition {
    rules: FoldRules,
    streams: Vec<Stream>,
    /// The records that may have to be read again, oldest first. Never empty.
    segments: VecDeque<Segment>,
    /// The offset that the previous owner of this partition committed: records before it only rebuild the state.
    committed: u64,
    next: u64,
    late: u64,
}

/// The trades of one source and run.
#[derive(Debug)]
struct Stream {
    run: Run,
    source: String,
    completeness: TradeCompleteness,
    folds: HashMap<Symbol, SymbolFold, FixedState>,
    /// In the open segment, the time of the latest trade that counts.
    latest: i64,
    /// Offset of the last record.
    last_offset: u64,
}

#[derive(Debug)]
struct SymbolFold {
    fold: Fold,
    /// Its trades on this partition are copies, and so are its bars.
    is_copy: bool,
}

/// The records from one watermark to the next.
#[derive(Debug)]
struct Segment {
    /// Offset of the first.
    from: u64,
    /// What was known of each source just before.
    before: Vec<SourceState>,
    /// Of each source, the time of the latest trade that counts.
    latest: Vec<(Run, String, i64)>,
}

impl Partition {
    /// Takes a partition over, given the offset and the metadata of the last commit; the caller then reads from
    /// [`Partition::start_offset`]. Without a commit `committed` is 0.
    pub fn resume(rules: FoldRules, committed: u64, metadata: &str) -> Self {
        let checkpoint = Checkpoint::decode(metadata);
        let next = checkpoint.as_ref().map_or(committed, |checkpoint| checkpoint.rewind.min(committed));
        let known = checkpoint.map(|checkpoint| checkpoint.source_states(&rules)).unwrap_or_default();
        let stream = |known: &SourceState| {
            Stream::new(known.run.clone(), known.source.clone(), known.completeness.clone(), next)
        };
        let streams = known.iter().map(stream).collect();
        let segments = VecDeque::from([Segment { from: next, before: known, latest: Vec::new() }]);
        Self { rules, streams, segments, committed, next, late: 0 }
    }

    /// Where to read from, given the offset and the metadata of the last commit.
    pub fn start_offset(committed: i64, metadata: &str) -> i64 {
        let rewind = Checkpoint::decode(metadata).and_then(|checkpoint| i64::try_from(checkpoint.rewind).ok());
        rewind.map_or(committed, |rewind| rewind.min(committed))
    }

    /// Moves past a record, `None` if it can't be read. Returns what is to be sent to the same partition of `bars`, in this
    /// order: bars, then the watermark that completed them. Nothing for a record that was committed before.
    pub fn step(&mut self, offset: u64, record: Option<(Run, Print)>) -> Vec<Tape> {
        self.next = self.next.max(offset + 1);
        match record {
            None | Some((_, Print::Trade(_))) => {}
            Some((run, Print::Fold(SourceTrade { source, trade }))) => {
                self.trade(offset, run.as_str(), &source, &trade.borrowed(), false).expect("its symbol is one");
            }
            Some((run, Print::BenchmarkFold(SourceTrade { source, trade }))) => {
                self.trade(offset, run.as_str(), &source, &trade.borrowed(), true).expect("its symbol is one");
            }
            Some((run, Print::Gap(gap))) => self.gap(offset, &run, &gap),
            Some((run, Print::Watermark(watermark))) => {
                let out = self.watermark(offset, &run, watermark);
                return if self.is_committed(offset) { Vec::new() } else { out };
            }
        }
        Vec::new()
    }

    /// As [`Partition::step`] of a record that is a trade, after which there is nothing to be sent.
    ///
    /// # Errors
    /// The symbol is not a ticker, so the record can't be read. The partition has not moved past it.
    pub fn step_trade(&mut self, offset: u64, print: &PrintRef<'_>) -> Result<(), NotASymbol> {
        let PrintRef { run, kind, trade } = print;
        match kind {
            PrintKind::Trade => drop(Symbol::new(trade.symbol)?),
            PrintKind::Fold { source } => self.trade(offset, run, source, trade, false)?,
            PrintKind::BenchmarkFold { source } => self.trade(offset, run, source, trade, true)?,
        }
        self.next = self.next.max(offset + 1);
        Ok(())
    }

    /// Whether a record was committed before: it only rebuilds the state.
    pub fn is_committed(&self, offset: u64) -> bool {
        offset < self.committed
    }

    /// # Errors
    /// As [`Partition::step_trade`].
    fn trade(
        &mut self,
        offset: u64,
        run: &str,
        source: &str,
        trade: &TradeRef<'_>,
        is_copy: bool,
    ) -> Result<(), NotASymbol> {
        let stream = self.streams.iter_mut().find(|stream| stream.is_of(run, source));
        let arrival = match stream.and_then(|stream| stream.take(offset, trade.symbol, trade)) {
            Some(arrival) => arrival,
            None => {
                let symbol = Symbol::new(trade.symbol)?;
                let stream = find_or_add(&mut self.streams, offset, run, source);
                if !stream.folds.contains_key(&symbol) {
                    let market = self.rules.calendars.of(&symbol);
                    let (Some(widths), _) = self.rules.widths.by_market(market) else { return Ok(()) };
                    let mut fold = Fold::new(symbol.clone(), widths, self.rules.lateness);
                    // No trade of the symbol is in memory. Its fold starts at the source's watermark, so that trades
                    // which are too late are refused.
                    let watermark = stream.completeness.watermark;
                    if let Some(at) = watermark.and_then(|at| Timestamp::from_microsecond(at).ok()) {
                        fold.watermark(at);
                    }
                    stream.folds.insert(symbol.clone(), SymbolFold { fold, is_copy });
                }
                stream.take(offset, symbol.as_str(), trade).expect("it has a fold of the symbol")
            }
        };
        if arrival == Arrival::TooLate {
            self.late += u64::from(!self.is_committed(offset));
        }
        Ok(())
    }

    fn gap(&mut self, offset: u64, run: &Run, gap: &Gap) {
        let stream = find_or_add(&mut self.streams, offset, run.as_str(), &gap.source);
        stream.completeness.add_gap(gap.from.as_microsecond(), gap.to.as_microsecond());
    }

    fn watermark(&mut self, offset: u64, run: &Run, watermark: Watermark) -> Vec<Tape> {
        let mut out = Vec::new();
        if !watermark.idle {
            let stream = find_or_add(&mut self.streams, offset, run.as_str(), &watermark.source);
            out = stream.complete(&self.rules, watermark.at);
            if watermark.is_end_of_stream() {
                self.streams.retain(|stream| stream.source != watermark.source || stream.run != *run);
            }
            self.begin_segment();
        }
        out.push(Tape::Watermark(watermark));
        out
    }

    /// What is known of each source now.
    fn source_states(&self) -> Vec<SourceState> {
        let known = |stream: &Stream| SourceState {
            run: stream.run.clone(),
            source: stream.source.clone(),
            completeness: stream.completeness.clone(),
        };
        self.streams.iter().map(known).collect()
    }

    fn begin_segment(&mut self) {
        let before = self.source_states();
        let open = self.segments.back_mut().expect("there is always one");
        for stream in self.streams.iter_mut().filter(|stream| stream.latest > i64::MIN) {
            open.latest.push((stream.run.clone(), stream.source.clone(), stream.latest));
            stream.latest = i64::MIN;
        }
        self.segments.push_back(Segment { from: self.next, before, latest: Vec::new() });
        self.evict_segments();
    }

    /// Evicts the oldest segments as long as no trade in them counts any more.
    fn evict_segments(&mut self) {
        let (streams, rules) = (&self.streams, &self.rules);
        let is_needed = |(run, source, latest): &(Run, String, i64)| {
            let stream = streams.iter().find(|stream| stream.source == *source && stream.run == *run);
            stream.is_some_and(|stream| *latest >= stream.completeness.open_from(rules))
        };
        while self.segments.len() > 1 && !self.segments[0].latest.iter().any(is_needed) {
            self.segments.pop_front();
        }
    }

    /// The next offset to commit, and the metadata that goes with it, once all that was returned so far is acknowledged.
    pub fn commit(&mut self) -> (u64, String) {
        let next = self.next;
        self.streams.retain(|stream| stream.last_offset.saturating_add(MAX_SILENT_RECORDS) > next);
        self.evict_segments();
        let has_trades = self.streams.iter().any(|stream| stream.latest > i64::MIN);
        if self.segments.len() == 1 && !has_trades {
            // No trade before `next` is needed to rebuild the state.
            self.segments[0] = Segment { from: next, before: self.source_states(), latest: Vec::new() };
        }
        let oldest = &self.segments[0];
        let checkpoint = Checkpoint::new(&self.rules, oldest.from, &oldest.before);
        (next.max(self.committed), checkpoint.encode())
    }

    /// Number of trades since the last call that came too late for every bar.
    pub fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }

    /// Number of trades in memory.
    pub fn len(&self) -> usize {
        self.streams.iter().flat_map(|stream| stream.folds.values()).map(|symbol_fold| symbol_fold.fold.len()).sum()
    }

    /// Whether no trade is in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The stream of a source, added if it is missing. Notes the offset of its record.
fn find_or_add<'s>(streams: &'s mut Vec<Stream>, offset: u64, run: &str, source: &str) -> &'s mut Stream {
    let at = streams.iter().position(|stream| stream.is_of(run, source));
    let at = at.unwrap_or_else(|| {
        streams.push(Stream::new(Run::named(run), source.to_owned(), TradeCompleteness::default(), offset));
        streams.len() - 1
    });
    streams[at].last_offset = offset;
    &mut streams[at]
}

impl Stream {
    fn new(run: Run, source: String, completeness: TradeCompleteness, last_offset: u64) -> Self {
        let folds = HashMap::with_hasher(FixedState::default());
        Self { run, source, completeness, folds, latest: i64::MIN, last_offset }
    }

    fn is_of(&self, run: &str, source: &str) -> bool {
        self.source == source && self.run.as_str() == run
    }

    /// Takes a trade, if there is a fold of this symbol. A text that is a symbol of a fold is a symbol in its normal
    /// spelling.
    fn take(&mut self, offset: u64, symbol: &str, trade: &TradeRef<'_>) -> Option<Arrival> {
        let arrival = self.folds.get_mut(symbol)?.fold.borrowed(trade);
        self.last_offset = offset;
        if arrival == Arrival::Counts {
            self.latest = self.latest.max(trade.at.as_microsecond());
        }
        Some(arrival)
    }

    /// The bars that a watermark completes, and those that late trades have changed: by symbol, width and time.
    fn complete(&mut self, rules: &FoldRules, at: Timestamp) -> Vec<Tape> {
        let at = self.completeness.advance(at);
        let mut bars: Vec<(Bar, bool)> = Vec::new();
        for SymbolFold { fold, is_copy } in self.folds.values_mut() {
            bars.extend(fold.watermark(at).into_iter().map(|bar| (bar, *is_copy)));
        }
        self.folds.retain(|_, symbol_fold| !symbol_fold.fold.is_empty());
        bars.retain(|(bar, _)| !self.completeness.is_in_gap(bar.start.as_microsecond(), bar.end().as_microsecond()));
        self.completeness.evict_gaps(self.completeness.open_from(rules));
        bars.sort_by(|(a, _), (b, _)| (&a.symbol, a.width_s, a.start).cmp(&(&b.symbol, b.width_s, b.start)));
        bars.into_iter().map(|(bar, is_copy)| if is_copy { Tape::BenchmarkBar(bar) } else { Tape::Bar(bar) }).collect()
    }
}
