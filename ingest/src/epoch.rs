//! Moments as numbers, in whatever unit.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The years that a moment of news or prices can be in, both included. What is outside is a zero, a date written as a
/// number, or another mistake, and never a moment.
pub const YEARS: std::ops::RangeInclusive<i16> = 1990..=2099;

/// The first second of [`YEARS`], and the first after them.
const SECONDS: std::ops::Range<i64> = 631_152_000..4_102_444_800;

/// A number that is no Unix time within [`YEARS`] in any unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a time between the years {first} and {last} as seconds, milli-, micro- or nanoseconds since 1970",
    first = YEARS.start(), last = YEARS.end()
)]
pub struct Implausible(String);

/// Counts of the ticks of .NET, tenths of microseconds since the year 1, from 2000 to 2099. As nanoseconds since 1970 they
/// are moments of 1990, which is hardly ever meant.
const TICKS: std::ops::Range<i128> = 630_822_816_000_000_000..662_380_416_000_000_000;

/// Reads Unix time in seconds, milli-, micro- or nanoseconds, told apart by size: within [`YEARS`] no moment reads as two
/// of them. Cut to microseconds, what the topics keep. Nanoseconds of 1990 are refused, because they may be ticks of .NET.
///
/// # Errors
/// [`Implausible`].
pub fn of_any_unit(n: i64) -> Result<Timestamp, Implausible> {
    let units = [1_000_000_000, 1_000_000, 1000, 1];
    let moments = units.map(|nanoseconds| i128::from(n) * nanoseconds);
    let at = moments.into_iter().find_map(plausible).filter(|_| !TICKS.contains(&i128::from(n)));
    at.map(whole_microseconds).ok_or_else(|| Implausible(n.to_string()))
}

/// As [`of_any_unit`], of a decimal number in digits: `1747078980`, `1747078980.123`. An exponent is refused, because
/// programs that write one have cut digits.
pub fn of_decimal(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 19 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: i128 = whole.parse().ok().filter(|whole| !TICKS.contains(whole))?;
    // In billionths, exact; digits beyond are cut.
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let billionths = whole * 1_000_000_000 + fraction.parse::<i128>().ok()?;
    [1, 1000, 1_000_000, 1_000_000_000]
        .into_iter()
        .find_map(|parts| plausible(billionths / parts))
        .map(whole_microseconds)
}

/// Reads a moment in UTC within [`YEARS`] that is written exactly as strftime writes it with this format. A digit that is
/// missing is refused: strptime alone reads `131` as 13:01.
pub fn of_format(format: &str, text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime(format, text).ok()?;
    let at = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
    (civil.strftime(format).to_string() == text && is_plausible(at)).then_some(at)
}

/// Whether a moment as RFC 2822 has it ends with an offset, or with the name of a zone that RFC 2822 defines. Parsers take all
/// other words for UTC, as RFC 2822 says, but `CEST` or `JST` is hours away from it. A comment may follow: `+0200 (CEST)`.
pub fn has_known_zone(text: &str) -> bool {
    const NAMES: [&str; 12] = ["UT", "UTC", "GMT", "Z", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT"];
    let zone = text.split('(').next().unwrap_or_default().trim_end().rsplit(' ').next().unwrap_or_default();
    !zone.starts_with(|c: char| c.is_ascii_alphabetic()) || NAMES.iter().any(|name| zone.eq_ignore_ascii_case(name))
}

/// Whether the moment is within [`YEARS`].
pub fn is_plausible(at: Timestamp) -> bool {
    SECONDS.contains(&at.as_second())
}

fn plausible(nanoseconds: i128) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds).ok().filter(|&at| is_plausible(at))
}

/// A moment that a provider sent, checked and cut to the microseconds that the topics keep.
///
/// # Errors
/// It is not within [`YEARS`].
pub fn plausible_moment(at: Timestamp) -> Result<Timestamp, String> {
    if is_plausible(at) { Ok(whole_microseconds(at)) } else { Err(format!("{at} is not a plausible moment")) }
}

/// The moment, cut to the microseconds that the topics keep.
pub fn whole_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).expect("a timestamp cut to microseconds is still in range")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_unit_is_told_by_size() {
        let at: Timestamp = "2025-06-02T14:00:00Z".parse().unwrap();
        for n in [1_748_872_800, 1_748_872_800_000, 1_748_872_800_000_000, 1_748_872_800_000_000_123] {
            assert_eq!(of_any_unit(n).unwrap(), at, "{n}");
        }
        // 638_826_534_000_000_000 is a time in 2025 in ticks of .NET.
        for n in [0, -1, 20_250_512, 631_151_999, 4_102_444_800, 638_826_534_000_000_000, i64::MIN, i64::MAX] {
            assert!(of_any_unit(n).unwrap_err().to_string().contains("1990"), "{n}");
        }
    }

    #[test]
    fn decimals_are_exact_and_exponents_are_refused() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(of_decimal("1747078980.123456789"), at("2025-05-12T19:43:00.123456Z"));
        assert_eq!(of_decimal("1747078980123.5"), at("2025-05-12T19:43:00.1235Z"));
        for text in ["", ".", "638826534000000000", "1.7e9", "-1747078980", "0", "20250512.5", "99999999999999999999"] {
            assert_eq!(of_decimal(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_of_a_format_has_all_its_digits() {
        let read = |text: &str| of_format("%Y%m%dT%H%M%S", text);
        assert_eq!(read("20240719T131502"), Some("2024-07-19T13:15:02Z".parse().unwrap()));
        for text in ["20240719T13152", "2024719T131502", "20240719T131560", "19700101T000000", " 20240719T131502", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_plausible_moment_is_the_same_in_every_unit(second in SECONDS, micro in 0..1_000_000_i64) {
            let at = Timestamp::from_microsecond(second * 1_000_000 + micro).unwrap();
            prop_assert_eq!(of_any_unit(second).unwrap().as_second(), second);
            prop_assert_eq!(of_any_unit(at.as_millisecond()).unwrap().as_millisecond(), at.as_millisecond());
            prop_assert_eq!(of_any_unit(at.as_microsecond()).unwrap(), at);
            let nanoseconds = at.as_nanosecond();
            let is_ticks = TICKS.contains(&nanoseconds);
            prop_assert_eq!(of_any_unit(i64::try_from(nanoseconds).unwrap()).ok(), Some(at).filter(|_| !is_ticks));
            prop_assert_eq!(of_decimal(&format!("{second}.{micro:06}")), Some(at));
        }
    }
}
