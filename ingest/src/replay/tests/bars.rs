//! Rows of bars.

use super::*;

fn starts(read: Read) -> Vec<(String, String, u32)> {
    read.bars().iter().map(|bar| (bar.symbol.to_string(), bar.start.to_string(), bar.width_s)).collect()
}

#[test]
fn bars_of_every_provider_are_read() {
    let massive = "ticker,volume,open,close,high,low,window_start,transactions
EXMP,4930,200.29,200.5,200.63,200.29,1747056600000000000,129
EXMP,1815.25,200.39,200.34,200.61,200.34,1747056660000000000,57
";
    let bar = bars(massive).unwrap().bars().remove(0);
    assert_eq!(
        (bar.symbol.as_str(), bar.start, bar.width_s, bar.trades),
        ("EXMP", at("2025-05-12T13:30:00Z"), 60, Some(129))
    );
    assert_eq!((bar.open, bar.high, bar.low, bar.close, bar.volume), (200.29, 200.63, 200.29, 200.5, 4930.0));
    assert_eq!(bar.received_at, at("2025-05-12T13:31:00Z"));

    let alpaca = r#"{"S":"EXMP","T":"b","t":"2025-05-12T13:30:00Z","o":1,"h":2,"l":1,"c":2,"v":10,"n":3,"vw":1.5}
{"S":"EXMP","T":"b","t":"2025-05-12T13:31:00Z","o":1,"h":2,"l":1,"c":2,"v":10,"n":3,"vw":1.5}"#;
    let bar = bars(alpaca).unwrap().bars().remove(1);
    assert_eq!(
        (bar.symbol.as_str(), bar.vwap, bar.trades, bar.close, bar.width_s),
        ("EXMP", Some(1.5), Some(3), 2.0, 60)
    );

    // Adjusted closes do not belong to the prices beside them.
    let yahoo = "Date,Open,High,Low,Close,Adj Close,Volume\n2025-05-12,100,101,99,100.5,50.25,1000\n2025-05-13,100,101,99,100.5,50.25,1000\n";
    let given = ReplayOptions { symbol: SymbolOf::Given(Symbol::new("EXMP").unwrap()), ..ReplayOptions::default() };
    let bar = bars_with(yahoo, &given).unwrap().bars().remove(0);
    assert_eq!((bar.close, bar.start, bar.width_s), (100.5, at("2025-05-12T13:30:00Z"), 86_400));
    let refused = bars(yahoo).err().unwrap();
    assert!(
        refused.contains("no symbol")
            && refused.contains("--symbol AAPL")
            && refused.contains("--symbol-from-file-name"),
        "{refused}"
    );

    let stooq = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>
EXMP.US,5,20250512,153000,1,2,1,2,10,0
EXMP.US,5,20250512,153500,1,2,1,2,10,0
EXMP.US,D,20250512,000000,1,2,1,2,10,0
";
    let warsaw = ReplayOptions { bar_zone: zone("Europe/Warsaw"), ..ReplayOptions::default() };
    let expected = [("2025-05-12T13:30:00Z", 300), ("2025-05-12T13:35:00Z", 300), ("2025-05-12T13:30:00Z", 86_400)];
    let expected = expected.map(|(start, width)| ("EXMP".to_owned(), start.to_owned(), width));
    assert_eq!(starts(bars_with(stooq, &warsaw).unwrap()), expected);

    let pandas =
        ",open,high,low,close,volume\n2025-05-12 09:30:00-04:00,1,2,1,2,10\n2025-05-12 09:31:00-04:00,1,2,1,2,10\n";
    assert_eq!(
        starts(bars_with(pandas, &given).unwrap())[0],
        ("EXMP".to_owned(), "2025-05-12T13:30:00Z".to_owned(), 60)
    );
}

