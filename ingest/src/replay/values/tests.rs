//! Each spelling of a value with its meaning, and values that have no meaning.

use super::number::{number, shows_decimal_point};
use super::text::{keywords, name};
use super::ticker::companies;
use super::time::{Clock, DateOrder, Moment, is_of_other_order, moment};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;
use tapewire_core::Symbol;
use tapewire_formats::Value;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn digits(text: &str) -> Value {
    Value::Number(text.into())
}

fn silent() -> Clock {
    Clock { zone: None, eastern: None, order: None, zone_flag: "--news-zone" }
}

fn new_york() -> Clock {
    Clock { zone: Some(TimeZone::get("America/New_York").unwrap()), ..silent() }
}

fn at(text: &str) -> Result<Option<Moment>, String> {
    Ok(Some(Moment::At(text.parse().unwrap())))
}

#[test]
fn a_moment_with_its_zone_is_read_in_every_spelling() {
    for written in [
        "2025-05-12T19:43:00Z",
        "2025-05-12t19:43:00z",
        "2025-05-12 15:43:00-04:00",
        "2025-05-12 15:43:00 -0400",
        "2025-05-12T15:43:00-04",
        "2025-05-12T15:43-04:00[America/New_York]",
        "2025-05-12 15:43:00 America/New_York",
        "2025-05-12 3:43 PM EDT",
        "May 12, 2025 3:43 PM EDT",
        "May 12, 2025, 15:43 ET",
        "12 May 2025 15:43 EDT",
        "2025-05-12 03:43:00 p.m. ET",
        "2025/05/12 19:43:00 UTC",
        "2025-5-12 19:43 GMT",
        "2025-05-12T19:42:59.9999999999Z",
        "20250512T194300Z",
        "20250512T1943Z",
        "20250512 19:43:00+00:00",
        "Mon, 12 May 2025 19:43:00 GMT",
        "12 May 2025 15:43:00 -0400",
        "Mon, 12 May 2025 15:43:00 EDT",
        "12 May 2025 15:43:00 ET",
        "1747078980",
        "1747078980.0",
        "1747078980000",
        "1747078980000000",
        "1747078980000000000",
    ] {
        let expected = if written.contains("59.9") { "2025-05-12T19:42:59.999999Z" } else { "2025-05-12T19:43:00Z" };
        assert_eq!(moment(&text(written), &silent()), at(expected), "{written}");
        // The zone that is given for a file applies to times without a zone.
        assert_eq!(moment(&text(written), &new_york()), at(expected), "{written}");
    }
    assert_eq!(moment(&digits("1747078980.123"), &silent()), at("2025-05-12T19:43:00.123Z"));
    assert_eq!(moment(&text("2025-05-12T19:42:60Z"), &silent()), at("2025-05-12T19:42:59Z"));
    assert_eq!(moment(&text("2099-01-01T00:00:00Z"), &silent()), at("2099-01-01T00:00:00Z"));
}

#[test]
fn a_name_of_a_zone_that_is_not_known_is_refused_in_every_form() {
    for zone in ["BRT", "JST", "CEST", "CST", "XYZ"] {
        for written in [
            format!("Mon, 12 May 2025 09:43:00 {zone}"),
            format!("12 May 2025 19:43:00 {zone}"),
            format!("2025-05-12 09:43 {zone}"),
        ] {
            assert!(moment(&text(&written), &silent()).is_err(), "{written}");
        }
    }
}

