//! Whether bars are stamped with their start or with their end.

use super::*;

/// The open of the sessions of 2025-05-12 to 2025-05-16, in seconds since 1970. The close is 23,400 seconds later.
const OPENS: [i64; 5] = [1_747_056_600, 1_747_143_000, 1_747_229_400, 1_747_315_800, 1_747_402_200];
const CLOSE: i64 = 23_400;

const HEADER: &str = "symbol,start,open,high,low,close,volume\n";

/// Bars of a symbol at these seconds after each open, with these volumes.
fn days(symbol: &str, seconds: impl Iterator<Item = i64> + Clone, volume: impl Fn(i64) -> i64) -> String {
    let row = |at: i64, volume: i64| format!("{symbol},{at},1,2,1,2,{volume}\n");
    let of_day = |open: &i64| seconds.clone().map(|second| row(open + second, volume(second))).collect::<String>();
    HEADER.to_owned() + &OPENS.iter().map(of_day).collect::<String>()
}

fn every(from: i64, until: i64, width: i64) -> impl Iterator<Item = i64> + Clone {
    (0..=(until - from) / width).map(move |bar| from + bar * width)
}

fn even(_: i64) -> i64 {
    10
}

fn given(time: BarTime) -> ReplayOptions {
    ReplayOptions { bar_time: Some(time), ..ReplayOptions::default() }
}

#[test]
fn times_that_are_ends_are_refused_or_read_as_ends_and_never_taken_for_starts() {
    for (what, csv, width) in [
        ("minutes", days("A", every(60, CLOSE, 60), even), 60),
        ("five minutes", days("A", every(300, CLOSE, 300), even), 300),
        ("half hours", days("A", every(1800, CLOSE, 1800), even), 1800),
        // 10:00 to 16:00, and 10:30 to 16:30.
        ("hours of the clock", days("A", every(1800, CLOSE, 3600), even), 3600),
        ("hours from the open", days("A", every(3600, CLOSE + 1800, 3600), even), 3600),
        // 4:01 to 20:00, and 5:00 to 20:00.
        ("minutes with early and late trading", days("A", every(-19_800 + 60, CLOSE + 14_400, 60), even), 60),
        ("hours with early and late trading", days("A", every(-19_800 + 3600, CLOSE + 14_400, 3600), even), 3600),
        // The bar at 9:31 has the opening auction, the bar at 9:30 what was traded in the minute before the open.
        ("9:30 to 16:00", days("A", every(0, CLOSE, 60), |second| if second == 60 { 90_000 } else { 100 }), 60),
        // A stock that is thinly traded, but not in the closing auction.
        ("thin", days("A", [240, 300, 900, 1020, 9000, 9060, CLOSE].into_iter(), even), 60),
        // The last second or millisecond within the bar, as exchanges of cryptocurrencies write them.
        ("last moments", days("X:BTCUSD", every(59, CLOSE, 60), even), 60),
        ("last milliseconds", days("A", every(59, CLOSE, 60), even).replace(",1,2,1,2", ".999,1,2,1,2"), 60),
    ] {
        let refused = bars(&csv).err().unwrap_or_else(|| panic!("{what}"));
        for part in ["bars.csv", "ends", "--bar-time end", "--bar-time start"] {
            assert!(refused.contains(part), "{what}: {refused}");
        }
        let read = bars_with(&csv, &given(BarTime::End)).unwrap();
        assert!(read.notes().contains("its width before its time, as --bar-time says"), "{}", read.notes());
        let (ends, starts) = (read.bars(), bars_with(&csv, &given(BarTime::Start)).unwrap().bars());
        assert_eq!(ends.len(), starts.len());
        for (end, start) in ends.iter().zip(&starts) {
            let late = start.start.as_second() - end.start.as_second();
            assert!((late - width).abs() <= 1 && end.start.as_second() % 60 == 0, "{what}: {} {}", end.start, late);
        }
    }
}

#[test]
fn times_that_are_starts_are_starts() {
    let auctions = |second: i64| if second == 0 || second == CLOSE { 90_000 } else { 100 };
    for (what, csv) in [
        ("minutes", days("A", every(0, CLOSE - 60, 60), even)),
        ("with the closing auction", days("A", every(0, CLOSE, 60), auctions)),
        ("with early and late trading", days("A", every(-19_800, CLOSE + 14_340, 60), auctions)),
        ("hours of the clock", days("A", every(-1800, CLOSE - 3600, 3600), even)),
        ("hours with early and late trading", days("A", every(-19_800, CLOSE + 10_800, 3600), even)),
        ("hours from the open", days("A", every(0, CLOSE - 1800, 3600), even)),
        // Parts of sessions show nothing.
        ("before the close", days("A", every(CLOSE - 1800, CLOSE, 60), even)),
        ("after the open", days("A", every(60, 3600, 60), even)),
        ("in the middle", days("A", every(7200, 9000, 60), even)),
        // A stock that is thinly traded, also at the open.
        ("thin", days("A", [0, 300, 900, 1020, 9000, 9060].into_iter(), even)),
        // At all hours, and through the week.
        ("a pair", days("X:BTCUSD", every(-40_000 - 40_000 % 60, 46_000, 60), even)),
        ("a pair by its plain name", days("BTC-USD", every(-48_600, CLOSE + 14_400, 60), even)),
    ] {
        let read = bars(&csv).unwrap_or_else(|refused| panic!("{what}: {refused}"));
        assert!(read.bars()[0].start.as_second() >= OPENS[0] - 50_000, "{what}");
    }
}

