//! One run on one partition, event by event.

use super::baseline::Baselines;
use super::evaluation::{EvalContext, Evaluation};
use super::eviction::EvictionState;
use super::held::HeldEvaluation;
use super::inputs::{JoinEvent, PerTopic};
use super::market::BenchmarkCloses;
use super::mention::{Lateness, MentionRevision};
use super::mentions::Mentions;
use super::placement::{DAY_S, Placed, Placement, place};
use super::tape::{Bars, HeldBar, HeldHalt, Instrument};
use super::texts::SharedTexts;
use super::time::EventTime;
use super::tracker::{WatermarkHistory, WatermarkTracker};
use super::window::{EventWindow, allowed_lateness};
use super::{JoinConfig, version};
use crate::JoinerError;
use foldhash::{HashMap, HashMapExt as _};
use std::collections::BTreeSet;
use std::sync::Arc;
use tapewire_core::exchange::{Calendar, Market, Session};
use tapewire_core::impact::Reason;
use tapewire_core::{Bar, CorporateAction, Halt, Impact, Mention, Run, Symbol, Watermark};

/// Why a mention is evaluated again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Only the tape's watermark has moved; no record that the last evaluation used has changed.
    Time,
    /// A record came or is read again.
    Record,
}

/// Where a symbol is traded, and its benchmark.
#[derive(Debug, Clone, Copy)]
struct Listing {
    market: Market,
    /// Its place among [`JoinConfig::benchmarks`].
    benchmark: Option<usize>,
}

/// The join of one run on one partition.
#[derive(Debug)]
pub struct State {
    run: Run,
    pub(super) config: Arc<JoinConfig>,
    pub(super) news: WatermarkTracker,
    pub(super) tape: WatermarkTracker,
    /// Where the run's records begin in `halts`. That topic has no watermarks.
    pub(super) halts: WatermarkTracker,
    /// The same for `actions`.
    pub(super) actions: WatermarkTracker,
    pub(super) history: WatermarkHistory,
    pub(super) symbols: HashMap<Symbol, Instrument>,
    pub(super) baselines: HashMap<Symbol, Baselines>,
    pub(super) benchmark_closes: HashMap<Symbol, BenchmarkCloses>,
    /// Market and benchmark of each symbol that had a record. They are kept because finding a market from a symbol's
    /// spelling takes longer than adding a bar.
    listings: HashMap<Symbol, Listing>,
    pub(super) mentions: Mentions,
    /// What mentions in memory have in common.
    pub(super) texts: SharedTexts,
    /// When each mention is to be evaluated again, by the tape's watermark, and its id.
    timers: BTreeSet<(EventTime, u64)>,
    pub(super) eviction: EvictionState,
    /// While committed records are read again: no rows are returned.
    pub(super) rebuilding: bool,
    /// The market and session of the last bar: most bars are in the session of the one before.
    last_session: Option<(Market, &'static Session)>,
    /// Number of bars read so far that are in no session, see [`State::take_outside_bars`].
    outside_bars: u64,
}

impl State {
    pub(super) fn with(run: Run, config: Arc<JoinConfig>, trackers: PerTopic<WatermarkTracker>) -> Self {
        Self {
            run,
            config,
            news: trackers.sentiment,
            tape: trackers.bars,
            halts: trackers.halts,
            actions: trackers.actions,
            history: WatermarkHistory::default(),
            symbols: HashMap::new(),
            baselines: HashMap::new(),
            benchmark_closes: HashMap::new(),
            listings: HashMap::new(),
            mentions: Mentions::default(),
            texts: SharedTexts::default(),
            timers: BTreeSet::new(),
            eviction: EvictionState::default(),
            rebuilding: false,
            last_session: None,
            outside_bars: 0,
        }
    }

    /// The state of the same run that is replayed again. It keeps the halts and actions that have been read: they may be those
    /// of the second replay, because the topics are read in no order.
    pub(super) fn restarted(self, trackers: PerTopic<WatermarkTracker>) -> Self {
        let trackers = PerTopic { halts: self.halts, actions: self.actions, ..trackers };
        let mut again = Self::with(self.run, self.config, trackers);
        let without_bars =
            |known: Instrument| Instrument { halts: known.halts, actions: known.actions, ..Instrument::default() };
        again.symbols = self.symbols.into_iter().map(|(symbol, known)| (symbol, without_bars(known))).collect();
        again.eviction = self.eviction.of_halts_and_actions();
        again
    }