#[test]
fn of_two_names_that_differ_in_case_or_marks_the_one_that_is_spelled_as_usual_counts() {
    let row = |first: &str, second: &str| {
        format!(
            "symbol,start,open,high,low,close,{first},{second}\nEXMP,2025-05-12T13:30:00Z,1,2,1,2,3,4\nEXMP,2025-05-12T13:31:00Z,1,2,1,2,3,4\n"
        )
    };
    for (first, second, volume) in [
        ("volume", "Volume", 3.0),
        ("volum:e", "volume", 4.0),
        ("Volume", "VOLUME", 3.0),
        ("Shares Volume", "VOLUME", 4.0),
    ] {
        let bar = bars(&row(first, second)).unwrap().bars().remove(0);
        assert_eq!(bar.volume, volume, "{first}, {second}");
    }
}

#[test]
fn a_time_of_day_of_one_or_two_digits_is_refused() {
    let refused = bars("symbol,date,time,open,high,low,close,volume\nEXMP,2025-05-12,45,1,2,1,2,10\n").err().unwrap();
    assert!(refused.contains("45 may be hours, minutes or seconds"), "{refused}");
}

#[test]
fn the_symbol_of_a_file_can_be_its_name() {
    let csv = "Date,Open,High,Low,Close,Volume\n2025-05-12,1,2,1,2,10\n2025-05-13,1,2,1,2,10\n";
    let files = [("news.jsonl", NEWS), ("brk-b.us.txt", csv), ("AAPL_daily.csv", csv)];
    let named = read(&files, &ReplayOptions { symbol: SymbolOf::FileName, ..ReplayOptions::default() }).unwrap();
    let symbols: Vec<String> = named.bars().iter().map(|bar| bar.symbol.to_string()).collect();
    assert_eq!(symbols, ["BRK.B", "BRK.B", "AAPL", "AAPL"]);
    let given = ReplayOptions { symbol: SymbolOf::Given(Symbol::new("AAPL").unwrap()), ..ReplayOptions::default() };
    assert!(read(&files, &given).err().unwrap().contains("--symbol is for one file"));
    assert!(bars_with(BARS, &given).err().unwrap().contains("has a column of symbols"));
}

#[test]
fn starts_without_a_zone_are_refused_with_the_column_and_the_cell() {
    let naive = "symbol,start,open,high,low,close,volume\nEXMP,2025-05-12 09:30:00,193,195,192,194,100\nEXMP,2025-05-12 09:31:00,194,195,193,194,120\n";
    let refused = bars(naive).err().unwrap();
    for part in ["bars.csv", "start `2025-05-12 09:30:00` has no time zone", "--bar-zone America/New_York", "1 more"] {
        assert!(refused.contains(part), "{refused}");
    }
    let told = bars_with(naive, &ReplayOptions { bar_zone: zone("America/New_York"), ..ReplayOptions::default() });
    assert_eq!(starts(told.unwrap())[0].1, "2025-05-12T13:30:00Z");
}