/// Many people write EST all year.
#[test]
fn est_in_summer_is_read_as_the_flag_says_and_never_guessed() {
    let utc = Clock { zone: Some(TimeZone::UTC), ..silent() };
    for (written, in_new_york, as_written) in [
        ("2025-05-12 15:43 EST", "2025-05-12T19:43:00Z", "2025-05-12T20:43:00Z"),
        ("Mon, 12 May 2025 15:43:00 EST", "2025-05-12T19:43:00Z", "2025-05-12T20:43:00Z"),
        ("May 12, 2025 3:43 PM est", "2025-05-12T19:43:00Z", "2025-05-12T20:43:00Z"),
        ("2025-01-13 15:43 EDT", "2025-01-13T20:43:00Z", "2025-01-13T19:43:00Z"),
    ] {
        let refused = moment(&text(written), &silent()).unwrap_err();
        assert!(refused.contains(written) && refused.contains("--news-zone America/New_York"), "{refused}");
        assert_eq!(moment(&text(written), &new_york()), at(in_new_york), "{written}");
        assert_eq!(moment(&text(written), &utc), at(as_written), "{written}");
    }
    for written in ["2025-01-13 15:43 EST", "Mon, 13 Jan 2025 15:43:00 EST", "2025-11-02 01:30 EST"] {
        let expected = if written.contains("11-02") { "2025-11-02T06:30:00Z" } else { "2025-01-13T20:43:00Z" };
        for clock in [silent(), new_york(), utc.clone()] {
            assert_eq!(moment(&text(written), &clock), at(expected), "{written}");
        }
    }
}

#[test]
fn a_time_without_a_zone_needs_one() {
    for written in [
        "2025-05-12 15:43:00",
        "2025-05-12T15:43",
        "20250512T154300",
        "20250512154300",
        "202505121543",
        "2025.05.12 15:43",
    ] {
        let refused = moment(&text(written), &silent()).unwrap_err();
        assert!(refused.contains(written) && refused.contains("--news-zone America/New_York"), "{refused}");
        assert_eq!(moment(&text(written), &new_york()), at("2025-05-12T19:43:00Z"), "{written}");
    }
    let civil = Value::Civil("2025-05-12T15:43:00".parse().unwrap());
    assert!(moment(&civil, &silent()).unwrap_err().contains("no time zone"));
    assert_eq!(moment(&civil, &new_york()), at("2025-05-12T19:43:00Z"));
    for (written, why) in [("2025-03-09 02:30:00", "does not exist"), ("2025-11-02 01:30:00", "twice")] {
        let refused = moment(&text(written), &new_york()).unwrap_err();
        assert!(refused.contains(why) && refused.contains("America/New_York"), "{refused}");
    }
}

#[test]
fn a_day_is_not_a_moment() {
    let day = Ok(Some(Moment::Day(Date::new(2025, 5, 12).unwrap())));
    for written in ["2025-05-12", "20250512", "2025/5/12", "2025.05.12", "May 12, 2025", "12 May 2025"] {
        assert_eq!(moment(&text(written), &new_york()), day, "{written}");
    }
    assert_eq!(moment(&digits("20250512"), &silent()), day);
    let order = |order| Clock { order: Some(order), ..new_york() };
    assert_eq!(moment(&text("05/12/2025"), &order(DateOrder::MonthFirst)), day);
    assert_eq!(moment(&text("12.05.2025"), &order(DateOrder::DayFirst)), day);
    assert_eq!(moment(&text("5/12/2025 3:43 PM"), &order(DateOrder::MonthFirst)), at("2025-05-12T19:43:00Z"));
    for written in ["05/12/2025", "05/13/2025 09:30", "12.05.2025"] {
        assert!(moment(&text(written), &new_york()).unwrap_err().contains("--date-order"), "{written}");
    }
    for (written, other) in [("05/13/2025", DateOrder::DayFirst), ("13.05.2025", DateOrder::MonthFirst)] {
        let reason = moment(&text(written), &order(other)).unwrap_err();
        assert!(is_of_other_order(&reason) && reason.contains(written) && reason.contains("--date-order"), "{reason}");
    }
    let no_day = moment(&text("31.02.2025"), &order(DateOrder::DayFirst)).unwrap_err();
    assert!(no_day.contains("is not a day") && !is_of_other_order(&no_day), "{no_day}");
}

