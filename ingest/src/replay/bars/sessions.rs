//! What the bars of symbols show about their times, by the sessions of each symbol's own market.
//!
//! Most is asked of the bars of a whole market together, because bars of one thinly traded symbol may lie oddly by chance. A
//! symbol that is traded in nearly all bars of several sessions shows the same by itself, whatever the others show.

use super::Reading;
use super::hours::Hours;
use jiff::Timestamp;
use jiff::civil::Time;
use std::collections::{BTreeMap, BTreeSet};
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendar, Calendars, Market, Session};
use tapewire_core::symbol::AssetClass;

/// How many times as much has to be traded in the second bar after the open for it to hold the opening auction.
const AUCTION: f64 = 3.0;
/// The fewest sessions that show something by volume, by trades of a thinly traded symbol, or of one symbol among others.
const SESSIONS: usize = 3;
/// The fewest such sessions in a row where bars are so wide that few show where a session begins and ends.
const SESSIONS_OF_WIDE: usize = 5;
/// The largest width whose bars show the opening auction by their volume, in seconds.
const LONGEST_OF_AUCTION: i64 = 300;
/// The fewest bars of a day that show when trading begins and ends, and how many show it without gaps between them.
const FEWEST_OF_DAY: usize = 5;
const MANY_OF_DAY: usize = 10;
/// From 20:00 to 4:00, in seconds.
const NIGHT: i64 = 8 * 3600;
/// Bars that start as far apart as this, in seconds, are of two days.
const BETWEEN_DAYS: i64 = 5 * 3600;

/// Whether a symbol is traded in sessions, as far as its name tells.
pub(super) fn has_sessions(symbol: &Symbol) -> bool {
    matches!(symbol.asset_class(), AssetClass::Equity | AssetClass::Index)
}

/// What the bars of one width show, by symbol.
pub(super) struct Shown<'s> {
    symbols: Vec<OfSymbol<'s>>,
}

/// What is shown, and by whose bars.
pub(super) struct Sign {
    /// `its bars`, or `the bars of AAPL`.
    pub whose: String,
    pub why: String,
    /// Whether those of other symbols in the same market do not show it.
    pub is_mixed: bool,
}

/// What the bars of a symbol show.
struct OfSymbol<'s> {
    symbol: &'s Symbol,
    calendar: &'static Calendar,
    days: Days,
    shifts: Vec<Shift>,
    hours: Hours,
}

impl<'s> Shown<'s> {
    /// Bars of symbols that are traded at all hours show nothing.
    pub fn of(readings: &[&Reading], width: i64, symbols: &'s [Symbol], calendars: &Calendars) -> Self {
        let mut of_symbol: BTreeMap<u32, Vec<(i64, f64)>> = BTreeMap::new();
        for reading in readings {
            let second = reading.stamp.at.map(|at| at.div_euclid(1_000_000));
            of_symbol.entry(reading.symbol).or_default().extend(second.map(|at| (at, reading.prices.volume)));
        }
        let shown = |(index, bars): (u32, Vec<(i64, f64)>)| {
            let symbol = &symbols[index as usize];
            let market = calendars.of(symbol);
            let is_of_sessions = has_sessions(symbol) && !market.is_round_the_clock();
            is_of_sessions.then(|| OfSymbol::of(symbol, &Bars::new(bars, width, market.calendar())))
        };
        Self { symbols: of_symbol.into_iter().filter_map(shown).collect() }
    }

    /// Whose times seem to be ends.
    pub fn ends(&self) -> Option<Sign> {
        for symbols in self.markets().values() {
            let together = Days::sum(symbols.iter().map(|own| &own.days));
            if let Some(why) = together.show_ends(symbols[0].calendar, false) {
                return Some(Sign { whose: whose(symbols), why, is_mixed: false });
            }
        }
        self.symbols.iter().find_map(|own| {
            let why = own.days.show_ends(own.calendar, true)?;
            Some(Sign { whose: whose(&[own]), why, is_mixed: true })
        })
    }