/// Daily bars as providers stamp them: with their date, or with a midnight.
#[test]
fn daily_bars_are_the_session_of_their_day_however_they_are_stamped() {
    for (first, second, third) in [
        ("2025-07-02", "2025-07-03", "2025-07-07"),
        ("2025-07-02 00:00:00", "2025-07-03 00:00:00", "2025-07-07 00:00:00"),
        ("2025-07-02T00:00:00Z", "2025-07-03T00:00:00Z", "2025-07-07T00:00:00Z"),
        ("2025-07-02T04:00:00Z", "2025-07-03T04:00:00Z", "2025-07-07T04:00:00Z"),
        ("2025-07-02T13:30:00Z", "2025-07-03T13:30:00Z", "2025-07-07T13:30:00Z"),
        // The closes, as GOOGLEFINANCE has them.
        ("2025-07-02T20:00:00Z", "2025-07-03T17:00:00Z", "2025-07-07T20:00:00Z"),
        ("20250702", "20250703", "20250707"),
        ("1751428800", "1751515200", "1751860800"),
    ] {
        let row = |start: &str| format!("EXMP,{start},1,2,1,2,10\n");
        let csv = format!("symbol,start,open,high,low,close,volume\n{}{}{}", row(first), row(second), row(third));
        let read = bars(&csv).unwrap_or_else(|error| panic!("{first}: {error}"));
        assert!(read.notes().contains("3 bars of 1 symbol, each 1 day wide"), "{}", read.notes());
        let daily = read.bars();
        let times: Vec<(Timestamp, Timestamp, u32)> =
            daily.iter().map(|bar| (bar.start, bar.received_at, bar.width_s)).collect();
        let expected = [
            ("2025-07-02T13:30:00Z", "2025-07-02T20:00:00Z"),
            // A half day.
            ("2025-07-03T13:30:00Z", "2025-07-03T17:00:00Z"),
            ("2025-07-07T13:30:00Z", "2025-07-07T20:00:00Z"),
        ];
        assert_eq!(times, expected.map(|(open, close)| (at(open), at(close), 86_400)), "{first}");
    }
    // A day of a cryptocurrency begins at midnight in UTC, a day of a share at midnight in New York.
    let csv = "symbol,start,open,high,low,close,volume\nEXMP,2025-07-02T04:00:00Z,1,2,1,2,10\nEXMP,2025-07-03T04:00:00Z,1,2,1,2,10\nX:BTCUSD,2025-07-02T00:00:00Z,1,2,1,2,10\n";
    assert_eq!(starts(bars(csv).unwrap())[2], ("X:BTCUSD".to_owned(), "2025-07-02T00:00:00Z".to_owned(), 86_400));
    // In winter the open of the session and midnight in New York are both an hour later in UTC.
    let csv = "symbol,start,open,high,low,close,volume\nEXMP,2025-03-07T05:00:00Z,1,2,1,2,10\nEXMP,2025-03-10T04:00:00Z,1,2,1,2,10\n";
    let opens: Vec<String> = starts(bars(csv).unwrap()).into_iter().map(|(_, start, _)| start).collect();
    assert_eq!(opens, ["2025-03-07T14:30:00Z", "2025-03-10T13:30:00Z"]);
}

#[test]
fn a_daily_bar_of_no_trading_day_is_refused_and_one_of_all_hours_is_a_day_of_utc() {
    let csv = "symbol,start,open,high,low,close,volume\nEXMP,2025-07-03,1,2,1,2,10\nEXMP,2025-07-04,1,2,1,2,10\nX:BTCUSD,2025-07-04,1,2,1,2,10\n";
    let read = bars(csv).unwrap();
    assert!(
        read.reasons()[0].0 == 3 && read.reasons()[0].1.contains("`2025-07-04` is no trading day"),
        "{:?}",
        read.reasons()
    );
    assert_eq!(read.prepared.rejected[0].raw.trim_ascii_end(), b"EXMP,2025-07-04,1,2,1,2,10");
    assert_eq!(starts(read)[1], ("X:BTCUSD".to_owned(), "2025-07-04T00:00:00Z".to_owned(), 86_400));
}

#[test]
fn a_column_of_widths_is_honoured() {
    let csv = "symbol,timeframe,start,open,high,low,close,volume
EXMP,1Min,2025-05-12T14:00:00Z,1,2,1,2,10
EXMP,1Hour,2025-05-12T14:00:00Z,1,2,1,2,10
EXMP,1Day,2025-05-12T04:00:00Z,1,2,1,2,10
EXMP,1Week,2025-05-12T04:00:00Z,1,2,1,2,10
EXMP,60,2025-05-12T14:00:00Z,1,2,1,2,10
";
    let read = bars(csv).unwrap();
    assert_eq!(read.reasons().iter().map(|(line, _)| *line).collect::<Vec<_>>(), [5, 6], "{:?}", read.reasons());
    assert!(read.notes().contains("each 60 s or 3600 s or 1 day wide, as its rows say"), "{}", read.notes());
    let widths: Vec<u32> = read.bars().iter().map(|bar| bar.width_s).collect();
    assert_eq!(widths, [60, 3600, 86_400]);
}

