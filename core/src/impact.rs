//! The joined row: one article, one company, and what the price did after it.

use crate::{Mention, Run};
use jiff::Timestamp;
use std::sync::Arc;
use strum::{IntoStaticStr, VariantNames};

/// When the price of a [`Horizon`] is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// This number of minutes after the entry.
    Minutes(i64),
    /// Close of the entry's session.
    Close,
    /// Open of the session after the entry's.
    NextOpen,
    /// Close of the session after the entry's.
    NextClose,
}

/// The only list of horizons. The enum, names, columns of tables, views, the simulator's expectations and the tests are
/// all derived from it.
macro_rules! horizons {
    ($($(#[doc = $doc:literal])* $horizon:ident $name:literal = $moment:ident $(($minutes:literal))?;)*) => {
        /// How far after the entry an outcome is measured.
        ///
        /// ```
        /// use tapewire_core::{Horizon, impact::Moment};
        ///
        /// assert_eq!(Horizon::Minutes15.name(), "15m");
        /// assert_eq!(Horizon::Minutes15.moment(), Moment::Minutes(15));
        /// assert_eq!(Horizon::NextOpen.return_column(), "ret_next_open");
        /// assert_eq!(Horizon::ALL.into_iter().filter_map(Horizon::minutes).min(), Some(1));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Horizon {
            $($(#[doc = $doc])* $horizon,)*
        }

        impl Horizon {
            /// Number of horizons.
            pub const COUNT: usize = [$($name),*].len();

            /// All horizons, in chronological order.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$horizon),*];

            /// Minutes after the entry of the horizons that are measured in minutes, in ascending order.
            pub const MINUTES: [i64; [$($($minutes,)?)*].len()] = [$($($minutes,)?)*];

            /// Name in views and on the terminal: `1m` ... `60m`, `close`, `next_open`, `next_close`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$horizon => $name,)* }
            }

            /// Column of `impact` with the log return.
            pub const fn return_column(self) -> &'static str {
                match self { $(Self::$horizon => concat!("ret_", $name),)* }
            }

            /// Column of `impact` with the abnormal log return.
            pub const fn abnormal_column(self) -> &'static str {
                match self { $(Self::$horizon => concat!("ar_", $name),)* }
            }

            /// When its price is taken.
            pub const fn moment(self) -> Moment {
                match self { $(Self::$horizon => Moment::$moment $(($minutes))?,)* }
            }
        }
    };
}

horizons! {
    /// One minute after the entry.
    Minutes1 "1m" = Minutes(1);
    /// Five minutes.
    Minutes5 "5m" = Minutes(5);
    /// A quarter of an hour.
    Minutes15 "15m" = Minutes(15);
    /// Half an hour.
    Minutes30 "30m" = Minutes(30);
    /// One hour.
    Minutes60 "60m" = Minutes(60);
    /// Close of the entry's session.
    Close "close" = Close;
    /// Open of the session after the entry's.
    NextOpen "next_open" = NextOpen;
    /// Close of the session after the entry's.
    NextClose "next_close" = NextClose;
}

impl Horizon {
    /// Minutes after the entry, for the horizons measured in minutes.
    pub const fn minutes(self) -> Option<i64> {
        match self.moment() {
            Moment::Minutes(minutes) => Some(minutes),
            Moment::Close | Moment::NextOpen | Moment::NextClose => None,
        }
    }
}

/// One value for each [`Horizon`], in the order of [`Horizon::ALL`]; `None` where the horizon is not
/// reached yet or has no price.
pub type PerHorizon = [Option<f64>; Horizon::COUNT];

/// The state of one mention's join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// There is no entry bar yet.
    Pending,
    /// There is an entry; horizons get their values as the tape reaches them.
    Open,
    /// Every horizon that can be reached has been reached.
    Final,
    /// The mention has a row, but no price path.
    NotJoined(Reason),
}

impl Status {
    /// The names of all states, as tables have them.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The state as tables have it, without the reason: `pending`, `open`, `final` or `not_joined`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Why there is no price path.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::NotJoined(reason) => Some(reason),
            Self::Pending | Self::Open | Self::Final => None,
        }
    }
}

