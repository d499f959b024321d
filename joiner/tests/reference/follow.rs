//! The horizons of a row that has an entry.

use super::support::expected::{Expected, fill};
use super::support::market::{config, symbol};
use super::support::night::Night;
use super::support::print::Print;
use super::{History, stale_after_s};
use jiff::{SignedDuration, Timestamp};
use tapewire_core::exchange::{Calendar, Session};
use tapewire_core::impact::{MissingBars, Status};
use tapewire_core::{Horizon, Symbol};

/// What the horizons of a row are computed from.
struct Entered<'a> {
    history: &'a History,
    market: Symbol,
    entry: &'a Print,
    /// The session of the entry, and the one after it.
    day: &'a Session,
    next: &'a Session,
    model: Option<(f64, f64)>,
    /// The night between the two sessions, for the company and for the market.
    night: Option<Night>,
    market_night: Option<Night>,
}

/// The last price until the end of a horizon.
struct Last {
    price: f64,
    is_fresh: bool,
    /// How many bars are missing after it.
    missing: i64,
}

impl History {
    /// Fills the horizons; returns the end of the last one. `before` is the session of the price before the news.
    pub(super) fn follow(
        &self,
        (first_day, first): (&Session, Timestamp),
        (day, entry): (&Session, &Print),
        before: Option<usize>,
        expected: &mut Expected,
    ) -> Timestamp {
        let (bar, opened) = (&entry.bar, entry.bar.open);
        let next = Calendar::xnys().next(day).unwrap();
        expected.status = Some(Status::Final);
        expected.width = Some(bar.width_s);
        expected.entry = Some((opened, entry.start));
        expected.volume_ratio = self.volume_ratio(entry, day);
        if let (Some(before), Some((price, at))) = (before.filter(|&before| before < day.index), expected.before) {
            let night = self.night(entry, before, day.index, price, opened);
            self.set_flags(night, expected);
            let adjusted = (price - night.cash) / night.shares;
            expected.before = (night.is_usable() && adjusted > 0.0).then_some((adjusted, at));
        }
        let night = self.night_after(entry, day, next);
        if let Some(night) = night {
            self.set_flags(night, expected);
        }
        let market = symbol("MKT");
        let model = if bar.symbol == market { None } else { self.model(&bar.symbol, bar.width_s, day.index) };
        expected.model = model;
        let market_night = night.and_then(|_| self.market_night(entry, day.index, next.index));
        expected.possible_split |= model.is_some() && market_night.is_some_and(|night| night.look > 0);
        let entered = Entered { history: self, market, entry, day, next, model, night, market_night };
        let near_horizons = entered.fill_closes(expected) + entered.fill_next_open(expected);

        let from = if day == first_day { first } else { day.open };
        let lacks_open = from == day.open && matches!(self.opening(&bar.symbol, bar.width_s, day), Some(Err(())));
        expected.no_open |= lacks_open;
        let (all, share) = self.missing(bar, (first_day, first), day, next);
        let width = i64::from(bar.width_s);
        let mut near_entry = entry.start.duration_since(from).as_secs() / width;
        if day != first_day {
            near_entry += first_day.close.duration_since(first).as_secs() / width;
        }
        expected.gap = near_entry + near_horizons > 0 || lacks_open || share > config().gap_share;
        let [all, near_entry, near_horizons] = [all, near_entry, near_horizons].map(|n| u32::try_from(n).unwrap());
        expected.missing = Some(MissingBars { all, near_entry, near_horizons });
        next.close
    }

    /// The night from the last price of the entry's session to the first of the next.
    fn night_after(&self, entry: &Print, day: &Session, next: &Session) -> Option<Night> {
        let (company, width_s) = (&entry.bar.symbol, entry.bar.width_s);
        let first = self.first_price(company, width_s, next.index);
        let first = first.or(self.auction(company, width_s, next.index))?;
        let prints = self.bars(company, width_s, day.index);
        let last = prints.filter(|p| p.start >= entry.start && p.close.is_some()).last();
        Some(self.night(entry, day.index, next.index, last.map_or(entry.bar.open, |p| p.bar.close), first))
    }
}