#[test]
fn quoted_thousands_are_numbers_and_what_is_none_is_refused() {
    let csv = "symbol,start,open,high,low,close,volume
EXMP,2025-05-12T13:30:00Z,193,194.99,192.51,194.83,\"1,918,517\"
EXMP,2025-05-12T13:31:00Z,194.83,195,194,194.5,\"12,300\"
BIGP,2025-05-12T13:30:00Z,\"1,002.00\",\"1,002.00\",\"998.00\",\"999.50\",\"12,345\"
BIGP,2025-05-12T13:31:00Z,\"999.50\",\"1,003.00\",\"999.00\",\"1,001.00\",\"9,876\"
NULL,2025-05-12T13:31:00Z,null,null,null,null,null
LOW,2025-05-12T13:31:00Z,10,9,11,10,1
NEG,2025-05-12T13:31:00Z,-1,1,-1,1,1
COMM,2025-05-12T13:31:00Z,\"193,5\",\"194,5\",\"193,5\",\"194,5\",1
VW,2025-05-12T13:31:00Z,1,1,1,1,\"12,300\"
";
    let read = bars(csv).unwrap();
    let reasons = read.reasons();
    assert_eq!(reasons.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [6, 7, 8, 9, 10]);
    for ((_, reason), part) in reasons.iter().zip([
        "open `null` is missing",
        "outside low..high",
        "positive",
        "decimal comma",
        "volume `12,300` may be",
    ]) {
        assert!(reason.contains(part), "{reason}");
    }
    let bars = read.bars();
    let volumes: Vec<f64> = bars.iter().map(|bar| bar.volume).collect();
    assert_eq!(volumes, [1_918_517.0, 12_300.0, 12_345.0, 9876.0]);
    assert_eq!((bars[2].open, bars[2].low, bars[3].high), (1002.0, 998.0, 1003.0));
}

#[test]
fn of_several_rows_of_a_bar_the_last_counts() {
    let csv = "symbol,start,open,high,low,close,volume
A,2025-05-12T14:01:00Z,1,2,1,2,10
A,2025-05-12T14:00:00Z,1,2,1,2,10
A,2025-05-12T14:00:00Z,1,2,1,2,10
A,2025-05-12T14:01:00Z,1,3,1,3,10
";
    let read = bars(csv).unwrap();
    assert_eq!((read.prepared.bars.repeated, read.prepared.bars.replaced), (1, 1));
    let notes = read.notes();
    for part in ["bars.csv: 2 bars of 1 symbol", "1 rows repeat another", "1 rows are replaced", "the first of A in"] {
        assert!(notes.contains(part), "{notes}");
    }
    assert!(notes.contains("bars.csv line 2 by") && notes.contains("bars.csv line 5"), "{notes}");
    let closes: Vec<(String, f64)> = read.bars().iter().map(|bar| (bar.start.to_string(), bar.close)).collect();
    assert_eq!(closes, [("2025-05-12T14:00:00Z".to_owned(), 2.0), ("2025-05-12T14:01:00Z".to_owned(), 3.0)]);
}

