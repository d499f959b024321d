//! The price at each horizon, and the benchmark's price at the same moment.

use super::evaluation::{Entry, EvalContext, Evaluation};
use super::overnight::Nights;
use super::placement::{DAY_S, auction_end};
use super::tape::{Bars, Source, Visibility};
use super::time::{EventTime, Span};
use super::window::{SessionBounds, next_minute, stale_after};
use tapewire_core::Horizon;
use tapewire_core::impact::Moment;

/// The price at a horizon, the benchmark's price at that moment, and the trading time since the entry in bar widths.
pub(super) struct Exit {
    pub price: f64,
    pub market: Option<f64>,
    pub bars: f64,
}

/// What is known of a session's opening price.
enum Opening {
    /// The first bar's open.
    Price(f64, Source),
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
        let bars = |session: SessionBounds, from, until| session.trading(from, until).ratio(entry.width());
        let to_close = bars(session, start, session.close);
        match horizon.moment() {
            Moment::NextOpen => {
                let exit = self.next_open(entry, to_close, out)?;
                self.across(nights, exit)
            }
            Moment::Close => {
                let (exit, is_official) = self.close(entry, session, start, to_close, out)?;
                out.close_is_official = Some(is_official);
                Some(exit)
            }
            Moment::NextClose => {
                let length = to_close + bars(next, next.open, next.close);
                let (exit, is_official) = self.close(entry, next, next.open, length, out)?;
                let exit = self.across(nights, exit)?;
                out.next_close_is_official = Some(is_official);
                Some(exit)
            }
            Moment::Minutes(minutes) => {
                let due = start + Span::MINUTE * minutes;
                let reaches_on = due > session.close;
                let is_over = reaches_on && next.open != session.close || session.is_due_in_pause(due);
                if is_over || !self.is_complete(due, out) {
                    return None;
                }
                out.cover_until(due);
                let length = bars(session, start, due);
                let last_in_next = entry.bars.last_within(next.index, next.open, due, entry.visibility);
                if reaches_on && last_in_next.is_some() {
                    let exit = self.last_close(entry, next, next.open, due, length, out)?;
                    return self.across(nights, exit);
                }
                self.last_close(entry, session, start, due, length, out)
            }
        }
    }

    /// An exit after the night. Each of its prices becomes the value of what a holder of one share at the entry then has,
    /// with splits and dividends; `None` if the symbol's is not known.
    fn across(&self, nights: Option<Nights>, exit: Exit) -> Option<Exit> {
        let Nights { own, market } = nights.filter(|nights| !self.is_withheld(nights.own))?;
        let market = exit.market.zip(market.filter(|night| !self.is_withheld(*night)));
        let market = market.map(|(price, night)| night.holding.value(price));
        Some(Exit { price: own.holding.value(exit.price), market, ..exit })
    }

    /// The close of the last bar that started at or after `from` and ended by `due`.
    fn last_close(
        &self,
        entry: &Entry<'_>,
        session: SessionBounds,
        from: EventTime,
        due: EventTime,
        length: f64,
        out: &mut Evaluation,
    ) -> Option<Exit> {
        let stale_after = stale_after(self.config, entry.width_s);
        let (price, bar) = entry.bars.last_within(session.index, from, due, entry.visibility)?;
        self.depend_on(&bar, out);
        let age = |bar: &Source| session.trading(bar.end, due);
        if age(&bar) > stale_after {
            out.traces.stale = true;
            return None;
        }
        out.traces.near_horizons += age(&bar).whole(entry.width());
        let market = self
            .market_bars(entry)
            .and_then(|bars| bars.last_within(session.index, from, due, entry.visibility))
            .filter(|(_, bar)| age(bar) <= stale_after);
        Some(Exit { price, market: self.market_price(market, out), bars: length })
    }

    /// The close of a session, and whether it is the official one. The benchmark's price is its official close too, or
    /// neither is.
    fn close(
        &self,
        entry: &Entry<'_>,
        session: SessionBounds,
        from: EventTime,
        length: f64,
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
            let exit = self.last_close(entry, session, from, session.close, length, out)?;
            // The close of a daily bar is the official closing price.
            return Some((exit, entry.width_s == DAY_S));
        };
        self.depend_on(&bar, out);
        let market = self.market_price(self.market_bars(entry).and_then(auction), out);
        Some((Exit { price, market, bars: length }, true))
    }

    fn next_open(&self, entry: &Entry<'_>, bars_until_close: f64, out: &mut Evaluation) -> Option<Exit> {
        let next = entry.next;
        let (price, bar) = match self.opening(entry.bars, next, entry.width(), entry.visibility, out) {
            Opening::Price(price, bar) => (price, bar),
            Opening::Unknown => {
                out.quality.no_open = true;
                return None;
            }
            Opening::NoBar => {
                if let Some(minute) = next_minute(self.history.low(), &[next]) {
                    out.set_timer(minute);
                }
                return None;
            }
        };
        out.cover_until(bar.end);
        let since_open = next.trading(next.open, bar.start);
        out.traces.near_horizons += since_open.whole(entry.width());
        let market = self.market_bars(entry).and_then(|bars| bars.starting_at(next.index, bar.start, entry.visibility));
        let bars = bars_until_close + since_open.ratio(entry.width());
        Some(Exit { price, market: self.market_price(market, out), bars })
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
    pub(super) fn market_bars(&self, entry: &Entry<'_>) -> Option<&'a Bars> {
        self.model(entry)?;
        self.benchmark?.bars.get(&entry.width_s)
    }

    fn market_price(&self, found: Option<(f64, Source)>, out: &mut Evaluation) -> Option<f64> {
        let (price, bar) = found?;
        self.depend_on(&bar, out);
        Some(price)
    }
}