#[test]
fn nothing_becomes_1970_and_nothing_is_guessed() {
    for written in [
        "0",
        "1",
        "20251399",
        "1e9",
        "1.74708E+12",
        "-1747078980",
        "17470789800",
        "2025051219",
        "45789.65",
        "99999999999999999999",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "2100-01-01T00:00:00Z",
        "yesterday",
        "Mai 12, 2025 3:43 PM",
        "May 12 3:43 PM",
        "May 32, 2025 15:43",
        "2025 May 12 15:43",
        "2025-05-12T25:00:00Z",
        "2025-02-30",
        "2025-05-12T19:43:00Z nonsense",
        "2025-05-12T19:43:00+99:00",
        "2025-05-12 09:30:00 CST",
        "12 May 2025 19:43:00 K",
        "5/12/25",
        "19:43:00",
        "Tue, 12 May 2025 19:43:00 GMT",
        "2025-05-12 13:43 PM EDT",
        "2025-05-12T19",
        "193.5",
    ] {
        for value in [text(written), digits(written)] {
            let refused = moment(&value, &new_york());
            assert!(refused.as_ref().is_err_and(|reason| reason.contains('`')), "{written}: {refused:?}");
        }
    }
    for written in ["", "  ", "null", "NaN", "NaT", "None", "n/a", "-"] {
        assert_eq!(moment(&text(written), &silent()), Ok(None), "{written}");
    }
    assert_eq!(moment(&Value::Null, &silent()), Ok(None));
    assert!(moment(&Value::Bool(true), &silent()).is_err() && moment(&Value::List(Vec::new()), &silent()).is_err());
}

#[test]
fn thousands_are_read_where_they_can_be_nothing_else() {
    for (written, expected) in [
        ("1,918,517", 1_918_517.0),
        ("1 918 517", 1_918_517.0),
        ("1\u{202f}918\u{a0}517", f64::NAN),
        ("12\u{a0}300", 12_300.0),
        ("1'918'517.5", 1_918_517.5),
        ("1,002.00", 1002.0),
        ("$12.50", 12.5),
        ("12.50 USD", 12.5),
        ("US$1,002.50", 1002.5),
        ("1e3", 1000.0),
        ("+5", 5.0),
        (".5", 0.5),
        ("-3.25", -3.25),
        (" 194.83 ", 194.83),
    ] {
        let read = number(&text(written), false);
        if expected.is_nan() { assert!(read.is_err()) } else { assert_eq!(read, Ok(Some(expected)), "{written}") }
    }
    assert!(number(&text("12,300"), false).unwrap_err().contains("without the comma"));
    assert_eq!(number(&text("12,300"), true), Ok(Some(12_300.0)));
    for written in ["194.83", "1,002.00", "1,002.000", "1002.125", "0.125", "$12.50"] {
        assert!(shows_decimal_point(&text(written)), "{written}");
    }
    for written in ["12.300", "193", "193,50", "1,918,517", "1.234.567", "n/a", "."] {
        assert!(!shows_decimal_point(&text(written)), "{written}");
    }
}

#[test]
fn a_number_that_may_be_another_is_refused_with_its_cell() {
    for (written, why) in [
        ("1.234,56", "decimal comma"),
        ("193,50", "decimal comma"),
        ("1 918,5", "decimal comma"),
        ("0,500", "decimal comma"),
        ("1.234.567", "groups of three"),
        ("19,18,517", "groups of three"),
        ("1,23,456.00", "groups of three"),
        ("1.92M", "rounded"),
        ("€12.50", "US dollars"),
        ("twelve", "not a number"),
        ("0x10", "not a number"),
        ("1_000", "not a number"),
        ("12.5%", "not a number"),
        ("(12.50)", "not a number"),
        ("1e", "not a number"),
        ("1e999", "too large"),
    ] {
        let reason = number(&text(written), true).unwrap_err();
        assert!(reason.contains(why) && reason.contains(written), "{reason}");
    }
    for written in ["", "-", "NaN", "inf", "n/a", "null", "None"] {
        assert_eq!(number(&text(written), true), Ok(None), "{written}");
    }
    assert!(number(&Value::Bool(true), true).is_err());
}

fn named(value: &Value) -> Vec<String> {
    companies(value).symbols.iter().map(|symbol| symbol.as_str().to_owned()).collect()
}

