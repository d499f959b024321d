//! Settings of the join.

use crate::JoinerError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendars, Market};

/// The join of news and prices. Rows of one run are comparable only under equal settings.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct JoinConfig {
    /// The market of the market model. It is taken from the price feed's setting, because its bars have to be on
    /// every partition.
    #[serde(skip, default = "spy")]
    pub benchmark: Symbol,
    /// Benchmarks of further markets, from the price feed's settings, too. See [`JoinConfig::benchmark_of`].
    #[serde(skip)]
    pub other_benchmarks: Vec<Symbol>,
    /// The markets of symbols whose spelling does not show it. A rule is for a symbol, for all symbols with a prefix
    /// (`"BITSTAMP:"`) or a suffix (`".SW"`), or for all others (`"*"`). A market is us, london, xetra, paris, tokyo,
    /// hong kong, toronto, crypto, currencies, or the code of one. Without a rule BTC-USD, X:BTCUSD and BTCUSDT are
    /// cryptocurrencies, VOD.L is a share in London, and BTC, like every bare ticker, is a share in New York.
    #[schemars(with = "std::collections::BTreeMap<String, String>", example = serde_json::json!({"BTC": "crypto"}))]
    pub calendars: Calendars,
    /// Number of sessions before the entry's session from which the market model and the usual volume are computed, 1
    /// to 250.
    pub baseline_sessions: u16,
    /// How long after its end, by the watermark of bars, a bar may still arrive or be corrected; at most 12h.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub allowed_lateness: Duration,
    /// A price older than this does not count as the price of a moment. A price no older than its bar is wide always
    /// counts.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub stale_after: Duration,
    /// Share of the bars from the news to the last horizon, 0 to 1, that may be missing before a row gets `flag_gap`.
    /// A row also gets it if a missing bar made the entry later or the price of a horizon older.
    pub gap_share: f64,
    /// What happens to outcomes across a night in which the price jumped as if by a split that is not in `actions`:
    /// "null" makes them NULL, "keep" keeps them. The row has `flag_possible_split` either way.
    pub possible_splits: PossibleSplits,
}

/// What happens to outcomes across a night that looks like a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PossibleSplits {
    /// They are NULL.
    Null,
    /// They are measured as if nothing had happened.
    Keep,
}

/// A session's bars must be beyond correction when the next session opens, because market models are computed then. The
/// shortest night is from 17:30 to 9:00. Where there is no night, the models do without the session before.
const MAX_LATENESS: Duration = Duration::from_secs(12 * 3600);

/// Far beyond any use, and far from where times in microseconds would overflow.
const MAX_AGE: Duration = Duration::from_secs(365 * 24 * 3600);

impl Default for JoinConfig {
    fn default() -> Self {
        Self {
            benchmark: spy(),
            other_benchmarks: Vec::new(),
            calendars: Calendars::default(),
            baseline_sessions: 20,
            allowed_lateness: Duration::from_secs(15 * 60),
            stale_after: Duration::from_secs(10 * 60),
            gap_share: 0.1,
            possible_splits: PossibleSplits::Null,
        }
    }
}

fn spy() -> Symbol {
    Symbol::new("SPY").expect("SPY is a ticker")
}

impl JoinConfig {
    /// The market in which a symbol is traded.
    pub fn market_of(&self, symbol: &Symbol) -> Market {
        self.calendars.of(symbol)
    }

    /// The benchmark of a symbol's market model: the first that is traded in the symbol's market. `None` without one
    /// in that market, and for the benchmark itself, also where it is the same coin in another currency.
    pub fn benchmark_of(&self, symbol: &Symbol) -> Option<&Symbol> {
        self.calendars.benchmark_of(symbol, self.benchmarks())
    }

    /// All benchmarks.
    pub fn benchmarks(&self) -> impl Iterator<Item = &Symbol> {
        std::iter::once(&self.benchmark).chain(&self.other_benchmarks)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`JoinerError::Setting`].
    pub fn validate(&self) -> Result<(), JoinerError> {
        let wrong = |name, reason| Err(JoinerError::Setting { name, reason });
        if !(1..=250).contains(&self.baseline_sessions) {
            return wrong("join.baseline_sessions", "1 to 250 sessions are kept in memory");
        }
        if self.allowed_lateness > MAX_LATENESS {
            return wrong("join.allowed_lateness", "at most 12h, which is less than a night");
        }
        if self.stale_after.is_zero() {
            return wrong("join.stale_after", "it must be longer than 0s; 10m is usual");
        }
        if self.stale_after > MAX_AGE {
            return wrong("join.stale_after", "at most 8760h, a year");
        }
        if !(0.0..=1.0).contains(&self.gap_share) {
            return wrong("join.gap_share", "a share is 0 to 1; 0.1 is usual");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions are counted here over a calendar, so that weekends and holidays are those of the markets.
    #[test]
    fn the_rewind_reaches_back_over_every_holiday() {
        let days = |baseline_sessions: u16| {
            let rewind = JoinConfig { baseline_sessions, ..JoinConfig::default() }.longest_rewind();
            rewind.as_secs_f64() / 86_400.0
        };
        let tokyo = Market::Tokyo.calendar();
        // Ten days without a session, from April 27 to May 6.
        let after = tokyo.from("2019-05-07".parse().unwrap()).unwrap();
        let first = tokyo.offset(after, -23).unwrap();
        let golden_week = after.open.duration_since(first.open).as_secs_f64() / 86_400.0;
        assert!(golden_week > 38.0 && days(20) >= golden_week, "{golden_week} {}", days(20));
        assert!(days(20) < 60.0, "{}", days(20));
        // A year has fewer than 253 sessions, so 250 of them and those that are open take longer than a year.
        assert!(days(250) > 366.0, "{}", days(250));
    }

    #[test]
    fn ranges_are_checked() {
        assert!(JoinConfig::default().validate().is_ok());
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        for (wrong, name) in [
            (JoinConfig { baseline_sessions: 0, ..JoinConfig::default() }, "baseline_sessions"),
            (JoinConfig { allowed_lateness: hours(13), ..JoinConfig::default() }, "allowed_lateness"),
            (JoinConfig { stale_after: hours(0), ..JoinConfig::default() }, "stale_after"),
            (JoinConfig { stale_after: hours(10_000), ..JoinConfig::default() }, "stale_after"),
            (JoinConfig { gap_share: 1.5, ..JoinConfig::default() }, "gap_share"),
            (JoinConfig { gap_share: f64::NAN, ..JoinConfig::default() }, "gap_share"),
        ] {
            assert!(wrong.validate().unwrap_err().to_string().contains(name));
        }
    }
}
