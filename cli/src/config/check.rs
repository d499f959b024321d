//! Settings that can be read and can't work are refused before anything is connected to.

use super::Config;
use crate::settings::{Error, Loaded, nearest};
use jiff::SignedDuration;
use tapewire_ingest::providers::registry::PROVIDERS;

/// The settings, if they can work.
///
/// # Errors
/// [`Error::Value`] names the layer and the setting, and says what is allowed.
pub fn checked(loaded: Loaded<Config>) -> Result<Loaded<Config>, Error> {
    accounts(&loaded)?;
    let config = &loaded.settings;
    if config.kafka.brokers.trim().is_empty() {
        return Err(loaded.refused("kafka.brokers", "it is empty; write host:port, several with commas between"));
    }
    if config.state_dir.as_os_str().is_empty() {
        return Err(loaded.refused("state_dir", "it is empty; write a folder, or `.` for the current one"));
    }
    let z = config.alerts.anomaly_z;
    if !(z.is_finite() && z >= 0.0) {
        return Err(
            loaded.refused("alerts.anomaly_z", &format!("{z} is not allowed; it can be 0, which is never, or more"))
        );
    }
    Ok(loaded)
}

/// Refuses accounts whose provider does not exist, used or not: a setting of a misspelt account would have no effect.
fn accounts(loaded: &Loaded<Config>) -> Result<(), Error> {
    for (name, account) in loaded.settings.providers.accounts() {
        let place = format!("providers.{name}");
        let kind = account.kind.as_deref().unwrap_or(name);
        if PROVIDERS.iter().all(|provider| provider.kind != kind) {
            let near = nearest(kind, PROVIDERS.iter().map(|provider| provider.kind.to_owned())).unwrap_or_default();
            let remedy = "an account with another name needs its provider in `kind`";
            let reason = format!("there is no provider `{kind}`; the nearest is `{near}`; {remedy}");
            return Err(loaded.refused(&place, &reason));
        }
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            return Err(loaded.refused(&place, "the name of an account is made of a-z, 0-9 and `_`"));
        }
        let timeout = account.settings.get("request_timeout").and_then(|value| value.as_str());
        if timeout.and_then(|text| text.parse::<SignedDuration>().ok()).is_some_and(|timeout| timeout.is_zero()) {
            let setting = format!("{place}.request_timeout");
            return Err(
                loaded.refused(&setting, "0 is not allowed: no answer would be in time; write a time such as 30s")
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Sources;

    fn refused(file: &str, flags: &[&str]) -> String {
        loaded(file, &[], flags).map(drop).map_or_else(|error| error.to_string(), |()| String::new())
    }

    fn loaded(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Loaded<Config>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.toml");
        std::fs::write(&path, file).unwrap();
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let (preset, file) = (None, Some(path.as_path()));
        let sources = Sources { preset, file, environment, flags: &flags, other_variables: &[], renamed: &[] };
        Loaded::new(&sources).and_then(checked)
    }

    #[test]
    fn an_account_without_a_provider_is_refused_whether_it_is_used_or_not() {
        let error = refused("[providers.masive]\nrequest_timeout = \"7s\"", &[]);
        assert!(
            error.contains("t.toml: setting `providers.masive`") && error.contains("nearest is `massive`"),
            "{error}"
        );
        let error = refused("[providers.desk]\nkind = \"tingo\"", &[]);
        assert!(error.contains("providers.desk") && error.contains("nearest is `tiingo`"), "{error}");
        let error = refused("[providers.My_Wire]\nkind = \"massive\"", &[]);
        assert!(error.contains("providers.My_Wire") && error.contains("a-z"), "{error}");
        assert_eq!(refused("[providers.desk]\nkind = \"massive\"", &[]), "");
    }

    #[test]
    fn a_variable_of_an_account_in_capital_letters_says_what_to_change() {
        let file = "[providers.My_Wire]\nkind = \"massive\"";
        let error = loaded(file, &[("TAPEWIRE_MY_WIRE_API_KEY", "k")], &[]).map(drop).unwrap_err().to_string();
        assert!(error.contains("TAPEWIRE_MY_WIRE_API_KEY") && error.contains("lower case there"), "{error}");
        assert!(!error.contains("nearest"), "{error}");
    }

    #[test]
    fn a_key_that_is_shown_in_another_spelling_has_its_origin() {
        let environment = [("TAPEWIRE_JOIN_CALENDARS_VOD_L", "xetra")];
        let loaded = loaded("", &environment, &["join.calendars.btc=crypto"]).unwrap();
        let shown = crate::settings::effective(&loaded).unwrap();
        let line = |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap_or_default();
        assert!(line("\"VOD.L\" = ").ends_with("  # TAPEWIRE_JOIN_CALENDARS_VOD_L"), "{shown}");
        assert!(line("BTC = ").ends_with("  # --set"), "{shown}");
    }

    #[test]
    fn what_can_not_work_is_refused_with_the_setting_and_its_layer() {
        for flag in [
            "alerts.anomaly_z=nan",
            "alerts.anomaly_z=-3",
            "providers.massive.request_timeout=0s",
            "kafka.brokers= ",
            "state_dir=",
        ] {
            let (setting, _) = flag.split_once('=').unwrap();
            let error = refused("", &[flag]);
            assert!(error.starts_with(&format!("--set: setting `{setting}`: ")), "{flag}: {error}");
        }
        for allowed in ["alerts.anomaly_z=0", "providers.massive.request_timeout=100ms", "state_dir=."] {
            assert_eq!(refused("", &[allowed]), "", "{allowed}");
        }
    }
}
