//! Bars of one symbol that are cut by the sessions of its market.
//!
//! A bar of an hour by the clock of UTC may hold trades from before the open or after the close, and a bar of a day holds
//! them always. The join takes such a bar for one of the session.

use crate::compact_trade::CompactTrade;
use crate::values::Values;
use crate::widths::{Widths, micros};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tapewire_core::exchange::{Calendar, Session};
use tapewire_core::{Bar, Symbol, Trade};

/// Trades of one symbol by sessions, until their bars are complete.
///
/// Bars of less than a day start at the open and whole widths after it; the last is cut at the close. A daily bar starts at
/// the open and has all trades of the session. Its close is the price of the closing auction where there is one: that of the
/// first trade in the minutes in which the price is printed ([`Session::auction`]), as the join takes it from bars of
/// minutes. Trades outside the session and in its break are in no bar.
///
/// ```
/// # use tapewire_bars::{SessionFold, Widths};
/// # use tapewire_core::{BarUpdates, Symbol, Trade, exchange::Calendar};
/// let mut fold = SessionFold::new(Symbol::new("MKR")?, Widths::new(&[86_400])?, Calendar::xnys());
/// let trade = |at: &str, price| Trade {
///     symbol: Symbol::new("MKR").unwrap(),
///     at: at.parse().unwrap(),
///     id: at.to_owned(),
///     sequence: 0,
///     price,
///     size: 100.0,
///     counts: BarUpdates::EVERYTHING,
///     replaces: None,
///     received_at: at.parse().unwrap(),
/// };
/// assert!(!fold.trade(&trade("2025-06-02T12:00:00Z", 9.0)), "before the open");
/// for (at, price) in [("13:30:00", 10.0), ("19:59:59", 10.5), ("20:00:01", 10.4), ("20:00:02", 12.0)] {
///     assert!(fold.trade(&trade(&format!("2025-06-02T{at}Z"), price)));
/// }
/// let bars = fold.watermark("2025-06-02T20:01:00Z".parse()?);
/// assert_eq!((bars[0].open, bars[0].close, bars[0].volume), (10.0, 10.4, 300.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SessionFold {
    symbol: Symbol,
    widths: Widths,
    calendar: &'static Calendar,
    /// By the number of the session.
    trades: BTreeMap<usize, Vec<CompactTrade>>,
}

impl SessionFold {
    /// The fold of `symbol`'s trades into bars of these widths, by the sessions of this calendar.
    pub fn new(symbol: Symbol, widths: Widths, calendar: &'static Calendar) -> Self {
        Self { symbol, widths, calendar, trades: BTreeMap::new() }
    }

    /// The calendar whose sessions cut the bars.
    pub fn calendar(&self) -> &'static Calendar {
        self.calendar
    }

    /// Takes a trade of this symbol that takes no other back. Returns whether it is within a session, and so in a bar. Its
    /// session must not be over by the last watermark.
    pub fn trade(&mut self, trade: &Trade) -> bool {
        let has_days = self.widths.seconds().contains(&Bar::DAY_S);
        let is_of = |session: &Session| match session.contains(trade.at) {
            true => session.lunch_break_end_at(trade.at).is_none(),
            false => has_days && auction(session).is_some_and(|(from, until)| from <= trade.at && trade.at < until),
        };
        let Some(session) = self.calendar.last_opened(trade.at).filter(|session| is_of(session)) else { return false };
        self.trades.entry(session.index).or_default().push(CompactTrade::new(&trade.borrowed()));
        true
    }

    /// Says that all trades up to `at` (UTC) have arrived. Returns the bars of the sessions that are over, by session,
    /// width and time.
    pub fn watermark(&mut self, at: Timestamp) -> Vec<Bar> {
        let mut bars = Vec::new();
        while let Some(first) = self.trades.first_entry() {
            let session = &self.calendar.sessions()[*first.key()];
            if auction(session).map_or(session.close, |(_, until)| until) > at {
                break;
            }
            let trades = first.remove();
            bars.extend(self.bars(session, trades));
        }
        bars
    }

    fn bars(&self, session: &Session, mut trades: Vec<CompactTrade>) -> Vec<Bar> {
        trades.sort_by(CompactTrade::order);
        trades.dedup_by(|later, earlier| later.is_same_trade(earlier));
        let (open, close) = (session.open.as_microsecond(), session.close.as_microsecond());
        let (regular, auction) = trades.split_at(trades.partition_point(|trade| trade.at < close));
        // What else is printed in the auction's minutes is traded after hours.
        let official = auction.iter().find(|trade| trade.counts.open_close).map(|trade| trade.price.to_bits());
        let auction = auction.iter().filter(|trade| Some(trade.price.to_bits()) == official);
        let mut bars = Vec::new();
        for &width_s in self.widths.seconds() {
            if width_s == Bar::DAY_S {
                let values = Values::of(regular.iter().chain(auction.clone()));
                bars.extend(values.bar(&self.symbol, open, width_s));
                continue;
            }
            let number = |trade: &CompactTrade| (trade.at - open) / micros(width_s);
            for part in regular.chunk_by(|trade, next| number(trade) == number(next)) {
                let start = open + number(&part[0]) * micros(width_s);
                bars.extend(Values::of(part).bar(&self.symbol, start, width_s));
            }
        }
        bars
    }
}

/// From when on, and until when, exclusive, the price of a session's closing auction is printed.
fn auction(session: &Session) -> Option<(Timestamp, Timestamp)> {
    let (first, last) = session.auction?;
    Some((first.max(session.close), last.checked_add(SignedDuration::from_mins(1)).ok()?))
}