#[test]
fn two_symbols_made_one_must_have_one_price() {
    let aliases = [(Symbol::new("GOOG").unwrap(), Symbol::new("GOOGL").unwrap())].into_iter().collect();
    let options = ReplayOptions { aliases, ..ReplayOptions::default() };
    let csv = |close| {
        format!(
            "symbol,start,open,high,low,close,volume\nGOOG,2025-05-12T14:00:00Z,1,2,1,2,10\nGOOGL,2025-05-12T14:00:00Z,1,2,1,{close},10\nGOOGL,2025-05-12T14:01:00Z,1,2,1,2,10\n"
        )
    };
    assert_eq!(bars_with(&csv("2"), &options).unwrap().bars().len(), 2);
    let refused = bars_with(&csv("1"), &options).err().unwrap();
    for part in ["GOOG in", "line 2", "GOOGL in", "line 3", "--alias"] {
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn prices_in_parts_of_a_dollar_are_never_dollars() {
    let databento = "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol
1747056600000000000,33,2,38,193120000000,193500000000,193000000000,193250000000,1500,EXMP
1747056660000000000,33,2,38,193250000000,193500000000,193000000000,193250000000,1500,EXMP
";
    let read = bars(databento).unwrap();
    assert!(read.notes().contains("Databento"), "{}", read.notes());
    let bar = read.bars().remove(0);
    assert_eq!((bar.open, bar.high, bar.close, bar.volume), (193.12, 193.5, 193.25, 1500.0));
    assert_eq!(bar.start, at("2025-05-12T13:30:00Z"));
    // With its prices written out, and without its other columns.
    let written = databento.replace("193120000000,193500000000,193000000000,193250000000", "193.12,193.5,193,193.25");
    let written = written.replace("193250000000,193500000000,193000000000,193250000000", "193.25,193.5,193.0,193.25");
    assert_eq!(bars(&written).unwrap().bars()[1].open, 193.25);
    let bare = databento.replace("rtype,publisher_id,instrument_id,", "").replace("33,2,38,", "");
    let refused = bars(&bare).err().unwrap();
    assert!(refused.contains("193000000000") && refused.contains("--price-scale 1e-9"), "{refused}");
    let given = |scale| ReplayOptions { price_scale: Some(scale), ..ReplayOptions::default() };
    assert_eq!(bars_with(&bare, &given(1e-9)).unwrap().bars()[0].open, 193.12);
    assert_eq!(bars_with(&bare, &given(1.0)).unwrap().bars()[0].open, 193_120_000_000.0);
    // Ten-thousandths, and a share of a large price.
    let row =
        |minute: i64, price: &str| format!("EXMP,{},{price},{price},{price},{price},10\n", 1_747_058_400 + minute * 60);
    let of = |price: &str| {
        "symbol,start,open,high,low,close,volume\n".to_owned() + &(0..12).map(|at| row(at, price)).collect::<String>()
    };
    assert!(bars(&of("193100")).err().unwrap().contains("--price-scale"));
    assert_eq!(bars(&of("793100.5")).unwrap().bars()[0].open, 793_100.5);
}

/// Answers in which the bars are not a list of objects.
#[test]
fn answers_of_providers_in_other_shapes_become_bars() {
    let given = ReplayOptions { symbol: SymbolOf::Given(Symbol::new("EXMP").unwrap()), ..ReplayOptions::default() };
    let vantage = r#"{"Meta Data": {"1. Information": "Intraday", "2. Symbol": "EXMP", "6. Time Zone": "US/Eastern"},
        "Time Series (1min)": {
            "2025-05-12 09:31:00": {"1. open": "1.5", "2. high": "2", "3. low": "1", "4. close": "1.5", "5. volume": "20"},
            "2025-05-12 09:30:00": {"1. open": "1.2", "2. high": "2", "3. low": "1", "4. close": "1.5", "5. volume": "10"}}}"#;
    let finnhub =
        r#"{"c":[1.5,1.5],"h":[2,2],"l":[1,1],"o":[1.2,1.5],"s":"ok","t":[1747056600,1747056660],"v":[10,20]}"#;
    let pandas = r#"{"open":{"1747056600000":1.2,"1747056660000":1.5},"high":{"1747056600000":2,"1747056660000":2},
        "low":{"1747056600000":1,"1747056660000":1},"close":{"1747056600000":1.5,"1747056660000":1.5},
        "volume":{"1747056600000":10,"1747056660000":20}}"#;
    let split = r#"{"columns":["open","high","low","close","volume"],"index":[1747056600000,1747056660000],
        "data":[[1.2,2,1,1.5,10],[1.5,2,1,1.5,20]]}"#;
    let alpaca = r#"{"bars":{"EXMP":[{"t":"2025-05-12T13:30:00Z","o":1.2,"h":2,"l":1,"c":1.5,"v":10},
        {"t":"2025-05-12T13:31:00Z","o":1.5,"h":2,"l":1,"c":1.5,"v":20}]},"next_page_token":null}"#;
    let yahoo = r#"{"chart":{"result":[{"meta":{"symbol":"EXMP"},"timestamp":[1747056600,1747056660],"indicators":{"quote":
        [{"open":[1.2,1.5],"high":[2,2],"low":[1,1],"close":[1.5,1.5],"volume":[10,20]}]}}],"error":null}}"#;
    for (json, options) in [
        (vantage, &ReplayOptions::default()),
        (finnhub, &given),
        (pandas, &given),
        (split, &given),
        (alpaca, &ReplayOptions::default()),
        (yahoo, &ReplayOptions::default()),
    ] {
        let mut read = bars_with(json, options).unwrap_or_else(|refused| panic!("{json}: {refused}")).bars();
        read.sort_by_key(|bar| bar.start);
        let found: Vec<_> =
            read.iter().map(|bar| (bar.symbol.as_str(), bar.start, bar.width_s, bar.open, bar.volume)).collect();
        let (first, second) = (at("2025-05-12T13:30:00Z"), at("2025-05-12T13:31:00Z"));
        assert_eq!(found, [("EXMP", first, 60, 1.2, 10.0), ("EXMP", second, 60, 1.5, 20.0)], "{json}");
    }
    assert!(bars(finnhub).err().unwrap().contains("--symbol AAPL"));
    let uneven = finnhub.replace("[1.2,1.5]", "[1.2]");
    assert!(bars_with(&uneven, &given).err().unwrap().contains("different lengths"));
}