    /// A run without a record so far; its topics are read from their beginning.
    pub fn new(run: Run, config: Arc<JoinConfig>) -> Self {
        Self::with(run, config, PerTopic::TOPICS.map(|_| WatermarkTracker::starting_at(0)))
    }

    /// Applies one event and returns the rows that changed, each with a higher version than before.
    ///
    /// # Errors
    /// [`JoinerError::TooManyRecords`].
    pub fn step(&mut self, event: JoinEvent) -> Result<Vec<Impact>, JoinerError> {
        let mut rows = Vec::new();
        self.step_into(event, &mut rows)?;
        Ok(rows)
    }

    /// As [`State::step`]; the rows are added to `rows`.
    #[inline]
    pub(super) fn step_into(&mut self, event: JoinEvent, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        match event {
            JoinEvent::Mention { offset, mention } => {
                if self.news.includes(offset) {
                    self.mention(offset, mention, rows)?;
                }
            }
            JoinEvent::NewsWatermark { offset, watermark } => {
                if self.news.includes(offset) {
                    self.news.observe(offset, &watermark);
                }
            }
            JoinEvent::Bar { offset, bar } => {
                if self.tape.includes(offset) {
                    self.bar(offset, &bar, rows)?;
                }
            }
            JoinEvent::TapeWatermark { offset, watermark } => {
                if self.tape.includes(offset) {
                    self.tape_watermark(offset, &watermark, rows)?;
                }
            }
            JoinEvent::Halt { offset, halt } => {
                if self.halts.includes(offset) {
                    self.halt(offset, &halt, rows)?;
                }
            }
            JoinEvent::Action { offset, action } => {
                if self.actions.includes(offset) {
                    self.action(offset, action, rows)?;
                }
            }
        }
        Ok(())
    }

    /// Number of bars since the last call that are in no regular session and so have no price for the join.
    pub(super) fn take_outside_bars(&mut self) -> u64 {
        std::mem::take(&mut self.outside_bars)
    }

    fn mention(&mut self, offset: u64, mut mention: Mention, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        let market = mention.symbol.as_ref().map_or(Market::NewYork, |symbol| self.listing_of(symbol).market);
        let window = EventWindow::new(&mention, &self.config, market.calendar());
        let finalization = window.finalization(&self.config);
        let lateness = self.classify_lateness(&mention, finalization);
        self.texts.share(&mut mention);
        if let Some(id) = self.mentions.find(&mention) {
            if lateness == Lateness::TooLate {
                // The existing row was made from more bars than may be in memory now.
                return Ok(());
            }
            let state = self.mentions.get_mut(id);
            // The news alone decides whether the mention is finalized: the tape decides only whether it is still in
            // memory, and that must make no difference.
            if self.news.watermark().is_none_or(|watermark| watermark < state.finalization) {
                let revision = MentionRevision { mention: Arc::new(mention), window, lateness };
                let changed = state.apply_revision(offset, revision, finalization);
                return if changed { self.evaluate(id, rows) } else { Ok(()) };
            }
            self.evict_mention(id);
        }
        if let Some(symbol) = &mention.symbol {
            self.symbols.entry(symbol.clone()).or_default().mentions.insert(offset);
        }
        let earliest = &mut self.eviction.earliest_finalization;
        *earliest = finalization.min(*earliest);
        let revision = MentionRevision { mention: Arc::new(mention), window, lateness };
        self.mentions.insert(offset, revision, finalization);
        self.evaluate(offset, rows)
    }

    /// Judged by the news watermark at this offset of the topic, which is the same for every reader.
    fn classify_lateness(&self, mention: &Mention, finalization: EventTime) -> Lateness {
        match self.news.watermark() {
            // A withdrawn mention needs no bars, so it counts however late it is.
            Some(watermark) if finalization <= watermark && mention.is_withdrawn() => Lateness::Late,
            Some(watermark) if finalization <= watermark => Lateness::TooLate,
            Some(watermark) if EventTime::from(mention.published_at) <= watermark => Lateness::Late,
            _ => Lateness::OnTime,
        }
    }

