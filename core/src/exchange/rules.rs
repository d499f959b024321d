//! Trading days of the New York Stock Exchange by rule: NYSE Rule 7.2 and the exchange's
//! published holiday lists since 1999.

use jiff::civil::{Date, Weekday, date};
use std::ops::RangeInclusive;

/// How long a trading day is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayLength {
    Full,
    Half,
}

impl DayLength {
    /// Closing hour, New York time.
    pub(super) fn closing_hour(self) -> i8 {
        match self {
            Self::Full => 16,
            Self::Half => 13,
        }
    }
}

/// Closures that no rule covers: 11 to 14 September 2001, hurricane Sandy, and the days of mourning for the presidents
/// Reagan, Ford, G. H. W. Bush and Carter.
const CLOSED: [Date; 10] = [
    date(2001, 9, 11),
    date(2001, 9, 12),
    date(2001, 9, 13),
    date(2001, 9, 14),
    date(2004, 6, 11),
    date(2007, 1, 2),
    date(2012, 10, 29),
    date(2012, 10, 30),
    date(2018, 12, 5),
    date(2025, 1, 9),
];

/// Half days that today's rules do not cover.
const HALF: [Date; 3] = [date(1999, 12, 31), date(2002, 7, 5), date(2003, 12, 26)];

/// Every trading day of the years, with its length.
pub(super) fn trading_days(years: RangeInclusive<i16>) -> impl Iterator<Item = (Date, DayLength)> {
    let first = date(*years.start(), 1, 1);
    let last = date(*years.end(), 12, 31);
    first
        .series(jiff::Span::new().days(1))
        .take_while(move |day| *day <= last)
        .filter_map(|day| Some((day, hours(day)?)))
}

/// Length of a day's session; `None` when the exchange stays closed.
fn hours(day: Date) -> Option<DayLength> {
    let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    if weekend || is_holiday(day) || CLOSED.contains(&day) {
        None
    } else if is_half_day(day) || HALF.contains(&day) {
        Some(DayLength::Half)
    } else {
        Some(DayLength::Full)
    }
}

fn is_holiday(day: Date) -> bool {
    use Weekday::{Monday, Thursday};
    // A fixed date on a Sunday is observed on Monday, one on a Saturday on Friday.
    let observed = |month, of_month| {
        let holiday = date(day.year(), month, of_month);
        let observed = match holiday.weekday() {
            Weekday::Saturday => holiday.yesterday(),
            Weekday::Sunday => holiday.tomorrow(),
            _ => Ok(holiday),
        };
        observed.expect("the calendar's years are far from the last date") == day
    };
    let nth = |month, nth, weekday| nth_weekday(day.year(), month, nth, weekday) == day;
    match day.month() {
        // A New Year's Day on a Saturday is not observed: 31 December ends the accounting year.
        1 => observed(1, 1) || nth(1, 3, Monday),
        2 => nth(2, 3, Monday),
        3 | 4 => day == good_friday(day.year()),
        5 => nth(5, -1, Monday),
        6 => day.year() >= 2022 && observed(6, 19),
        7 => observed(7, 4),
        9 => nth(9, 1, Monday),
        11 => nth(11, 4, Thursday),
        12 => observed(12, 25),
        _ => false,
    }
}

/// The day after Thanksgiving, Christmas Eve, and 3 July. Until 2012, a 3 July that was a Wednesday was a full day.
fn is_half_day(day: Date) -> bool {
    let after_thanksgiving = day.yesterday().is_ok_and(|eve| eve == nth_weekday(eve.year(), 11, 4, Weekday::Thursday));
    let christmas_eve = day.month() == 12 && day.day() == 24;
    let before_independence_day =
        day.month() == 7 && day.day() == 3 && (day.weekday() != Weekday::Wednesday || day.year() >= 2013);
    after_thanksgiving || christmas_eve || before_independence_day
}

fn nth_weekday(year: i16, month: i8, nth: i8, weekday: Weekday) -> Date {
    date(year, month, 1).nth_weekday_of_month(nth, weekday).expect("every month has four of each weekday")
}

/// Friday before Easter Sunday, by the anonymous Gregorian computus (Meeus, Astronomical
/// Algorithms, ch. 8).
fn good_friday(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    let small = |n: i32| i8::try_from(n).expect("months and days are small");
    date(year, small(month), small(day)) - jiff::Span::new().days(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn juneteenth_is_observed_since_2022_only() {
        assert_eq!(hours(date(2021, 6, 18)), Some(DayLength::Full));
        assert_eq!(hours(date(2022, 6, 20)), None);
        assert_eq!(hours(date(2027, 6, 18)), None);
    }

    #[test]
    fn new_year_on_a_saturday_is_not_observed_on_friday() {
        assert_eq!(hours(date(2021, 12, 31)), Some(DayLength::Full));
        assert_eq!(hours(date(2023, 1, 2)), None);
    }

    #[test]
    fn the_day_before_independence_day_is_short_except_on_old_wednesdays_and_when_it_is_the_holiday() {
        assert_eq!(hours(date(2002, 7, 3)), Some(DayLength::Full));
        assert_eq!(hours(date(2024, 7, 3)), Some(DayLength::Half));
        assert_eq!(hours(date(2026, 7, 3)), None);
    }
}
