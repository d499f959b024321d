//! Entry, horizons and flags of one mention, from the bars that are visible.
//!
//! Evaluated as if from scratch each time: a row depends on what is known and not on the order in which it became known.
//! Only bars that ended by the tape's watermark, cut to whole minutes, are visible.
//!
//! - **Entry**: open of the first bar that starts at or after the first tradable minute, in that session or,
//!   without one, in the next (a thin or halted symbol, or a bar too wide for the rest of the day). Of several bar
//!   widths, the finest that has an entry is used for the entry and all horizons; `price_before` may be of any width.
//! - **Entry + h**: close of the last bar of the entry's session that ended at or before that moment and did not start
//!   before the entry. NULL past the session's close and in its break, before the first bar has ended (a horizon shorter
//!   than a bar), and where that bar is older than configured. Where the next session begins at the close, as with
//!   cryptocurrencies, the horizon reaches into it.
//! - **`close`, `next_close`**: the official closing price where the tape has it: the open of the bar after the close in
//!   which the closing auction is the first print, or the close of a bar of one day. Otherwise the close of the
//!   session's last bar, NULL where it is older than configured.
//! - **`next_open`**: open of the first bar of the session after the entry's, however late in the session it starts. NULL
//!   where the bar that holds the opening price starts before the open.
//! - [`placement`](super::placement) tells which of a bar's prices are prices of a regular session.

use super::JoinConfig;
use super::actions::Holding;
use super::baseline::{Baseline, Baselines};
use super::held::{HeldEntry, HeldEvaluation};
use super::market::{BenchmarkCloses, MarketModel, usual_volume};
use super::mention::{Lateness, MentionRevision};
use super::overnight::Nights;
use super::placement::{WIDEST_AUCTION_S, auction_end, may_hold_auction};
use super::state::Cause;
use super::tape::{BarRef, Bars, Instrument, Visibility};
use super::time::{EventTime, Span};
use super::tracker::WatermarkHistory;
use super::window::{EventWindow, PriceWindow, SessionBounds, next_minute, stale_after};
use std::sync::Arc;
use tapewire_core::exchange::Calendar;
use tapewire_core::impact::{MissingBars, PerHorizon, Phase, Quality, Reason, Status};
use tapewire_core::{Horizon, Impact, Run};

/// The joined part of a row, and what it depends on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evaluation {
    pub status: Status,
    pub phase: Phase,
    pub bar_width_s: Option<u32>,
    /// Price, and the end of the bar it is from.
    pub price_before: Option<(f64, EventTime)>,
    /// Number of the session that `price_before` is from.
    pub price_before_session: Option<usize>,
    /// Price, and the bar it is the open of.
    pub entry: Option<(f64, BarRef)>,
    pub returns: PerHorizon,
    pub abnormal: PerHorizon,
    pub close_is_official: Option<bool>,
    pub next_close_is_official: Option<bool>,
    pub model: Option<MarketModel>,
    pub volume_ratio: Option<f64>,
    /// Counted only with an entry; `near_horizons` is in `traces`.
    pub missing: MissingBars,
    /// Without `stale`, which is in `traces`.
    pub quality: Quality,
    pub traces: Traces,
    /// The horizons that need not be measured again.
    pub reached: Reached,
    /// The end of the last bar or horizon that the row covers, if there is one.
    pub covered_until: Option<EventTime>,
    /// The latest moment up to which the tape has to be complete for what the row says. The row depends on the
    /// watermark that completed the tape up to it.
    pub complete_until: EventTime,
    /// One past the greatest offset in `halts` that the row depends on (0: none). Like `actions_end`, it is of the row's
    /// whole window, whatever part of it the row covers.
    pub halts_end: u64,
    /// One past the greatest offset in `actions` that the row depends on (0: none).
    pub actions_end: u64,
    /// The usual volume of the entry, if there is one.
    pub usual: UsualVolume,
    /// The next tape watermark at which the row can change without a new bar, halt or action.
    pub next_timer: Option<EventTime>,
}

/// What a row notes of the prices that it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Traces {
    /// One past the greatest offset in `bars` that the row depends on (0: none).
    pub bars_end: u64,
    /// [`MissingBars::near_horizons`].
    pub near_horizons: u32,
    /// [`Quality::stale`].
    pub stale: bool,
}

/// The horizons in minutes that the tape had reached: the first `horizons` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reached {
    pub horizons: usize,
    pub traces: Traces,
}