    fn listing_of(&mut self, symbol: &Symbol) -> Listing {
        if let Some(known) = self.listings.get(symbol) {
            return *known;
        }
        let benchmark = self.config.benchmark_of(symbol);
        let place = benchmark.and_then(|benchmark| self.config.benchmarks().position(|own| own == benchmark));
        let listing = Listing { market: self.config.market_of(symbol), benchmark: place };
        self.listings.insert(symbol.clone(), listing);
        listing
    }

    pub(super) fn bar(&mut self, offset: u64, bar: &Bar, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        let known = self.symbols.get(&bar.symbol).and_then(|instrument| instrument.market);
        let market = known.unwrap_or_else(|| self.listing_of(&bar.symbol).market);
        let calendar = market.calendar();
        let near = self.last_session.filter(|(of, _)| *of == market).map(|(_, session)| session);
        match place(bar, near, calendar, &self.config) {
            Some(Placement::Session(placed)) => self.placed_bar(offset, bar, calendar, placed, Bars::insert, rows),
            Some(Placement::Auction(placed)) => {
                self.placed_bar(offset, bar, calendar, placed, Bars::insert_auction, rows)
            }
            Some(Placement::Outside { session, end }) => {
                self.outside_bar(offset, bar, &calendar.sessions()[session], end, rows)
            }
            None => Ok(()),
        }
    }

    fn placed_bar(
        &mut self,
        offset: u64,
        bar: &Bar,
        calendar: &'static Calendar,
        placed: Placed,
        insert: fn(&mut Bars, usize, HeldBar) -> bool,
        rows: &mut Vec<Impact>,
    ) -> Result<(), JoinerError> {
        let Placed { session, start, end, .. } = placed;
        let of_calendar = &calendar.sessions()[session];
        self.last_session = Some((calendar.market(), of_calendar));
        if self.is_evicted(calendar, session) {
            return Ok(());
        }
        let watermark = self.history.watermark();
        let is_late = watermark >= placed.deadline;
        let held = HeldBar {
            start,
            end,
            printed_start: if bar.width_s == DAY_S { start } else { bar.start.into() },
            open: placed.has_open.then_some(bar.open),
            close: placed.has_close.then_some(bar.close),
            volume: bar.volume,
            received_at: bar.received_at.into(),
            offset,
            first_offset: offset,
            visible_from: if is_late { watermark } else { HeldBar::ON_TIME },
        };
        self.eviction.keep_bars_from(of_calendar, offset);
        let settled = watermark + allowed_lateness(&self.config) * -1;
        let add = |instrument: &mut Instrument| {
            instrument.market = Some(calendar.market());
            let bars = instrument.bars.entry(bar.width_s).or_default();
            bars.settle(settled);
            insert(bars, session, held)
        };
        // Almost every bar's symbol is known, and looking for it once is enough.
        let changed = match self.symbols.get_mut(&bar.symbol) {
            Some(instrument) => add(instrument),
            None => add(self.instrument(&bar.symbol)),
        };
        // A bar that ended after the watermark becomes visible when the watermark gets there.
        // What an auction changes is the price of the close.
        let start = start.min(of_calendar.close.into());
        if changed && end <= watermark { self.on_visible_bar(bar, start, end, rows) } else { Ok(()) }
    }

    /// Notes a bar that is in no session. None of its prices is used, but where a symbol has only such bars, the reason
    /// of its rows is [`Reason::NoRegularBars`].
    fn outside_bar(
        &mut self,
        offset: u64,
        bar: &Bar,
        session: &Session,
        end: EventTime,
        rows: &mut Vec<Impact>,
    ) -> Result<(), JoinerError> {
        let is_late = self.history.watermark() >= end + allowed_lateness(&self.config);
        let calendar = self.listing_of(&bar.symbol).market.calendar();
        if self.is_evicted(calendar, session.index) || is_late {
            return Ok(());
        }
        // While the state is rebuilt, bars are read again that were counted before.
        self.outside_bars += u64::from(!self.rebuilding);
        self.eviction.keep_bars_from(session, offset);
        self.instrument(&bar.symbol).insert_outside(session.index, offset);
        let own = self.symbols.get(&bar.symbol).into_iter().flat_map(|symbol| &symbol.mentions).copied();
        let changed: Vec<u64> = own.filter(|&id| self.mentions.get(id).is_without_bars()).collect();
        changed.into_iter().try_for_each(|id| self.evaluate(id, rows))
    }

