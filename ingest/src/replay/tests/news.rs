//! Rows of news.

use super::*;
use std::fmt::Write as _;

#[test]
fn news_of_other_providers_keep_their_headline_and_companies() {
    let read = news(
        r#"{"id": 24843171, "headline": "Apple cuts its outlook", "author": "Desk", "created_at": "2025-05-12T14:00:00Z", "updated_at": "2025-05-12T14:00:03Z", "summary": "", "content": "<p>It said so.</p>", "url": "https://news.example/1", "images": [], "symbols": ["AAPL"], "source": "wire"}
{"category": "company", "datetime": 1747058400, "headline": "Apple cuts its outlook", "id": 7, "image": "", "related": "AAPL", "source": "Wire", "summary": "The maker said so.", "url": "https://news.example/2"}
{"id": "5f1c", "content": {"title": "Apple cuts its outlook", "pubDate": "2025-05-12T14:00:00Z", "provider": {"displayName": "Wire"}, "canonicalUrl": {"url": "https://news.example/3"}}}
{"id": "h1", "headline": "Apple cuts its outlook", "published_at": "2025-05-12T14:00:00Z", "tickers": ["AAPL"]}
{"id": "h2", "title": "Apple cuts its outlook", "published_at": "2025-05-12T14:00:00Z", "symbol": "AAPL"}
{"id": "h3", "title": "Apple cuts its outlook", "published_at": "2025-05-12T14:00:00Z", "symbols": "AAPL"}
{"id": "h4", "title": "Apple cuts its outlook", "published_at": "2025-05-12T14:00:00Z", "symbols": ["AAPL", null]}
{"id": "h5", "title": "Apple cuts its outlook", "published_at": "2025-05-12T14:00:00Z", "symbols": ["NASDAQ:AAPL"]}
{"id": "h6", "title": "Apple cuts its outlook", "published_at": "2025-05-12T14:00:00Z", "symbols": ["$AAPL"]}
{"id": "h7", "title": "Berkshire buys more", "published_at": "2025-05-12T14:00:00Z", "symbols": ["BRK B", "BRK-B", "brk/b"]}
{"title": "Shares are moving", "url": "https://news.example/a?id=1", "time_published": "20250512T140000Z", "authors": ["C. J."], "summary": "Some are falling.", "source": "Money", "source_domain": "x.example", "topics": [{"topic": "Earnings", "relevance_score": "0.9"}], "overall_sentiment_score": 0.1, "ticker_sentiment": [{"ticker": "RCL", "relevance_score": "0.1"}, {"ticker": "FOREX:USD"}]}
{"id": 62518354, "publishedDate": "2025-05-12T14:00:00Z", "title": "I want it", "url": "https://x.example", "description": "The game", "source": "x.example", "tags": ["ETF", "Stock"], "crawlDate": "2025-05-12T14:09:00.346473Z", "tickers": ["ben", "msft"]}
{"uuid": "m1", "title": "T", "description": "D", "published_at": "2025-05-12T14:00:00.000000Z", "source": "x.example", "entities": [{"symbol": "TSLA", "name": "Tesla", "type": "equity"}], "similar": []}
{"source": {"id": null, "name": "Desk"}, "author": null, "title": "No company here", "description": "D", "url": "https://news.example/n", "urlToImage": null, "publishedAt": "2025-05-12T14:00:00Z", "content": "C"}
{"id":"m","published_utc":"2025-05-12T14:00:00Z","title":"T","tickers":["GOOG",null],"publisher":{"name":"P"},"keywords":null}
"#,
    );
    assert_eq!((read.reasons(), read.parts()), (Vec::new(), Vec::new()));
    for id in ["24843171", "7", "h1", "h2", "h3", "h4", "h5", "h6"] {
        assert_eq!(
            (read.symbols(id), read.article(id).title.as_str()),
            (vec!["AAPL".into()], "Apple cuts its outlook"),
            "{id}"
        );
        assert_eq!(read.article(id).published_at, at("2025-05-12T14:00:00Z"), "{id}");
    }
    let alpaca = read.article("24843171");
    assert_eq!(
        (alpaca.author.as_str(), alpaca.publisher.as_str(), alpaca.description.as_str()),
        ("Desk", "wire", "<p>It said so.</p>")
    );
    assert_eq!(alpaca.received_at, at("2025-05-12T14:00:04Z"));
    assert_eq!(read.article("7").description, "The maker said so.");
    let yahoo = read.article("5f1c");
    assert_eq!((yahoo.title.as_str(), yahoo.publisher.as_str()), ("Apple cuts its outlook", "Wire"));
    assert_eq!((yahoo.url.as_str(), yahoo.symbols.len()), ("https://news.example/3", 0));
    assert_eq!(read.symbols("h7"), ["BRK.B"]);
    // Without an id the URL is the id.
    let vantage = read.article("https://news.example/a?id=1");
    assert_eq!((vantage.author.as_str(), &vantage.keywords[..]), ("C. J.", &["Earnings".to_owned()][..]));
    assert_eq!(read.symbols("https://news.example/a?id=1"), ["RCL", "FOREX:USD"]);
    assert_eq!(
        (read.symbols("62518354"), read.article("62518354").keywords.len()),
        (vec!["BEN".into(), "MSFT".into()], 2)
    );
    assert_eq!((read.symbols("m1"), read.article("m1").publisher.as_str()), (vec!["TSLA".into()], "x.example"));
    assert_eq!(read.article("https://news.example/n").publisher, "Desk");
    let massive = read.article("m");
    assert_eq!(
        (massive.provider.as_str(), massive.publisher.as_str(), massive.received_at),
        ("massive", "P", at("2025-05-12T14:00:01Z"))
    );
    assert_eq!(massive.revision, Article::fingerprint("T", "", &massive.symbols));
}

