//! The joined row: one article, one company, and what the price did next.

use crate::{Mention, Run};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far after the entry an outcome is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Horizon {
    /// One minute after the entry.
    Minutes1,
    /// Five minutes.
    Minutes5,
    /// A quarter of an hour.
    Minutes15,
    /// Half an hour.
    Minutes30,
    /// One hour.
    Minutes60,
    /// Close of the entry's session.
    Close,
    /// Open of the session after the entry's.
    NextOpen,
    /// Close of the session after the entry's.
    NextClose,
}

impl Horizon {
    /// All of them, in the order of the columns.
    pub const ALL: [Self; 8] = [
        Self::Minutes1,
        Self::Minutes5,
        Self::Minutes15,
        Self::Minutes30,
        Self::Minutes60,
        Self::Close,
        Self::NextOpen,
        Self::NextClose,
    ];

    /// Column suffix and display name: `1m` ... `60m`, `close`, `next_open`, `next_close`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minutes1 => "1m",
            Self::Minutes5 => "5m",
            Self::Minutes15 => "15m",
            Self::Minutes30 => "30m",
            Self::Minutes60 => "60m",
            Self::Close => "close",
            Self::NextOpen => "next_open",
            Self::NextClose => "next_close",
        }
    }

    /// Minutes after the entry, for the horizons measured so.
    pub fn minutes(self) -> Option<i64> {
        match self {
            Self::Minutes1 => Some(1),
            Self::Minutes5 => Some(5),
            Self::Minutes15 => Some(15),
            Self::Minutes30 => Some(30),
            Self::Minutes60 => Some(60),
            Self::Close | Self::NextOpen | Self::NextClose => None,
        }
    }
}

/// One number for each [`Horizon`], in the order of [`Horizon::ALL`]; `None` is not reached
/// yet, or never to be had.
pub type PerHorizon = [Option<f64>; 8];

/// How far the join of one mention has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The entry minute has not been printed yet.
    Pending,
    /// Entered; horizons fill as the tape reaches them.
    Open,
    /// Every horizon that can be reached has been.
    Final,
    /// Listed only: see [`Reason`].
    NotJoined,
}

impl Status {
    /// As it stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Open => "open",
            Self::Final => "final",
            Self::NotJoined => "not_joined",
        }
    }
}

/// Why a mention has no price path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The article names no company.
    NoSymbol,
    /// An index, a currency, a cryptocurrency or an option.
    NotEquity,
    /// The tape passed the entry and never printed this symbol.
    NoBars,
    /// The symbol is on the tape, but not where the entry would have to be.
    NoEntryBar,
    /// The mention came after the news had been complete up to the end of its last horizon.
    TooLate,
}

impl Reason {
    /// As it stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSymbol => "no_symbol",
            Self::NotEquity => "not_equity",
            Self::NoBars => "no_bars",
            Self::NoEntryBar => "no_entry_bar",
            Self::TooLate => "too_late",
        }
    }
}

/// When in the trading day the mention became available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Trading day, before the open.
    PreMarket,
    /// Within the session.
    Session,
    /// Trading day, after the close.
    AfterHours,
    /// Weekend or holiday.
    Closed,
}

impl Phase {
    /// As it stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreMarket => "pre_market",
            Self::Session => "session",
            Self::AfterHours => "after_hours",
            Self::Closed => "closed",
        }
    }
}

/// What to know before trusting the row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// Some price is older than the configured limit at the moment it stands for.
    pub stale: bool,
    /// The symbol was halted between `available_at` and the last horizon reached.
    pub halted: bool,
    /// The symbol's bars have a hole between `available_at` and the last horizon reached.
    pub gap: bool,
    /// The mention came after the watermark had passed it.
    pub late: bool,
}

/// Sentiment of one article on one company, joined with the tape.
#[derive(Debug, Clone, PartialEq)]
pub struct Impact {
    /// Which history it belongs to.
    pub run: Run,
    /// Grows whenever the row's content does; of two rows with one key the higher holds.
    pub version: u64,
    /// Article, company, clocks and sentiment as they came from the worker.
    pub mention: Mention,
    /// How far the join has come.
    pub status: Status,
    /// Why it is [`Status::NotJoined`].
    pub reason: Option<Reason>,
    /// When in the trading day it became available.
    pub phase: Phase,
    /// Width of the bars it was joined with, in seconds.
    pub bar_width_s: Option<u32>,
    /// Last close at or before `available_at`, in the quote currency.
    pub price_before: Option<f64>,
    /// End of the bar `price_before` comes from (UTC).
    pub price_before_at: Option<Timestamp>,
    /// Start of the bar whose open is the entry (UTC); strictly after `available_at`.
    pub entry_at: Option<Timestamp>,
    /// First price anyone could trade at, in the quote currency.
    pub entry_price: Option<f64>,
    /// Log returns from the entry.
    pub returns: PerHorizon,
    /// The same less what the market model expects of the benchmark's return.
    pub abnormal: PerHorizon,
    /// Market model: intercept a bar.
    pub alpha: Option<f64>,
    /// Market model: slope on the benchmark.
    pub beta: Option<f64>,
    /// Volume of the entry bar over its mean at the same time of day in the trailing sessions.
    pub volume_ratio: Option<f64>,
    /// What to know before trusting it.
    pub quality: Quality,
}