    fn instrument(&mut self, symbol: &Symbol) -> &mut Instrument {
        if !self.symbols.contains_key(symbol) {
            self.symbols.insert(symbol.clone(), Instrument::default());
        }
        self.symbols.get_mut(symbol).expect("it was inserted above")
    }

    /// Evaluates again the mentions that a bar can change. The bar arrived after the watermark had passed its end.
    fn on_visible_bar(
        &mut self,
        bar: &Bar,
        start: EventTime,
        end: EventTime,
        rows: &mut Vec<Impact>,
    ) -> Result<(), JoinerError> {
        let own = self.symbols.get(&bar.symbol).into_iter().flat_map(|symbol| &symbol.mentions).copied();
        let depends = |&id: &u64| self.mentions.get(id).depends_on_bar(start, end, bar.width_s);
        let mut changed: BTreeSet<u64> = own.filter(depends).collect();
        if self.config.benchmarks().any(|benchmark| *benchmark == bar.symbol) {
            let others = self.mentions.iter().filter(|(_, mention)| mention.depends_on_benchmark_bar(start));
            changed.extend(others.map(|(id, _)| id));
        }
        changed.into_iter().try_for_each(|id| self.evaluate(id, rows))
    }

    fn tape_watermark(
        &mut self,
        offset: u64,
        watermark: &Watermark,
        rows: &mut Vec<Impact>,
    ) -> Result<(), JoinerError> {
        let is_first = self.tape.watermark().is_none();
        let moved = self.tape.observe(offset, watermark);
        let Some(reached) = self.tape.watermark().filter(|_| moved) else { return Ok(()) };
        if !self.history.push(reached, offset) {
            return Ok(());
        }
        if is_first {
            rows.extend(self.evaluate_all()?);
        }
        self.eviction.keep_watermark(reached, offset);
        let watermark = self.history.watermark();
        while let Some(&(at, id)) = self.timers.first().filter(|(at, _)| *at <= watermark) {
            self.timers.remove(&(at, id));
            self.evaluate_after(id, Cause::Time, rows)?;
        }
        Ok(())
    }

    fn halt(&mut self, offset: u64, halt: &Halt, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        let calendar = self.config.market_of(&halt.symbol).calendar();
        if let Some(session) = calendar.last_opened(halt.at) {
            if self.is_evicted(calendar, session.index) {
                return Ok(());
            }
            self.eviction.keep_halts_from(session, offset);
        }
        let held = HeldHalt { halted: halt.halted, received_at: halt.received_at.into(), offset };
        let symbol = self.symbols.entry(halt.symbol.clone()).or_default();
        if symbol.insert_halt(halt.at.into(), held) {
            let changed: Vec<u64> = match Market::of_symbol(&halt.symbol) {
                Some(market) => self.mentions_of(market),
                None => symbol.mentions.iter().copied().collect(),
            };
            changed.into_iter().try_for_each(|id| self.evaluate(id, rows))?;
        }
        Ok(())
    }

    /// The mentions of the symbols of a market.
    fn mentions_of(&self, market: Market) -> Vec<u64> {
        let symbols = self.symbols.iter().filter(|(symbol, _)| self.config.market_of(symbol) == market);
        symbols.flat_map(|(_, symbol)| &symbol.mentions).copied().collect()
    }

    fn action(&mut self, offset: u64, action: CorporateAction, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        let calendar = self.config.market_of(&action.symbol).calendar();
        let Some(session) = calendar.from(action.ex_date) else { return Ok(()) };
        if self.is_evicted(calendar, session.index) {
            return Ok(());
        }
        self.eviction.keep_actions_from(session, offset);
        let symbol = action.symbol.clone();
        if self.instrument(&symbol).actions.insert(session.index, offset, action) {
            let changed: Vec<u64> = if self.config.benchmarks().any(|benchmark| *benchmark == symbol) {
                self.mentions.ids().collect()
            } else {
                self.symbols[&symbol].mentions.iter().copied().collect()
            };
            changed.into_iter().try_for_each(|id| self.evaluate(id, rows))?;
        }
        Ok(())
    }

