//! What can be set about the join.

use crate::JoinerError;
use serde::Deserialize;
use tapewire_core::Symbol;

/// Settings of the join. Rows of one run are comparable only under equal settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JoinConfig {
    /// The market of the market model. Not a setting of its own: it is the price feed's, for its bars
    /// have to be on every partition.
    #[serde(skip, default = "spy")]
    pub benchmark: Symbol,
    /// Sessions before the entry's that market model and usual volume are taken from.
    pub baseline_sessions: u16,
    /// How long after its end, in seconds of the tape, a bar may still come or be corrected.
    pub lateness_s: u32,
    /// Age in seconds at which a price no longer stands for the moment; never less than a bar's width.
    pub stale_after_s: u32,
}

impl Default for JoinConfig {
    fn default() -> Self {
        Self { benchmark: spy(), baseline_sessions: 20, lateness_s: 15 * 60, stale_after_s: 10 * 60 }
    }
}

fn spy() -> Symbol {
    Symbol::new("SPY").expect("SPY is a ticker")
}

impl JoinConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`JoinerError::Setting`].
    pub fn validate(&self) -> Result<(), JoinerError> {
        let wrong = |name, reason| Err(JoinerError::Setting { name, reason });
        if !(1..=250).contains(&self.baseline_sessions) {
            return wrong("join.baseline_sessions", "1 to 250 sessions are kept in memory");
        }
        // A session's bars must be beyond correction when the next session opens, for market models
        // are taken then. The shortest night is from 16:00 to 9:30.
        if self.lateness_s > 12 * 3600 {
            return wrong("join.lateness_s", "at most 43200 (12 hours), less than a night");
        }
        if self.stale_after_s == 0 {
            return wrong("join.stale_after_s", "no price is that fresh; 600 is usual");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        assert!(JoinConfig::default().validate().is_ok());
        for (wrong, name) in [
            (JoinConfig { baseline_sessions: 0, ..JoinConfig::default() }, "baseline_sessions"),
            (JoinConfig { lateness_s: 50_000, ..JoinConfig::default() }, "lateness_s"),
            (JoinConfig { stale_after_s: 0, ..JoinConfig::default() }, "stale_after_s"),
        ] {
            assert!(wrong.validate().unwrap_err().to_string().contains(name));
        }
    }
}
