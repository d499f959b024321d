//! Columns that say the time zone of each row.

use super::*;

/// When an article of this time and zone was published, or why it was not read. The row has a second, readable one beside it.
fn published(time: &str, zone: &str, options: &ReplayOptions) -> Result<String, String> {
    let csv = format!(
        "id,headline,published_at,timezone,tickers\na1,Maker lifts its outlook,{time},{zone},AAPL\n\
         a2,Maker names a chief,2025-05-12T19:00:00Z,,AAPL\n"
    );
    let read = read(&[("news.csv", &csv), ("bars.csv", BARS)], options).unwrap();
    let found = read.prepared.articles.iter().find(|article| article.id == "a1");
    found.map(|article| article.published_at.to_string()).ok_or_else(|| read.reasons()[0].1.clone())
}

fn in_zone(name: &str) -> ReplayOptions {
    ReplayOptions { news_zone: zone(name), ..ReplayOptions::default() }
}

#[test]
fn a_time_without_a_zone_is_read_in_the_zone_of_its_row() {
    let none = ReplayOptions::default();
    for (time, zone, expected) in [
        ("2025-05-12 15:43:00", "America/New_York", "2025-05-12T19:43:00Z"),
        ("2025-01-13 15:43:00", "America/New_York", "2025-01-13T20:43:00Z"),
        ("2025-05-12 15:43:00", "UTC", "2025-05-12T15:43:00Z"),
        ("2025-05-12 15:43:00", "Europe/London", "2025-05-12T14:43:00Z"),
        ("2025-05-12 15:43:00", "-04:00", "2025-05-12T19:43:00Z"),
        ("2025-05-12 15:43:00", "UTC+2", "2025-05-12T13:43:00Z"),
        ("2025-05-12 15:43:00", "ET", "2025-05-12T19:43:00Z"),
        ("2025-05-12 15:43:00", "EDT", "2025-05-12T19:43:00Z"),
        ("2025-01-13 15:43:00", "EST", "2025-01-13T20:43:00Z"),
        ("2025-05-12 15:43:00", "Japan", "2025-05-12T06:43:00Z"),
        // A time with its own zone needs no other, whatever stands beside it.
        ("2025-05-12T15:43:00Z", "America/New_York", "2025-05-12T15:43:00Z"),
        ("2025-05-12T15:43:00Z", "CST", "2025-05-12T15:43:00Z"),
        ("1747064580", "Europe/London", "2025-05-12T15:43:00Z"),
    ] {
        assert_eq!(published(time, zone, &none).as_deref(), Ok(expected), "{time} {zone}");
    }
    // Without a zone in the row, that of the file counts.
    assert_eq!(published("2025-05-12 15:43:00", "", &in_zone("UTC")).as_deref(), Ok("2025-05-12T15:43:00Z"));
}

#[test]
fn a_zone_that_may_be_two_or_contradicts_the_flag_is_refused_with_the_remedy() {
    let none = ReplayOptions::default();
    let summer = "2025-05-12 15:43:00";
    for (zone, options, parts) in [
        ("CST", &none, ["timezone `CST` is not a zone that we can read", "--news-columns time_zone="]),
        ("CST", &in_zone("UTC"), ["timezone `CST` is not a zone that we can read", "--news-columns time_zone="]),
        ("EST", &none, ["New York does not have then", "timezone is `EST`"]),
        ("America/New_York", &in_zone("UTC"), ["timezone `America/New_York` contradicts --news-zone", "time_zone="]),
    ] {
        let refused = published(summer, zone, options).unwrap_err();
        assert!(parts.iter().all(|part| refused.contains(part)), "{zone}: {refused}");
    }
    let new_york = in_zone("America/New_York");
    for (zone, time, expected) in [
        ("US/Eastern", summer, "2025-05-12T19:43:00Z"),
        ("-04:00", summer, "2025-05-12T19:43:00Z"),
        // Many people write EST all year.
        ("EST", summer, "2025-05-12T19:43:00Z"),
        // A time with its own zone contradicts nothing.
        ("Europe/London", "2025-05-12T15:43:00Z", "2025-05-12T15:43:00Z"),
    ] {
        assert_eq!(published(time, zone, &new_york).as_deref(), Ok(expected), "{zone}");
    }
    let without = ReplayOptions { news_columns: [("time_zone".to_owned(), None)].into(), ..in_zone("UTC") };
    assert_eq!(published(summer, "America/New_York", &without).as_deref(), Ok("2025-05-12T15:43:00Z"));
}

#[test]
fn days_edits_bars_and_trades_are_read_in_the_zone_of_their_row_too() {
    let csv = "id,headline,date,time,updated,tz,tickers\n\
        a1,Maker lifts its outlook,2025-05-12,15:43,2025-05-12 15:50:00,America/New_York,AAPL\n";
    let read_news = read(&[("news.csv", csv), ("bars.csv", BARS)], &ReplayOptions::default()).unwrap();
    let article = read_news.article("a1");
    assert_eq!(article.published_at, at("2025-05-12T19:43:00Z"));
    assert_eq!(article.received_at, at("2025-05-12T19:50:01Z"));

    let bars_of = |flag: Option<TimeZone>| {
        let row = |minute: u32| format!("VOD.L,2025-05-12 09:{minute}:00,Europe/London,1,2,1,2,10\n");
        let csv = format!("symbol,start,timezone,open,high,low,close,volume\n{}{}", row(30), row(31));
        bars_with(&csv, &ReplayOptions { bar_zone: flag, ..ReplayOptions::default() })
    };
    assert_eq!(bars_of(None).unwrap().bars()[0].start, at("2025-05-12T08:30:00Z"));
    let refused = bars_of(zone("UTC")).err().unwrap();
    assert!(refused.contains("contradicts --bar-zone") && refused.contains("--bar-columns time_zone="), "{refused}");

    let csv = "symbol,time,tz,price,size\nAAPL,2025-06-02 09:30:01,America/New_York,10,1\n";
    let (_, bars) = trades::fold_with(csv, &trades::options()).unwrap();
    let starts: Vec<_> = bars.iter().map(|bar| bar.start).collect();
    assert_eq!(starts, [at("2025-06-02T13:30:00Z")]);
}
