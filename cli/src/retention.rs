//! Whether tables keep their rows for as long as the roles read them.

use crate::config::Config;
use crate::exit::UsageError;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A mean score is compared with that of this time before the window.
const USUAL: Duration = Duration::from_secs(30 * 24 * 3600);

/// Refuses a retention that is shorter than what is read.
///
/// # Errors
/// Names the setting, the least value and its reason.
pub fn check(config: &Config) -> Result<(), UsageError> {
    let kept = &config.clickhouse.retention;
    let rewind = config.join.longest_rewind();
    let open = "joined rows that can still change are made of that many days";
    let of_source = |name: &String| config.prices.of(name).warmup;
    let warmup = config.prices.sources.iter().map(of_source).max().unwrap_or(config.prices.warmup);
    let usual = USUAL.saturating_add(config.alerts.shock_window);
    let fetched = "bars of prices.warmup are fetched at the start";
    let restored = "the role `indicators` continues a symbol from its last bars, and rows that can still change are made of \
        that many days";
    let compared = "the role `alerts` compares scores with those of the 30 days before alerts.shock_window";
    for (name, set, least, reason) in [
        ("mentions", kept.mentions, rewind, open),
        ("mentions", kept.mentions, usual, compared),
        ("bars", kept.bars, rewind, open),
        ("bars", kept.bars, warmup, fetched),
        ("indicators", kept.indicators, rewind, restored),
        ("indicators", kept.indicators, warmup, fetched),
    ] {
        let Some(set) = set.filter(|set| DAY.saturating_mul(set.number()) < least) else { continue };
        let least = whole_days(least);
        return Err(UsageError(format!(
            "clickhouse.retention.{name} is {set}, but {reason}: set {least}d or more, or nothing to keep all rows"
        )));
    }
    Ok(())
}

/// This time in days, rounded up.
pub fn whole_days(time: Duration) -> u64 {
    time.as_secs().div_ceil(DAY.as_secs())
}

/// Warns where the tables are not as the settings say. Roles run all the same: several processes may have been given
/// different settings, and the tables can have only one.
pub async fn warn_of_changes(config: &Config) {
    match tapewire_store::retention::changes(&config.clickhouse).await {
        Ok(changes) => changes.iter().for_each(|change| {
            tracing::warn!(
                setting = change.words,
                "a table does not keep its rows as the settings of this process say; run `tapewire migrate`, or give \
                 all processes the same settings in [clickhouse.retention] and [clickhouse.cold]"
            );
        }),
        Err(error) => tracing::warn!(
            error = tapewire_runtime::chain(&error),
            "it is not known how long the tables keep their rows; `tapewire doctor` asks again"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_store::retention::Days;

    fn set(change: impl FnOnce(&mut Config)) -> Result<(), String> {
        let mut config = Config::default();
        change(&mut config);
        check(&config).map_err(|error| error.to_string())
    }

    fn days(number: u64) -> Option<Days> {
        Days::new(u32::try_from(number).unwrap())
    }

    #[test]
    fn what_the_roles_read_has_to_be_kept() {
        assert_eq!(set(|_| {}), Ok(()), "all rows are kept by default");
        let rewind = whole_days(Config::default().join.longest_rewind());
        let least = |config: &mut Config, number: u64| {
            let kept = &mut config.clickhouse.retention;
            (kept.mentions, kept.bars, kept.indicators) = (days(number), days(number), days(number));
        };
        assert_eq!(set(|config| least(config, rewind)), Ok(()));
        let error = set(|config| least(config, rewind - 1)).unwrap_err();
        assert!(
            error.contains("clickhouse.retention.mentions") && error.contains(&format!("set {rewind}d")),
            "{error}"
        );
        let error = set(|config| config.clickhouse.retention.bars = days(5)).unwrap_err();
        assert!(error.contains("clickhouse.retention.bars is 5d"), "{error}");
        let error = set(|config| config.clickhouse.retention.indicators = days(5)).unwrap_err();
        assert!(error.contains("clickhouse.retention.indicators") && error.contains("role `indicators`"), "{error}");
        // Nothing reads these again.
        let short = set(|config| {
            let kept = &mut config.clickhouse.retention;
            (kept.trades, kept.articles, kept.dead_letters) = (days(1), days(1), days(1));
        });
        assert_eq!(short, Ok(()));
    }

    #[test]
    fn longer_settings_of_others_need_longer_retention() {
        let error = set(|config| {
            config.prices.warmup = 100 * DAY;
            config.clickhouse.retention.bars = days(99);
        });
        assert!(error.as_ref().unwrap_err().contains("prices.warmup") && error.unwrap_err().contains("set 100d"));
        let error = set(|config| {
            config.alerts.shock_window = 60 * DAY;
            config.clickhouse.retention.mentions = days(89);
        });
        assert!(error.as_ref().unwrap_err().contains("alerts.shock_window") && error.unwrap_err().contains("set 90d"));
        let error = set(|config| {
            config.join.baseline_sessions = 250;
            config.clickhouse.retention.bars = days(365);
        });
        assert!(error.unwrap_err().contains("clickhouse.retention.bars is 365d"));
    }
}