impl Entered<'_> {
    /// Fills the horizons after the entry and at the closes; returns how many bars are missing just before they end.
    fn fill_closes(&self, expected: &mut Expected) -> i64 {
        let (company, width_s) = (&self.entry.bar.symbol, self.entry.bar.width_s);
        let mut missing = 0;
        for (i, session, from, due, length) in self.exits() {
            let close = [Horizon::Close as usize, Horizon::NextClose as usize].iter().position(|close| *close == i);
            let auction = |symbol: &Symbol| self.history.auction(symbol, width_s, session.index);
            if let (Some(close), Some(price)) = (close, close.and_then(|_| auction(company))) {
                if self.fill_exit(expected, i, session, length, price, auction(&self.market)) {
                    expected.official[close] = Some(true);
                }
                continue;
            }
            let Some(last) = self.last(company, session, from, due) else { continue };
            if !last.is_fresh {
                expected.stale = true;
                continue;
            }
            let market = self.last(&self.market, session, from, due).filter(|last| last.is_fresh);
            let is_filled = self.fill_exit(expected, i, session, length, last.price, market.map(|last| last.price));
            missing += if is_filled { last.missing } else { 0 };
            if let Some(close) = close.filter(|_| is_filled) {
                expected.official[close] = Some(width_s == 86_400);
            }
        }
        missing
    }

    /// Fills the return to the next open; returns how many bars are missing before it.
    fn fill_next_open(&self, expected: &mut Expected) -> i64 {
        let (bar, next) = (&self.entry.bar, self.next);
        match self.history.opening(&bar.symbol, bar.width_s, next) {
            Some(Ok(opening)) => {
                let to_close = self.bars_between(self.entry.start, self.day.close);
                let length = to_close + self.bars_between(next.open, opening.start);
                let market = self.market_open(next, opening.start);
                let late = opening.start.duration_since(next.open).as_secs() / i64::from(bar.width_s);
                let place = Horizon::NextOpen as usize;
                if self.fill_exit(expected, place, next, length, opening.bar.open, market) { late } else { 0 }
            }
            Some(Err(())) => {
                expected.no_open = true;
                0
            }
            None => 0,
        }
    }

    /// Each horizon with its session, the moment from which bars count, its end, and its length in bars.
    fn exits(&self) -> Vec<(usize, &Session, Timestamp, Timestamp, f64)> {
        let (start, day, next) = (self.entry.start, self.day, self.next);
        let mut exits = Vec::new();
        for (i, minutes) in Horizon::MINUTES.into_iter().enumerate() {
            let due = start + SignedDuration::from_mins(minutes);
            if due <= day.close {
                exits.push((i, day, start, due, self.bars_between(start, due)));
            }
        }
        let to_close = self.bars_between(start, day.close);
        let to_next_close = to_close + self.bars_between(next.open, next.close);
        exits.push((Horizon::Close as usize, day, start, day.close, to_close));
        exits.push((Horizon::NextClose as usize, next, next.open, next.close, to_next_close));
        exits
    }

    /// Fills a horizon that ends in `session` with a price and that of the market. Returns false if the price is after a
    /// night that can't be computed: then nothing is filled.
    fn fill_exit(
        &self,
        expected: &mut Expected,
        i: usize,
        session: &Session,
        length: f64,
        price: f64,
        market: Option<f64>,
    ) -> bool {
        let held = |night: Option<Night>, price: f64| match session == self.next {
            true => Some(night.filter(Night::is_usable)?.value(price)),
            false => Some(price),
        };
        let Some(price) = held(self.night, price) else { return false };
        let market = market.and_then(|market| held(self.market_night, market));
        let market = self.market_open(self.day, self.entry.start).zip(market);
        fill(expected, i, self.entry.bar.open, price, length, self.model, market);
        true
    }

    /// The last price of a session until `due`.
    fn last(&self, symbol: &Symbol, session: &Session, from: Timestamp, due: Timestamp) -> Option<Last> {
        let width_s = self.entry.bar.width_s;
        let limit = SignedDuration::from_secs(i64::from(width_s).max(stale_after_s()));
        let prints = self.history.bars(symbol, width_s, session.index);
        let last = prints.filter(|p| p.start >= from && p.end <= due && p.close.is_some()).last()?;
        let age = due.duration_since(last.end);
        Some(Last { price: last.bar.close, is_fresh: age <= limit, missing: age.as_secs() / i64::from(width_s) })
    }

    /// The market's price at the start of a bar.
    fn market_open(&self, session: &Session, start: Timestamp) -> Option<f64> {
        let mut prints = self.history.bars(&self.market, self.entry.bar.width_s, session.index);
        prints.find(|p| p.start == start).and_then(|p| p.open)
    }

    fn bars_between(&self, from: Timestamp, until: Timestamp) -> f64 {
        until.duration_since(from).as_secs_f64() / f64::from(self.entry.bar.width_s)
    }
}
