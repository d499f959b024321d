//! Entry, horizons and flags of one mention, from the bars that can be seen.
//!
//! Computed from scratch each time: what a row says depends on what is known and not on how it
//! came to be known. Only bars that ended by the tape's watermark, cut to whole minutes, are seen.
//!
//! - **Entry**: open of the first bar that starts at or after the first tradable minute, in that
//!   session or else in the next (a thin or halted symbol, or a bar too wide for what is left of the
//!   day). Of several bar widths the finest that has an entry is used throughout.
//! - **Entry + h**: close of the last bar of the entry's session that ended at or before that moment
//!   and did not start before the entry. NULL past the session's close, before the first bar has
//!   ended (a horizon shorter than a bar), and where that bar is staler than configured.
//! - **`close`, `next_close`**: close of the session's last bar, NULL where it is that stale.
//!   **`next_open`**: open of the first bar of the session after the entry's, whenever it came.
//! - A bar that runs past the session's close ends there.

use super::market::{Model, model, usual_volume};
use super::plan::{Day, Path, Plan, next_minute, stale_after};
use super::progress::Reached;
use super::tape::{Bars, Cell, Instrument, Sight};
use super::{JoinConfig, MINUTE, Micros, timestamp};
use std::collections::BTreeMap;
use tapewire_core::exchange::Calendar;
use tapewire_core::impact::{Moment, PerHorizon, Phase, Quality, Reason, Status};
use tapewire_core::{Horizon, Impact, Mention, Run};

/// The joined part of a row, and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub status: Status,
    pub phase: Phase,
    pub bar_width_s: Option<u32>,
    pub price_before: Option<(f64, Micros)>,
    pub entry: Option<(f64, Micros)>,
    pub returns: PerHorizon,
    pub abnormal: PerHorizon,
    pub model: Option<Model>,
    pub volume_ratio: Option<f64>,
    pub quality: Quality,
    /// Last moment this says something about, if it has an entry.
    pub until: Option<Micros>,
    /// One more than the last position in `bars` this rests on.
    pub bars: u64,
    /// One more than the last position in `halts` this rests on.
    pub halts: u64,
    /// Where the tape has to be before this can look different by itself.
    pub wake: Option<Micros>,
}

/// Market models of one symbol, by entry session and bar width in seconds. They rest on sessions that are beyond
/// correction once an entry can be seen.
pub(super) type Models = BTreeMap<(usize, u32), Option<Model>>;

/// Everything an outcome is made from.
pub(super) struct Scene<'a> {
    pub config: &'a JoinConfig,
    pub calendar: &'a Calendar,
    pub reached: &'a Reached,
    pub symbol: Option<&'a Instrument>,
    /// The benchmark; `None` also for mentions of the benchmark itself, which has no market to be
    /// measured against.
    pub benchmark: Option<&'a Instrument>,
    pub models: &'a mut Models,
}

/// The entry bar and the sessions its horizons lie in.
struct Entry<'a> {
    day: Day,
    next: Day,
    width_s: u32,
    bars: &'a Bars,
    cell: &'a Cell,
    sight: Sight,
}

/// A price reached: where the benchmark stood then, and how many bars of trading lie between.
struct Exit {
    price: f64,
    market: Option<f64>,
    bars: f64,
}

impl Outcome {
    /// Of a mention nothing is known about yet.
    pub fn pending(phase: Phase) -> Self {
        Self {
            status: Status::Pending,
            phase,
            bar_width_s: None,
            price_before: None,
            entry: None,
            returns: PerHorizon::default(),
            abnormal: PerHorizon::default(),
            model: None,
            volume_ratio: None,
            quality: Quality::default(),
            until: None,
            bars: 0,
            halts: 0,
            wake: None,
        }
    }

    /// Of a mention that has no price path.
    pub fn refused(phase: Phase, reason: Reason) -> Self {
        Self { status: Status::NotJoined(reason), ..Self::pending(phase) }
    }

    /// The row that says so.
    pub fn row(&self, run: &Run, version: u64, mention: &Mention, late: bool) -> Impact {
        Impact {
            run: run.clone(),
            version,
            mention: mention.clone(),
            status: self.status,
            phase: self.phase,
            bar_width_s: self.bar_width_s,
            price_before: self.price_before.map(|(price, _)| price),
            price_before_at: self.price_before.map(|(_, at)| timestamp(at)),
            entry_at: self.entry.map(|(_, at)| timestamp(at)),
            entry_price: self.entry.map(|(price, _)| price),
            returns: self.returns,
            abnormal: self.abnormal,
            alpha: self.model.map(|model| model.alpha),
            beta: self.model.map(|model| model.beta),
            volume_ratio: self.volume_ratio,
            quality: Quality { late, ..self.quality },
        }
    }

    fn wake_at(&mut self, moment: Micros) {
        self.wake = Some(self.wake.map_or(moment, |other| other.min(moment)));
    }

    fn rests_on(&mut self, cell: &Cell) {
        self.bars = self.bars.max(cell.seq + 1);
    }