/// Bars of an hour from the open, of which the last is half an hour long and is stamped with the close.
#[test]
fn a_bar_that_is_cut_off_at_the_close_starts_where_the_bar_before_it_ends() {
    let seconds = every(3600, CLOSE - 1800, 3600).chain([CLOSE]);
    let two = days("A", seconds.clone(), even) + &days("B", seconds.clone(), even).replace(HEADER, "");
    let refused = bars_with(&two, &given(BarTime::End)).err().unwrap();
    assert!(refused.contains("nearly all are 3600 s apart, and some 1800 s"), "{refused}");
    let options = ReplayOptions { width: Some(Duration::from_secs(3600)), ..given(BarTime::End) };
    let read = bars_with(&days("A", seconds, even), &options).unwrap().bars();
    let starts: Vec<i64> = read[..7].iter().map(|bar| bar.start.as_second() - OPENS[0]).collect();
    assert_eq!(starts, [0, 3600, 7200, 10_800, 14_400, 18_000, 21_600]);
}

#[test]
fn a_width_in_the_row_moves_its_own_bar() {
    let rows = |width: &str, seconds: i64| {
        let csv = days("A", every(seconds, CLOSE, seconds), even).replace(HEADER, "");
        csv.lines().map(|row| format!("{row},{width}\n")).collect::<String>()
    };
    let csv = format!("{},timeframe\n{}{}", HEADER.trim(), rows("1Min", 60), rows("5Min", 300));
    assert!(bars(&csv).err().unwrap().contains("--bar-time end"));
    let read = bars_with(&csv, &given(BarTime::End)).unwrap().bars();
    let first = |width: u32| read.iter().find(|bar| bar.width_s == width).unwrap().start.as_second();
    assert_eq!((first(60), first(300)), (OPENS[0], OPENS[0]));
}

#[test]
fn a_column_whose_name_says_end_is_not_taken_for_starts() {
    let csv = days("A", every(0, 3600, 60), even).replace("start", "window_end");
    let columns = [("start".to_owned(), Some("window_end".to_owned()))].into();
    let options = ReplayOptions { bar_columns: columns, ..ReplayOptions::default() };
    let refused = bars_with(&csv, &options).err().unwrap();
    assert!(refused.contains("window_end") && refused.contains("--bar-time end"), "{refused}");
    let read = bars_with(&csv, &ReplayOptions { bar_time: Some(BarTime::End), ..options }).unwrap().bars();
    assert_eq!(read[0].start.as_second(), OPENS[0] - 60);
}

/// Daily bars whose days are those of another time zone, or that are stamped with the end of their day.
#[test]
fn daily_bars_on_weekends_are_of_other_days_than_they_say() {
    let row = |day: &str| format!("A,{day},1,2,1,2,10\n");
    let daily = |days: &[&str]| HEADER.to_owned() + &days.iter().map(|day| row(day)).collect::<String>();
    for days in [
        ["2025-05-13", "2025-05-14", "2025-05-15", "2025-05-16", "2025-05-17"],
        ["2025-05-11", "2025-05-12", "2025-05-13", "2025-05-14", "2025-05-15"],
    ] {
        let refused = bars(&daily(&days)).err().unwrap();
        assert!(refused.contains("1 of its 5 daily bars") && refused.contains("shifted"), "{refused}");
        assert_eq!(bars_with(&daily(&days), &given(BarTime::Start)).unwrap().bars().len(), 4);
    }
    let days = ["2025-05-12", "2025-05-13", "2025-05-14", "2025-05-15", "2025-05-16", "2025-05-26"];
    assert_eq!(bars(&daily(&days)).unwrap().bars().len(), 5);
}

#[test]
fn local_times_that_were_written_as_those_of_another_zone_are_refused() {
    let shifted = |hours: i64, width: i64| days("A", every(hours * 3600, CLOSE - width + hours * 3600, width), even);
    // 9:30 in New York written as 9:30 in UTC, and as the same moment in Berlin; half hours.
    for (csv, from) in
        [(shifted(-4, 60), "5:30 to 12:00"), (shifted(2, 60), "11:30 to 18:00"), (shifted(-4, 1800), "5:30")]
    {
        let refused = bars(&csv).err().unwrap();
        for part in ["bars.csv", "another zone", "on 5 of 5 days", from, "--bar-zone", "--bar-time start"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        assert!(bars_with(&csv, &given(BarTime::Start)).is_ok());
    }
    // A session; a part of one; early and late trading; sessions and one bar that is shifted.
    let one_day = shifted(-4, 60).lines().nth(1).unwrap().to_owned();
    for csv in [
        shifted(0, 60),
        days("A", every(3600, CLOSE - 3600, 60), even),
        days("A", every(-19_800, CLOSE + 14_340, 60), even),
        format!("{}{one_day}\n", shifted(0, 60)),
    ] {
        assert!(bars(&csv).is_ok());
    }
}