    /// Whether no rows are returned: while the state is rebuilt, and in a replay until the tape has a watermark.
    /// Mentions that the worker sends again after their replay was over find an empty state without a tape, and must
    /// not replace rows that were finished.
    pub(super) fn holds_rows_back(&self) -> bool {
        self.rebuilding || !(self.run.is_live() || self.tape.watermark().is_some())
    }

    pub(super) fn evaluate_all(&mut self) -> Result<Vec<Impact>, JoinerError> {
        let mut rows = Vec::new();
        let all: Vec<u64> = self.mentions.ids().collect();
        all.into_iter().try_for_each(|id| self.evaluate(id, &mut rows))?;
        Ok(rows)
    }

    /// Evaluates a mention from scratch and adds its row to `rows` if its version has changed.
    fn evaluate(&mut self, id: u64, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        self.evaluate_after(id, Cause::Record, rows)
    }

    fn evaluate_after(&mut self, id: u64, cause: Cause, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        if self.holds_rows_back() {
            return Ok(());
        }
        let evaluation = self.evaluation(id, cause);
        let state = self.mentions.get_mut(id);
        if let Some(at) = state.next_timer() {
            self.timers.remove(&(at, id));
        }
        if let Some(at) = evaluation.next_timer {
            self.timers.insert((at, id));
        }
        let version = match state.current().lateness {
            Lateness::TooLate => version::LOWEST,
            Lateness::OnTime | Lateness::Late => version::pack(
                state.effective_offset,
                evaluation.traces.bars_end,
                evaluation.halts_end,
                evaluation.actions_end,
            )?,
        };
        if state.evaluated.as_ref().is_none_or(|known| known.version != version) {
            rows.push(evaluation.row(&self.run, version, state.current()));
        }
        state.evaluated = Some(HeldEvaluation::new(version, &evaluation, state.evaluated.take()));
        Ok(())
    }

    fn evaluation(&mut self, id: u64, cause: Cause) -> Evaluation {
        let state = self.mentions.get(id);
        let MentionRevision { mention, window, lateness } = state.current();
        let symbol = match &mention.symbol {
            _ if mention.is_withdrawn() => return Evaluation::not_joined(window.phase, Reason::Withdrawn),
            _ if *lateness == Lateness::TooLate => return Evaluation::not_joined(window.phase, Reason::TooLate),
            None => return Evaluation::not_joined(window.phase, Reason::NoSymbol),
            Some(symbol) => symbol,
        };
        if !self.baselines.contains_key(symbol) {
            self.baselines.insert(symbol.clone(), Baselines::default());
        }
        let Listing { market, benchmark } = self.listings[symbol];
        let config = Arc::clone(&self.config);
        let benchmark = benchmark.and_then(|place| config.benchmarks().nth(place));
        let of_benchmark = benchmark.unwrap_or(&config.benchmark);
        if !self.benchmark_closes.contains_key(of_benchmark) {
            self.benchmark_closes.insert(of_benchmark.clone(), BenchmarkCloses::default());
        }
        let mut context = EvalContext {
            config: &self.config,
            calendar: market.calendar(),
            history: &self.history,
            symbol: self.symbols.get(symbol),
            market_halts: self.symbols.get(market.as_symbol()),
            benchmark: benchmark.and_then(|benchmark| self.symbols.get(benchmark)),
            benchmark_closes: self.benchmark_closes.get_mut(of_benchmark).expect("it was inserted above"),
            baselines: self.baselines.get_mut(symbol).expect("it was inserted above"),
        };
        context.evaluate(window, state.evaluated.as_ref(), cause)
    }

    pub(super) fn evict_mention(&mut self, id: u64) {
        let Some(state) = self.mentions.remove(id) else { return };
        if let Some(at) = state.next_timer() {
            self.timers.remove(&(at, id));
        }
        let symbol = state.current().mention.symbol.as_ref();
        if let Some(symbol) = symbol.and_then(|symbol| self.symbols.get_mut(symbol)) {
            symbol.mentions.remove(&id);
        }
    }
}
