//! Small messages in the provider's shapes, with its pitfalls, and arbitrary bytes.

use super::*;
use proptest::prelude::*;
use tapewire_core::BarUpdates;

fn at() -> Timestamp {
    "2025-06-02T14:00:00Z".parse().unwrap()
}

fn symbols(names: &[&str]) -> Vec<Symbol> {
    names.iter().map(|name| Symbol::new(name).unwrap()).collect()
}

const FULL: &str = r#"{"id":"a1","publisher":{"name":"Desk One","homepage_url":"https://one.test/"},
    "title":"Maker lifts its outlook","author":"A. Writer","published_utc":"2025-06-02T13:59:30.1234567Z",
    "article_url":"https://one.test/a1","amp_url":"https://one.test/amp","tickers":["MKR","BRK-B","mkr"],
    "description":"Orders grew.","keywords":["orders",null],
    "insights":[{"ticker":"MKR","sentiment":"positive","sentiment_reasoning":"…"}]}"#;

#[test]
fn an_article_is_read_whole_and_its_duplicate_tickers_once() {
    let (article, flaw) = article("massive", FULL, at()).unwrap();
    assert_eq!(flaw, None);
    assert_eq!(article.id, "a1");
    assert_eq!(article.provider, "massive");
    assert_eq!(article.publisher, "Desk One");
    assert_eq!(article.author, "A. Writer");
    assert_eq!(article.text(), "Maker lifts its outlook. Orders grew.");
    assert_eq!(article.url, "https://one.test/a1");
    assert_eq!(article.symbols, symbols(&["MKR", "BRK.B"]));
    assert_eq!(article.keywords, ["orders"]);
    assert_eq!(article.published_at, "2025-06-02T13:59:30.123456Z".parse().unwrap());
    assert_eq!(article.received_at, at());
    assert_eq!(article.revision, Article::fingerprint("Maker lifts its outlook", "Orders grew.", &article.symbols));
}

#[test]
fn optional_fields_may_be_missing_or_null() {
    for raw in [
        r#"{"id":"a","published_utc":"2025-06-02T13:00:00Z"}"#,
        r#"{"id":"a","published_utc":"2025-06-02T13:00:00Z","publisher":null,"title":null,"author":null,
            "article_url":null,"tickers":null,"description":null,"keywords":null}"#,
        r#"{"id":"a","published_utc":"2025-06-02T09:00:00-04:00","publisher":{"name":null},"tickers":[]}"#,
    ] {
        let (article, flaw) = article("massive", raw, at()).unwrap();
        assert_eq!(flaw, None, "{raw}");
        assert_eq!(article.published_at, "2025-06-02T13:00:00Z".parse().unwrap());
        assert!(article.symbols.is_empty() && article.text().is_empty() && article.publisher.is_empty());
    }
}

#[test]
fn what_is_not_a_ticker_costs_itself_and_is_reported() {
    let raw = r#"{"id":"a","published_utc":"2025-06-02T13:00:00Z","tickers":["AAPL","NOT A TICKER","MSFT"]}"#;
    let (article, flaw) = article("massive", raw, at()).unwrap();
    assert_eq!(article.symbols, symbols(&["AAPL", "MSFT"]));
    assert!(flaw.unwrap().contains("`NOT A TICKER`"));
}

#[test]
fn one_malformed_item_does_not_lose_its_page() {
    let body = format!(
        r#"{{"results":[{FULL},{{"id":17,"title":"no time"}},{{"id":"","published_utc":"2025-06-02T13:00:00Z"}},
            {{"id":"b","published_utc":"yesterday"}},{{"id":"c","published_utc":"2025-06-02T13:00:00Z","tickers":["A B"]}}],
            "status":"OK","count":5,"next_url":"https://api.massive.com:443/v2/reference/news?cursor=x"}}"#
    );
    let page = news_page("massive", "/v2/reference/news", body.as_bytes(), at()).unwrap();
    assert_eq!(page.items.iter().map(|article| article.id.as_str()).collect::<Vec<_>>(), ["a1", "c"]);
    assert_eq!(page.next, Some(Cursor("https://api.massive.com:443/v2/reference/news?cursor=x".into())));
    let reasons: Vec<&str> = page.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert_eq!(page.rejects[0].bytes, br#"{"id":17,"title":"no time"}"#);
    assert!(reasons[1].contains("id is empty") && reasons[3].contains("kept without"), "{reasons:?}");
}

