//! From when a text counts, by the columns of its row.

use super::*;

/// An article of 14:00 with a further field.
fn article(name: &str, value: &str) -> String {
    format!(
        r#"{{"id":"e","title":"Apple raises its outlook (corrected)","published_at":"2025-05-12T14:00:00Z","{name}":{value},"symbols":["AAPL"]}}"#
    )
}

#[rustfmt::skip]
const OF_EDITS: &[&str] = &[
    "updated_at", "updatedAt", "updated_on", "updated_date", "updated_datetime", "update_time", "update_date",
    "last_update", "last_updated_at", "dateUpdated", "modified", "modified_at", "modified_time", "dateModified",
    "lastmod", "Last-Modified", "edited", "edited_at", "revised_at", "versionCreated", "changed", "correction_time",
];

#[rustfmt::skip]
const OF_RECEIPTS: &[&str] = &[
    "received_at", "receive_time", "time_received", "timestamp_received", "available_at", "scraped", "scraped_at",
    "scrape_time", "captured_at", "capture_time", "ingest_time", "ingested_at", "date_added", "crawled", "fetched_at",
    "retrieved_at", "downloaded_at", "indexed_at",
];

#[test]
fn the_time_of_an_edit_counts_whatever_its_column_is_called() {
    for name in OF_EDITS {
        let read = news(&article(name, r#""2025-05-12T18:00:00Z""#));
        assert_eq!(read.article("e").received_at, at("2025-05-12T18:00:01Z"), "{name}");
        assert!(!read.notes().contains("is not known"), "{}", read.notes());
    }
    for name in OF_RECEIPTS {
        let read = news(&article(name, r#""2025-05-12T18:00:00Z""#));
        assert_eq!(read.article("e").received_at, at("2025-05-12T18:00:00Z"), "{name}");
    }
}

#[test]
fn of_several_times_the_latest_counts() {
    for (fields, known) in [
        (r#""2025-05-12T14:05:00Z","last_modified":"2025-05-12T18:00:00Z""#, "18:00:01"),
        (r#""2025-05-12T18:00:00Z","last_modified":"2025-05-12T14:05:00Z""#, "18:00:01"),
        (r#"null,"modified":"2025-05-12T14:05:00Z","revised_at":"","edited_at":"2025-05-12T18:00:00Z""#, "18:00:01"),
        (
            r#""2025-05-12T14:05:00Z","received_at":"2025-05-12T14:06:00Z","crawled_at":"2025-05-12T18:00:00Z""#,
            "18:00:00",
        ),
        // A day and a time of day in two columns.
        (r#"null,"updated_date":"2025-05-12","updated_time":"18:00""#, "18:00:01"),
        (r#"null,"updated_time":"18:00","modified_date":"2025-05-12 00:00:00""#, "18:00:01"),
    ] {
        let options = ReplayOptions { news_zone: zone("UTC"), ..ReplayOptions::default() };
        let read = read(&[("news.jsonl", &article("updated_at", fields)), ("bars.csv", BARS)], &options).unwrap();
        let expected = at(&format!("2025-05-12T{known}Z"));
        assert_eq!(read.prepared.articles[0].received_at, expected, "{fields}");
    }
}

/// A row for each company of one article, which were crawled one after the other, is no edit.
#[test]
fn rows_of_one_article_may_have_been_crawled_at_different_times() {
    let row = |symbol: &str, crawled: &str| {
        article("updated_at", &format!(r#""2025-05-12T14:05:00Z","crawled_at":"2025-05-12T{crawled}:00Z""#))
            .replace("AAPL", symbol)
    };
    let read = news(&format!("{}\n{}", row("AAPL", "18:00"), row("MSFT", "18:01")));
    let last = read.prepared.articles.last().unwrap();
    assert_eq!((last.symbols.len(), last.withdrawn.len(), read.reasons().len()), (2, 0, 0));
}

#[test]
fn a_field_that_says_whether_there_was_an_edit_is_no_time() {
    for value in ["true", "false", r#""no""#, "0", "[\"title\"]", "{}"] {
        let read = news(&article("edited", value));
        assert_eq!(read.article("e").received_at, at("2025-05-12T14:00:01Z"), "{value}");
    }
}

#[test]
fn a_time_that_can_t_be_read_rejects_its_row() {
    for (name, value, part) in [
        ("created_at", r#""2025-05-12 18:00:00""#, "created_at `2025-05-12 18:00:00` has no time zone"),
        ("created_at", r#""2025-05-13""#, "created_at `2025-05-13` is a day without a time of day"),
        ("display_time", r#""soon""#, "display_time `soon` is not a time"),
        (
            "modified",
            r#""2025-05-13""#,
            "modified `2025-05-13` is a day without a time of day; --news-columns updated_at=",
        ),
        ("crawl_date", r#""2025-05-13""#, "is a day without a time of day; --news-columns received_at="),
    ] {
        let reasons = news(&format!("{NEWS}\n{}", article(name, value))).reasons();
        assert!(reasons.len() == 1 && reasons[0].0 == 2 && reasons[0].1.contains(part), "{reasons:?}");
        // The flag of the reason.
        let role = if part.contains("received_at=") { "received_at" } else { "updated_at" };
        let absent = match name {
            "created_at" | "display_time" => ("published_at".to_owned(), Some("published_at".to_owned())),
            _ => (role.to_owned(), None),
        };
        let options = ReplayOptions { news_columns: [absent].into(), ..ReplayOptions::default() };
        let told = read(&[("news.jsonl", &article(name, value)), ("bars.csv", BARS)], &options).unwrap();
        assert_eq!(told.article("e").received_at, at("2025-05-12T14:00:01Z"), "{name}");
    }
    for value in ["null", r#""""#, r#""NaT""#] {
        assert!(news(&article("created_at", value)).reasons().is_empty(), "{value}");
    }
}

#[test]
fn an_unknown_column_with_later_times_is_named() {
    for (name, role) in
        [("textRevisedUtc", "updated_at"), ("last_version", "updated_at"), ("crawler_stamp", "received_at")]
    {
        let late = article(name, r#""2025-05-12T18:00:00""#);
        let said = news(&late).notes();
        let flag = format!("--news-columns {role}={name} ");
        assert!(
            said.contains(&format!("the column {name} of the news is not known")) && said.contains(&flag),
            "{said}"
        );
        // What the user says of the role is not asked again.
        let said = |column: Option<&str>| {
            let news_columns = [(role.to_owned(), column.map(str::to_owned))].into();
            let options = ReplayOptions { news_columns, news_zone: zone("UTC"), ..ReplayOptions::default() };
            read(&[("news.jsonl", &late), ("bars.csv", BARS)], &options).unwrap()
        };
        assert!(!said(None).notes().contains("is not known"));
        let known = said(Some(name));
        assert!(
            known.article("e").received_at >= at("2025-05-12T18:00:00Z") && !known.notes().contains("is not known")
        );
    }
    for (name, value) in [
        ("textRevisedUtc", r#""2025-05-12T14:00:00""#),
        ("version", "12"),
        ("modified_by", r#""Desk""#),
        ("next_event", r#""2025-06-12T14:00:00Z""#),
    ] {
        assert!(!news(&article(name, value)).notes().contains("is not known"), "{name}");
    }
}

#[test]
fn a_long_delay_is_not_the_rows_fault() {
    let notes = |news: &str| {
        let options = ReplayOptions { delay: Duration::from_secs(48 * 3600), ..ReplayOptions::default() };
        read(&[("news.jsonl", news), ("bars.csv", BARS)], &options).unwrap().notes()
    };
    assert!(!notes(NEWS).contains("more than a day after"), "{}", notes(NEWS));
    let edited = article("updated_at", r#""2025-05-14T14:00:00Z""#);
    assert!(notes(&edited).contains("1 articles or edits count from more than a day after"), "{}", notes(&edited));
}

#[test]
fn what_programs_write_for_never_is_no_time() {
    for name in ["modified", "updated_at", "lastmod", "created_at", "received_at", "scraped_at", "display_time"] {
        for value in [
            "0",
            "false",
            r#""0""#,
            r#""0001-01-01T00:00:00Z""#,
            r#""1970-01-01T00:00:00Z""#,
            r#""0000-00-00 00:00:00""#,
        ] {
            let read = news(&article(name, value));
            assert!(read.reasons().is_empty(), "{name} {value}: {:?}", read.reasons());
            assert_eq!(read.article("e").received_at, at("2025-05-12T14:00:01Z"), "{name} {value}");
        }
    }
    for value in [r#""N""#, r#""original""#, "3"] {
        assert_eq!(news(&article("edited", value)).article("e").received_at, at("2025-05-12T14:00:01Z"), "{value}");
    }
    // A day that is over everywhere can't be later than the publication; the same day can.
    assert_eq!(news(&article("created", r#""2025-05-11""#)).article("e").received_at, at("2025-05-12T14:00:01Z"));
    let files = [("news.jsonl", &*article("created", r#""2025-05-12""#)), ("bars.csv", BARS)];
    let refused = read(&files, &ReplayOptions::default()).err().unwrap();
    assert!(refused.contains("--news-columns published_at=NAME"), "{refused}");
}

#[test]
fn a_column_is_noted_only_where_its_words_tell_of_an_edit() {
    for name in
        ["exchange_close", "edition", "edition_id", "revision_id", "volume_change", "next_update", "version_string"]
    {
        let read = news(&article(name, r#""2025-05-12T18:00:00Z""#));
        assert!(!read.notes().contains("is not known"), "{name}: {}", read.notes());
    }
    for name in ["text_revised_utc", "lastEditUTC", "modified_gmt"] {
        let read = news(&article(name, r#""2025-05-12T18:00:00Z""#));
        assert!(read.notes().contains(&format!("the column {name} of the news is not known")), "{}", read.notes());
    }
}

/// The last price of a day that is not over is no closing price.
#[test]
fn a_bar_that_is_not_over_is_refused() {
    let until = |now: &str| ReplayOptions { now: Some(at(now)), ..ReplayOptions::default() };
    let days = "symbol,start,open,high,low,close,volume\nAAPL,2025-05-12,1,2,1,2,10\nAAPL,2025-05-13,1,2,1,2,10\n";
    let running = bars_with(days, &until("2025-05-13T16:00:00Z")).unwrap();
    let reasons = running.reasons();
    let [(3, reason)] = &reasons[..] else { panic!("{reasons:?}") };
    assert!(reason.contains("`2025-05-13T20:00:00Z`") && reason.contains("is not over"), "{reason}");
    assert!(running.notes().contains("1 rows can't be read: its bar ends at"), "{}", running.notes());
    assert_eq!(running.bars().len(), 1);
    assert_eq!(bars_with(days, &until("2025-05-13T20:00:00Z")).unwrap().bars().len(), 2);
    assert_eq!(bars_with(BARS, &until("2025-05-12T14:01:30Z")).unwrap().bars().len(), 1, "those of 14:01 are running");
    let refused = bars_with(BARS, &until("2025-05-12T14:00:30Z")).err().unwrap();
    assert!(refused.contains("none of its 3 rows can be read: its bar ends at"), "{refused}");
}

#[test]
fn a_file_that_was_written_before_its_bars_were_over_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let [news, bars] = ["news.jsonl", "bars.csv"].map(|name| folder.path().join(name));
    std::fs::write(&news, NEWS).unwrap();
    std::fs::write(&bars, BARS).unwrap();
    let options = ReplayOptions { now: Some(at("2025-06-01T00:00:00Z")), ..ReplayOptions::default() };
    let notes = |written: &str| {
        let since = Duration::from_secs(at(written).as_second().unsigned_abs());
        let file = std::fs::File::options().write(true).open(&bars).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + since).unwrap();
        let inputs = Inputs { news: vec![news.clone()], bars: vec![bars.clone()] };
        prepare(&inputs, &options, |_| Ok(())).unwrap().notes().join("\n")
    };
    let said = notes("2025-05-12T14:01:30Z");
    assert!(said.contains("bars.csv: 2 bars end after 2025-05-12T14:01:30Z, when the file was written"), "{said}");
    assert!(!notes("2025-05-12T14:02:00Z").contains("when the file was written"));
}