/// The usual volume at an entry's time of day. Only another entry or another action changes it: bars of the sessions
/// before can't be corrected any more.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct UsualVolume {
    /// The [generation](super::actions::Actions::generation) of the symbol's actions.
    generation: u64,
    volume: Option<f64>,
}

/// The widest bar that holds a closing auction.
const WIDEST_AUCTION: Span = Span::from_secs(WIDEST_AUCTION_S);

/// Everything an evaluation is made from.
pub(super) struct EvalContext<'a> {
    pub config: &'a JoinConfig,
    pub calendar: &'a Calendar,
    pub history: &'a WatermarkHistory,
    pub symbol: Option<&'a Instrument>,
    /// The halts of the symbol's whole market.
    pub market_halts: Option<&'a Instrument>,
    /// The benchmark; `None` also for mentions of the benchmark itself, which has no market to be measured against.
    pub benchmark: Option<&'a Instrument>,
    pub benchmark_closes: &'a mut BenchmarkCloses,
    pub baselines: &'a mut Baselines,
}

/// The entry bar and the sessions of its horizons.
pub(super) struct Entry<'a> {
    pub session: SessionBounds,
    pub next: SessionBounds,
    pub width_s: u32,
    pub bars: &'a Bars,
    pub price: f64,
    pub bar: BarRef,
    pub volume: f64,
    pub visibility: Visibility,
}

impl Entry<'_> {
    pub fn width(&self) -> Span {
        Span::from_secs(self.width_s)
    }
}

impl Traces {
    pub fn depend_on_record(&mut self, bar: &BarRef) {
        self.bars_end = self.bars_end.max(bar.offset + 1);
    }

    fn add(&mut self, others: Self) {
        self.bars_end = self.bars_end.max(others.bars_end);
        self.near_horizons += others.near_horizons;
        self.stale |= others.stale;
    }
}

impl Evaluation {
    /// The evaluation of a mention whose entry minute is not over.
    pub fn pending(phase: Phase) -> Self {
        Self {
            status: Status::Pending,
            phase,
            bar_width_s: None,
            price_before: None,
            price_before_session: None,
            entry: None,
            returns: PerHorizon::default(),
            abnormal: PerHorizon::default(),
            close_is_official: None,
            next_close_is_official: None,
            model: None,
            volume_ratio: None,
            missing: MissingBars::default(),
            quality: Quality::default(),
            covered_until: None,
            traces: Traces::default(),
            reached: Reached::default(),
            complete_until: EventTime::MIN,
            usual: UsualVolume::default(),
            halts_end: 0,
            actions_end: 0,
            next_timer: None,
        }
    }

    /// The evaluation of a mention that has no entry.
    pub fn not_joined(phase: Phase, reason: Reason) -> Self {
        Self { status: Status::NotJoined(reason), ..Self::pending(phase) }
    }

    /// The row of a mention with this evaluation.
    pub fn row(&self, run: &Run, version: u64, revision: &MentionRevision) -> Impact {
        Impact {
            run: run.clone(),
            version,
            mention: Arc::clone(&revision.mention),
            status: self.status,
            phase: self.phase,
            bar_width_s: self.bar_width_s,
            price_before: self.price_before.map(|(price, _)| price),
            price_before_at: self.price_before.map(|(_, at)| at.timestamp()),
            entry_at: self.entry.map(|(_, bar)| bar.start.timestamp()),
            entry_price: self.entry.map(|(price, _)| price),
            returns: self.returns,
            abnormal: self.abnormal,
            close_is_official: self.close_is_official,
            next_close_is_official: self.next_close_is_official,
            alpha: self.model.map(|model| model.alpha),
            beta: self.model.map(|model| model.beta),
            volume_ratio: self.volume_ratio,
            missing_bars: self.entry.map(|_| self.missing_bars()),
            quality: Quality { late: revision.lateness != Lateness::OnTime, stale: self.traces.stale, ..self.quality },
        }
    }

    fn missing_bars(&self) -> MissingBars {
        MissingBars { near_horizons: self.traces.near_horizons, ..self.missing }
    }

    pub fn set_timer(&mut self, at: EventTime) {
        self.next_timer = Some(self.next_timer.map_or(at, |other| other.min(at)));
    }

    pub fn cover_until(&mut self, at: EventTime) {
        self.covered_until = self.covered_until.max(Some(at));
    }
}