#[test]
fn tickers_are_read_from_lists_and_texts() {
    let object = |name: &str, value: &str| Value::Object(vec![("x".into(), Value::Null), (name.into(), text(value))]);
    for (value, expected) in [
        (Value::List(vec![text("AAPL"), Value::Null, text(""), text("MSFT"), text("AAPL")]), vec!["AAPL", "MSFT"]),
        (Value::List(vec![object("ticker", "RCL"), object("symbol", "BRK-B")]), vec!["RCL", "BRK.B"]),
        (Value::List(vec![text("BRK B"), text("NASDAQ:AAPL"), text("$MSFT")]), vec!["BRK.B", "AAPL", "MSFT"]),
        (text("AAPL"), vec!["AAPL"]),
        (text("AAPL,MSFT; TSLA|NVDA"), vec!["AAPL", "MSFT", "TSLA", "NVDA"]),
        (text("AAPL MSFT"), vec!["AAPL", "MSFT"]),
        (text("GM F T"), vec!["GM", "F", "T"]),
        (text("$AAPL $MSFT"), vec!["AAPL", "MSFT"]),
        (text("AAPL US Equity, BRK/B US Equity"), vec!["AAPL", "BRK.B"]),
        (text("BRK B"), vec!["BRK.B"]),
        (text("AAPL/MSFT"), vec!["AAPL", "MSFT"]),
        (text("AAPL AND MSFT"), vec!["AAPL", "MSFT"]),
        (text("LON:VOD, TSX:RY"), vec!["VOD.L", "RY.TO"]),
        (Value::List(vec![text("7203 JP Equity"), text("HKEX:700")]), vec!["7203.T", "0700.HK"]),
        (text("\u{200b}AAPL"), vec!["AAPL"]),
        (Value::List(vec![text("AAPL.O"), text("AAPL/MSFT"), text("BRK/B")]), vec!["AAPL", "MSFT", "BRK.B"]),
        (Value::List(vec![object("name", "AAPL"), object("name", "BRK/B")]), vec!["AAPL", "BRK.B"]),
        (text("(NASDAQ: AAPL)"), vec!["AAPL"]),
        (text("NYSE American:MSN"), vec!["MSN"]),
        (text("AAPL.US"), vec!["AAPL"]),
        (text("X:BTCUSD"), vec!["X:BTCUSD"]),
        (text(r#"["AAPL", null, "MSFT"]"#), vec!["AAPL", "MSFT"]),
        (text("['AAPL', 'MSFT']"), vec!["AAPL", "MSFT"]),
        (text("['AAPL' 'MSFT']"), vec!["AAPL", "MSFT"]),
        (text("{AAPL,MSFT}"), vec!["AAPL", "MSFT"]),
        (text(r#"[{"ticker": "AAPL", "relevance": 0.5}]"#), vec!["AAPL"]),
        (text("[]"), vec![]),
        (text("NA"), vec!["NA"]),
        (text("nan"), vec![]),
        (text(""), vec![]),
        (Value::Null, vec![]),
        (digits("7203"), vec!["7203"]),
    ] {
        assert_eq!(named(&value), expected, "{value:?}");
        assert_eq!(companies(&value).left_out, Vec::<String>::new(), "{value:?}");
    }
}

#[test]
fn what_is_not_a_ticker_is_left_out_by_name_and_costs_nothing_else() {
    let value = Value::List(vec![text("A B C"), text("AAPL"), text("?!"), Value::Bool(true), text("BHP AU Equity")]);
    let read = companies(&value);
    assert_eq!(read.symbols, [Symbol::new("AAPL").unwrap()]);
    assert_eq!(read.left_out.len(), 4);
    for (reason, part) in read.left_out.iter().zip(["`A B C`", "`?!`", "`true`", "calendar is not known"]) {
        assert!(reason.contains(part), "{reason}");
    }
    for (value, part) in [
        (text("Apple Inc"), "`Apple Inc`"),
        (text("[{'ticker': 'AAPL'}]"), "not a list"),
        (Value::Object(vec![("name".into(), text("Apple"))]), "without `ticker`"),
        (Value::List(vec![text("US0378331005")]), "ISIN"),
        (text("ASX:BHP"), "United States"),
        (text("TSE:7203"), "Tokyo"),
        (text("AT & T"), "may be a name"),
    ] {
        let read = companies(&value);
        assert!(read.symbols.is_empty() && read.left_out[0].contains(part), "{read:?}");
    }
}

#[test]
fn names_and_keywords_are_texts_lists_or_objects() {
    let object = |key: &str, value: &str| Value::Object(vec![("id".into(), Value::Null), (key.into(), text(value))]);
    for value in
        [text(" Wire "), object("name", "Wire"), object("displayName", "Wire"), Value::List(vec![text("Wire")])]
    {
        assert_eq!(name(&value), Ok("Wire".to_owned()), "{value:?}");
    }
    assert_eq!(name(&Value::Null), Ok(String::new()));
    assert!(name(&Value::Object(Vec::new())).is_err());
    let topics = Value::List(vec![object("topic", "Earnings"), text("Markets"), Value::Null]);
    assert_eq!(keywords(&topics).unwrap(), ["Earnings", "Markets"]);
    assert_eq!(keywords(&text("a, b;c")).unwrap(), ["a", "b", "c"]);
}

proptest! {
    /// Times that jiff writes are read as jiff's own parser reads them.
    #[test]
    fn a_printed_moment_is_read_back(micro in 631_152_000_000_000_i64..4_102_444_800_000_000, hours in -12_i8..=14) {
        let moment_at = Timestamp::from_microsecond(micro).unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(hours));
        let local = moment_at.to_zoned(zone.clone());
        let expected = Ok(Some(Moment::At(moment_at)));
        // Nanoseconds of 1990 may be ticks of .NET.
        let nanoseconds = (micro >= 662_688_000_000_000).then(|| moment_at.as_nanosecond().to_string());
        for written in [
            moment_at.to_string(),
            moment_at.display_with_offset(jiff::tz::offset(hours)).to_string(),
            local.datetime().to_string().replace('T', " ") + &local.strftime("%:z").to_string(),
            moment_at.as_microsecond().to_string(),
        ]
        .into_iter()
        .chain(nanoseconds)
        {
            prop_assert_eq!(moment(&text(&written), &silent()), expected.clone(), "{}", written);
        }
        let clock = Clock { zone: Some(zone), ..silent() };
        prop_assert_eq!(moment(&text(&local.datetime().to_string()), &clock), expected.clone());
        let second = Ok(Some(Moment::At(moment_at - i64::from(moment_at.subsec_nanosecond()).nanoseconds())));
        let mail = jiff::fmt::rfc2822::to_string(&local).unwrap();
        prop_assert_eq!(moment(&text(&mail), &silent()), second);
    }

    /// A moment that is read is within the accepted years. A number that is read is the one that Rust reads without the
    /// marks.
    #[test]
    fn arbitrary_text_has_one_meaning_or_none(written in "[-+ 0-9.,:/TZeE$'APM]{0,24}|\\PC{0,24}") {
        for clock in [silent(), new_york()] {
            if let Ok(Some(Moment::At(at))) = moment(&text(&written), &clock) {
                prop_assert!(crate::epoch::is_plausible(at), "{}: {}", written, at);
            }
        }
        for point in [false, true] {
            if let Ok(Some(read)) = number(&text(&written), point) {
                let bare: String = written.chars().filter(|c| !", '$USD\u{a0}\u{202f}\u{2009}\u{2019}".contains(*c) && !c.is_whitespace()).collect();
                prop_assert_eq!(bare.parse::<f64>().ok(), Some(read), "{}", written);
            }
        }
        let _ = companies(&text(&written));
        let _ = companies(&Value::List(vec![text(&written)]));
    }

    #[test]
    fn a_grouped_number_is_the_number(whole in 1_000_000_u64..1_000_000_000_000_000, cents in 0_u8..100) {
        let plain = whole.to_string();
        let mut grouped = String::new();
        for (place, digit) in plain.chars().enumerate() {
            if place > 0 && (plain.len() - place) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        prop_assert_eq!(number(&text(&grouped), false), Ok(Some(whole as f64)));
        let written = format!("{grouped}.{cents:02}");
        prop_assert_eq!(number(&text(&written), false), Ok(Some(format!("{plain}.{cents:02}").parse().unwrap())));
    }
}