    /// Whose times seem to be starts.
    pub fn starts(&self) -> Option<Sign> {
        let own = self.symbols.iter().find_map(|own| {
            let why = own.days.show_starts(own.calendar, true)?;
            Some(Sign { whose: whose(&[own]), why, is_mixed: false })
        });
        own.or_else(|| {
            self.markets().values().find_map(|symbols| {
                let together = Days::sum(symbols.iter().map(|own| &own.days));
                let why = together.show_starts(symbols[0].calendar, false)?;
                Some(Sign { whose: whose(symbols), why, is_mixed: false })
            })
        })
    }

    /// What shows that local times were written as those of another zone.
    pub fn another_zone(&self) -> Option<String> {
        let together = self.markets().into_values().find_map(|symbols| {
            let days = || symbols.iter().flat_map(|own| &own.shifts);
            let exact: Vec<&Shift> = days().filter(|day| day.is_exact && day.is_far).collect();
            let (first, all) = (exact.first()?, days().count());
            (exact.len() * 5 >= all * 4).then(|| {
                let (count, whose) = (exact.len(), whose(&symbols));
                format!("on {count} of {all} days {whose} are {}", first.hours(symbols[0].calendar))
            })
        });
        together.or_else(|| self.symbols.iter().find_map(OfSymbol::shifted))
    }

    /// What shows that times have lost whether they are before or after noon, or are in another zone.
    pub fn at_night(&self) -> Option<String> {
        self.symbols.iter().find_map(|own| own.hours.at_night(own.symbol, own.calendar))
    }

    fn markets(&self) -> BTreeMap<Market, Vec<&OfSymbol<'s>>> {
        let mut markets: BTreeMap<Market, Vec<&OfSymbol<'s>>> = BTreeMap::new();
        for own in &self.symbols {
            markets.entry(own.calendar.market()).or_default().push(own);
        }
        markets
    }
}

