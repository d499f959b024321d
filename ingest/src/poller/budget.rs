//! A limit of requests a day, spread over the day and kept across restarts.
//!
//! It is a token bucket, in which a token is a request. The bucket fills evenly and holds a fifth of a day's requests.
//! A poll begins when the bucket is full, so polls are spread over the day; what its first page leaves is for further
//! pages and for retries. In 24 hours the bucket gets the rest of a day's requests, so even a full one allows no more than
//! a day's requests in that time.

use crate::IngestError;
use crate::state::StateFile;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

const DAY_S: f64 = 86_400.0;

/// How much was in the bucket at a moment. This is the content of the state file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Left {
    /// Requests. Negative if a page took more requests than expected.
    requests: f64,
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    at: Timestamp,
}

/// The budget of one source.
pub(super) struct Budget {
    /// Most requests that the bucket holds.
    capacity: f64,
    /// Requests that come into the bucket each second.
    refill_per_s: f64,
    left: Left,
    state: StateFile<Left>,
}

impl Budget {
    /// A budget of `per_day` requests, for a source of which each page takes `per_page`. What is left of it is read from
    /// the state file in `folder`; without one the bucket is full.
    ///
    /// # Errors
    /// [`IngestError::Config`] if one page takes as many requests as there are for a day; [`IngestError::State`].
    pub fn new(source: &str, per_day: u32, per_page: u32, folder: &Path, now: Timestamp) -> Result<Self, IngestError> {
        if per_page >= per_day {
            return Err(IngestError::Config(format!(
                "news: requests_a_day = {per_day} is too low for {source}: one poll takes at least {per_page} requests"
            )));
        }
        let capacity = f64::from((per_day / 5).max(per_page));
        let state = StateFile::new(folder, &format!("budget-{source}.json"))?;
        let left = state.load()?.unwrap_or(Left { requests: capacity, at: now });
        Ok(Self { capacity, refill_per_s: (f64::from(per_day) - capacity) / DAY_S, left, state })
    }

    /// How long to wait before a poll begins.
    pub fn until_poll(&self, now: Timestamp) -> Duration {
        self.until(self.capacity, now)
    }

    /// How long to wait before a request that takes `requests`.
    pub fn until_request(&self, requests: u32, now: Timestamp) -> Duration {
        self.until(f64::from(requests).min(self.capacity), now)
    }

    /// Takes requests out of the bucket before they are made. After an error they must not be made, and are still in
    /// it.
    ///
    /// # Errors
    /// [`IngestError::State`], [`IngestError::DiskFull`].
    pub async fn spend(&mut self, requests: f64, now: Timestamp) -> Result<(), IngestError> {
        let left = self.less(requests, now);
        self.state.save(&left).await?;
        self.left = left;
        Ok(())
    }

    /// Takes out requests that were made beside those that were expected, or puts some back if `requests` is negative.
    ///
    /// # Errors
    /// [`IngestError::State`].
    pub async fn correct(&mut self, requests: f64, now: Timestamp) -> Result<(), IngestError> {
        self.left = self.less(requests, now);
        self.state.save_if_room(&self.left).await.map(drop)
    }

    fn less(&self, requests: f64, now: Timestamp) -> Left {
        Left { requests: (self.available(now) - requests).min(self.capacity), at: now }
    }

    fn available(&self, now: Timestamp) -> f64 {
        // A clock that was set back fills nothing.
        let passed = now.duration_since(self.left.at).as_secs_f64().max(0.0);
        (self.left.requests + passed * self.refill_per_s).min(self.capacity)
    }