#[test]
fn a_day_written_as_its_midnight_takes_the_time_of_day_beside_it() {
    const HEADER: &str = "symbol,date,time,open,high,low,close,volume\n";
    let minutes = |day: &str| {
        let row = |time: &str| format!("EXMP,{day},{time},1,2,1,2,10\n");
        HEADER.to_owned() + &["09:30:00", "09:31:00", "09:32:00"].map(row).concat()
    };
    let new_york = ReplayOptions { bar_zone: zone("America/New_York"), ..ReplayOptions::default() };
    let expected = ["2025-05-12T13:30:00Z", "2025-05-12T13:31:00Z", "2025-05-12T13:32:00Z"];
    let expected = expected.map(|start| ("EXMP".to_owned(), start.to_owned(), 60));
    for day in ["2025-05-12", "2025-05-12 00:00:00", "2025-05-12T00:00:00"] {
        assert_eq!(starts(bars_with(&minutes(day), &new_york).unwrap()), expected, "{day}");
        assert!(bars(&minutes(day)).err().unwrap().contains("--bar-zone America/New_York"), "{day}");
    }
    let refused = bars_with(&minutes("2025-05-12T00:00:00Z"), &new_york).err().unwrap();
    assert!(refused.contains("date `2025-05-12T00:00:00Z` is a midnight beside `09:30:00`"), "{refused}");
    // Daily bars with a time of day that says nothing, or that is not meant.
    let days = |time: &str| {
        let row = |day: &str| format!("EXMP,2025-05-{day} 00:00:00,{time},1,2,1,2,10\n");
        HEADER.to_owned() + &["12", "13"].map(row).concat()
    };
    let said = ReplayOptions { width: Some(Duration::from_secs(86_400)), ..ReplayOptions::default() };
    let expected = ["2025-05-12T13:30:00Z", "2025-05-13T13:30:00Z"];
    let expected = expected.map(|start| ("EXMP".to_owned(), start.to_owned(), 86_400));
    for (time, options) in [("00:00:00", &new_york), ("0", &new_york), ("", &new_york), ("16:00:00", &said)] {
        assert_eq!(starts(bars_with(&days(time), options).unwrap()), expected, "{time}");
    }
}