    fn reached_until(&mut self, moment: Micros) {
        self.until = self.until.max(Some(moment));
    }
}

impl<'a> Scene<'a> {
    /// What can be said of a mention now.
    pub fn outcome(&mut self, plan: &Plan) -> Outcome {
        let Some(path) = &plan.path else {
            // Past the end of the calendar there is no minute to enter at.
            return Outcome::refused(plan.phase, Reason::NoEntryBar);
        };
        let mut out = Outcome::pending(plan.phase);
        self.price_before(plan, path, &mut out);
        match self.entry(path) {
            Some(entry) => self.follow(path, &entry, &mut out),
            None => self.wait(path, &mut out),
        }
        self.halted(plan, path, &mut out);
        out
    }

    /// Whether the tape is complete up to a moment; if so the outcome rests on the record that said so.
    fn complete(&self, moment: Micros, out: &mut Outcome) -> bool {
        let complete = self.reached.low() >= moment;
        if complete {
            out.bars = out.bars.max(self.reached.rests_on(moment));
        } else {
            out.wake_at(moment);
        }
        complete
    }

    /// A bar was used: the outcome rests on it and on the record that let it be seen.
    fn used(&self, cell: &Cell, out: &mut Outcome) {
        out.rests_on(cell);
        out.bars = out.bars.max(self.reached.rests_on(cell.end));
    }

    fn sight(&self, as_of: Micros) -> Sight {
        Sight { low: self.reached.low(), as_of }
    }

    fn price_before(&self, plan: &Plan, path: &Path, out: &mut Outcome) {
        let (moment, day) = path.before;
        let low = self.reached.low();
        if low < moment + MINUTE && moment < plan.available && moment < day.close {
            // Bars finer than a minute may still end between the whole minute and the news.
            out.wake_at(moment + MINUTE);
        }
        if low < moment {
            return out.wake_at(moment);
        }
        let sight = self.sight(path.days[0].open);
        let widths = self.symbol.iter().flat_map(|symbol| &symbol.bars);
        let found = widths
            .filter_map(|(&width_s, bars)| {
                let (session, cell) = bars.last_before(path.oldest.index, day.index, plan.available, sight)?;
                Some((width_s, session, cell))
            })
            .min_by_key(|(width_s, _, cell)| (std::cmp::Reverse(cell.end), *width_s));
        if let Some((width_s, session, cell)) = found {
            self.used(cell, out);
            out.price_before = Some((cell.close, cell.end));
            let age = path.age_before(session, cell.end, self.calendar);
            out.quality.stale = age.is_none_or(|age| age > stale_after(self.config, width_s));
        }
    }

