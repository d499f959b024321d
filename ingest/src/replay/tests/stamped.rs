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

/// A midnight that ends a day was read as that of the next one, and no weekend was noticed.
#[test]
fn daily_bars_that_are_stamped_with_their_ends_are_of_the_day_that_ends() {
    let days = |symbol: &str, stamps: &[String]| -> String {
        let rows: String = stamps.iter().map(|stamp| format!("{symbol},{stamp},1,2,1,2,10\n")).collect();
        format!("{HEADER}{rows}")
    };
    let of = |days: &[u32], time: &str| -> Vec<String> {
        days.iter().map(|day| format!("2025-06-{day:02}{time}")).collect()
    };
    let read = |csv: &str, time: BarTime| -> Result<Vec<String>, String> {
        let read = bars_with(csv, &given(time))?;
        Ok(read.bars().iter().map(|bar| bar.start.strftime("%d").to_string()).collect())
    };
    // Tuesday to Saturday, and the week after.
    let (ends, before) = ([3, 4, 5, 6, 7, 10, 11], ["02", "03", "04", "05", "06", "09", "10"]);
    for time in ["T04:00:00Z", "T00:00:00Z", " 00:00:00"] {
        let csv = days("AAPL", &of(&ends, time));
        assert!(bars(&csv).err().unwrap().contains("shifted"), "{time}");
        assert_eq!(read(&csv, BarTime::End).unwrap(), before, "{time}");
        let with_width = csv.replace(",10\n", ",10,1d\n").replace("volume", "volume,timeframe");
        assert_eq!(read(&with_width, BarTime::End).unwrap(), before, "{time}");
    }
    let notes = bars_with(&days("AAPL", &of(&ends, "T04:00:00Z")), &given(BarTime::End)).unwrap().notes();
    assert!(notes.contains("a midnight is the end of a daily bar, as --bar-time says"), "{notes}");
    let coin = days("BTC-USD", &of(&[7, 8, 9, 10], "T00:00:00Z"));
    assert_eq!(read(&coin, BarTime::End).unwrap(), ["06", "07", "08", "09"]);
    assert_eq!(read(&coin, BarTime::Start).unwrap(), ["07", "08", "09", "10"]);
    // A date is that day, and so is the close of its session.
    for time in ["", "T20:00:00Z"] {
        let csv = days("AAPL", &of(&[2, 3, 4, 5, 6], time));
        assert_eq!(read(&csv, BarTime::End).unwrap(), ["02", "03", "04", "05", "06"], "{time}");
    }
    let opens = read(&days("AAPL", &of(&[2, 3, 4, 5, 6], "T13:30:00Z")), BarTime::End).unwrap_err();
    assert!(opens.contains("2025-06-02T13:30:00Z is for AAPL") && opens.contains("leave --bar-time out"), "{opens}");
    let starts = read(&days("AAPL", &of(&[2, 3, 4, 5, 6], "T04:00:00Z")), BarTime::End).unwrap_err();
    for part in ["bars.csv", "1 of its 5 daily bars", "--bar-time end took 5 midnights", "leave it out"] {
        assert!(starts.contains(part), "{starts}");
    }
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

/// Seconds from the open in New York to the opens of other markets, in May.
const LONDON: i64 = -6 * 3600 - 1800;
const TOKYO: i64 = -13 * 3600 - 1800;
const HONG_KONG: i64 = -12 * 3600;
const TORONTO: i64 = 0;

/// The bars of a session of this many seconds from an open on, without those in its break, and one at the closing auction.
fn session(
    open: i64,
    length: i64,
    lunch_break: [i64; 2],
    auction: Option<i64>,
    width: i64,
) -> impl Iterator<Item = i64> + Clone {
    let bars = every(open, open + length - width, width);
    bars.filter(move |at| !(lunch_break[0]..lunch_break[1]).contains(&(at - open)))
        .chain(auction.map(|after| open + length + after))
}

const NO_BREAK: [i64; 2] = [0, 0];
const LUNCH_BREAK: [i64; 2] = [9000, 12_600];

#[test]
fn times_of_each_market_are_compared_with_its_own_sessions() {
    let auction = |after: i64, width: i64| session(LONDON, 30_600, NO_BREAK, Some(after), width);
    let (tokyo, hong_kong) =
        (session(TOKYO, 23_400, LUNCH_BREAK, Some(0), 300), session(HONG_KONG, 23_400, LUNCH_BREAK, Some(300), 300));
    // Starts as exchanges have them: with closing auctions, breaks, and a last bar that is longer than the session.
    for (what, csv) in [
        ("London", days("VOD.L", session(LONDON, 30_600, NO_BREAK, None, 60), even)),
        ("London in hours", days("VOD.L", every(LONDON, LONDON + 28_800, 3600), even)),
        ("London in half hours, the last with the auction", days("VOD.L", auction(0, 1800), even)),
        ("London with the auction", days("VOD.L", auction(300, 300), even)),
        ("Xetra with the auction", days("SAP.DE", auction(300, 300), even)),
        ("Paris with the auction", days("MC.PA", auction(300, 60), even)),
        ("Tokyo", days("7203.T", tokyo.clone(), even)),
        ("Hong Kong", days("0700.HK", hong_kong.clone(), even)),
        ("Toronto", days("RY.TO", session(TORONTO, 23_400, NO_BREAK, Some(0), 60), even)),
    ] {
        bars(&csv).unwrap_or_else(|refused| panic!("{what}: {refused}"));
    }
    // The same bars with their ends, and with local times that say that they are of UTC.
    let later =
        |by: i64, seconds: Vec<i64>, symbol: &str| days(symbol, seconds.into_iter().map(move |at| at + by), even);
    for (what, csv, parts) in [
        ("London", later(300, auction(300, 300).collect(), "VOD.L"), ["ends", "8:00 in London", "--bar-time end"]),
        ("London", later(1800, every(LONDON, LONDON + 28_800, 1800).collect(), "VOD.L"), ["ends", "5 of 5", "VOD.L"]),
        ("Xetra", later(300, auction(300, 300).collect(), "SAP.DE"), ["ends", "9:00 in Berlin", "SAP.DE"]),
        ("Tokyo", later(300, tokyo.clone().collect(), "7203.T"), ["ends", "9:00 in Tokyo", "7203.T"]),
        ("Hong Kong", later(300, hong_kong.clone().collect(), "0700.HK"), ["ends", "9:30 in Hong Kong", "0700.HK"]),
        ("London", later(3600, auction(300, 300).collect(), "VOD.L"), ["another zone", "from 9:00 to 17:40", "London"]),
        (
            "Tokyo",
            later(32_400, tokyo.collect(), "7203.T"),
            ["another zone", "from 18:00 to 0:35 in Tokyo", "--bar-zone"],
        ),
        ("Hong Kong", later(28_800, hong_kong.collect(), "0700.HK"), ["another zone", "17:30 to 0:10", "Hong Kong"]),
    ] {
        let refused = bars(&csv).err().unwrap_or_else(|| panic!("{what}: {parts:?}"));
        assert!(parts.iter().all(|part| refused.contains(part)), "{what}: {refused}");
        assert!(bars_with(&csv, &given(BarTime::Start)).is_ok(), "{what}");
    }
}

/// Another symbol with right times in the same file hides nothing.
#[test]
fn each_symbol_is_compared_by_itself() {
    let beside = |rows: String, others: &[String]| rows + &others.concat().replace(HEADER, "");
    let spy = || days("SPY", every(0, CLOSE - 300, 300), even);
    let wide = || days("SPY", every(-19_800, CLOSE + 14_100, 300), even);
    let ends = || days("AAPL", every(300, CLOSE, 300), even);
    for (csv, parts) in [
        (beside(ends(), &[spy()]), ["bars of AAPL", "ends", "5 of 5 sessions with one at the close"]),
        (beside(spy(), &[ends()]), ["bars of AAPL", "those of other symbols do not", "--bar-time start"]),
        (
            beside(wide(), &[days("AAPL", every(-19_800 + 300, CLOSE + 14_400, 300), even)]),
            ["bars of AAPL", "ends", "a bar at 20:00"],
        ),
        (
            beside(spy(), &[days("AAPL", every(-14_400, CLOSE - 14_700, 300), even)]),
            ["bars of AAPL", "another zone", "from 5:30 to 12:00"],
        ),
    ] {
        let refused = bars(&csv).err().unwrap_or_else(|| panic!("{parts:?}"));
        assert!(parts.iter().all(|part| refused.contains(part)) && !refused.contains("SPY"), "{refused}");
    }
    // Thinly traded symbols, one without a trade at the open, and one with some early trades and few late ones.
    let thin = [240, 300, 900, 1020, 9000, 9060, CLOSE].into_iter();
    let early = [-7200, -3600, 300, 3600, 7200, 10_800, 14_400].into_iter();
    let minutes = days("SPY", every(0, CLOSE, 60), even);
    assert!(bars(&beside(minutes, &[days("THIN", thin, even), days("EARLY", early, even)])).is_ok());
    let weekends = |symbol: &str, days: [u32; 12]| -> String {
        let row = |day: u32| format!("{symbol},2025-05-{day:02},1,2,1,2,10\n");
        days.map(row).concat()
    };
    let (right, late) = ([5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 19, 20], [6, 7, 8, 9, 10, 13, 14, 15, 16, 17, 20, 21]);
    let several = ["AAPL", "MSFT", "SPY"].map(|symbol| weekends(symbol, right)).concat();
    let refused = bars(&format!("{HEADER}{several}{}", weekends("LATE", late))).err().unwrap();
    assert!(refused.contains("2 of the 12 daily bars of LATE") && refused.contains("shifted"), "{refused}");
}

#[test]
fn times_that_are_said_to_be_ends_and_show_starts_are_refused() {
    let one_day =
        |csv: String, rows: usize| csv.lines().take(rows + 1).map(|row| format!("{row}\n")).collect::<String>();
    for (what, csv) in [
        ("hours", days("AAPL", every(0, CLOSE - 1800, 3600), even)),
        ("hours of the clock", days("AAPL", every(-1800, CLOSE - 3600, 3600), even)),
        ("five minutes", days("AAPL", every(0, CLOSE - 300, 300), even)),
        ("one day of minutes", one_day(days("AAPL", every(0, CLOSE - 60, 60), even), 390)),
        ("with early trading", days("AAPL", every(-19_800, CLOSE - 300, 300), even)),
    ] {
        assert!(bars(&csv).is_ok(), "{what}");
        let refused = bars_with(&csv, &given(BarTime::End)).err().unwrap_or_else(|| panic!("{what}"));
        for part in
            ["bars.csv", "bars of AAPL", "starts", "a bar at the open, 9:30 in New York", "leave --bar-time out"]
        {
            assert!(refused.contains(part), "{what}: {refused}");
        }
    }
    // Of two files the flag is right for one.
    let (ends, starts) = (days("AAPL", every(300, CLOSE, 300), even), days("SPY", every(0, CLOSE - 300, 300), even));
    let files = [("news.jsonl", NEWS), ("ends.csv", ends.as_str()), ("starts.csv", starts.as_str())];
    let refused = read(&files, &given(BarTime::End)).err().unwrap();
    assert!(refused.contains("starts.csv") && refused.contains("bars of SPY"), "{refused}");
    let refused = read(&files, &ReplayOptions::default()).err().unwrap();
    assert!(refused.contains("ends.csv") && refused.contains("bars of AAPL"), "{refused}");
    // Ends, with early trading that reaches the open.
    let early = days("AAPL", every(-19_800 + 300, CLOSE, 300), even);
    assert!(bars_with(&early, &given(BarTime::End)).is_ok());
}

#[test]
fn hours_of_another_zone_are_refused() {
    let refused = bars(&days("A", every(-14_400, CLOSE - 16_200, 3600), even)).err().unwrap();
    for part in ["on 5 of 5 days", "bars of A", "from 5:30 to 12:30 in New York", "another zone"] {
        assert!(refused.contains(part), "{refused}");
    }
}

/// Clocks are changed in New York on 9 March 2025, and somebody wrote `EST` all year.
#[test]
fn days_in_a_row_that_are_an_hour_late_are_refused() {
    let rows = |day: &str, open: &str, width: i64| -> String {
        let open = at(&format!("2025-03-{day}T{open}:00Z")).as_second();
        every(0, 23_399 / width * width, width).map(|second| format!("A,{},1,2,1,2,10\n", open + second)).collect()
    };
    let (before, after) = (["03", "04", "05", "06", "07"], ["10", "11", "12", "13", "14"]);
    let file = |late: &str, width: i64| -> String {
        let before = before.map(|day| rows(day, "14:30", width)).concat();
        format!("{HEADER}{before}{}", after.map(|day| rows(day, late, width)).concat())
    };
    for (width, until) in [(300, "17:00"), (3600, "17:30")] {
        assert!(bars(&file("13:30", width)).is_ok());
        let refused = bars(&file("14:30", width)).err().unwrap();
        let hours = format!("from 10:30 to {until} in New York");
        for part in ["on 5 days in a row", "2025-03-10", "bars of A", "another zone", hours.as_str()] {
            assert!(refused.contains(part), "{refused}");
        }
    }
    // Hours without the first one of each session.
    assert!(bars(&days("A", every(0, CLOSE - 1800, 3600).skip(1), even)).is_ok());
}

#[test]
fn bars_at_night_are_refused_where_other_hours_have_none() {
    // 1:00 to 3:55 for the afternoon, and an index of London under a name that does not say it.
    let without_noon = every(0, 12_300, 300).chain(every(-30_600, -20_100, 300));
    let london = every(LONDON, LONDON + 28_800, 1800);
    for (symbol, csv) in [("A", days("A", without_noon, even)), ("^FTSE", days("^FTSE", london.clone(), even))] {
        let refused = bars(&csv).err().unwrap();
        let market = format!("--market {symbol}=london");
        for part in ["between 20:00 and 4:00 in New York", "AM and PM", market.as_str(), "--bar-time start"] {
            assert!(refused.contains(part), "{refused}");
        }
        assert!(bars_with(&csv, &given(BarTime::Start)).is_ok());
    }
    let mut calendars = tapewire_core::exchange::Calendars::default();
    calendars.set("^FTSE", tapewire_core::exchange::Market::London).unwrap();
    let options = ReplayOptions { calendars, ..ReplayOptions::default() };
    assert!(bars_with(&days("^FTSE", london, even), &options).is_ok());
    // Shares that are traded at all hours of weekdays, and a few trades at night.
    let all_hours = days("A", every(-34_200, 51_900, 300), even);
    let few = days("A", every(0, CLOSE - 300, 300).chain([40_500, -28_800, -25_200, -22_500]), even);
    for csv in [all_hours, few] {
        assert!(bars(&csv).is_ok());
    }
}

#[test]
fn hours_with_early_and_late_trading_of_another_zone_are_refused() {
    let late_by = |by: i64| days("A", every(-19_800 + by, CLOSE + 14_100 + by, 300), even);
    assert!(bars(&late_by(0)).is_ok());
    for hours in [-1, 1, 4, 5] {
        let refused = bars(&late_by(3600 * hours)).err().unwrap_or_else(|| panic!("{hours}"));
        for part in ["on 5 of 5 days", "bars of A", "another zone"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
    // Shares that are traded overnight, from 20:00 on.
    assert!(bars(&days("A", every(0, CLOSE - 300, 300).chain([37_800, 38_100, 46_800]), even)).is_ok());
}
