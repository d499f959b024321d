//! Settings of the simulator.

use crate::IngestError;
use crate::providers::ApiKey;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The simulated provider and its market.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatorConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The key that clients must send.
    #[serde(skip)]
    pub api_key: ApiKey,
    /// The same seed and first day give the same market and the same news.
    pub seed: u64,
    /// Sessions of history before the clock's first day, at most 2000.
    pub history_sessions: u32,
    /// Articles an hour on a business day, at most 10000; nights and weekends have fewer.
    pub articles_per_hour: f64,
    /// Planted effect κ: the log return, in basis points, that an article of sentiment 1 has added when the effect is
    /// over.
    pub effect_bp: f64,
    /// Time constant τ of the effect, in trading time.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub effect_time: Duration,
    /// Trading time between publication and the beginning of the effect.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub reaction_delay: Duration,
    /// Faults for tests; 0 means never.
    pub faults: Faults,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8787).into(),
            api_key: ApiKey::new("simulated"),
            seed: 1,
            history_sessions: 25,
            articles_per_hour: 60.0,
            effect_bp: 30.0,
            effect_time: Duration::from_secs(20 * 60),
            reaction_delay: Duration::from_secs(60),
            faults: Faults::default(),
        }
    }
}

/// The sessions that are known begin here: 1999-01-01T00:00:00Z.
const FIRST: Timestamp = Timestamp::constant(915_148_800, 0);

/// Until when a market can be simulated: 2100-01-01T00:00:00Z.
pub const LAST: Timestamp = Timestamp::constant(4_102_444_800, 0);

/// Simulated seconds per second; the largest is far beyond what any machine keeps up with.
const SPEEDS: RangeInclusive<f64> = 1e-3..=1e6;

const ARTICLES_PER_HOUR: RangeInclusive<f64> = 0.0..=10_000.0;
const EFFECT_BP: RangeInclusive<f64> = -10_000.0..=10_000.0;
const HISTORY_SESSIONS: RangeInclusive<u32> = 0..=2_000;
const EFFECT_TIME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24 * 30);
const REACTION_DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24 * 30);

impl SimulatorConfig {
    /// Refuses settings that no market can be made of, for a market that starts at `from`.
    ///
    /// # Errors
    /// [`IngestError::Config`] with the setting, its value and what is allowed.
    pub fn check(&self, from: Timestamp) -> Result<(), IngestError> {
        within("simulator.articles_per_hour", self.articles_per_hour, &ARTICLES_PER_HOUR)?;
        within("simulator.effect_bp", self.effect_bp, &EFFECT_BP)?;
        within("simulator.history_sessions", self.history_sessions, &HISTORY_SESSIONS)?;
        if !EFFECT_TIME.contains(&self.effect_time) {
            return Err(refused("simulator.effect_time", format_args!("{:?}", self.effect_time), "1s to 30d"));
        }
        if !REACTION_DELAY.contains(&self.reaction_delay) {
            return Err(refused("simulator.reaction_delay", format_args!("{:?}", self.reaction_delay), "0s to 30d"));
        }
        // A session is less than 1.5 days; the rest is for holidays.
        let history = SignedDuration::from_hours(36 * i64::from(self.history_sessions) + 20 * 24);
        let earliest = FIRST.saturating_add(history).unwrap_or(LAST);
        if from < earliest || from >= LAST {
            let allowed = format!(
                "from {earliest}, because {} sessions of history come before it (simulator.history_sessions), to before {LAST}",
                self.history_sessions
            );
            return Err(refused("--from", from, &allowed));
        }
        Ok(())
    }
}

/// Refuses a speed at which no market can be simulated.
///
/// # Errors
/// [`IngestError::Config`] with the speed and what is allowed.
pub fn check_speed(speed: f64) -> Result<(), IngestError> {
    within("--speed", speed, &SPEEDS)
}

/// NaN is in no range.
fn within<T: PartialOrd + Display>(setting: &str, value: T, range: &RangeInclusive<T>) -> Result<(), IngestError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(refused(setting, value, &format!("{} to {}", range.start(), range.end())))
}

fn refused(setting: &str, value: impl Display, allowed: &str) -> IngestError {
    IngestError::Config(format!("{setting}: {value} is not allowed; it can be {allowed}"))
}

/// What goes wrong on purpose; 0 means never.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// After every n articles of a page, adds one that can't be read.
    pub malformed_article_every: usize,
    /// After every n bars, the websocket sends one that can't be read.
    pub malformed_bar_every: usize,
    /// After every n bars, the websocket sends a message of an unknown type.
    pub unknown_message_every: usize,
    /// A websocket is dropped without a close frame after this many bars and trades.
    pub disconnect_after: usize,
    /// Every n-th request is answered 429 with `Retry-After: 1`.
    pub rate_limit_every: usize,
    /// Every n-th request is answered 200 with an error in the body.
    pub error_body_every: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_no_market_can_be_made_of_is_refused_with_what_is_allowed() {
        type Change = fn(&mut SimulatorConfig);
        let wrong: [(&str, Change); 8] = [
            ("articles_per_hour", |config| config.articles_per_hour = f64::NAN),
            ("articles_per_hour", |config| config.articles_per_hour = 1e9),
            ("articles_per_hour", |config| config.articles_per_hour = -1.0),
            ("effect_bp", |config| config.effect_bp = f64::NAN),
            ("effect_bp", |config| config.effect_bp = f64::INFINITY),
            ("history_sessions", |config| config.history_sessions = 1_000_000),
            ("effect_time", |config| config.effect_time = Duration::ZERO),
            ("reaction_delay", |config| config.reaction_delay = Duration::from_secs(u64::MAX)),
        ];
        for (setting, change) in wrong {
            let mut config = SimulatorConfig::default();
            config.check(at("2025-06-02T13:00:00Z")).unwrap();
            change(&mut config);
            let error = config.check(at("2025-06-02T13:00:00Z")).unwrap_err().to_string();
            assert!(error.contains(&format!("simulator.{setting}: ")) && error.contains("it can be "), "{error}");
        }
    }

    #[test]
    fn a_market_starts_where_its_history_has_sessions_and_ends_where_they_end() {
        let config = SimulatorConfig::default();
        for wrong in ["1990-01-01T00:00:00Z", "1999-01-10T00:00:00Z", "2150-01-01T00:00:00Z"] {
            let error = config.check(at(wrong)).unwrap_err().to_string();
            assert!(error.contains("--from: ") && error.contains("simulator.history_sessions"), "{error}");
        }
        let longest = SimulatorConfig { history_sessions: *HISTORY_SESSIONS.end(), ..config.clone() };
        assert!(longest.check(at("2001-01-01T00:00:00Z")).is_err());
        longest.check(at("2025-06-02T13:00:00Z")).unwrap();
        // The earliest that is allowed has its whole history.
        let earliest = at("1999-03-01T00:00:00Z");
        config.check(earliest).unwrap();
        let quick = SimulatorConfig { articles_per_hour: 0.0, ..config };
        let market = super::super::market::Market::new(&quick, jiff::civil::date(1999, 3, 1));
        assert!(market.sessions().traded() > 25 * 6 * 3600);
    }

    #[test]
    fn a_speed_is_a_number_that_clocks_can_run_at() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            let error = check_speed(wrong).unwrap_err().to_string();
            assert!(error.contains("--speed: ") && error.contains("0.001 to 1000000"), "{error}");
        }
        check_speed(300.0).unwrap();
    }
}
