//! Bars of one symbol that are of several widths in one file, and bars that are narrower than somebody says.

use super::*;

const HEADER: &str = "symbol,start,open,high,low,close,volume\n";
/// 13:30 UTC on 2025-03-03, a Monday; in New York the open is an hour later until 9 March.
const FIRST: i64 = 1_741_008_600;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// Bars of this width in the sessions of these days from 3 March on, each of which is 6.5 hours long.
fn sessions(width: i64, days: impl Iterator<Item = i64>) -> Vec<i64> {
    let is_weekday = |day: &i64| day % 7 < 5;
    let open = |day: i64| FIRST + day * DAY + if day < 7 { HOUR } else { 0 };
    days.filter(is_weekday).flat_map(|day| (0..23_400).step_by(width as usize).map(move |at| open(day) + at)).collect()
}

fn csv(symbol: &str, starts: &[i64]) -> String {
    starts.iter().map(|at| format!("{symbol},{at},10,11,9,10.5,100\n")).collect()
}

fn read_with(rows: &str, options: ReplayOptions) -> Result<Read, String> {
    let options = ReplayOptions { bar_time: Some(BarTime::Start), ..options };
    bars_with(&format!("{HEADER}{rows}"), &options)
}

fn said(seconds: i64) -> ReplayOptions {
    ReplayOptions { width: Some(Duration::from_secs(seconds as u64)), ..ReplayOptions::default() }
}

/// A cache of hours that was continued with minutes: read as minutes, each hour's close would be known 59 minutes early.
#[test]
fn a_symbol_whose_bars_change_their_width_is_refused_with_both_places() {
    let rows = [sessions(HOUR, 0..9), sessions(60, 9..11)].map(|starts| csv("AAPL", &starts)).concat();
    for options in [ReplayOptions::default(), said(60)] {
        let refused = read_with(&rows, options).err().unwrap();
        for part in [
            "bars.csv",
            "bars of AAPL have several widths",
            "from 2025-03-03T14:30:00Z to 2025-03-11T19:30:00Z they start 3600 s apart",
            "from 2025-03-12T13:30:00Z to 2025-03-13T19:59:00Z they start 60 s apart",
            "a file for each width",
            "column `width`",
        ] {
            assert!(refused.contains(part), "{refused}");
        }
    }
    // As the refusal says: a column.
    let widths = rows.lines().enumerate().map(|(at, row)| format!("{row},{}\n", if at < 49 { 3600 } else { 60 }));
    let read =
        bars_with(&format!("{},width\n{}", HEADER.trim(), widths.collect::<String>()), &ReplayOptions::default());
    assert_eq!(read.unwrap().bars().iter().filter(|bar| bar.width_s == 3600).count(), 49);
}

#[test]
fn the_order_of_the_widths_the_widths_and_other_symbols_make_no_difference() {
    let of = |first: i64, until: i64, second: i64| {
        [sessions(first, 0..until), sessions(second, until..11)].map(|starts| csv("AAPL", &starts)).concat()
    };
    let whole = || csv("MSFT", &sessions(60, 0..11));
    // The opens of daily bars, and midnights in New York.
    let opens = sessions(23_400, 0..23);
    let midnights: Vec<i64> = opens.iter().map(|open| open - 9 * HOUR - 1800).collect();
    let backwards: Vec<i64> =
        sessions(60, 9..11).into_iter().rev().chain(sessions(HOUR, 0..9).into_iter().rev()).collect();
    for (what, rows, apart) in [
        ("five minutes, then minutes", of(300, 9, 60), 300),
        ("minutes, then five minutes", of(60, 3, 300), 300),
        ("half hours, then five minutes", of(1800, 4, 300), 1800),
        ("hours, then half hours", of(3600, 8, 1800), 3600),
        ("a day of hours among minutes", of(3600, 1, 60), 3600),
        ("opens, then minutes", csv("AAPL", &opens) + &csv("AAPL", &sessions(60, 23..25)), 86_400),
        ("midnights, then half hours", csv("AAPL", &midnights) + &csv("AAPL", &sessions(1800, 23..30)), 86_400),
        ("beside another symbol", whole() + &of(3600, 9, 60), 3600),
        ("the newest first", csv("AAPL", &backwards), 3600),
        // Two files of the same days, one after the other.
        ("overlapping", csv("AAPL", &sessions(HOUR, 8..11)) + &csv("AAPL", &sessions(60, 8..11)), 3600),
    ] {
        let refused = read_with(&rows, ReplayOptions::default()).err().unwrap_or_else(|| panic!("{what}"));
        let part = format!("they start {apart} s apart, and from ");
        assert!(refused.contains("bars of AAPL have several widths") && refused.contains(&part), "{what}: {refused}");
    }
}

