//! Whether each source answers and takes its key, what its answers say of our clock, and what is left of its quota.

use super::{Check, in_time};
use crate::config::Config;
use crate::exit;
use jiff::SignedDuration;
use std::collections::BTreeSet;
use tapewire_ingest::IngestError;
use tapewire_ingest::providers::{ProviderError, observed};
use tapewire_runtime::Clock;
use tokio::task::JoinSet;

/// A clock that is off by more makes scores and prices count at the wrong times.
const CLOCK_WARNING: SignedDuration = SignedDuration::from_millis(2500);
const CLOCK_PROBLEM: SignedDuration = SignedDuration::from_secs(15);

/// One request to each configured source, all at once.
pub async fn checks(config: &Config, clock: &Clock) -> Vec<Check> {
    let (mut asking, mut found) = (JoinSet::new(), Vec::new());
    let news = config.news.sources.iter().map(|name| (name, true));
    let all = news.chain(config.prices.sources.iter().map(|name| (name, false)));
    for (place, (name, is_news)) in all.enumerate() {
        let (config, clock, name) = (config.clone(), clock.clone(), name.clone());
        asking.spawn(async move { (place, source(&config, &clock, &name, is_news).await) });
    }
    while let Some(answer) = asking.join_next().await {
        found.extend(answer.ok());
    }
    found.sort_by_key(|(place, _)| *place);
    let mut checks: Vec<Check> = found.into_iter().map(|(_, check)| check).collect();
    checks.extend(quotas(config));
    checks
}

async fn source(config: &Config, clock: &Clock, name: &str, is_news: bool) -> Check {
    let what = format!("{} {name}", if is_news { "news" } else { "prices" });
    if matches!(config.providers.check_key(name), Err(IngestError::Provider(ProviderError::NoKey { .. }))) {
        return Check::skipped(what, "not asked, because its key is missing");
    }
    let asked = async {
        let now = clock.now();
        if is_news {
            let source = config.providers.news_source(name, clock)?;
            source.check()?;
            Ok(source.probe(now).await?)
        } else {
            let (source, subscription) =
                (config.providers.price_source(name, clock)?, config.prices.of(name).subscription());
            source.check(&subscription)?;
            Ok::<_, IngestError>(source.probe(&subscription, now).await?)
        }
    };
    match in_time(asked).await {
        Ok(Ok(())) if config.providers.needs_key(name).is_ok_and(|needs| needs) => {
            Check::ok(what, "answers, and takes the key")
        }
        Ok(Ok(())) => Check::ok(what, "answers"),
        Ok(Err(error)) => failed(what, error),
        Err(late) => Check::problem(what, late).remedy(NETWORK),
    }
}

const NETWORK: &str =
    "see whether this machine reaches it: network, firewall, proxy (HTTPS_PROXY), and its url in the settings";

/// What an error means. A refused key is told apart from a network that does not work.
fn failed(what: String, error: IngestError) -> Check {
    let IngestError::Provider(provider) = &error else { return Check::problem(what, exit::text(&error.into())) };
    match provider {
        ProviderError::RateLimited { .. } => {
            let remedy = "wait, or poll less often (news.override.NAME.every)";
            Check::warning(what, exit::text(&error.into())).remedy(remedy)
        }
        ProviderError::NoAnswer { .. } => Check::problem(what, exit::text(&error.into())).remedy(NETWORK),
        ProviderError::Failed { .. } => Check::problem(what, exit::text(&error.into())).remedy("try again later"),
        _ => Check::problem(what, exit::text(&error.into())),
    }
}

/// What the answers said of quotas.
fn quotas(config: &Config) -> Vec<Check> {
    let names: BTreeSet<&String> = config.news.sources.iter().chain(&config.prices.sources).collect();
    let quota = |name: &String| {
        let quota = observed::of(name)?.quota;
        let is_spent = quota.iter().any(|(header, value)| header.ends_with("remaining") && value.trim() == "0");
        let words: Vec<String> = quota.iter().map(|(header, value)| format!("{header}: {value}")).collect();
        let what = format!("quota {name}");
        match (words.is_empty(), is_spent) {
            (true, _) => None,
            (false, true) => {
                let remedy = "poll less often (news.override.NAME.every), or ask the provider for more";
                Some(Check::warning(what, format!("nothing is left now: {}", words.join(", "))).remedy(remedy))
            }
            (false, false) => Some(Check::ok(what, words.join(", "))),
        }
    };
    names.into_iter().filter_map(quota).collect()
}

/// Our clock against those of the sources and of ClickHouse, where they answered. Of several sources the median counts.
pub fn clocks(config: &Config, store_ahead: Option<SignedDuration>) -> Vec<Check> {
    let names: BTreeSet<&String> = config.news.sources.iter().chain(&config.prices.sources).collect();
    let mut ahead: Vec<SignedDuration> = names.into_iter().filter_map(|name| observed::of(name)?.clock_ahead).collect();
    ahead.sort_unstable();
    let of_sources = ahead.get(ahead.len() / 2).map(|ahead| compared(*ahead, "the sources' clocks"));
    let of_store = store_ahead.map(|ahead| compared(ahead, "ClickHouse's clock"));
    let checks: Vec<Check> = of_sources.into_iter().chain(of_store).collect();
    if checks.is_empty() { vec![Check::skipped("clock", "no server answered that tells the time")] } else { checks }
}

fn compared(ahead: SignedDuration, with: &str) -> Check {
    let direction = if ahead.is_negative() { "behind" } else { "ahead of" };
    let found = format!("this machine's clock is {:.1} s {direction} {with}", ahead.abs().as_secs_f64());
    let remedy = "set it by NTP (systemd-timesyncd, chrony): articles and prices count at the wrong times otherwise";
    match ahead.abs() {
        off if off >= CLOCK_PROBLEM => Check::problem("clock", found).remedy(remedy),
        off if off >= CLOCK_WARNING => Check::warning("clock", found).remedy(remedy),
        _ => Check::ok("clock", found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_a_warning_and_then_a_problem() {
        let status = |milliseconds| compared(SignedDuration::from_millis(milliseconds), "x").status;
        assert_eq!(
            [400, -2400, 2600, -14_000, 16_000, -86_400_000].map(status),
            [Status::Ok, Status::Ok, Status::Warning, Status::Warning, Status::Problem, Status::Problem]
        );
        let behind = compared(SignedDuration::from_secs(-60), "the sources' clocks");
        assert!(behind.line().contains("60.0 s behind the sources' clocks; set it by NTP"), "{}", behind.line());
    }
}