/// Why a mention has no price path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// The article names no company.
    NoSymbol,
    /// The symbol is an index, a currency, a cryptocurrency or an option. No longer given: each is joined by its own
    /// calendar. Rows of earlier versions have it.
    NotEquity,
    /// The calendar of the symbol's market does not reach to this mention.
    OutsideCalendar,
    /// The tape is complete past the entry and has no bar of this symbol.
    NoBars,
    /// The symbol has bars, but none of them belongs to a regular session: they are before the open or after the close,
    /// or they start and end at times at which neither their open nor their close is a price of a session.
    NoRegularBars,
    /// The symbol has bars, but none of them can be the entry.
    NoEntryBar,
    /// The mention was read after the news watermark had passed the end of its last horizon.
    TooLate,
    /// An edit of the article no longer names the company.
    Withdrawn,
}

impl Reason {
    /// The names of all reasons, as tables have them.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The name of the reason, as tables have it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// When in the trading day the mention became available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// Trading day, before the open.
    PreMarket,
    /// Within the session.
    Session,
    /// In the session's lunch break.
    Break,
    /// Trading day, after the close.
    AfterHours,
    /// Weekend or holiday.
    Closed,
}

impl Phase {
    /// The names of all phases, as tables have them.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// The name of the phase, as tables have it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What to know before trusting the row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quality {
    /// A price is older than the configured limit at the moment for which it is used.
    pub stale: bool,
    /// The symbol was halted between `available_at` and the last horizon reached.
    pub halted: bool,
    /// A bar is missing where a price was taken, or more than the configured share of the bars from `available_at` to
    /// the last horizon reached are missing.
    pub gap: bool,
    /// The session's opening price is not known, because the bar that holds it starts before the open: the entry is
    /// later, or there is no next open.
    pub no_open: bool,
    /// There is a split or a dividend between some of the prices, and they were adjusted for it.
    pub adjusted: bool,
    /// A price jumped overnight as if by an unknown split, or prices seem to be adjusted already for a known one: the
    /// symbol's, or the benchmark's in a row with a market model.
    pub possible_split: bool,
    /// The mention was read after the news watermark had passed its publication.
    pub late: bool,
}

/// Numbers of missing bars: whole bars of the row's width that the symbol does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MissingBars {
    /// From the first tradable minute to the last horizon reached.
    pub all: u32,
    /// Between the first tradable minute and the entry: the number of bars by which the entry is late.
    pub near_entry: u32,
    /// Between the bar of each horizon's price and the horizon: the number of bars by which the price is old or, at the
    /// next open, late. It is the sum over all horizons that have a price: not those across what may be a split.
    pub near_horizons: u32,
}

/// Sentiment of one article on one company, joined with the tape.
#[derive(Debug, Clone, PartialEq)]
pub struct Impact {
    /// The run that the row belongs to.
    pub run: Run,
    /// Grows whenever the row's content changes. Of two rows with one key the one with the higher version counts.
    pub version: u64,
    /// Article, company, timestamps and sentiment, as the worker sent them. Shared, because a mention has a row for each
    /// horizon that is reached.
    pub mention: Arc<Mention>,
    /// The state of the join, and why it has no price path.
    pub status: Status,
    /// When in the trading day the mention became available.
    pub phase: Phase,
    /// Width of the bars that the mention was joined with, in seconds.
    pub bar_width_s: Option<u32>,
    /// Last price at or before `available_at`, in the quote currency; adjusted for splits and dividends up to the entry.
    pub price_before: Option<f64>,
    /// End of the bar `price_before` comes from (UTC).
    pub price_before_at: Option<Timestamp>,
    /// Start of the bar whose open is the entry (UTC); strictly after `available_at`.
    pub entry_at: Option<Timestamp>,
    /// First price anyone could trade at, in the quote currency.
    pub entry_price: Option<f64>,
    /// Log returns from the entry.
    pub returns: PerHorizon,
    /// Whether the close is the official closing price, and not the close of the last bar. `None` without a close.
    pub close_is_official: Option<bool>,
    /// As `close_is_official`, for the close of the next session.
    pub next_close_is_official: Option<bool>,
    /// Abnormal log returns: the log returns minus those that the market model expects from the benchmark's return.
    pub abnormal: PerHorizon,
    /// Market model: intercept, as a log return per bar.
    pub alpha: Option<f64>,
    /// Market model: slope on the benchmark.
    pub beta: Option<f64>,
    /// Volume of the entry bar, divided by the mean volume at the same time of day in the trailing sessions.
    pub volume_ratio: Option<f64>,
    /// Number of bars that are missing; `None` without an entry.
    pub missing_bars: Option<MissingBars>,
    /// What to know before trusting the row.
    pub quality: Quality,
}