#[test]
fn a_row_whose_text_or_companies_would_vanish_is_refused_with_its_names() {
    let read = news(
        r#"{"id":"x","head":"Maker lifts","published_at":"2025-05-12T14:00:00Z","symbols":["AAPL"]}
{"id":"y","title":"Maker lifts","published_at":"2025-05-12T14:00:00Z","firms":["AAPL"]}
{"id":"z","title":"Maker lifts","when":"2025-05-12T14:00:00Z","symbols":["AAPL"]}
{"id":"p","title":"Maker lifts","published_at":"2025-05-12T14:00:00Z","symbols":["AAPL","?!","A B C"],"publisher":{"x":1}}
{"id":"n","published_at":"2025-05-12T14:00:00Z","symbols":[]}
"#,
    );
    let reasons = read.reasons();
    assert_eq!(reasons.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 3]);
    for ((_, reason), parts) in reasons.iter().zip([
        ["no title", "id, head, published_at, symbols", "--news-columns title=NAME"],
        ["no symbols", "id, title, published_at, firms", "--news-columns symbols=NAME"],
        ["no published_at", "id, title, when, symbols", "--news-columns published_at=NAME"],
    ]) {
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
    // A part that can't be read is left out and named in a dead letter; the article is kept, and counted apart.
    let (line, reason) = &read.parts()[0];
    assert!(*line == 4 && ["`?!`", "`A B C`", "publisher"].iter().all(|part| reason.contains(part)), "{reason}");
    assert_eq!(read.symbols("p"), ["AAPL"]);
    assert_eq!(read.article("n").title, "");
}

#[test]
fn a_row_s_own_field_counts_before_one_of_the_same_name_in_its_content() {
    let both = r#"{"id":"a1","title":"Own","published_at":"2025-05-12T14:00:00Z","symbols":["AAPL"],"content":{"title":"Inner","published_at":"2025-05-12T15:00:00Z","summary":"Teaser"}}"#;
    let read = news(both);
    let article = read.article("a1");
    assert_eq!((article.title.as_str(), article.published_at), ("Own", at("2025-05-12T14:00:00Z")));
    assert_eq!(article.description, "Teaser");
}