/// Minutes without trades are missing: no gap between them is a width.
#[test]
fn bars_of_one_width_with_many_gaps_are_read() {
    let mut state = 7_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for one_in in [2, 3, 5, 20, 60] {
        let mut starts = sessions(60, 0..60);
        starts.retain(|_| below(one_in) == 0);
        let read = read_with(&csv("THIN", &starts), ReplayOptions::default()).unwrap().bars();
        assert!(read.len() == starts.len() && read.iter().all(|bar| bar.width_s == 60), "{one_in}");
    }
    // A share that is traded once a day, at the open, and later at any minute: each bar has one price.
    let opens: String = sessions(23_400, 0..40).iter().map(|at| format!("THIN,{at},10,10,10,10,100\n")).collect();
    let mut later = sessions(60, 40..60);
    later.retain(|_| below(4) == 0);
    let read = read_with(&(opens + &csv("THIN", &later)), ReplayOptions::default()).unwrap().bars();
    assert!(read.iter().all(|bar| bar.width_s == 60));
    // The last hour of a session is half an hour long.
    assert!(read_with(&csv("AAPL", &sessions(HOUR, 0..30)), said(HOUR)).is_ok());
}

#[test]
fn a_width_that_is_more_than_bars_are_apart_is_refused_whoever_says_it() {
    let minutes = csv("AAPL", &sessions(60, 0..3));
    let column = |width: &str| {
        let rows: String = minutes.lines().map(|row| format!("{row},{width}\n")).collect();
        let options = ReplayOptions { bar_time: Some(BarTime::Start), ..ReplayOptions::default() };
        bars_with(&format!("{},timeframe\n{rows}", HEADER.trim()), &options)
    };
    for width in ["1h", "5m", "1d"] {
        let refused = column(width).err().unwrap_or_else(|| panic!("{width}"));
        for part in ["bars.csv", "bars of AAPL overlap", "as the rows say", "they start 60 s apart"] {
            assert!(refused.contains(part), "{width}: {refused}");
        }
        let seconds = bar_width(width).unwrap().as_secs() as i64;
        assert!(read_with(&minutes, said(seconds)).is_err(), "{width}");
    }
    assert_eq!(column("1m").unwrap().bars().len(), 3 * 390);
    // Most bars are hours, so the usual distance hides the minutes.
    let mixed = csv("AAPL", &sessions(HOUR, 0..12)) + &csv("AAPL", &sessions(60, 14..15)[..30]);
    let refused = read_with(&mixed, said(HOUR)).err().unwrap();
    let place = "from 2025-03-17T13:30:00Z to 2025-03-17T13:59:00Z they start 60 s apart";
    assert!(refused.contains(place) && refused.contains("as --bar-width says"), "{refused}");
    // Rows of several widths each have their own; midnights of New York are 23 hours apart when clocks change.
    let both = [(60, "1m"), (HOUR, "1h")].map(|(width, name)| {
        sessions(width, 0..3).iter().map(|at| format!("AAPL,{at},10,11,9,10.5,100,{name}\n")).collect::<String>()
    });
    assert!(bars(&format!("{},timeframe\n{}", HEADER.trim(), both.concat())).is_ok());
    let days = ["2025-03-07T05:00:00Z", "2025-03-10T04:00:00Z", "2025-03-11T04:00:00Z"];
    let days: String = days.map(|day| format!("AAPL,{day},10,11,9,10.5,100,1d\n")).concat();
    assert!(bars(&format!("{},timeframe\n{days}", HEADER.trim())).is_ok());
}