fn whose(symbols: &[&OfSymbol<'_>]) -> String {
    match symbols {
        [own] => format!("the bars of {}", own.symbol),
        _ => "its bars".to_owned(),
    }
}

impl<'s> OfSymbol<'s> {
    fn of(symbol: &'s Symbol, bars: &Bars) -> Self {
        let hours = Hours::of(bars.all.iter().map(|&(at, _)| at), bars.width, bars.calendar);
        let (mut days, mut shifts) = (Days::default(), Vec::new());
        if !hours.are_all() {
            bars.sessions().for_each(|session| days.add(bars, session));
            shifts.extend(bars.days().filter_map(|day| bars.shift(day)));
        }
        Self { symbol, calendar: bars.calendar, days, shifts, hours }
    }

    /// What shows that the times of this symbol are in another zone: on nearly all days, or on several in a row, as if
    /// clocks were changed on other days than in its market.
    fn shifted(&self) -> Option<String> {
        let all = self.shifts.len();
        let far: Vec<&Shift> = self.shifts.iter().filter(|day| day.is_far).collect();
        if far.len() >= SESSIONS && far.len() * 5 >= all * 4 {
            let (symbol, hours) = (self.symbol, far[0].hours(self.calendar));
            return Some(format!("on {} of {all} days the bars of {symbol} are {hours}", far.len()));
        }
        let row = self.shifts.chunk_by(|day, next| day.by == next.by).find(|row| {
            let are_many = row.iter().all(|day| day.bars >= MANY_OF_DAY);
            let is_of_hours = row[0].by != 0 && row[0].by % 3600 == 0;
            is_of_hours && row.len() >= if are_many { SESSIONS } else { SESSIONS_OF_WIDE }
        })?;
        let (days, symbol, hours) = (row.len(), self.symbol, row[0].hours(self.calendar));
        let from = moment(self.calendar, row[0].from, "%Y-%m-%d");
        Some(format!("on {days} days in a row, the first of them {from}, the bars of {symbol} are {hours}"))
    }
}

/// What the sessions of symbols show.
#[derive(Debug, Default)]
struct Days {
    /// Sessions whose first half hour has a bar.
    begun: usize,
    /// When the first of them opened.
    open: Option<i64>,
    /// Those of them with nearly all bars.
    dense: usize,
    /// Those of them with a bar that is stamped at the open, or so that it would hold the open if it started then.
    with_open: usize,
    /// Those with a bar that is stamped at the close.
    with_close: usize,
    /// Those without a bar at the open, but with one that is stamped at the close.
    only_close: usize,
    /// Those of them in which the first bar is stamped one width after the open.
    from_second: usize,
    /// Those with a bar at the open and with the last one before the close, but without one that is stamped at the close.
    whole: usize,
    /// Days with a bar at 4:00, when trading begins in New York.
    from_four: usize,
    /// Days with a bar that is stamped one width after 4:00, or before that.
    after_four: usize,
    /// Days with a bar at 20:00, when trading ends in New York.
    until_eight: usize,
    /// Days with a bar between 20:00 and 4:00 in New York, in another zone or traded at night.
    at_night: usize,
    /// Sessions in which the volumes show the opening auction in the bar that is stamped one width after the open.
    auction_second: usize,
    /// Sessions in which the volumes could show the opening auction.
    auctions: usize,
}

impl Days {
    fn sum<'d>(all: impl Iterator<Item = &'d Self>) -> Self {
        let mut sum = Self::default();
        for own in all {
            sum.begun += own.begun;
            sum.open = sum.open.or(own.open);
            sum.dense += own.dense;
            sum.with_open += own.with_open;
            sum.with_close += own.with_close;
            sum.only_close += own.only_close;
            sum.from_second += own.from_second;
            sum.whole += own.whole;
            sum.from_four += own.from_four;
            sum.after_four += own.after_four;
            sum.until_eight += own.until_eight;
            sum.at_night += own.at_night;
            sum.auction_second += own.auction_second;
            sum.auctions += own.auctions;
        }
        sum
    }

    /// Adds a session of a symbol with these bars.
    fn add(&mut self, bars: &Bars, session: &Session) {
        let (open, close, width) = (session.open.as_second(), session.close.as_second(), bars.width);
        let has = |from: i64, until: i64| bars.first_from(from).is_some_and(|(at, _)| at < until);
        let (with_open, with_close) = (has(open - width + 1, open + 1), has(close, close + width));
        let first = bars.first_from(open + 1).map(|(at, _)| at).filter(|&at| at <= close);
        if with_open || first.is_some_and(|first| first <= open + (2 * width).max(1800)) {
            self.begun += 1;
            self.open.get_or_insert(open);
            self.dense += usize::from(bars.are_dense(bars.count(open - width + 1, close + 1), close - open, session));
            self.with_open += usize::from(with_open);
            self.with_close += usize::from(with_close);
            self.only_close += usize::from(!with_open && with_close);
            self.whole += usize::from(with_open && !with_close && has(close - width, close));
            let is_second = first.is_some_and(|first| first > open && first <= open + width);
            self.from_second += usize::from(!with_open && with_close && is_second);
        }
        if bars.calendar.market() == Market::NewYork {
            self.add_hours_of_new_york(bars, session);
        }
    }

    fn add_hours_of_new_york(&mut self, bars: &Bars, session: &Session) {
        let (open, width) = (session.open.as_second(), bars.width);
        let has = |from: i64, until: i64| bars.first_from(from).is_some_and(|(at, _)| at < until);
        let (four, eight) = hours_of_trading(session, bars.calendar);
        self.from_four += usize::from(has(four - width + 1, four + 1));
        self.after_four += usize::from(has(four + 1, four + width + 1));
        self.until_eight += usize::from(has(eight, eight + 1));
        self.at_night += usize::from(has(eight + 1, eight + NIGHT));
        let volume = |at: i64| bars.first_from(at).filter(|&(own, volume)| own == at && volume > 0.0).map(|(_, v)| v);
        if let (Some(at_open), Some(after)) = (volume(open), volume(open + width))
            && width <= LONGEST_OF_AUCTION
        {
            let grew = volume(open - width).map_or(0.0, |before| at_open / before);
            self.auctions += 1;
            self.auction_second += usize::from(after >= AUCTION * at_open && after / at_open > grew);
        }
    }

    /// Why the bars seem to be stamped with their ends; `None` if they do not. `is_alone` says that they are of one symbol
    /// of several, which do not show it together.
    fn show_ends(&self, calendar: &Calendar, is_alone: bool) -> Option<String> {
        // Bars of other hours are traded at night, or are in another zone.
        if self.at_night * 20 > self.begun {
            return None;
        }
        let is_enough = match is_alone {
            false => self.from_second == self.only_close || self.only_close >= SESSIONS,
            true => self.begun >= SESSIONS && nearly_all(self.dense, self.begun),
        };
        if self.with_open * 20 <= self.begun && nearly_all(self.only_close, self.begun) && is_enough {
            let (open, close) = (of(self.with_open, self.begun), of(self.only_close, self.begun));
            let at = self.open_of(calendar)?;
            return Some(format!("{open} with a bar at the open, {at}, and {close} with one at the close"));
        }
        let is_enough = match is_alone {
            false => self.until_eight * 5 >= self.begun,
            true => nearly_all(self.until_eight, self.begun) && nearly_all(self.after_four, self.begun),
        };
        if self.from_four == 0 && self.until_eight >= SESSIONS && is_enough {
            let days = self.until_eight;
            return Some(format!(
                "{days} days with a bar at 20:00 in New York, when trading after hours ends, and none with one at 4:00, when \
                 trading begins"
            ));
        }
        // The opening auction of one symbol may take place minutes after the open on most days.
        let is_enough = !is_alone && self.auction_second >= SESSIONS && self.from_four == 0;
        if is_enough && nearly_all(self.auction_second, self.auctions) {
            let shown = of(self.auction_second, self.auctions);
            return Some(format!(
                "in {shown} the opening auction's volume is in the bar after the one at 9:30 in New York"
            ));
        }
        None
    }

    /// Why the bars seem to be stamped with their starts; `None` if they do not. `is_alone` says that they are of one
    /// symbol.
    fn show_starts(&self, calendar: &Calendar, is_alone: bool) -> Option<String> {
        let is_enough = self.begun >= SESSIONS || !is_alone && self.dense == self.begun;
        if !is_enough || !nearly_all(self.whole, self.begun) || self.with_close * 20 > self.begun {
            return None;
        }
        let (open, close) = (of(self.with_open, self.begun), of(self.with_close, self.begun));
        let at = self.open_of(calendar)?;
        Some(format!("{open} with a bar at the open, {at}, and {close} with one at the close"))
    }

    fn open_of(&self, calendar: &Calendar) -> Option<String> {
        Some(format!("{} in {}", moment(calendar, self.open?, "%-H:%M"), city(calendar)))
    }
}

