//! Moments as numbers, in whatever unit.

use jiff::Timestamp;

/// Reads Unix time in seconds, milli-, micro- or nanoseconds, told apart by size: between 1973
/// and 5138 no moment reads as two of them. Cut to microseconds, what the topics keep.
///
/// # Errors
/// Out of range.
pub fn of_any_unit(n: i64) -> Result<Timestamp, jiff::Error> {
    match n.unsigned_abs() {
        0..100_000_000_000 => Timestamp::from_second(n),
        100_000_000_000..100_000_000_000_000 => Timestamp::from_millisecond(n),
        100_000_000_000_000..100_000_000_000_000_000 => Timestamp::from_microsecond(n),
        _ => Timestamp::from_nanosecond(i128::from(n)),
    }
    .map(whole_microseconds)
}

/// The moment, cut to the microseconds that the topics keep.
pub fn whole_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).expect("a timestamp cut to microseconds is still in range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_told_by_size() {
        let at: Timestamp = "2025-06-02T14:00:00Z".parse().unwrap();
        for n in [1_748_872_800, 1_748_872_800_000, 1_748_872_800_000_000, 1_748_872_800_000_000_123] {
            assert_eq!(of_any_unit(n).unwrap(), at, "{n}");
        }
        assert!(of_any_unit(-1).is_ok() && of_any_unit(i64::MIN).is_ok() && of_any_unit(i64::MAX).is_ok());
    }
}
