//! The clock: the only code that asks for the time.

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// The time of the market: the wall clock, or a simulated one that starts at another time and runs
/// faster. Stages sleep by it too, so a 20-second poll is 20 seconds of market time.
///
/// `clippy.toml` forbids `SystemTime::now` and the like in the rest of the workspace.
#[derive(Debug, Clone)]
pub struct Clock(Arc<ClockKind>);

#[derive(Debug)]
enum ClockKind {
    Wall,
    Accelerated {
        origin: Timestamp,
        started: Instant,
        speed: f64,
        /// The sum of all jumps, in microseconds.
        jumped: AtomicI64,
    },
}

impl Clock {
    /// The wall clock (UTC).
    pub fn wall() -> Self {
        Self(Arc::new(ClockKind::Wall))
    }

    /// A clock that shows `origin` now and runs `speed` times as fast as the wall clock.
    ///
    /// # Panics
    /// If `speed` is not a positive number.
    pub fn accelerated(origin: Timestamp, speed: f64) -> Self {
        assert!(speed.is_finite() && speed > 0.0, "clock speed must be positive, not {speed}");
        Self(Arc::new(ClockKind::Accelerated { origin, started: Instant::now(), speed, jumped: AtomicI64::new(0) }))
    }

    /// The time (UTC), cut to whole microseconds, because times in records on topics have no finer resolution.
    #[allow(clippy::disallowed_methods, reason = "the lint tells all others to call this")]
    pub fn now(&self) -> Timestamp {
        let exact = match &*self.0 {
            ClockKind::Wall => Timestamp::now(),
            ClockKind::Accelerated { origin, started, speed, jumped } => {
                let jumped = SignedDuration::from_micros(jumped.load(Ordering::Acquire));
                *origin + SignedDuration::from_secs_f64(started.elapsed().as_secs_f64() * speed) + jumped
            }
        };
        Timestamp::from_microsecond(exact.as_microsecond()).expect("a timestamp cut to microseconds is still in range")
    }

    /// Sets a simulated clock, and all its clones, forward, or back by a negative time, as the clock of a machine is
    /// corrected. Sleeps that have begun end when they would have ended. For tests.
    ///
    /// # Panics
    /// If it is the wall clock, which only the machine's owner sets.
    pub fn jump(&self, by: SignedDuration) {
        let ClockKind::Accelerated { jumped, .. } = &*self.0 else { panic!("the wall clock can't be made to jump") };
        jumped.fetch_add(by.as_micros() as i64, Ordering::AcqRel);
    }

    /// How much market time passes in a second of wall time.
    pub fn speed(&self) -> f64 {
        match &*self.0 {
            ClockKind::Wall => 1.0,
            ClockKind::Accelerated { speed, .. } => *speed,
        }
    }

    /// How long a stretch of market time lasts in wall time.
    pub fn wall_time_of(&self, market: Duration) -> Duration {
        market.div_f64(self.speed())
    }

    /// Sleeps for a stretch of market time.
    pub async fn sleep(&self, market: Duration) {
        tokio::time::sleep(self.wall_time_of(market)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_seen_by_all_clones_and_adds_up() {
        let origin: Timestamp = "2025-06-02T13:30:00Z".parse().unwrap();
        let clock = Clock::accelerated(origin, 1e-9);
        let other = clock.clone();
        clock.jump(SignedDuration::from_secs(90));
        assert_eq!(other.now().duration_since(origin).as_secs(), 90);
        clock.jump(SignedDuration::from_secs(-120));
        assert_eq!(other.now().duration_since(origin).as_secs(), -30);
    }

    #[tokio::test]
    async fn accelerated_time_starts_at_its_origin_and_runs_ahead_of_the_wall() {
        let origin: Timestamp = "2025-06-02T13:30:00Z".parse().unwrap();
        let clock = Clock::accelerated(origin, 1000.0);
        let before = Instant::now();
        clock.sleep(Duration::from_secs(20)).await;
        let passed = clock.now().duration_since(origin).as_secs_f64();
        assert!(passed >= 20.0, "{passed}");
        assert!(passed <= before.elapsed().as_secs_f64() * 1000.0 + 20.0, "{passed}");
        assert_eq!(clock.now().as_nanosecond() % 1000, 0);
    }
}