fn nearly_all(part: usize, all: usize) -> bool {
    part > 0 && part * 5 >= all * 4
}

fn of(part: usize, all: usize) -> String {
    format!("{part} of {all} session{}", if all == 1 { "" } else { "s" })
}

/// The bars of a day, which may be as long together as a session, or as trading from 4:00 to 20:00 in New York, and lie
/// elsewhere. Times in seconds since 1970.
struct Shift {
    from: i64,
    until: i64,
    bars: usize,
    /// How much later than the session of its day, or than trading from 4:00 to 20:00 in New York, it begins, in seconds: 0
    /// unless it is as long.
    by: i64,
    /// Whether it is exactly as long as the session, and bars are many.
    is_exact: bool,
    /// Whether it begins more than one bar earlier or later.
    is_far: bool,
}

impl Shift {
    fn hours(&self, calendar: &Calendar) -> String {
        let [from, until] = [self.from, self.until].map(|at| moment(calendar, at, "%-H:%M"));
        format!("from {from} to {until} in {}, as long as the hours of trading and at another time", city(calendar))
    }
}

/// The bars of a symbol by time: when each is stamped, in seconds since 1970, and its volume.
struct Bars {
    all: Vec<(i64, f64)>,
    width: i64,
    calendar: &'static Calendar,
}

impl Bars {
    fn new(mut all: Vec<(i64, f64)>, width: i64, calendar: &'static Calendar) -> Self {
        all.sort_unstable_by_key(|&(at, _)| at);
        all.dedup_by_key(|bar| bar.0);
        Self { all, width, calendar }
    }

    /// The first bar at a time or after it.
    fn first_from(&self, at: i64) -> Option<(i64, f64)> {
        self.all.get(self.all.partition_point(|&(own, _)| own < at)).copied()
    }