#[test]
fn files_whose_names_give_one_symbol_must_have_one_price() {
    let csv =
        |close: &str| format!("Date,Open,High,Low,Close,Volume\n2025-05-12,1,2,1,{close},10\n2025-05-13,1,2,1,2,10\n");
    let options = ReplayOptions { symbol: SymbolOf::FileName, ..ReplayOptions::default() };
    let first = csv("2");
    let with = |second: &str| {
        let files = [("news.jsonl", NEWS), ("NASDAQ_AAPL, 1D.csv", first.as_str()), ("NASDAQ_MSFT, 1D.csv", second)];
        read(&files, &options)
    };
    let refused = with(&csv("1")).err().unwrap();
    for part in
        ["NASDAQ_AAPL, 1D.csv line 2", "NASDAQ_MSFT, 1D.csv line 2", "both of NASDAQ by the names of their files"]
    {
        assert!(refused.contains(part), "{refused}");
    }
    let notes = with(&csv("2")).unwrap().notes();
    assert!(notes.contains("2 bars of NASDAQ, each 1 day wide") && notes.contains("2 rows repeat another"), "{notes}");
    // The last bar of an earlier download was unfinished.
    let later = "Date,Open,High,Low,Close,Volume\n2025-05-13,1,3,1,3,10\n2025-05-14,1,2,1,2,10\n";
    let notes = with(later).unwrap().notes();
    assert!(notes.contains("1 rows are replaced by a later row"), "{notes}");
}

/// Coins and currencies have bars at weekends, also where only their bars show what they are.
#[test]
fn daily_bars_of_coins_and_currencies_may_be_at_weekends() {
    for (symbol, days) in [("BTC-USD", 14), ("BTCUSDT", 14), ("BTC", 14), ("EURUSD", 14)] {
        let mut csv = String::from("symbol,date,open,high,low,close,volume\n");
        for day in 1..=days {
            csv.push_str(&format!("{symbol},2025-05-{day:02},1,2,1,2,10\n"));
        }
        assert_eq!(bars(&csv).unwrap().bars().len(), days, "{symbol}");
    }
}

/// Whole moments, or the day again, in a column `time` are no time of the day beside them.
#[test]
fn a_column_of_whole_moments_beside_midnights_is_no_time_of_day() {
    let day = |columns: &str, row: fn(u32) -> String| {
        let rows: String = (12..17).map(|day| format!("EXMP,{},1,2,1,2,10\n", row(day))).collect();
        bars(&format!("symbol,{columns},open,high,low,close,volume\n{rows}")).unwrap()
    };
    for read in [
        day("timestamp,time", |day| format!("{},2025-05-{day}", 1_747_008_000 + 86_400 * (day - 12))),
        day("datetime,time", |day| format!("2025-05-{day} 00:00:00,{}", 1_747_008_000 + 86_400 * (day - 12))),
        day("timestamp,time", |day| format!("{},2025-05-{day}T00:00:00Z", 1_747_008_000 + 86_400 * (day - 12))),
    ] {
        assert!(read.reasons().is_empty() && read.notes().contains("each 1 day wide"), "{}", read.notes());
        assert_eq!(read.bars().len(), 5);
    }
}

#[test]
fn splits_and_dividends_of_symbols_without_bars_are_said_to_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("actions.csv");
    let notes = |rows: &str| {
        std::fs::write(&path, format!("symbol,ex_date,kind,from,to,amount\nAAPL,2025-05-13,split,1,2,\n{rows}"))
            .unwrap();
        bars_with(BARS, &ReplayOptions { actions: Some(path.clone()), ..ReplayOptions::default() }).unwrap().notes()
    };
    let said = notes("AAPLX,2025-05-13,split,1,2,\nMSFT,2025-05-14,dividend,,,0.5\n");
    assert!(
        said.contains("2 splits or dividends are of symbols without bars, such as AAPLX, and do nothing"),
        "{said}"
    );
    assert!(said.contains("3 splits and dividends"), "{said}");
    assert!(!notes("").contains("without bars"));
}