    fn until(&self, wanted: f64, now: Timestamp) -> Duration {
        // Rounding may leave the bucket a billionth of a request short.
        let missing = wanted - self.available(now) - 1e-9;
        if missing <= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(missing / self.refill_per_s) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use std::collections::VecDeque;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_748_872_800 + second).unwrap()
    }

    fn budget(folder: &Path, per_day: u32, per_page: u32, now: Timestamp) -> Budget {
        Budget::new("wire", per_day, per_page, folder, now).unwrap()
    }

    /// Polls as often as allowed, with one or two requests each. Every seventh poll follows a restart, without the
    /// wait for a full bucket.
    #[tokio::test]
    async fn no_day_has_more_requests_than_the_budget_and_most_of_them_are_used() {
        let folder = tempfile::tempdir().unwrap();
        let mut now = at(0);
        let mut budget_now = budget(folder.path(), 25, 1, now);
        let (mut last_day, mut total, mut most) = (VecDeque::new(), 0, 0);
        for poll in 0..400_u32 {
            if poll % 7 == 0 {
                budget_now = budget(folder.path(), 25, 1, now);
            } else {
                now += SignedDuration::try_from(budget_now.until_poll(now)).unwrap();
            }
            for _ in 0..=(poll % 10 / 7) {
                now += SignedDuration::try_from(budget_now.until_request(1, now)).unwrap();
                budget_now.spend(1.0, now).await.unwrap();
                last_day.push_back(now);
                total += 1;
                while last_day.front().is_some_and(|first| now.duration_since(*first) >= SignedDuration::from_hours(24))
                {
                    last_day.pop_front();
                }
                most = most.max(last_day.len());
            }
        }
        assert!(most <= 25, "{most}");
        let days = now.duration_since(at(0)).as_secs_f64() / DAY_S;
        let per_day = f64::from(total) / days;
        assert!((19.5..=25.0).contains(&per_day), "{per_day} requests a day");
    }

    #[tokio::test]
    async fn polls_are_spread_over_the_day_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = budget(folder.path(), 25, 1, at(0));
        assert_eq!(first.until_poll(at(0)), Duration::ZERO);
        first.spend(1.0, at(0)).await.unwrap();
        assert_eq!(first.until_poll(at(0)).as_secs(), 86_400 / 20 - 1);
        assert_eq!(first.until_request(1, at(0)), Duration::ZERO);
        first.spend(4.0, at(0)).await.unwrap();
        let second = budget(folder.path(), 25, 1, at(60));
        assert_eq!(second.until_request(1, at(60)).as_secs(), 86_400 / 20 - 60 - 1);
        assert_eq!(second.until_request(1, at(-3600)).as_secs(), 86_400 / 20 - 1, "a clock that is set back");
    }

    #[tokio::test]
    async fn a_poll_that_took_more_than_expected_is_paid_for_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let mut budget = budget(folder.path(), 100, 3, at(0));
        budget.spend(3.0, at(0)).await.unwrap();
        budget.correct(27.0, at(0)).await.unwrap();
        assert_eq!(budget.until_request(3, at(0)).as_secs(), 86_400 / 80 * 13 - 1);
        budget.correct(-27.0, at(0)).await.unwrap();
        assert_eq!(budget.until_request(3, at(0)), Duration::ZERO);
        let error = Budget::new("wire", 3, 3, folder.path(), at(0)).err().unwrap().to_string();
        assert!(error.contains("requests_a_day = 3") && error.contains("wire"), "{error}");
    }

    /// A request that can't be counted is not made, so it must not be missing from the budget either.
    #[tokio::test]
    async fn a_full_disk_takes_no_request_out_of_the_budget() {
        let folder = tempfile::tempdir().unwrap();
        let mut budget = budget(folder.path(), 25, 1, at(0));
        budget.spend(1.0, at(0)).await.unwrap();
        for _ in 0..10 {
            std::os::unix::fs::symlink("/dev/full", folder.path().join("budget-wire.new")).unwrap();
            let error = budget.spend(1.0, at(0)).await.unwrap_err();
            assert!(matches!(error, IngestError::DiskFull { .. }), "{error}");
        }
        for _ in 0..4 {
            assert_eq!(budget.until_request(1, at(0)), Duration::ZERO);
            budget.spend(1.0, at(0)).await.unwrap();
        }
        assert!(budget.until_request(1, at(0)) > Duration::ZERO);
    }
}
