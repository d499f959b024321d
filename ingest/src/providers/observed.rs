//! What the answers of providers say besides their contents: the time by the provider's clock, and what is left of its
//! quota. Kept for the whole process, as metrics are, because only `tapewire doctor` asks.

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{DATE, HeaderMap};
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// What the last answer of a provider said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// How far our clock is ahead of the provider's, which is in whole seconds. `None` if the answer had no date.
    pub clock_ahead: Option<SignedDuration>,
    /// Headers about the quota, by name: `x-ratelimit-remaining`, `x-mbx-used-weight-1m`.
    pub quota: BTreeMap<String, String>,
}

/// Beginnings of the names of headers that speak of quotas.
const QUOTA: [&str; 4] = ["x-ratelimit", "x-rate-limit", "ratelimit", "x-mbx-used-weight"];

static OBSERVED: LazyLock<Mutex<BTreeMap<String, Observed>>> = LazyLock::new(Mutex::default);

/// What the last answer to the account `provider` said; `None` if there was none.
pub fn of(provider: &str) -> Option<Observed> {
    all().get(provider).cloned()
}

pub(super) fn note(provider: &str, headers: &HeaderMap, now: Timestamp) {
    let observed = read(headers, now);
    all().insert(provider.to_owned(), observed);
}

fn read(headers: &HeaderMap, now: Timestamp) -> Observed {
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|zoned| zoned.timestamp());
    let is_of_quota = |name: &str| QUOTA.iter().any(|beginning| name.starts_with(beginning));
    let quota = headers.iter().filter(|(name, _)| is_of_quota(name.as_str()));
    let quota = quota.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Observed { clock_ahead: date.map(|date| now.duration_since(date)), quota: quota.collect() }
}

fn all() -> MutexGuard<'static, BTreeMap<String, Observed>> {
    OBSERVED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_and_the_quota_of_an_answer_are_read() {
        let mut headers = HeaderMap::new();
        let now: Timestamp = "2025-06-02T14:00:30Z".parse().unwrap();
        assert_eq!(read(&headers, now), Observed::default());
        headers.insert(DATE, "Mon, 02 Jun 2025 14:00:00 GMT".parse().unwrap());
        headers.insert("X-RateLimit-Remaining", "3".parse().unwrap());
        headers.insert("content-type", "text/html".parse().unwrap());
        let observed = read(&headers, now);
        assert_eq!(observed.clock_ahead, Some(SignedDuration::from_secs(30)));
        assert_eq!(observed.quota, BTreeMap::from([("x-ratelimit-remaining".to_owned(), "3".to_owned())]));
        headers.insert(DATE, "soon".parse().unwrap());
        assert_eq!(read(&headers, now).clock_ahead, None);
    }
}
