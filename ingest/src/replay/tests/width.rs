//! How wide the bars of a file are.

use super::*;

/// Rows of a symbol that start these seconds after 14:00 UTC.
fn rows(symbol: &str, seconds: impl IntoIterator<Item = i64>) -> String {
    let row = |second| format!("{symbol},{},1,2,1,2,10\n", 1_747_058_400 + second);
    seconds.into_iter().map(row).collect()
}

fn width_of(rows: &str) -> Result<u32, String> {
    let read = bars(&format!("symbol,start,open,high,low,close,volume\n{rows}"))?;
    let widths: std::collections::BTreeSet<u32> = read.bars().iter().map(|bar| bar.width_s).collect();
    assert_eq!(widths.len(), 1);
    Ok(widths.into_iter().next().unwrap())
}

#[test]
fn the_width_is_the_least_distance_that_all_starts_are_consistent_with() {
    // A thin symbol: most minutes are missing.
    let thin = [0, 3, 6, 9, 12, 16, 19, 22, 25, 28, 29, 40].map(|minute| minute * 60);
    assert_eq!(width_of(&rows("THIN", thin)), Ok(60));
    let hours = |days: i64| (0..days).flat_map(|day| (0..7).map(move |hour| day * 86_400 - 1800 + hour * 3600));
    assert_eq!(width_of(&rows("HOUR", hours(3))), Ok(3600));
    assert_eq!(width_of(&rows("FIVE", (0..20).map(|bar| bar * 300))), Ok(300));
    assert_eq!(width_of(&(rows("A", [0, 3600]) + &rows("B", [0, 3600]))), Ok(3600));
    // A symbol with few bars is as wide as the others of the file.
    assert_eq!(width_of(&(rows("A", (0..30).map(|bar| bar * 60)) + &rows("B", [120]) + &rows("C", [0, 1200]))), Ok(60));
    // Two hours across a change of clocks in New York.
    let two_hours = |date: &str| {
        let open = Symbol::new("TWO").map(|_| at(date).as_second() - 1_747_058_400).unwrap();
        (0..4).map(move |bar| open + bar * 7200)
    };
    let clocks = rows(
        "TWO",
        [
            "2025-03-05T14:30:00Z",
            "2025-03-06T14:30:00Z",
            "2025-03-07T14:30:00Z",
            "2025-03-10T13:30:00Z",
            "2025-03-11T13:30:00Z",
        ]
        .into_iter()
        .flat_map(two_hours),
    );
    assert_eq!(width_of(&clocks), Ok(7200));
}

#[test]
fn a_doubtful_width_is_refused_with_the_flag() {
    let hours_and_a_stray = rows("AAPL", [0, 3600, 7200, 10_800, 86_400, 90_000, 93_600, 93_660]);
    for (rows, part) in [
        (hours_and_a_stray, "nearly all are 3600 s apart"),
        (rows("ONE", [0]), "no symbol has two"),
        (rows("FEW", [0, 120, 300]), "no multiple"),
        (rows("SEVEN", (0..30).map(|bar| bar * 420)), "420 s"),
        (rows("TWO", [0, 300]), "1 of 1"),
        (rows("WEEK", (0..5).map(|week| week * 7 * 86_400 - 50_400)), "of weeks"),
    ] {
        let refused = width_of(&rows).unwrap_err();
        assert!(refused.contains(part) && refused.contains("--bar-width") && refused.contains("bars.csv"), "{refused}");
    }
    let several = rows("MINUTE", (0..30).map(|bar| bar * 60)) + &rows("HOUR", (0..6).map(|bar| bar * 3600));
    let refused = width_of(&several).unwrap_err();
    assert!(
        ["MINUTE", "60 s", "HOUR", "3600 s", "column `width`"].iter().all(|part| refused.contains(part)),
        "{refused}"
    );
    let said = ReplayOptions { width: Some(Duration::from_secs(3600)), ..ReplayOptions::default() };
    let csv = format!("symbol,start,open,high,low,close,volume\n{}", rows("MINUTE", (0..30).map(|bar| bar * 60)));
    assert!(bars_with(&csv, &said).err().unwrap().contains("start 60 s apart"));
}

fn said(seconds: u64) -> ReplayOptions {
    ReplayOptions { width: Some(Duration::from_secs(seconds)), ..ReplayOptions::default() }
}