impl<'a> EvalContext<'a> {
    /// Evaluates a mention from what is known now. Two things are taken from the last evaluation: the usual volume, if
    /// what it depends on is unchanged, and after `Cause::Time` the horizons in minutes that the tape had reached,
    /// because bars that became visible since then end later. The result is the same as without the last evaluation.
    pub fn evaluate(&mut self, window: &EventWindow, last: Option<&HeldEvaluation>, cause: Cause) -> Evaluation {
        let Some(prices) = &window.prices else {
            // Past the end of the calendar there is no minute to enter at.
            return Evaluation::not_joined(window.phase, Reason::OutsideCalendar);
        };
        let mut out = Evaluation::pending(window.phase);
        self.set_price_before(window, prices, &mut out);
        match self.entry(prices) {
            Some(entry) => self.measure(prices, &entry, last.and_then(HeldEvaluation::entry), cause, &mut out),
            None => self.await_entry(prices, &mut out),
        }
        self.set_halted(window, prices, &mut out);
        // The watermarks that completed earlier moments have smaller offsets, so one lookup is enough.
        if out.complete_until > EventTime::MIN {
            let completed = self.history.dependency_offset(out.complete_until);
            out.traces.bars_end = out.traces.bars_end.max(completed);
        }
        let actions = self.symbol.into_iter().chain(self.benchmark).map(|instrument| &instrument.actions);
        let ends = actions.map(|actions| actions.end(prices.oldest.index, prices.sessions[2].index));
        out.actions_end = ends.max().unwrap_or(0);
        out
    }

    /// Whether the tape is complete up to a moment. If it is, the row depends on the record that completed it.
    pub(super) fn is_complete(&self, at: EventTime, out: &mut Evaluation) -> bool {
        let is_complete = self.history.watermark() >= at;
        if is_complete {
            out.complete_until = out.complete_until.max(at);
        } else {
            out.set_timer(at);
        }
        is_complete
    }

    /// Notes that the row uses a bar: it depends on the bar's record and on the watermark that made the bar visible.
    pub(super) fn depend_on(&self, bar: &BarRef, out: &mut Evaluation) {
        out.traces.depend_on_record(bar);
        out.complete_until = out.complete_until.max(bar.end);
    }

    fn visibility(&self, as_of: EventTime) -> Visibility {
        Visibility { watermark: self.history.watermark(), as_of }
    }

    fn set_price_before(&self, window: &EventWindow, prices: &PriceWindow, out: &mut Evaluation) {
        let (minute, session) = (prices.minute_before.0, SessionBounds::new(prices.minute_before.1));
        let watermark = self.history.watermark();
        if watermark < minute + Span::MINUTE && minute < window.available && minute < session.close {
            // Bars finer than a minute may still end between the whole minute and the news.
            out.set_timer(minute + Span::MINUTE);
        }
        if watermark < minute {
            return out.set_timer(minute);
        }
        let auction_ends = session.auction.map(|(_, last)| last + WIDEST_AUCTION);
        let is_auction_over = session.auction.is_none_or(|(_, last)| last + Span::MINUTE <= window.available);
        if minute == session.close
            && session.close < window.available
            && auction_ends.is_some_and(|end| watermark < end)
        {
            // The bar with the closing auction may still end between the close and the news.
            out.set_timer(watermark + Span::MINUTE);
        }
        let visibility = self.visibility(prices.sessions[0].open.into());
        let widths = self.symbol.iter().flat_map(|symbol| &symbol.bars);
        let found = widths
            .filter_map(|(&width_s, bars)| {
                // The close of a session's last bar, such as a daily bar, may be the price of a closing auction after
                // the session's end. Until the auction is over that price is not known, so an earlier bar is used.
                let last = |until| bars.last_before(prices.oldest.index, session.index, until, visibility);
                let before_close = EventTime::from_micros(session.close.as_micros() - 1);
                let found = last(window.available)?;
                let holds_auction = found.0 == session.index && may_hold_auction(&session, found.2, width_s);
                let (of, price, bar) = if holds_auction && !is_auction_over { last(before_close)? } else { found };
                Some((width_s, of, price, bar))
            })
            .min_by_key(|(width_s, _, _, bar)| (std::cmp::Reverse(bar.end), *width_s));
        if let Some((width_s, session, price, bar)) = found {
            self.depend_on(&bar, out);
            out.price_before = Some((price, bar.end));
            out.price_before_session = Some(session);
            let age = prices.trading_time_since(session, bar.end, self.calendar);
            out.traces.stale = age.is_none_or(|age| age > stale_after(self.config, width_s));
        }
    }

