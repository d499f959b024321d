//! Files that contradict a flag, or that could be read in two ways.

use super::*;

#[test]
fn a_date_order_that_a_file_contradicts_refuses_the_file() {
    let american = "id,date,ticker,title
1,06/05/2025 10:00,AAPL,One
2,06/13/2025 10:00,AAPL,Two
";
    let european = "Ticker,Date,Open,High,Low,Close,Volume
AAPL,13/06/2025 10:00,1,2,1,2,10
AAPL,13/06/2025 10:01,1,2,1,2,10
";
    let of = |news, bars| {
        let options = ReplayOptions {
            news_date_order: Some(news),
            bar_date_order: Some(bars),
            news_zone: zone("America/New_York"),
            bar_zone: zone("America/New_York"),
            ..ReplayOptions::default()
        };
        read(&[("news.csv", american), ("bars.csv", european)], &options)
    };
    let right = of(DateOrder::MonthFirst, DateOrder::DayFirst).unwrap();
    assert_eq!(right.article("2").published_at, at("2025-06-13T14:00:00Z"));
    assert_eq!(right.bars()[0].start, at("2025-06-13T14:00:00Z"));
    let refused = of(DateOrder::MonthFirst, DateOrder::MonthFirst).err().unwrap();
    let parts = ["bars.csv: line 2: ", "`13/06/2025 10:00`", "only in the order dmy", "--date-order says mdy"];
    assert!(parts.iter().all(|part| refused.contains(part)) && refused.contains("--bar-date-order"), "{refused}");
    let refused = of(DateOrder::DayFirst, DateOrder::DayFirst).err().unwrap();
    let parts = ["news.csv: line 3: ", "`06/13/2025 10:00`", "only in the order mdy", "--date-order says dmy"];
    assert!(parts.iter().all(|part| refused.contains(part)) && refused.contains("--news-date-order"), "{refused}");
}

#[test]
fn a_date_order_that_trades_contradict_refuses_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.csv");
    let rows = "symbol,time,price,size\nAAPL,12/06/2025 10:00:00,1,1\nAAPL,13/06/2025 10:00:00,1,1\n";
    std::fs::write(&path, rows).unwrap();
    let options = TradesOptions {
        widths: tapewire_bars::Widths::new(&[60]).unwrap(),
        calendars: Calendars::default(),
        lateness: SignedDuration::from_secs(10),
        zone: zone("America/New_York"),
        date_order: Some(DateOrder::MonthFirst),
        columns: Mapping::new(),
        symbol: SymbolOf::Column,
        format: Options::default(),
    };
    let refused = fold_trades(&[path], &options, |_| Ok(()), |_| Ok(())).unwrap_err().to_string();
    assert!(refused.contains("trades.csv: line 3: ") && refused.contains("only in the order dmy"), "{refused}");
}

#[test]
fn points_that_may_divide_thousands_are_refused_until_somebody_says_that_they_do_not() {
    let rows = |symbol: &str, prices: &[&str]| -> String {
        let row = |(minute, price): (usize, &&str)| {
            format!("{symbol},2025-05-12T14:{minute:02}:00Z,{price},{price},{price},{price},10\n")
        };
        prices.iter().enumerate().map(row).collect()
    };
    let header = "symbol,start,open,high,low,close,volume\n";
    let as_written = ReplayOptions { price_scale: Some(1.0), ..ReplayOptions::default() };
    let other = rows("SPY", &["590.25", "590.5", "591.01", "590.75"]);
    for prices in [["997", "999", "1.001", "1.010"], ["1.050", "1.000", "995", "990"]] {
        let csv = format!("{header}{other}{}", rows("EXMP", &prices));
        let refused = bars(&csv).err().unwrap();
        assert!(["bars.csv: ", "thousands", "--price-scale 1 "].iter().all(|part| refused.contains(part)), "{refused}");
        let read = bars_with(&csv, &as_written).unwrap().bars();
        assert_eq!(read.len(), 8);
    }
    // Prices with three decimals, as in Asia; a price above 1000 without a mark; no step; another step; a price with a half.
    for prices in [
        ["0.995", "1", "1.005", "1.010"],
        ["999", "1000", "1001.5", "1002"],
        ["12.300", "12.310", "12", "12.290"],
        ["997", "998", "999", "2.105"],
        ["998.50", "999", "1.001", "1.002"],
    ] {
        assert_eq!(bars(&format!("{header}{}", rows("EXMP", &prices))).unwrap().bars().len(), 4, "{prices:?}");
    }
}

#[test]
fn tables_of_pandas_that_are_no_rows_are_refused_by_their_orient() {
    let columns = r#"{"id":{"0":"a1"},"title":{"0":"A"},"published_at":{"0":"2025-05-12T14:00:00Z"}}"#;
    let index = r#"{"0":{"id":"a1","title":"A","published_at":"2025-05-12T14:00:00Z"}}"#;
    let split = r#"{"columns":["id","title"],"index":[0],"data":[["a1","A"]]}"#;
    for (news, orient) in [(columns, "columns"), (index, "index"), (split, "split")] {
        let read = read(&[("news.json", news), ("bars.csv", BARS)], &ReplayOptions::default());
        let refused = read.err().unwrap();
        let parts = ["news.json", &format!("orient=\"{orient}\""), "orient=\"records\", lines=True"];
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
    }
    let index = r#"{"1747056600000":{"symbol":"EXMP","open":1,"high":1,"low":1,"close":1,"volume":1},
        "1747056660000":{"symbol":"EXMP","open":1,"high":1,"low":1,"close":1,"volume":1}}"#;
    let refused = bars(index).err().unwrap();
    assert!(refused.contains("orient=\"index\"") && refused.contains("reset_index()"), "{refused}");
}

#[test]
fn the_standard_input_is_read_for_one_file_only() {
    let inputs = Inputs { news: vec!["-".into()], bars: vec!["-".into()] };
    let refused = prepare(&inputs, &ReplayOptions::default(), |_| Ok(())).unwrap_err().to_string();
    assert!(refused.contains("standard input") && refused.contains("two files"), "{refused}");
}