/// Read as bars of a minute, the close of each bar of five minutes would be known four minutes early.
#[test]
fn a_width_that_is_less_than_all_bars_show_is_refused() {
    let header = "symbol,start,open,high,low,close,volume\n";
    // Two sessions of five minutes, and a symbol that lacks most of them; hours on both sides of a change of clocks.
    let five =
        |symbol: &str| rows(symbol, (0..2).flat_map(|day| (0..78).map(move |bar| day * 86_400 - 1800 + bar * 300)));
    let thin = rows("THIN", [0, 900, 1500, 4800]);
    let hours = |open: &str| {
        let open = at(open).as_second() - 1_747_058_400;
        (0..7).map(move |bar| open + bar * 3600)
    };
    let clocks = rows("HOUR", ["2025-03-07T14:30:00Z", "2025-03-10T13:30:00Z"].into_iter().flat_map(hours));
    for (csv, parts) in [
        (five("FIVE") + &thin, ["FIVE start 300 s apart", "not 60 s wide", "column `width` with 60"]),
        (clocks, ["HOUR start 3600 s apart", "not 60 s wide", "--bar-width"]),
    ] {
        let refused = bars_with(&format!("{header}{csv}"), &said(60)).err().unwrap();
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
    }
    let right = bars_with(&format!("{header}{}", five("FIVE")), &said(300)).unwrap().bars();
    assert!(right.len() == 156 && right.iter().all(|bar| bar.width_s == 300));
    // As the refusal says: a column.
    let own: String = five("FIVE").lines().map(|row| format!("{row},60\n")).collect();
    let read = bars_with(&format!("{},width\n{own}", header.trim()), &said(60)).unwrap().bars();
    assert!(read.len() == 156 && read.iter().all(|bar| bar.width_s == 60));
}

#[test]
fn minutes_with_gaps_may_be_said_to_be_minutes() {
    let header = "symbol,start,open,high,low,close,volume\n";
    let gaps = [0, 3, 6, 9, 12, 16, 19, 22, 25, 28, 29, 40].map(|minute| minute * 60);
    // Few bars that are all five minutes apart, and a symbol of minutes among others of hours.
    let few = rows("FEW", (0..4).map(|bar| bar * 300));
    let several = rows("MINUTE", (0..30).map(|bar| bar * 60)) + &rows("HOUR", (0..6).map(|bar| bar * 3600));
    for csv in [rows("THIN", gaps), few, several] {
        let read = bars_with(&format!("{header}{csv}"), &said(60)).unwrap().bars();
        assert!(read.len() == csv.lines().count() && read.iter().all(|bar| bar.width_s == 60));
    }
}