    fn entry(&self, prices: &PriceWindow) -> Option<Entry<'a>> {
        let [first, second, third] = prices.sessions;
        for (session, next, from) in [(first, second, prices.first_minute), (second, third, second.open.into())] {
            let visibility = self.visibility(session.open.into());
            for (&width_s, bars) in &self.symbol?.bars {
                if let Some((price, volume, bar)) = bars.entry(session.index, from, visibility) {
                    let [session, next] = [session, next].map(SessionBounds::new);
                    return Some(Entry { session, next, width_s, bars, price, bar, volume, visibility });
                }
            }
        }
        None
    }

    /// Evaluates a mention without an entry: sets the timer for the next try, or the reason why it will never have one.
    fn await_entry(&self, prices: &PriceWindow, out: &mut Evaluation) {
        let [first, second, _] = prices.sessions.each_ref().map(SessionBounds::new);
        if !self.is_complete(second.close, out) {
            let sessions = [SessionBounds { open: prices.first_minute, ..first }, second];
            if let Some(minute) = next_minute(self.history.watermark(), &sessions) {
                out.set_timer(minute);
            }
            return;
        }
        let visibility = self.visibility(first.open);
        let mut bars = self.symbol.iter().flat_map(|symbol| symbol.bars.values());
        let is_on_tape = bars.any(|bars| bars.any_visible(prices.oldest.index, second.index, visibility));
        let outside = self.symbol.map_or(0, |symbol| symbol.outside(prices.oldest.index, second.index));
        out.status = Status::NotJoined(if is_on_tape {
            Reason::NoEntryBar
        } else if outside > 0 {
            out.traces.bars_end = out.traces.bars_end.max(outside);
            Reason::NoRegularBars
        } else {
            Reason::NoBars
        });
        out.covered_until = Some(second.close);
    }

    /// Evaluates a mention that has an entry: measures every horizon that the tape has reached.
    fn measure(
        &mut self,
        prices: &PriceWindow,
        entry: &Entry<'_>,
        last: Option<&HeldEntry>,
        cause: Cause,
        out: &mut Evaluation,
    ) {
        self.depend_on(&entry.bar, out);
        out.status = Status::Open;
        out.bar_width_s = Some(entry.width_s);
        out.entry = Some((entry.price, entry.bar));
        out.covered_until = Some(entry.bar.end);
        let (index, start) = (entry.session.index, entry.bar.start);
        self.ensure_baseline(entry);
        out.model = self.model(entry);
        out.usual = self.usual_volume(entry, last);
        out.volume_ratio = out.usual.volume.map(|usual| entry.volume / usual);
        self.adjust_price_before(entry, out);
        let nights = self.nights_after(entry, out);

        let benchmark_entry =
            self.benchmark_bars(entry).and_then(|bars| bars.starting_at(index, start, entry.visibility));
        if let Some((_, bar)) = &benchmark_entry {
            // Whether or not an abnormal return is made of it now: a split that becomes known must not end the dependency.
            out.traces.depend_on_record(bar);
        }
        let last = last.filter(|last| cause == Cause::Time && last.is(entry));
        self.measure_minutes(entry, nights, benchmark_entry, last, out);
        for i in Horizon::MINUTES.len()..Horizon::COUNT {
            self.measure_horizon(i, entry, nights, benchmark_entry, out);
        }
        let last = auction_end(self.config, &entry.next, entry.width_s).unwrap_or(entry.next.close);
        if self.is_complete(last, out) {
            out.status = Status::Final;
        }
        self.count_missing(prices, entry, out);
    }

    /// Measures the horizons in minutes. Those that the tape had reached at the last evaluation, of the same entry, are
    /// copied from it.
    fn measure_minutes(
        &self,
        entry: &Entry<'_>,
        nights: Option<Nights>,
        benchmark_entry: Option<(f64, BarRef)>,
        last: Option<&HeldEntry>,
        out: &mut Evaluation,
    ) {
        if let Some(last) = last {
            last.set_reached(out);
        }
        let others = std::mem::replace(&mut out.traces, out.reached.traces);
        for (i, minutes) in Horizon::MINUTES.into_iter().enumerate().skip(out.reached.horizons) {
            self.measure_horizon(i, entry, nights, benchmark_entry, out);
            if entry.bar.start + Span::MINUTE * minutes <= self.history.watermark().min(entry.session.close) {
                out.reached.horizons = i + 1;
                out.reached.traces = out.traces;
            }
        }
        out.traces.add(others);
        if let Some(&minutes) = out.reached.horizons.checked_sub(1).and_then(|last| Horizon::MINUTES.get(last)) {
            let due = entry.bar.start + Span::MINUTE * minutes;
            out.complete_until = out.complete_until.max(due);
            out.cover_until(due);
        }
    }

    fn measure_horizon(
        &self,
        i: usize,
        entry: &Entry<'_>,
        nights: Option<Nights>,
        benchmark_entry: Option<(f64, BarRef)>,
        out: &mut Evaluation,
    ) {
        let Some(exit) = self.exit(Horizon::ALL[i], entry, nights, out) else { return };
        let log_return = (exit.price / entry.price).ln();
        out.returns[i] = Some(log_return);
        if let (Some(model), Some((before, _)), Some(after)) = (out.model, benchmark_entry, exit.benchmark) {
            let expected = model.alpha * exit.widths + model.beta * (after / before).ln();
            out.abnormal[i] = Some(log_return - expected);
        }
    }

    /// Computes the [`Baseline`] of the entry's session and bar width, unless it is known.
    fn ensure_baseline(&mut self, entry: &Entry<'_>) {
        let benchmark = self.benchmark.and_then(|benchmark| benchmark.bars.get(&entry.width_s));
        let sessions = self.baseline_sessions(entry);
        let has_nights = !self.calendar.market().is_round_the_clock();
        let benchmark_closes = &mut *self.benchmark_closes;
        let compute = |sums: &mut _| Baseline::new(entry, benchmark, benchmark_closes, sums, sessions, has_nights);
        self.baselines.ensure(entry.session.index, entry.width_s, compute);
    }

    pub(super) fn model(&self, entry: &Entry<'_>) -> Option<MarketModel> {
        self.baselines.get(entry.session.index, entry.width_s)?.model
    }

    /// Mean volume at the entry's time of day; see [`usual_volume`].
    fn usual_volume(&mut self, entry: &Entry<'_>, last: Option<&HeldEntry>) -> UsualVolume {
        let generation = self.symbol.map_or(0, |symbol| symbol.actions.generation());
        let known = last.filter(|last| last.has_start_and_price(entry)).map(|last| last.usual);
        if let Some(known) = known.filter(|usual| usual.generation == generation) {
            return known;
        }
        let (index, start) = (entry.session.index, entry.bar.start);
        let held = |before, after| self.symbol.map_or(Holding::ONE, |symbol| symbol.actions.holding(before, after));
        let baseline = self.baselines.get_mut(index, entry.width_s);
        let volume = baseline.and_then(|baseline| {
            let scales = baseline.scales(index, entry.price, generation, held);
            usual_volume(entry.bars, self.calendar, index, start, scales, entry.visibility.as_of)
        });
        UsualVolume { generation, volume }
    }

    /// The sessions that the market model and the usual volume are computed from. Where a session begins when the last one
    /// ends, the last one is not among them: its bars may still be corrected when the session opens.
    fn baseline_sessions(&self, entry: &Entry<'_>) -> std::ops::Range<usize> {
        let index = entry.session.index;
        let end = if self.calendar.market().is_round_the_clock() { index.saturating_sub(1) } else { index };
        index.saturating_sub(usize::from(self.config.baseline_sessions)).min(end)..end
    }

    fn set_halted(&self, window: &EventWindow, prices: &PriceWindow, out: &mut Evaluation) {
        let oldest = EventTime::from(prices.oldest.open);
        let until = out.covered_until.unwrap_or(window.available);
        let mut all = self.symbol.into_iter().chain(self.market_halts);
        // The row depends on the halts of its whole window, as on the actions: a late bar can make the entry, and so
        // the end of what the row covers, earlier, and the row's version must not decrease then.
        let last_close = EventTime::from(prices.sessions[2].close);
        out.halts_end = all.clone().map(|instrument| instrument.halts_end(oldest, last_close)).max().unwrap_or(0);
        out.quality.halted = all.any(|instrument| instrument.is_halted(oldest, window.available, until));
    }
}
