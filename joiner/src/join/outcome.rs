//! The price at each horizon, and the benchmark's price at the same moment.

use super::evaluation::{Entry, EvalContext, Evaluation};
use super::overnight::Nights;
use super::placement::{DAY_S, auction_end};
use super::tape::{BarRef, Bars, Visibility};
use super::time::{EventTime, Span};
use super::window::{SessionBounds, next_minute, stale_after};
use tapewire_core::Horizon;
use tapewire_core::impact::Moment;

/// The price at a horizon, the benchmark's price at that moment, and the trading time since the entry in bar widths.
pub(super) struct Exit {
    pub price: f64,
    pub benchmark: Option<f64>,
    pub widths: f64,
}

/// What is known of a session's opening price.
enum Opening {
    /// The first bar's open.
    Price(f64, BarRef),
    /// The bar that holds the opening price starts before the session does, so the bar's open may be another price.
    Unknown,
    /// No bar yet.
    NoBar,
}

impl<'a> EvalContext<'a> {
    /// The price at a horizon, if the tape has reached it and there is one.
    /// `nights` are those after the entry's session.
    pub(super) fn exit(
        &self,
        horizon: Horizon,
        entry: &Entry<'_>,
        nights: Option<Nights>,
        out: &mut Evaluation,
    ) -> Option<Exit> {
        let (start, session, next) = (entry.bar.start, entry.session, entry.next);
        let widths = |session: SessionBounds, from, until| session.trading(from, until).ratio(entry.width());
        let to_close = widths(session, start, session.close);
        let near_horizons = out.traces.near_horizons;
        match horizon.moment() {
            Moment::NextOpen => {
                let exit = self.next_open(entry, to_close, out)?;
                self.across_night(nights, exit, near_horizons, out)
            }
            Moment::Close => {
                let (exit, is_official) = self.close(entry, session, start, to_close, out)?;
                out.close_is_official = Some(is_official);
                Some(exit)
            }
            Moment::NextClose => {
                let widths = to_close + widths(next, next.open, next.close);
                let (exit, is_official) = self.close(entry, next, next.open, widths, out)?;
                let exit = self.across_night(nights, exit, near_horizons, out)?;
                out.next_close_is_official = Some(is_official);
                Some(exit)
            }
            Moment::Minutes(minutes) => {
                let due = start + Span::MINUTE * minutes;
                let is_past_close = due > session.close;
                let is_over = is_past_close && next.open != session.close || session.is_due_in_lunch_break(due);
                if is_over || !self.is_complete(due, out) {
                    return None;
                }
                out.cover_until(due);
                let widths = widths(session, start, due);
                let last_in_next = entry.bars.last_within(next.index, next.open, due, entry.visibility);
                if is_past_close && last_in_next.is_some() {
                    let exit = self.last_close(entry, next, next.open, due, widths, out)?;
                    return self.across_night(nights, exit, near_horizons, out);
                }
                self.last_close(entry, session, start, due, widths, out)
            }
        }
    }

    /// An exit after the night. Each of its prices becomes the value of what a holder of one share at the entry then has,
    /// with splits and dividends; `None` if the symbol's is not known. Then the horizon has no price, and bars that are
    /// missing before it do not count: `near_horizons` is their number without it.
    fn across_night(
        &self,
        nights: Option<Nights>,
        exit: Exit,
        near_horizons: u32,
        out: &mut Evaluation,
    ) -> Option<Exit> {
        let Some(Nights { own, benchmark }) = nights.filter(|nights| !self.is_withheld(nights.own)) else {
            out.traces.near_horizons = near_horizons;
            return None;
        };
        let benchmark = exit.benchmark.zip(benchmark.filter(|night| !self.is_withheld(*night)));
        let benchmark = benchmark.map(|(price, night)| night.holding.value(price));
        Some(Exit { price: own.holding.value(exit.price), benchmark, ..exit })
    }

    /// The close of the last bar that started at or after `from` and ended by `due`.
    fn last_close(
        &self,
        entry: &Entry<'_>,
        session: SessionBounds,
        from: EventTime,
        due: EventTime,
        widths: f64,
        out: &mut Evaluation,
    ) -> Option<Exit> {
        let stale_after = stale_after(self.config, entry.width_s);
        let (price, bar) = entry.bars.last_within(session.index, from, due, entry.visibility)?;
        self.depend_on(&bar, out);
        let age = |bar: &BarRef| session.trading(bar.end, due);
        if age(&bar) > stale_after {
            out.traces.stale = true;
            return None;
        }
        out.traces.near_horizons += age(&bar).whole(entry.width());
        let benchmark = self
            .benchmark_bars(entry)
            .and_then(|bars| bars.last_within(session.index, from, due, entry.visibility))
            .filter(|(_, bar)| age(bar) <= stale_after);
        Some(Exit { price, benchmark: self.benchmark_price(benchmark, out), widths })
    }