    fn entry(&self, path: &Path) -> Option<Entry<'a>> {
        let [first, second, third] = path.days;
        for (day, next, from) in [(first, second, path.first), (second, third, second.open)] {
            let sight = self.sight(day.open);
            for (&width_s, bars) in &self.symbol?.bars {
                if let Some(cell) = bars.first_from(day.index, from, sight) {
                    return Some(Entry { day, next, width_s, bars, cell, sight });
                }
            }
        }
        None
    }

    /// No entry yet, or none to be had.
    fn wait(&self, path: &Path, out: &mut Outcome) {
        let [first, second, _] = path.days;
        if !self.complete(second.close, out) {
            let days = [Day { open: path.first, ..first }, second];
            if let Some(minute) = next_minute(self.reached.low(), &days) {
                out.wake_at(minute);
            }
            return;
        }
        let sight = self.sight(first.open);
        let bars = self.symbol.iter().flat_map(|symbol| symbol.bars.values());
        let on_the_tape = { bars }.any(|bars| bars.any(path.oldest.index, second.index, sight));
        out.status = Status::NotJoined(if on_the_tape { Reason::NoEntryBar } else { Reason::NoBars });
        out.until = Some(second.close);
    }

    fn follow(&mut self, path: &Path, entry: &Entry<'_>, out: &mut Outcome) {
        self.used(entry.cell, out);
        out.status = Status::Open;
        out.bar_width_s = Some(entry.width_s);
        out.entry = Some((entry.cell.open, entry.cell.start));
        out.until = Some(entry.cell.end);
        out.model = self.model(entry);
        let back = usize::from(self.config.baseline_sessions);
        let (index, start, as_of) = (entry.day.index, entry.cell.start, entry.sight.as_of);
        out.volume_ratio =
            usual_volume(entry.bars, self.calendar, index, start, back, as_of).map(|usual| entry.cell.volume / usual);

        let market_entry = self.market_bars(entry).and_then(|bars| bars.starting_at(index, start, entry.sight));
        for (i, horizon) in Horizon::ALL.into_iter().enumerate() {
            let Some(exit) = self.exit(horizon, entry, out) else { continue };
            let gained = (exit.price / entry.cell.open).ln();
            out.returns[i] = Some(gained);
            if let (Some(model), Some(before), Some(after)) = (out.model, market_entry, exit.market) {
                out.rests_on(before);
                out.abnormal[i] = Some(gained - (model.alpha * exit.bars + model.beta * (after / before.open).ln()));
            }
        }
        if self.complete(entry.next.close, out) {
            out.status = Status::Final;
        }
        self.gaps(path, entry, out);
    }

    /// The price at a horizon, if it has been reached and there is one.
    fn exit(&self, horizon: Horizon, entry: &Entry<'_>, out: &mut Outcome) -> Option<Exit> {
        let width = Micros::from(entry.width_s) * 1_000_000;
        let (start, close, next) = (entry.cell.start, entry.day.close, entry.next);
        let bars = |from: Micros, until: Micros| (until - from) as f64 / width as f64;
        let (day, from, due, length) = match horizon.moment() {
            Moment::NextOpen => return self.next_open(entry, bars(start, close), width, out),
            Moment::Close => (entry.day, start, close, bars(start, close)),
            Moment::NextClose => (next, next.open, next.close, bars(start, close) + bars(next.open, next.close)),
            Moment::Minutes(minutes) => {
                let due = start + minutes * MINUTE;
                (entry.day, start, due, bars(start, due))
            }
        };
        if due > day.close || !self.complete(due, out) {
            return None;
        }
        out.reached_until(due);
        let stale_after = stale_after(self.config, entry.width_s);
        let cell = entry.bars.last_within(day.index, from, due, entry.sight)?;
        self.used(cell, out);
        if due - cell.end > stale_after {
            out.quality.stale = true;
            return None;
        }
        let market = self
            .market_bars(entry)
            .and_then(|bars| bars.last_within(day.index, from, due, entry.sight))
            .filter(|cell| due - cell.end <= stale_after);
        Some(Exit { price: cell.close, market: self.market_price(market, |cell| cell.close, out), bars: length })
    }

    fn next_open(&self, entry: &Entry<'_>, until_close: f64, width: Micros, out: &mut Outcome) -> Option<Exit> {
        let next = entry.next;
        let Some(cell) = entry.bars.first_from(next.index, next.open, entry.sight) else {
            if let Some(minute) = next_minute(self.reached.low(), &[next]) {
                out.wake_at(minute);
            }
            return None;
        };
        self.used(cell, out);
        out.reached_until(cell.end);
        let market = self.market_bars(entry).and_then(|bars| bars.starting_at(next.index, cell.start, entry.sight));
        let bars = until_close + (cell.start - next.open) as f64 / width as f64;
        Some(Exit { price: cell.open, market: self.market_price(market, |cell| cell.open, out), bars })
    }

    /// The benchmark's bars of the entry's width, where there is a market model to use them.
    fn market_bars(&self, entry: &Entry<'_>) -> Option<&'a Bars> {
        self.models.get(&(entry.day.index, entry.width_s)).copied().flatten()?;
        self.benchmark?.bars.get(&entry.width_s)
    }

    fn market_price(&self, cell: Option<&Cell>, price: fn(&Cell) -> f64, out: &mut Outcome) -> Option<f64> {
        let cell = cell?;
        self.used(cell, out);
        Some(price(cell))
    }

    fn model(&mut self, entry: &Entry<'_>) -> Option<Model> {
        let market = self.benchmark.and_then(|benchmark| benchmark.bars.get(&entry.width_s));
        let back = usize::from(self.config.baseline_sessions);
        *self
            .models
            .entry((entry.day.index, entry.width_s))
            .or_insert_with(|| model(entry.bars, market?, entry.day.index, back, entry.sight.as_of))
    }

    /// Whether a whole bar is missing between the first tradable minute and the last horizon reached.
    fn gaps(&self, path: &Path, entry: &Entry<'_>, out: &mut Outcome) {
        let width = Micros::from(entry.width_s) * 1_000_000;
        let until = out.until.unwrap_or(entry.cell.end);
        let rolled = entry.day.index != path.days[0].index;
        let from = if rolled { entry.day.open } else { path.first };
        // Rolled over to the next session: nothing was printed in what was left of the first.
        let mut gap = rolled && path.days[0].close - path.first >= width;
        for (day, from) in [(entry.day, from), (entry.next, entry.next.open)] {
            let until = until.min(day.close);
            let mut covered = from;
            let cells = entry.bars.of(day.index);
            for cell in &cells[cells.partition_point(|cell| cell.start < from)..] {
                if cell.end > until {
                    break;
                }
                if entry.sight.sees(cell) {
                    gap |= cell.start - covered >= width;
                    covered = cell.end;
                    out.bars = out.bars.max(cell.first_seq + 1);
                }
            }
            gap |= until - covered >= width;
        }
        out.quality.gap = gap;
    }

    fn halted(&self, plan: &Plan, path: &Path, out: &mut Outcome) {
        let until = out.until.unwrap_or(plan.available);
        let (halted, rests_on) =
            self.symbol.map_or((false, 0), |symbol| symbol.halted(path.oldest.open, plan.available, until));
        out.quality.halted = halted;
        out.halts = rests_on;
    }
}
