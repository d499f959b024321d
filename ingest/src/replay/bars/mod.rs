//! Bars: each row becomes a reading, the readings of a file show how wide its bars are, and then become bars.

mod columns;
mod hours;
mod round_the_clock;
mod row;
mod sessions;
mod shapes;
mod stamped;
mod stretches;
mod tape;
mod traded;
mod width;

pub use row::SymbolOf;
pub(super) use row::{Reader, of_width};
pub(super) use shapes::rows_of;
pub use stamped::BarTime;
pub(super) use tape::{Collected, Collector};

use jiff::Timestamp;
use jiff::civil::Date;
use tapewire_core::{Bar, Symbol};

/// The width of a daily bar, in seconds.
pub(super) const DAY_S: u32 = Bar::DAY_S;

/// A row of a bars file, before it is known how wide its bar is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The index of the symbol that the bar counts for, after aliases.
    symbol: u32,
    /// The index of the symbol that the row has, before aliases.
    written: u32,
    stamp: Stamp,
    /// What the row itself says about its width, in seconds.
    width_s: Option<u32>,
    prices: Prices,
    /// [`super::source::Origin::number`].
    number: u64,
}

/// The values of a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Prices {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    vwap: Option<f64>,
    trades: Option<u64>,
}

impl Prices {
    /// The bar with these prices, which is received when it ends.
    fn bar(&self, symbol: Symbol, start: Timestamp, width_s: u32, received_at: Timestamp) -> Bar {
        let Self { open, high, low, close, volume, vwap, trades } = *self;
        Bar { symbol, start, width_s, open, high, low, close, volume, vwap, trades, received_at }
    }
}

/// When a bar starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// The moment, in microseconds since 1970; `None` for a day, or a midnight without a zone.
    at: Option<i64>,
    /// The day, where the stamp may stand for one.
    day: Option<(Date, DayKind)>,
}

/// Why a stamp may stand for a day. All daily bars of a file are stamped in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayKind {
    /// It is a date.
    Written,
    /// It is midnight of a date without a zone, as spreadsheets write a date.
    Midnight,
    /// It is midnight in UTC.
    Utc,
    /// It is midnight of the exchange.
    Exchange,
    /// It is both: midnight in London in winter, or of a market whose days are those of UTC.
    UtcAndExchange,
    /// It is the open of a session.
    Open,
    /// It is the close of a session, as GOOGLEFINANCE writes it.
    Close,
}