#[test]
fn columns_with_other_names_can_be_named() {
    let columns = [("title", Some("head.line")), ("published_at", Some("when")), ("symbols", None)];
    let news_columns = columns.map(|(role, name)| (role.to_owned(), name.map(str::to_owned))).into();
    let options = ReplayOptions { news_columns, ..ReplayOptions::default() };
    let line = r#"{"id":"x","head":{"line":"Maker lifts"},"when":1747058400,"title":"not this","firm":"F"}"#;
    let with = read(&[("news.jsonl", line), ("bars.csv", BARS)], &options).unwrap();
    assert_eq!((with.article("x").title.as_str(), with.article("x").symbols.len()), ("Maker lifts", 0));
    let news_columns = [("headline".to_owned(), Some("head".to_owned()))].into();
    let error =
        read(&[("news.jsonl", line), ("bars.csv", BARS)], &ReplayOptions { news_columns, ..ReplayOptions::default() });
    assert!(error.err().unwrap().contains("there is no `headline`; there are: id, title"), "it names the roles");
}

#[test]
fn news_times_are_read_or_refused_and_never_1970() {
    let times = [
        r#""published_at": "2025-05-12T19:43:00Z""#,
        r#""published_at": "2025-05-12 15:43:00-04:00""#,
        r#""published_at": "2025-05-12T19:43:00""#,
        r#""published_at": "20250512T194300""#,
        r#""published_at": "Mon, 12 May 2025 19:43:00 GMT""#,
        r#""published_at": 1747078980"#,
        r#""published_ms": "1747078980000""#,
        r#""published_ms": 1747078980.123"#,
        r#""published_ms": 0"#,
        r#""published_ms": 20250512"#,
        r#""published_at": null, "published_ms": 1747078980000"#,
        r#""published_at": "2099-01-01T00:00:00Z""#,
        r#""published_at": """#,
        r#""published_at": "2025-05-12""#,
        r#""date": "2025-05-12", "time": "15:43""#,
    ];
    let mut lines = String::new();
    for (number, time) in times.iter().enumerate() {
        writeln!(lines, r#"{{"id": "t{}", "title": "T", "symbols": ["AAPL"], {time}}}"#, number + 1).unwrap();
    }
    let silent = news(&lines);
    let lines_refused: Vec<u64> = silent.reasons().iter().map(|(line, _)| *line).collect();
    assert_eq!(lines_refused, [3, 4, 9, 10, 13, 14, 15], "{:?}", silent.reasons());
    for line in [0, 1, 6] {
        let (_, reason) = &silent.reasons()[line];
        let parts = ["2025", "no time zone", "--news-zone America/New_York"];
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
    assert!(silent.reasons()[2].1.starts_with("published_ms `0`") && silent.reasons()[3].1.contains("a day without"));
    let told = read(
        &[("news.jsonl", &lines), ("bars.csv", BARS)],
        &ReplayOptions { news_zone: zone("America/New_York"), ..ReplayOptions::default() },
    )
    .unwrap();
    for id in ["t1", "t2", "t5", "t6", "t7", "t11", "t15"] {
        assert_eq!(told.article(id).published_at, at("2025-05-12T19:43:00Z"), "{id}");
    }
    assert_eq!(told.article("t3").published_at, at("2025-05-12T23:43:00Z"));
    assert_eq!(told.article("t8").published_at, at("2025-05-12T19:43:00.123Z"));
}

#[test]
fn rows_of_one_article_are_put_together_and_an_edit_withdraws() {
    let read = news(
        r#"{"id": "n1", "title": "Apple gains as Microsoft slips", "published_at": "2025-05-12T14:00:00Z", "symbols": ["AAPL"]}
{"id": "n1", "title": "Apple gains as Microsoft slips", "published_at": "2025-05-12T14:00:00Z", "symbols": ["MSFT"]}
{"id": "n1", "title": "Apple gains as Microsoft slips", "published_at": "2025-05-12T14:00:00Z", "symbols": ["AAPL"]}
{"id": "n2", "title": "Apple raises its outlook", "published_at": "2025-05-12T14:02:00Z", "symbols": ["AAPL", "MSFT"]}
{"id": "n2", "title": "Apple raises its outlook", "published_at": "2025-05-12T14:02:00Z", "symbols": ["AAPL"]}
{"id": "n3", "title": "T", "published_at": "2025-05-12T14:02:00Z", "symbols": ["AAPL", "MSFT"]}
{"id": "n3", "title": "T", "published_at": "2025-05-12T14:02:00Z", "symbols": ["AAPL", "TSLA"]}
{"id": "n4", "title": "T", "published_at": "2025-05-12T14:02:00Z", "symbols": ["AAPL"]}
{"id": "n4", "title": "T", "published_at": "2025-05-12T14:02:00Z", "symbols": null}
{"id": "n5", "title": "T", "published_at": "2025-05-12T14:02:00Z", "symbols": ["AAPL"]}
{"id": "n5", "title": "T", "published_at": "2025-05-12T14:02:00Z", "symbols": []}
"#,
    );
    assert_eq!(read.symbols("n1"), ["AAPL", "MSFT"]);
    assert_eq!(
        (read.symbols("n2"), read.article("n2").withdrawn.clone()),
        (vec!["AAPL".into()], vec![Some(Symbol::new("MSFT").unwrap())])
    );
    assert_eq!(read.symbols("n3"), ["AAPL", "MSFT"]);
    assert!(read.reasons()[0].0 == 7 && read.reasons()[0].1.contains("news.jsonl line 6"), "{:?}", read.reasons());
    assert_eq!(read.symbols("n4"), ["AAPL"]);
    assert_eq!((read.symbols("n5"), read.article("n5").withdrawn.len()), (vec![], 1));
    assert_eq!((read.prepared.mentions, read.prepared.repeated), (2 + 1 + 2 + 1 + 1, 2));
}

#[test]
fn words_with_spaces_are_tickers_only_if_all_are_known() {
    let known = ["AAPL", "MSFT", "HOME"].map(|ticker| Symbol::new(ticker).unwrap());
    let options = ReplayOptions { tickers: Some(std::sync::Arc::new(known.into())), ..ReplayOptions::default() };
    let lines = ["AAPL MSFT", "HOME DEPOT", "HOME,DEPOT", "DEPOT", "BRK B", "BLACK & DECK"].map(|symbols| {
        let id = symbols.to_lowercase();
        format!(r#"{{"id":"{id}","title":"T","published_at":"2025-05-12T14:00:00Z","symbols":"{symbols}"}}"#)
    });
    let read = read(&[("news.jsonl", &lines.join("\n")), ("bars.csv", BARS)], &options).unwrap();
    assert_eq!(read.symbols("aapl msft"), ["AAPL", "MSFT"]);
    assert_eq!(read.symbols("home depot"), Vec::<String>::new());
    assert_eq!(
        (read.symbols("home,depot"), read.symbols("depot")),
        (vec!["HOME".into(), "DEPOT".into()], vec!["DEPOT".into()])
    );
    assert_eq!(read.symbols("brk b"), ["BRK.B"]);
    assert_eq!(read.symbols("black & deck"), Vec::<String>::new());
    let parts = read.parts();
    assert!(parts.len() == 2 && parts[0].1.contains("`HOME DEPOT` may be a name"), "{parts:?}");
    assert!(parts[1].1.contains("`BLACK & DECK` may be a name"), "{parts:?}");
}

#[test]
fn an_edit_counts_from_its_time_and_without_one_the_first_text_stays() {
    let first = r#"{"id": "e", "title": "Example to publish results", "published_at": "2025-05-12T14:00:00Z", "symbols": ["AAPL", "MSFT"]}"#;
    let edit = |time: &str| {
        format!(
            r#"{{"id": "e", "title": "UPDATE: shares jump", "published_at": "2025-05-12T14:00:00Z", {time} "symbols": ["AAPL"]}}"#
        )
    };
    for (time, known) in [
        (r#""updated_at": "2025-05-12T14:40:00Z","#, "2025-05-12T14:40:01Z"),
        (r#""received_at": "2025-05-12T14:40:00Z","#, "2025-05-12T14:40:00Z"),
    ] {
        // The order does not matter: the file may have the newest row first.
        for lines in [format!("{first}\n{}", edit(time)), format!("{}\n{first}", edit(time))] {
            let read = news(&lines);
            let [before, after] = &read.prepared.articles[..] else { panic!("{:?}", read.prepared.articles) };
            assert_eq!(
                (before.title.as_str(), before.received_at),
                ("Example to publish results", at("2025-05-12T14:00:01Z"))
            );
            assert_eq!((after.title.as_str(), after.received_at), ("UPDATE: shares jump", at(known)));
            assert_eq!(
                (after.withdrawn.clone(), before.withdrawn.len()),
                (vec![Some(Symbol::new("MSFT").unwrap())], 0)
            );
            assert_ne!(before.revision, after.revision);
            assert_eq!(read.prepared.mentions, 1);
        }
    }
    // When the provider first saw the article (from Tiingo and others), when it stored it, and a time of receipt before
    // the edit or the publication.
    for (time, known) in [
        (r#""crawlDate": "2025-05-12T14:40:00.5Z","#, "2025-05-12T14:40:00.5Z"),
        (r#""crawled": 1747060800,"#, "2025-05-12T14:40:00Z"),
        (r#""fetched_at": "2025-05-12T14:40:00Z","#, "2025-05-12T14:40:00Z"),
        (r#""created_at": "2025-05-12T14:40:00Z","#, "2025-05-12T14:40:01Z"),
        (r#""created_at": "2025-05-12T14:00:02Z", "updated_at": "2025-05-12T14:40:00Z","#, "2025-05-12T14:40:01Z"),
        (r#""received_at": "2025-05-12T14:00:02Z", "updated_at": "2025-05-12T14:40:00Z","#, "2025-05-12T14:40:00Z"),
        (r#""crawlDate": "2025-05-12T13:00:00Z","#, "2025-05-12T14:00:00Z"),
    ] {
        assert_eq!(news(&edit(time)).article("e").received_at, at(known), "{time}");
    }
    let days_later = news(&edit(r#""crawlDate": "2026-05-12T14:40:00Z","#));
    assert!(
        days_later.notes().contains("1 articles or edits count from more than a day after"),
        "{}",
        days_later.notes()
    );
    let untimed = news(&format!("{first}\n{}", edit("")));
    assert_eq!(untimed.article("e").title, "Example to publish results");
    let (line, reason) = &untimed.reasons()[0];
    assert!(*line == 2 && reason.contains("an edit without the time of the edit"), "{reason}");
    // A row whose time of the edit can't be read must not be taken for a row without one.
    let unread = news(&format!("{first}\n{}", edit(r#""updated_at": "14:40","#)));
    assert!(unread.reasons()[0].1.starts_with("updated_at `14:40`"), "{:?}", unread.reasons());
}

#[test]
fn an_article_without_an_id_is_named_by_its_address_or_its_title_and_time() {
    let read = news(
        r#"{"title":"One","published_at":"2025-05-12T14:00:00Z","symbols":["AAPL"],"url":"https://x.example/"}
{"title":"Two","published_at":"2025-05-12T14:00:00Z","symbols":["AAPL"],"url":"https://x.example/"}
{"title":"Two","published_at":"2025-05-12T14:00:00Z","symbols":["MSFT"]}
{"published_at":"2025-05-12T14:00:00Z","symbols":["MSFT"]}"#,
    );
    // Many articles have the URL of a front page.
    let titles: Vec<(&str, usize)> =
        read.prepared.articles.iter().map(|article| (article.title.as_str(), article.symbols.len())).collect();
    assert_eq!(titles, [("One", 1), ("Two", 2)]);
    let said = "3 rows have neither an id nor a url of their own and are told apart by time, title and text";
    assert!(read.notes().contains(said), "{}", read.notes());
    assert!(read.reasons()[0].1.contains("no id, url, title or text"));
}

/// Without ids, several articles of one minute may have one title, and all articles the address of their section.
#[test]
fn articles_without_ids_are_told_apart_by_their_texts() {
    let csv = "date,ticker,title,summary,url
2025-05-12T14:05:00Z,AAPL,Analyst rating change,Raised to buy,https://news.example/ticker?all
2025-05-12T14:05:00Z,MSFT,Analyst rating change,Cut to hold,https://news.example/ticker?all
2025-05-12T14:05:00Z,AAPL,Analyst rating change,Cut to sell by another house,https://news.example/ticker?all
2025-05-12T14:05:00Z,SPY,Analyst rating change,Cut to hold,https://news.example/ticker?all
2025-05-12T14:06:00Z,SPY,,Only a text,https://news.example/ticker?all
";
    let texts = |read: &Read| -> Vec<(String, usize)> {
        read.prepared.articles.iter().map(|one| (one.description.clone(), one.symbols.len())).collect()
    };
    let expected = [("Raised to buy", 1), ("Cut to hold", 2), ("Cut to sell by another house", 1), ("Only a text", 1)]
        .map(|(text, companies)| (text.to_owned(), companies));
    let front_page = csv.replace("https://news.example/ticker?all", "https://news.example/");
    let no_address = csv.replace("https://news.example/ticker?all", "");
    for (csv, ids) in [(csv, Some(())), (&front_page[..], None), (&no_address[..], None)] {
        let absent = ids.map(|()| ("id".to_owned(), None));
        let options = ReplayOptions { news_columns: absent.into_iter().collect(), ..ReplayOptions::default() };
        let read = read(&[("news.csv", csv), ("bars.csv", BARS)], &options).unwrap();
        assert_eq!((texts(&read), read.reasons()), (expected.to_vec(), Vec::new()), "{csv}");
    }
    // The address is the id unless the user says that the file has no ids.
    let notes = read(&[("news.csv", csv), ("bars.csv", BARS)], &ReplayOptions::default()).unwrap();
    assert!(notes.prepared.articles.iter().all(|article| article.id == "https://news.example/ticker?all"));
    assert!(notes.notes().contains("5 rows have no id and are told apart by their url"), "{}", notes.notes());
}

/// The identity follows from the content alone: not from the file, the order of its rows, or the rows beside.
#[test]
fn an_article_without_an_id_has_the_same_identity_wherever_its_row_is() {
    let row = |title: &str| format!("2025-05-12T14:05:00Z,AAPL,{title},Raised to buy\n");
    let ids = |rows: &[&str]| -> std::collections::BTreeMap<String, String> {
        let csv = "date,ticker,title,summary\n".to_owned() + &rows.iter().map(|title| row(title)).collect::<String>();
        let read = read(&[("news.csv", &csv), ("bars.csv", BARS)], &ReplayOptions::default()).unwrap();
        read.prepared.articles.iter().map(|article| (article.title.clone(), article.id.clone())).collect()
    };
    let (both, swapped, alone) = (ids(&["One", "Two", "One"]), ids(&["Two", "One"]), ids(&["One"]));
    assert_eq!((&both, both.len(), &both["One"]), (&swapped, 2, &alone["One"]));
    assert_ne!(both["One"], both["Two"]);
}

#[test]
fn a_row_without_a_text_does_not_replace_one_with_a_text() {
    let read = news(
        r#"{"id": "f1", "title": "Apple raises its outlook", "published_at": "2025-05-12T14:00:00Z", "symbols": ["AAPL"]}
{"id": "f1", "title": "", "published_at": "2025-05-12T15:00:00Z", "symbols": ["AAPL"]}
"#,
    );
    assert_eq!(read.prepared.articles.len(), 1);
    assert_eq!(read.article("f1").title, "Apple raises its outlook");
    assert!(read.reasons()[0].1.contains("no text"), "{:?}", read.reasons());
}

#[test]
fn a_column_that_was_named_and_is_in_no_row_is_refused() {
    for (role, is_there) in [("title", false), ("symbols", false), ("id", false), ("author", true)] {
        let column = if is_there { "by" } else { "nope" };
        let news_columns = [(role.to_owned(), Some(column.to_owned()))].into();
        let options = ReplayOptions { news_columns, ..ReplayOptions::default() };
        let line = NEWS.replace("\"symbols\"", r#""by":"A. Writer","symbols""#);
        match read(&[("news.jsonl", &line), ("bars.csv", BARS)], &options) {
            Ok(read) => assert!(is_there && read.article("a1").author == "A. Writer", "{role}"),
            Err(error) => assert!(!is_there && error.contains("--news-columns") && error.contains("nope"), "{error}"),
        }
    }
}

#[test]
fn a_day_written_as_its_midnight_takes_the_time_of_day_beside_it() {
    let options = ReplayOptions { news_zone: zone("America/New_York"), ..ReplayOptions::default() };
    let csv = "id,date,time,ticker,headline
a,2025-05-12 00:00:00,15:43:00,AAPL,One
b,2025-05-12T00:00:00,3:43 PM,AAPL,Two
c,2025-05-12,154300,AAPL,Three
d,2025-05-12 00:00:00,00:00:00,AAPL,Four
e,2025-05-12 00:00:00,,AAPL,Five
f,2025-05-12T00:00:00Z,19:43,AAPL,Six
g,2025-05-12 00:00:00-04:00,15:43,AAPL,Seven
h,2025-05-12T00:00:00Z,00:00,AAPL,Eight
i,2025-05-12T04:00:00Z,04:00,AAPL,Nine
j,2025-05-12,,AAPL,Ten
";
    let table = read(&[("news.csv", csv), ("bars.csv", BARS)], &options).unwrap();
    for (ids, time) in [(&["a", "b", "c"][..], "19:43"), (&["d", "e", "i"], "04:00"), (&["h"], "00:00")] {
        for id in ids {
            assert_eq!(table.article(id).published_at, at(&format!("2025-05-12T{time}:00Z")), "{id}");
        }
    }
    let reasons = table.reasons();
    assert_eq!(reasons.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [7, 8, 11], "{reasons:?}");
    assert!(reasons[0].1.contains("date `2025-05-12T00:00:00Z` is a midnight beside `19:43`"), "{reasons:?}");
    assert!(reasons[1].1.contains("write the day without a time and a zone"), "{reasons:?}");
    assert!(reasons[2].1.contains("a day without a time of day"), "{reasons:?}");
    // The column of times may have another name.
    let line =
        r#"{"id":"k","title":"T","published_date":"2025-05-12 00:00:00","publish_time":"15:43","symbols":["AAPL"]}"#;
    let lines = read(&[("news.jsonl", line), ("bars.csv", BARS)], &options).unwrap();
    assert_eq!(lines.article("k").published_at, at("2025-05-12T19:43:00Z"));
}

#[test]
fn files_that_number_their_rows_lose_no_article_without_a_word() {
    let first = "id,published_at,ticker,headline
1,2025-05-12T15:43:00Z,AAPL,Maker raises its outlook
2,2025-05-13T15:43:00Z,AAPL,Maker misses estimates
";
    let second = r#"{"id":1,"published_at":"2025-05-14T15:00:00Z","tickers":["SPY"],"title":"S&P 500 tumbles"}
{"id":2,"published_at":"2025-05-15T15:00:00Z","tickers":["SPY"],"title":"S&P 500 soars"}
"#;
    let without_ids = ReplayOptions { news_columns: [("id".to_owned(), None)].into(), ..ReplayOptions::default() };
    let files = [("news_a.csv", first), ("news_b.jsonl", second), ("bars.csv", BARS)];
    let numbered = read(&files, &ReplayOptions::default()).unwrap();
    assert_eq!(numbered.prepared.articles.len(), 2);
    for (id, title) in [("1", "Maker raises its outlook"), ("2", "Maker misses estimates")] {
        let article = numbered.article(id);
        assert_eq!((article.title.as_str(), article.withdrawn.len()), (title, 0));
        assert_eq!(numbered.symbols(id), ["AAPL"]);
    }
    let reasons = numbered.reasons();
    assert_eq!(reasons.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2], "{reasons:?}");
    assert!(reasons[0].1.contains("--news-columns id=") && reasons[0].1.contains("news_a.csv line 2"), "{reasons:?}");
    let notes = numbered.notes();
    assert!(notes.contains("2 rows can't be read: has the id of an article") && notes.contains("(line 1 and 1 more)"));
    let told = read(&files, &without_ids).unwrap();
    assert_eq!((told.prepared.articles.len(), told.reasons().len()), (4, 0));

    // An id that is the same in all rows, of one company.
    let constant = "uid,date,ticker,headline
77,2025-05-12T15:43:00Z,AAPL,Maker raises its outlook
77,2025-05-13T15:43:00Z,AAPL,Maker misses estimates
77,2025-05-14T15:43:00Z,AAPL,Maker sued by regulator
";
    let files = [("news.csv", constant), ("bars.csv", BARS)];
    let notes = read(&files, &ReplayOptions::default()).unwrap().notes();
    assert!(
        notes.contains("2 rows replace the text of an earlier row with the same id") && notes.contains("id="),
        "{notes}"
    );
    let told = read(&files, &without_ids).unwrap();
    assert_eq!(told.prepared.mentions, 3);
    assert!(!told.notes().contains("replace the text"), "{}", told.notes());

    // With the time of the edit it is one, whatever companies it names.
    let edited = news(
        r#"{"id": "x", "title": "Apple to report", "published_at": "2025-05-12T14:00:00Z", "symbols": ["AAPL"]}
{"id": "x", "title": "Microsoft reports", "published_at": "2025-05-12T14:01:00Z", "updated_at": "2025-05-12T14:05:00Z", "symbols": ["MSFT"]}
"#,
    );
    assert_eq!((edited.prepared.articles.len(), edited.prepared.mentions, edited.reasons().len()), (2, 1, 0));
}

#[test]
fn news_that_is_dated_with_midnights_is_said_to_count_too_early() {
    let csv = |times: &[String]| {
        let rows = times.iter().enumerate().map(|(number, time)| format!("{number},Headline {number},{time},AAPL\n"));
        ",headline,date,stock\n".to_owned() + &rows.collect::<String>()
    };
    let notes = |csv: &str, delay: u64| {
        let options = ReplayOptions { delay: Duration::from_secs(delay), ..ReplayOptions::default() };
        read(&[("news.csv", csv), ("bars.csv", BARS)], &options).unwrap().notes()
    };
    for midnight in [" 00:00:00-04:00", "T04:00:00Z", "T00:00:00Z", " 00:00:00+09:00"] {
        let days = csv(&["12", "13", "14"].map(|day| format!("2025-05-{day}{midnight}")));
        let said = notes(&days, 1);
        assert!(said.contains("3 of 3 rows are dated exactly midnight") && said.contains("--delay 24h"), "{said}");
        assert!(!notes(&days, 86_400).contains("midnight"), "the news counts from the end of its day");
        assert!(!notes(&days.replace(":00:00", ":05:00"), 1).contains("midnight"), "five minutes later");
    }
    // Some news is published at midnight, and some files have days for a part of their rows.
    let mixed = |days: usize, moments: usize| {
        let days = (0..days).map(|day| format!("2025-05-{:02} 00:00:00-04:00", 1 + day));
        let moments = (0..moments).map(|at| format!("2025-05-12T14:{:02}:{:02}Z", at / 60, at % 60));
        notes(&csv(&days.chain(moments).collect::<Vec<_>>()), 1)
    };
    assert!(!mixed(3, 200).contains("midnight") && !mixed(2, 2).contains("midnight"));
    let said = mixed(4, 5);
    assert!(
        said.contains("4 of 9 rows are dated exactly midnight") && said.contains("delays the other rows"),
        "{said}"
    );
    assert!(mixed(5, 200).contains("5 of 205 rows are dated exactly midnight"));
}