    /// How many bars are stamped from one time on and before another.
    fn count(&self, from: i64, until: i64) -> usize {
        let [from, until] = [from, until].map(|at| self.all.partition_point(|&(own, _)| own < at));
        until.saturating_sub(from)
    }

    /// Whether this many bars are nearly all of this many seconds, in which the session's lunch break is.
    fn are_dense(&self, bars: usize, seconds: i64, session: &Session) -> bool {
        let break_s = session.lunch_break.map_or(0, |(from, until)| until.as_second() - from.as_second());
        bars as i64 * self.width * 5 >= (seconds - break_s) * 4
    }

    /// The session of the day of a time; `None` on a day without one.
    fn session_of(&self, at: i64) -> Option<&'static Session> {
        let at = Timestamp::from_second(at).ok()?;
        self.calendar.on(self.calendar.time_zone().to_datetime(at).date())
    }

    /// The sessions on whose days there are bars.
    fn sessions(&self) -> impl Iterator<Item = &'static Session> {
        let days: BTreeSet<usize> =
            self.all.iter().filter_map(|&(at, _)| self.session_of(at)).map(|session| session.index).collect();
        let calendar = self.calendar;
        days.into_iter().map(move |index| &calendar.sessions()[index])
    }

    /// The bars of each day: those that no night parts.
    fn days(&self) -> impl Iterator<Item = &[(i64, f64)]> {
        self.all.chunk_by(|bar, next| next.0 - bar.0 < BETWEEN_DAYS)
    }

    /// Whether the bars of a day are where its session is. `None` where they are too few, or the day has no session.
    fn shift(&self, day: &[(i64, f64)]) -> Option<Shift> {
        let (&(from, _), &(last, _)) = (day.first()?, day.last()?);
        let (bars, until) = (day.len(), last + self.width);
        let session = self.session_of(from).filter(|_| bars >= FEWEST_OF_DAY)?;
        let (open, close) = (session.open.as_second(), session.close.as_second());
        if close - open <= self.width {
            return None;
        }
        let is_exact = bars >= MANY_OF_DAY && until - from == close - open;
        // The last bar may be cut off at the close, or hold the closing auction.
        let auction = session.auction.map_or(close, |(_, last)| last.as_second());
        let is_as_long = (close - open - self.width..=auction - open + self.width).contains(&(until - from));
        let is_alike = is_exact || is_as_long && self.are_dense(bars, until - from, session);
        let shift = |by: i64, is_exact| Shift { from, until, bars, by, is_exact, is_far: by.abs() > self.width };
        let mut is_from_four = false;
        if self.calendar.market() == Market::NewYork {
            let (four, eight) = hours_of_trading(session, self.calendar);
            let by = from - four;
            if until - from == eight - four && by != 0 && by % 1800 == 0 {
                return Some(shift(by, bars >= MANY_OF_DAY));
            }
            is_from_four = by == 0;
        }
        let by = from - open;
        // Bars of a part of the session, with some that are early or late, are as long, too.
        let is_outside = if by > 0 { last >= close } else { from + self.width <= open };
        let is_moved = is_alike && is_outside && !is_from_four && by % 1800 == 0;
        Some(shift(if is_moved { by } else { 0 }, is_exact))
    }
}

/// When trading before the open begins and trading after the close ends in New York: at 4:00 and 20:00, in seconds since
/// 1970.
fn hours_of_trading(session: &Session, calendar: &Calendar) -> (i64, i64) {
    let moment = |hour: i8, otherwise: Timestamp| {
        let local = session.date.to_datetime(Time::constant(hour, 0, 0, 0));
        calendar.time_zone().to_timestamp(local).unwrap_or(otherwise).as_second()
    };
    (moment(4, session.open), moment(20, session.close))
}

/// A moment, in seconds since 1970, by the clock of a market.
fn moment(calendar: &Calendar, at: i64, format: &str) -> String {
    let at = Timestamp::from_second(at).unwrap_or_default();
    calendar.time_zone().to_datetime(at).strftime(format).to_string()
}

/// The city of a market.
pub(super) fn city(calendar: &Calendar) -> String {
    let zone = calendar.time_zone().iana_name().unwrap_or("UTC");
    zone.rsplit('/').next().unwrap_or(zone).replace('_', " ")
}