#[test]
fn text_that_is_not_utf8_costs_letters_and_not_the_page() {
    let mut body =
        br#"{"status":"OK","results":[{"id":"a","published_utc":"2025-06-02T13:00:00Z","title":"caf"#.to_vec();
    body.push(0xe9);
    body.extend_from_slice(br#" opens"}]}"#);
    assert_eq!(news_page("massive", "p", &body, at()).unwrap().items[0].title, "caf\u{fffd} opens");
}

#[test]
fn an_error_with_http_200_is_an_error() {
    let read = |body: &str| news_page("massive", "/v2/reference/news", body.as_bytes(), at());
    let not_entitled =
        read(r#"{"status":"NOT_AUTHORIZED","message":"You are not entitled to this data."}"#).unwrap_err();
    assert!(!not_entitled.is_retryable());
    assert!(not_entitled.to_string().contains("not entitled"), "{not_entitled}");
    let failed = read(r#"{"status":"ERROR","error":"upstream timed out","results":[]}"#).unwrap_err();
    assert!(failed.is_retryable() && failed.to_string().contains("upstream timed out"), "{failed}");
    for body in ["", "<html>busy</html>", "[]", "{}", r#"{"results":{"ticker":"A"},"status":"OK"}"#] {
        assert!(matches!(read(body), Err(ProviderError::Unreadable { .. })), "{body}");
    }
}

#[test]
fn an_answer_without_results_is_an_empty_page() {
    for body in
        [r#"{"status":"OK","count":0}"#, r#"{"status":"DELAYED","results":[]}"#, r#"{"results":null,"status":"OK"}"#]
    {
        assert_eq!(news_page("massive", "p", body.as_bytes(), at()).unwrap().items, []);
    }
}

#[test]
fn aggregates_are_minute_bars() {
    let body = br#"{"ticker":"MKR","status":"OK","results":[
        {"v":1.2e3,"vw":10.05,"o":10,"c":10.1,"h":10.2,"l":9.9,"t":1748872800000,"n":42},
        {"v":"7","dv":"7.25","o":10,"c":10,"h":10,"l":10,"t":1748872860000},
        {"v":5,"dv":"n/a","o":10,"c":10,"h":10,"l":10,"t":1748872920000},
        {"v":1,"o":10,"c":null,"h":10,"l":10,"t":1748872980000},
        {"v":1,"o":10,"c":11,"h":10,"l":10,"t":1748873040000},
        {"v":"many","o":10,"c":10,"h":10,"l":10,"t":1748873100000}]}"#;
    let page = bars_page("massive", "p", body, &Symbol::new("MKR").unwrap(), BarWidth::Minute, at()).unwrap();
    let volumes: Vec<f64> = page.items.iter().map(|bar| bar.volume).collect();
    assert_eq!(volumes, [1200.0, 7.25, 5.0]);
    assert_eq!(page.items[0].start, "2025-06-02T14:00:00Z".parse().unwrap());
    assert_eq!((page.items[0].vwap, page.items[0].trades), (Some(10.05), Some(42)));
    assert_eq!((page.items[1].vwap, page.items[1].trades), (None, None));
    assert_eq!(page.rejects.len(), 3);
}

#[test]
fn a_frame_may_mix_statuses_and_data_and_rubbish() {
    let frame = frame(
        r#"[{"ev":"status","status":"success","message":"subscribed to: AM.MKR"},
            {"ev":"AM","sym":"MKR","v":4110,"dv":"4110.25","av":9470157,"dav":"9470157.5","op":10.1,"vw":10.02,
             "o":10,"c":10.1,"h":10.2,"l":9.9,"a":10.3,"z":685,"s":1748872800000,"e":1748872860000},
            {"ev":"T","sym":"MKR","x":4,"i":"77","z":3,"p":10.05,"s":100,"c":null,"t":1748872800784,"q":3},
            {"ev":"XT","pair":"?"},
            {"ev":"AM","sym":"MKR","o":10},
            17]"#,
        at(),
    );
    assert_eq!(frame.messages.len(), 3, "{frame:?}");
    assert_eq!(
        frame.messages[0],
        Message::Status(Status { status: "success".into(), message: "subscribed to: AM.MKR".into() })
    );
    let Message::Market(MarketEvent::Bar(bar)) = &frame.messages[1] else { panic!("{frame:?}") };
    assert_eq!((bar.volume, bar.vwap, bar.width_s, bar.received_at), (4110.25, Some(10.02), 60, at()));
    let Message::Market(MarketEvent::Trade(trade)) = &frame.messages[2] else { panic!("{frame:?}") };
    assert_eq!((trade.price, trade.size, trade.sequence), (10.05, 100.0, 3));
    assert_eq!((trade.id.as_str(), trade.counts), ("4/0/77", BarUpdates::EVERYTHING));
    assert_eq!(trade.at, "2025-06-02T14:00:00.784Z".parse().unwrap());
    assert_eq!(frame.rejects[0], Reject::new(r#"{"ev":"XT","pair":"?"}"#, "event type `XT` is not one we know"));
    assert_eq!(frame.rejects.len(), 3);
}

#[test]
fn a_corrected_minute_is_a_bar_like_any_other() {
    let message = |volume| {
        format!(r#"{{"ev":"AM","sym":"MKR","v":{volume},"o":1,"c":1,"h":1,"l":1,"s":1748872800000,"e":1748872860000}}"#)
    };
    // A lone object is read as a frame of one.
    for volume in [100, 130] {
        let Message::Market(MarketEvent::Bar(bar)) = &frame(&message(volume), at()).messages[0] else { panic!() };
        assert_eq!(bar.volume, f64::from(volume));
    }
}

#[test]
fn a_bar_of_another_width_or_class_is_not_a_minute_bar() {
    for raw in [
        r#"[{"ev":"AM","sym":"MKR","v":1,"o":1,"c":1,"h":1,"l":1,"s":1748872800000,"e":1748872801000}]"#,
        r#"[{"ev":"AM","sym":"MKR","v":1,"o":1,"c":1,"h":1,"l":1,"s":-9223372036854775808,"e":9223372036854775807}]"#,
        r#"[{"ev":"AM","sym":"X:BTCUSD","v":1,"o":1,"c":1,"h":1,"l":1,"s":1748872800000,"e":1748872860000}]"#,
        r#"[{"ev":"AM","sym":"MKR","v":-1,"o":1,"c":1,"h":1,"l":1,"s":1748872800000,"e":1748872860000}]"#,
    ] {
        let frame = frame(raw, at());
        assert!(frame.messages.is_empty() && frame.rejects.len() == 1, "{raw}: {frame:?}");
    }
}

#[test]
fn halts_are_read_in_whatever_unit_their_time_comes() {
    let read = |indicators: &str, t: i64| {
        frame(&format!(r#"[{{"ev":"LULD","T":"MKR","h":2,"l":1,"i":{indicators},"t":{t}}}]"#), at())
    };
    for t in [1748872800, 1748872800000, 1748872800000000, 1748872800000000000] {
        let Message::Market(MarketEvent::Halt(halt)) = &read("[17]", t).messages[0] else { panic!("{t}") };
        assert_eq!(halt.at, at(), "{t}");
        assert!(halt.halted && halt.reason == "LULD 17");
    }
    let Message::Market(MarketEvent::Halt(resumed)) = &read("[3,18]", 1748872800000).messages[0] else { panic!() };
    assert!(!resumed.halted);
    assert_eq!(read("[21]", 1748872800000).messages, [Message::PriceBand]);
    assert_eq!(read("null", 1748872800000).messages, [Message::PriceBand]);
    assert_eq!(read("[17,18]", 1748872800000).rejects.len(), 1);
}

#[test]
fn a_list_is_no_item_whatever_its_elements_are() {
    let bars = br#"{"status":"OK","results":[[1748872800000,10,11,9,10.5,7,7,10,1]]}"#;
    let page = bars_page("massive", "p", bars, &Symbol::new("MKR").unwrap(), BarWidth::Minute, at()).unwrap();
    assert_eq!((page.items.len(), page.rejects.len()), (0, 1), "{page:?}");
    let frame = frame(r#"[["status"],["T","MKR"]]"#, at());
    assert_eq!((frame.messages.len(), frame.rejects.len()), (0, 2), "{frame:?}");
}

#[test]
fn a_time_in_another_unit_than_the_providers_is_refused_and_is_no_day_of_1970() {
    let symbol = Symbol::new("MKR").unwrap();
    for t in [0_i64, 1_748_872_800, 1_748_872_800_000_000, 253_402_207_200_000, i64::MIN, i64::MAX] {
        let body = format!(r#"{{"status":"OK","results":[{{"v":1,"o":1,"c":1,"h":1,"l":1,"t":{t}}}]}}"#);
        let page = bars_page("massive", "p", body.as_bytes(), &symbol, BarWidth::Minute, at()).unwrap();
        assert_eq!((page.items.len(), page.rejects.len()), (0, 1), "{t}");
        assert!(page.rejects[0].reason.contains("between the years 1990 and 2099"), "{page:?}");
        let trade = frame(&format!(r#"[{{"ev":"T","sym":"MKR","i":"1","p":1,"s":1,"t":{t},"q":1}}]"#), at());
        assert_eq!((trade.messages.len(), trade.rejects.len()), (0, 1), "{t}");
    }
    let early = article("massive", r#"{"id":"a","published_utc":"0001-01-01T00:00:00Z"}"#, at()).unwrap_err();
    assert!(early.contains("published_utc 0001-01-01T00:00:00Z is not between"), "{early}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = news_page("massive", "p", &bytes, at());
        let _ = bars_page("massive", "p", &bytes, &Symbol::new("MKR").unwrap(), BarWidth::Minute, at());
        let _ = frame(&String::from_utf8_lossy(&bytes), at());
    }

    /// Whatever numbers and texts a well-formed frame holds, each element is accounted for once.
    #[test]
    fn every_element_of_a_frame_is_an_event_or_a_reject(
        events in proptest::collection::vec(("[a-zA-Z]{0,6}", any::<i64>(), any::<f64>(), "\\PC{0,12}"), 0..8)
    ) {
        let elements: Vec<_> = events
            .iter()
            .map(|(ev, n, x, text)| serde_json::json!({
                "ev": if n % 2 == 0 { "AM" } else if n % 3 == 0 { "LULD" } else if n % 5 == 0 { "T" } else { ev.as_str() },
                "sym": text, "T": text, "i": if n % 7 == 0 { serde_json::json!([17]) } else { serde_json::json!(text) },
                "s": n, "e": n.wrapping_add(60_000), "t": n, "q": n.unsigned_abs(),
                "o": x, "h": x, "l": x, "c": x, "v": x, "p": x,
            }))
            .collect();
        let frame = frame(&serde_json::to_string(&elements).unwrap(), at());
        prop_assert_eq!(frame.messages.len() + frame.rejects.len(), events.len());
    }

    /// Cutting a page anywhere gives an error or fewer items, never a panic nor an invented item.
    #[test]
    fn a_truncated_page_is_an_error(cut in 0usize..500) {
        let body = format!(r#"{{"status":"OK","results":[{FULL}]}}"#);
        let cut = cut.min(body.len() - 1);
        let end = (0..=cut).rev().find(|&i| body.is_char_boundary(i)).unwrap();
        prop_assert!(news_page("massive", "p", &body.as_bytes()[..end], at()).is_err());
    }
}

/// Parses whatever real messages `TAPEWIRE_FIXTURES` holds for this provider.
#[test]
fn the_providers_own_examples() {
    let Some(folder) = std::env::var_os("TAPEWIRE_FIXTURES") else {
        println!("skipped: TAPEWIRE_FIXTURES names no folder with the provider's own examples");
        return;
    };
    let folder = std::path::Path::new(&folder).join("massive");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let body = std::fs::read_to_string(&path).unwrap();
        if name.starts_with("news_") {
            let page = news_page("massive", &name, body.as_bytes(), at()).unwrap();
            assert!(!page.items.is_empty() && page.rejects.is_empty(), "{name}: {page:?}");
            assert!(page.items.iter().all(|article| !article.symbols.is_empty() && !article.title.is_empty()));
        } else if name.starts_with("aggs_") {
            let aapl = Symbol::new("AAPL").unwrap();
            // The examples are adjusted, which is not what is requested.
            let body = body.replace("\"adjusted\": true", "\"adjusted\": false");
            let page = bars_page("massive", &name, body.as_bytes(), &aapl, BarWidth::Minute, at()).unwrap();
            assert!(!page.items.is_empty() && page.rejects.is_empty(), "{name}: {page:?}");
        } else if name.starts_with("ws_examples") {
            let examples: std::collections::BTreeMap<String, Box<RawValue>> = serde_json::from_str(&body).unwrap();
            for (channel, example) in examples {
                let known = ["/stocks/AM", "/stocks/A", "/stocks/T", "/stocks/LULD"].contains(&channel.as_str());
                let frame = frame(&format!("[{}]", example.get()), at());
                assert_eq!(
                    (frame.messages.len(), frame.rejects.len()),
                    (usize::from(known), usize::from(!known)),
                    "{channel}"
                );
            }
        } else {
            // A message of another kind must be refused or read as empty, never misread.
            if let Ok(page) = news_page("massive", &name, body.as_bytes(), at()) {
                assert!(page.items.is_empty(), "{name}: {page:?}");
            }
            assert!(frame(&body, at()).messages.is_empty(), "{name}");
        }
        seen += 1;
    }
    assert!(seen > 0, "{} holds no examples", folder.display());
    println!("{seen} files of the provider's own examples");
}

#[test]
fn a_bar_that_begins_within_a_minute_is_refused() {
    let live = |kind: &str, start: i64, width: i64| {
        let end = start + width;
        let body =
            format!(r#"[{{"ev":"{kind}","sym":"MKR","v":1,"o":10,"c":10,"h":10,"l":10,"s":{start},"e":{end}}}]"#);
        let read = frame(&body, at());
        (read.messages.len(), read.rejects.iter().any(|reject| reject.reason.contains("does not start at")))
    };
    assert_eq!(live("AM", 1_748_872_800_000, 60_000), (1, false));
    assert_eq!(live("AM", 1_748_872_830_000, 60_000), (0, true));
    assert_eq!(live("A", 1_748_872_801_000, 1000), (1, false));
    assert_eq!(live("A", 1_748_872_801_500, 1000), (0, true));
    let body = br#"{"status":"OK","results":[{"v":1,"o":10,"c":10,"h":10,"l":10,"t":1748872800500}]}"#;
    for width in [BarWidth::Minute, BarWidth::Day] {
        let page = bars_page("massive", "p", body, &Symbol::new("MKR").unwrap(), width, at()).unwrap();
        assert_eq!((page.items.len(), page.rejects.len()), (0, 1), "{page:?}");
    }
}

#[test]
fn an_impossible_average_price_is_none_and_costs_no_bar() {
    for (written, expected) in [
        ("10.2", Some(10.2)),
        ("9.8", Some(9.8)),
        ("0", None),
        ("-10", None),
        ("4.9", None),
        ("20.1", None),
        ("null", None),
    ] {
        let body = format!(
            r#"{{"status":"OK","results":[{{"v":1,"vw":{written},"o":10,"c":10,"h":10,"l":10,"t":1748872800000}}]}}"#
        );
        let mkr = Symbol::new("MKR").unwrap();
        let page = bars_page("massive", "p", body.as_bytes(), &mkr, BarWidth::Minute, at()).unwrap();
        assert_eq!(page.items[0].vwap, expected, "{written}");
    }
}

#[test]
fn bars_of_another_ticker_or_adjusted_ones_are_refused() {
    let read = |of: &str| {
        let body =
            format!(r#"{{{of}"status":"OK","results":[{{"v":1,"o":10,"c":10,"h":10,"l":10,"t":1748872800000}}]}}"#);
        bars_page("massive", "/v2/aggs", body.as_bytes(), &Symbol::new("BRK.B").unwrap(), BarWidth::Minute, at())
    };
    for of in ["", r#""ticker":"BRK.B","#, r#""ticker":"BRK.B","adjusted":false,"#] {
        assert_eq!(read(of).unwrap().items.len(), 1, "{of}");
    }
    let refused = [(r#""ticker":"MKR","#, "`MKR`"), (r#""ticker":"BRK.B","adjusted":true,"#, "adjusted")];
    for (of, expected) in refused {
        let error = read(of).unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable { .. }) && error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn daily_aggregates_start_at_midnight_in_new_york() {
    let body = br#"{"ticker":"MKR","status":"OK","adjusted":false,"results":[
        {"v":642646396.0,"vw":1.469,"o":1.5032,"c":1.4604,"h":1.5064,"l":1.4489,"t":1112331600000,"n":82132},
        {"v":578172308.0,"vw":1.4589,"o":1.4639,"c":1.4675,"h":1.4754,"l":1.4343,"t":1112587200000,"n":65543}]}"#;
    let page = bars_page("massive", "p", body, &Symbol::new("MKR").unwrap(), BarWidth::Day, at()).unwrap();
    let found: Vec<(String, u32, f64)> =
        page.items.iter().map(|bar| (bar.start.to_string(), bar.width_s, bar.close)).collect();
    let days = [("2005-04-01T05:00:00Z", 1.4604), ("2005-04-04T04:00:00Z", 1.4675)];
    assert_eq!(found, days.map(|(start, close)| (start.to_owned(), 86_400, close)), "in winter and in summer");
}