    /// The close of a session, and whether it is the official one. The benchmark's price is its official close too, or
    /// neither is.
    fn close(
        &self,
        entry: &Entry<'_>,
        session: SessionBounds,
        from: EventTime,
        widths: f64,
        out: &mut Evaluation,
    ) -> Option<(Exit, bool)> {
        if !self.is_complete(session.close, out) {
            return None;
        }
        out.cover_until(session.close);
        if let Some(end) = auction_end(self.config, &session, entry.width_s) {
            // Sets a timer for the auction's bar or, where the tape has passed it, notes the dependency.
            self.is_complete(end, out);
        }
        let auction = |bars: &'a Bars| bars.auction(session.index, entry.visibility);
        let Some((price, bar)) = entry.bars.auction(session.index, entry.visibility) else {
            let exit = self.last_close(entry, session, from, session.close, widths, out)?;
            // The close of a daily bar is the official closing price.
            return Some((exit, entry.width_s == DAY_S));
        };
        self.depend_on(&bar, out);
        let benchmark = self.benchmark_price(self.benchmark_bars(entry).and_then(auction), out);
        Some((Exit { price, benchmark, widths }, true))
    }

    fn next_open(&self, entry: &Entry<'_>, widths_until_close: f64, out: &mut Evaluation) -> Option<Exit> {
        let next = entry.next;
        let (price, bar) = match self.opening(entry.bars, next, entry.width(), entry.visibility, out) {
            Opening::Price(price, bar) => (price, bar),
            Opening::Unknown => {
                out.quality.no_open = true;
                return None;
            }
            Opening::NoBar => {
                if let Some(minute) = next_minute(self.history.watermark(), &[next]) {
                    out.set_timer(minute);
                }
                return None;
            }
        };
        out.cover_until(bar.end);
        let since_open = next.trading(next.open, bar.start);
        out.traces.near_horizons += since_open.whole(entry.width());
        let benchmark =
            self.benchmark_bars(entry).and_then(|bars| bars.starting_at(next.index, bar.start, entry.visibility));
        let widths = widths_until_close + since_open.ratio(entry.width());
        Some(Exit { price, benchmark: self.benchmark_price(benchmark, out), widths })
    }

    fn opening(
        &self,
        bars: &Bars,
        session: SessionBounds,
        width: Span,
        visibility: Visibility,
        out: &mut Evaluation,
    ) -> Opening {
        let first = bars.first_from(session.index, session.open, visibility);
        let before = bars.without_open(session.index, visibility);
        first.map(|(_, bar)| bar).into_iter().chain(before).for_each(|bar| self.depend_on(&bar, out));
        match first {
            Some((price, bar)) if bar.start == session.open => Opening::Price(price, bar),
            // The first bar starts less than a width after the open, so no bar of this width starts at the open.
            Some((_, bar)) if before.is_some() || bar.start - session.open < width => Opening::Unknown,
            Some((price, bar)) => Opening::Price(price, bar),
            None if before.is_some() => Opening::Unknown,
            None => Opening::NoBar,
        }
    }

    /// Whether the entry is later than the session's open because the bar with the opening price starts before the
    /// open.
    pub(super) fn entry_lacks_open(&self, entry: &Entry<'_>, from: EventTime, out: &mut Evaluation) -> bool {
        let session = entry.session;
        from == session.open
            && matches!(self.opening(entry.bars, session, entry.width(), entry.visibility, out), Opening::Unknown)
    }

    /// The benchmark's bars of the entry's width, if there is a market model to use them.
    pub(super) fn benchmark_bars(&self, entry: &Entry<'_>) -> Option<&'a Bars> {
        self.model(entry)?;
        self.benchmark?.bars.get(&entry.width_s)
    }

    fn benchmark_price(&self, found: Option<(f64, BarRef)>, out: &mut Evaluation) -> Option<f64> {
        let (price, bar) = found?;
        self.depend_on(&bar, out);
        Some(price)
    }
}
