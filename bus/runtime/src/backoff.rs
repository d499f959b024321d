//! How long to wait before a retry. All stages use this policy.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Exponential back-off with jitter. Each wait is drawn from the upper half of a span that doubles up to a limit, so
/// that clients that failed together do not return together.
///
/// [`Backoff`] only computes the wait; the caller sleeps, by its own clock.
///
/// ```
/// use std::time::Duration;
/// use tapewire_runtime::Backoff;
///
/// let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// assert!(backoff.next_wait() <= Duration::from_secs(1));
/// assert!(backoff.next_wait() <= Duration::from_secs(2));
/// // A server's `Retry-After` is respected.
/// assert!(backoff.next_wait_at_least(Some(Duration::from_secs(30))) >= Duration::from_secs(30));
/// backoff.reset();
/// assert!(backoff.next_wait() <= Duration::from_secs(1));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    jitter: SmallRng,
}

impl Backoff {
    /// Waits of about `first`, doubling up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        // The keys of the standard library's hasher are random enough for jitter, and need no further dependency.
        let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self { first, longest, failures: 0, jitter: SmallRng::seed_from_u64(seed) }
    }

    /// The wait after one more failure.
    pub fn next_wait(&mut self) -> Duration {
        let span = self.first.saturating_mul(2u32.saturating_pow(self.failures)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        span.mul_f64(self.jitter.random_range(0.5..=1.0))
    }

    /// The wait after one more failure, but at least what the other side asked for (HTTP's `Retry-After`).
    pub fn next_wait_at_least(&mut self, asked: Option<Duration>) -> Duration {
        self.next_wait().max(asked.unwrap_or_default())
    }

    /// Starts again from the first wait. To be called after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_lie_in_the_upper_half_of_a_doubling_span(first_ms in 1u64..5_000, longest_ms in 1u64..100_000, failures in 1u32..80) {
            let (first, longest) = (Duration::from_millis(first_ms), Duration::from_millis(longest_ms));
            let mut backoff = Backoff::new(first, longest);
            for failure in 0..failures {
                let wait = backoff.next_wait();
                let span = Duration::from_millis(first_ms.saturating_mul(1 << failure.min(40))).min(longest);
                prop_assert!(wait <= span && wait >= span.mul_f64(0.499), "{wait:?} of {span:?}");
            }
            backoff.reset();
            prop_assert!(backoff.next_wait() <= first);
        }
    }
}