#[test]
fn daily_bars_that_are_stamped_at_a_time_are_refused_with_the_remedy() {
    let header = "symbol,start,open,high,low,close,volume\n";
    let days =
        |time: &str| -> String { (12..=16).map(|day| format!("EXMP,2025-05-{day}{time},1,2,1,2,10\n")).collect() };
    let evenings = format!("{header}{}", days("T22:00:00Z"));
    for options in [ReplayOptions::default(), said(86_400)] {
        let refused = bars_with(&evenings, &options).err().unwrap();
        for part in ["2025-05-12T22:00:00Z", "write the day of each bar without a time"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
    assert_eq!(bars(&format!("{header}{}", days(""))).unwrap().bars().len(), 5);
    // The last row of Yahoo's chart of a day that has not ended has the time of now.
    let weeks: String = [12, 13, 14, 15, 16, 19, 20, 21, 22, 23]
        .map(|day| format!("EXMP,2025-05-{day}T13:30:00Z,1,2,1,2,10\n"))
        .concat();
    let running = format!("{header}{weeks}EXMP,2025-05-27T17:12:03Z,1,2,1,2,10\n");
    assert!(bars(&running).is_err());
    let read = bars_with(&running, &said(86_400)).unwrap();
    let reasons = read.reasons();
    let [(12, reason)] = &reasons[..] else { panic!("{reasons:?}") };
    assert!(reason.contains("its bar is daily, but its start is not a date"), "{reason}");
    assert_eq!(read.bars().len(), 10);
}

/// The close of a week would be known on its first day.
#[test]
fn bars_of_weeks_and_months_are_never_daily_bars() {
    let header = "symbol,start,open,high,low,close,volume\n";
    let rows = |symbol: &str, days: &[&str]| -> String {
        days.iter().map(|day| format!("{symbol},{day},1,2,1,2,10\n")).collect()
    };
    let day = |symbol: &str, days: i64| -> String {
        let first = jiff::civil::date(2025, 3, 3);
        let row = |at: i64| format!("{symbol},{},1,2,1,2,10\n", first + jiff::Span::new().days(at));
        (0..days).filter(|at| at % 7 < 5).map(row).collect()
    };
    // The last row is of the week that has not ended, as Yahoo has it.
    let unfinished = ["2025-05-05", "2025-05-12", "2025-05-19", "2025-05-22"];
    let weeks: Vec<String> = (0..24_i64)
        .map(|week| (jiff::civil::date(2025, 1, 6) + jiff::Span::new().days(7 * week)).to_string())
        .collect();
    let weeks: Vec<&str> = weeks.iter().map(String::as_str).chain(["2025-06-19"]).collect();
    let months = ["2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01", "2025-05-01", "2025-05-15"];
    for (what, csv, symbol) in [
        ("four rows", rows("AAPL", &unfinished), "AAPL"),
        ("24 weeks", rows("AAPL", &weeks), "AAPL"),
        ("a coin", rows("BTC-USD", &weeks), "BTC-USD"),
        ("months", rows("AAPL", &months), "AAPL"),
        ("beside days", day("AAPL", 90) + &rows("MSFT", &weeks[..16]), "MSFT"),
        (
            "among many",
            ('A'..='Z').map(|c| day(&format!("Q{c}Q"), 30)).collect::<String>() + &rows("MSFT", &weeks),
            "MSFT",
        ),
    ] {
        let refused = bars(&format!("{header}{csv}")).err().unwrap_or_else(|| panic!("{what}"));
        for part in ["bars.csv", symbol, "of weeks", "days apart", "--bar-width"] {
            assert!(refused.contains(part), "{what}: {refused}");
        }
        let refused = bars_with(&format!("{header}{csv}"), &said(86_400)).err().unwrap_or_else(|| panic!("{what}"));
        for part in [symbol, "not of one day as --bar-width says", "column `width` with 1d"] {
            assert!(refused.contains(part), "{what}: {refused}");
        }
    }
    let two = bars(&format!("{header}{}", rows("AAPL", &["2025-05-12", "2025-05-19", "2025-05-22"]))).err().unwrap();
    assert!(two.contains("7 days or more apart"), "{two}");
    let with_width: String = rows("AAPL", &unfinished).lines().map(|row| format!("{row},1d\n")).collect();
    assert_eq!(bars(&format!("{},width\n{with_width}", header.trim())).unwrap().bars().len(), 4);
}

/// Shares that are traded on some days only, and files of a few rows.
#[test]
fn daily_bars_with_gaps_are_daily_bars() {
    let header = "symbol,start,open,high,low,close,volume\n";
    let on = |symbol: &str, days: &[i64]| -> String {
        let first = jiff::civil::date(2025, 3, 3);
        let day = |at: &i64| first + jiff::Span::new().days(*at);
        days.iter().map(|at| format!("{symbol},{},1,2,1,2,10\n", day(at))).collect()
    };
    let each: Vec<i64> = (0..40).filter(|at| at % 7 < 5).collect();
    let rare = [0, 9, 14, 24, 25, 38];
    let many: String = ('A'..='Z').map(|c| on(&format!("Q{c}Q"), &each)).collect();
    for (what, csv) in [
        ("two rows", on("AAPL", &[0, 1])),
        ("a weekend between two rows", on("AAPL", &[4, 7])),
        ("three rows", on("AAPL", &[0, 1, 10])),
        ("some days", on("THIN", &[0, 2, 3, 7, 11, 14, 16, 17, 21, 25])),
        ("two rows of one of two", on("AAPL", &each) + &on("THIN", &[0, 28])),
        ("few days of one of many", many + &on("RARE", &rare)),
    ] {
        for options in [ReplayOptions::default(), said(86_400)] {
            let read = bars_with(&format!("{header}{csv}"), &options).unwrap_or_else(|why| panic!("{what}: {why}"));
            let bars = read.bars();
            assert!(bars.len() == csv.lines().count() && bars.iter().all(|bar| bar.width_s == 86_400), "{what}");
        }
    }
    // Of two symbols, one that is traded on few days makes the width doubtful until somebody says it.
    let two = format!("{header}{}{}", on("AAPL", &each), on("RARE", &rare));
    let refused = bars(&two).err().unwrap();
    assert!(refused.contains("those of RARE") && refused.contains("--bar-width"), "{refused}");
    assert!(bars_with(&two, &said(86_400)).is_ok());
}

#[test]
fn bars_of_two_days_are_refused_and_thin_shares_with_two_days_in_a_row_are_read() {
    let daily = |days: &[&str]| -> Result<u32, String> {
        width_of(&days.iter().map(|day| format!("EXMP,2025-06-{day},1,2,1,2,10\n")).collect::<String>())
    };
    let two = ["02", "04", "06", "10", "12", "16", "18", "20", "24", "26", "30"];
    assert!(daily(&two).is_ok_and(|width| width == 86_400), "ten gaps may be chance");
    let longer: String = two.iter().map(|day| format!("EXMP,2025-06-{day},1,2,1,2,10\n")).collect();
    let refused = width_of(&(longer + "EXMP,2025-07-02,1,2,1,2,10\nEXMP,2025-07-07,1,2,1,2,10\n")).unwrap_err();
    assert!(refused.contains("never of two days in a row") && refused.contains("--bar-width"), "{refused}");
    assert_eq!(daily(&["02", "03", "10", "11", "18", "23", "30"]), Ok(86_400));
}
