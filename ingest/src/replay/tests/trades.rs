//! Files of trades are folded into bars.

use super::*;
use tapewire_bars::Widths;

/// Folds one file of trades. The bars, or why the file is refused.
pub(super) fn fold_with(csv: &str, options: &TradesOptions) -> Result<(FoldedTrades, Vec<Bar>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.csv");
    std::fs::write(&path, csv).unwrap();
    let mut bars = Vec::new();
    let folded = fold_trades(
        &[path],
        options,
        |_| Ok(()),
        |bar| {
            bars.push(bar);
            Ok(())
        },
    );
    folded.map(|folded| (folded, bars)).map_err(|error| tapewire_runtime::chain(&error))
}

/// Bars of a minute from files whose rows have their symbol.
pub(super) fn options() -> TradesOptions {
    TradesOptions {
        widths: Widths::new(&[60]).unwrap(),
        calendars: Calendars::default(),
        lateness: SignedDuration::from_secs(10),
        zone: None,
        date_order: None,
        columns: Mapping::new(),
        symbol: SymbolOf::Column,
        format: Options::default(),
    }
}

fn fold(csv: &str) -> Result<(FoldedTrades, Vec<Bar>), String> {
    fold_with(csv, &options())
}

/// Massive's flat file of trades: nanoseconds, several conditions in a cell, ids that are unique for an exchange only.
const MASSIVE: &str = "\
ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,trf_id,trf_timestamp
AAPL,,0,4,1,1748872800000000000,200.0,10,1748872800000100000,100,3,0,0
AAPL,\"14,41\",0,11,1,1748872801000000000,201.0,11,1748872801000100000,50,3,0,0
AAPL,\"14,37\",0,11,2,1748872802000000000,999.0,12,1748872802000100000,3,3,0,0
AAPL,,1,11,3,1748872803000000000,555.0,13,1748872803000100000,100,3,0,0
AAPL,,12,11,4,1748872803000000000,199.5,14,1748872803000100000,100,3,0,0
AAPL,,0,11,4,1748872859999999000,200.5,15,1748872860000000000,10,3,0,0
MSFT,,0,11,9,1748872800000000000,400.0,1,1748872800000100000,1,3,0,0
";

#[test]
fn massives_flat_file_follows_the_consolidated_tape() {
    let (folded, bars) = fold(MASSIVE).unwrap();
    assert_eq!((folded.trades, folded.bars, folded.symbols, folded.rejected), (6, 3, 2, 0));
    let of = |i: usize| (bars[i].symbol.as_str(), bars[i].open, bars[i].high, bars[i].low, bars[i].close);
    // The odd lot has no price of the market, the corrected trade none at all, and the tape's time decides.
    assert_eq!(of(0), ("AAPL", 200.0, 201.0, 199.5, 199.5));
    assert_eq!((bars[0].volume, bars[0].trades, bars[0].start), (253.0, Some(4), at("2025-06-02T14:00:00Z")));
    assert_eq!(of(1), ("AAPL", 200.5, 200.5, 200.5, 200.5));
    assert_eq!(bars[1].start, at("2025-06-02T14:01:00Z"));
    assert_eq!(of(2), ("MSFT", 400.0, 400.0, 400.0, 400.0));
}

#[test]
fn a_file_without_header_and_symbol_is_read_as_the_user_says() {
    let columns = ["id=c1", "price=c2", "size=c3", "at=c5"].map(|pair| pair.split_once('=').unwrap());
    let options = TradesOptions {
        columns: columns.map(|(what, name)| (what.to_owned(), Some(name.to_owned()))).into(),
        symbol: SymbolOf::Given(Symbol::new("X:BTCUSDT").unwrap()),
        format: Options { header: false, ..Options::default() },
        ..options()
    };
    // Binance's: id, price, quantity, amount, time in milliseconds, whether the buyer was the maker, and a flag.
    let csv = "1,60000.5,0.001,60.0,1748872800123,True,True\n\
        2,60001.5,0.5,30000.75,1748872830000,False,True\n\
        2,60001.5,0.5,30000.75,1748872830000,False,True\n";
    let (folded, bars) = fold_with(csv, &options).unwrap();
    assert_eq!((folded.trades, bars.len()), (3, 1));
    assert_eq!((bars[0].symbol.as_str(), bars[0].open, bars[0].close), ("X:BTCUSDT", 60000.5, 60001.5));
    assert_eq!((bars[0].volume, bars[0].trades), (0.501, Some(2)), "the trade that is there twice counts once");
}

#[test]
fn prices_of_databento_are_counted_in_billionths() {
    let csv = "ts_event,rtype,publisher_id,instrument_id,price,size,sequence,symbol\n\
        1748872800123456789,0,2,38,201350000000,100,7,AAPL\n";
    let (_, bars) = fold(csv).unwrap();
    assert_eq!((bars[0].close, bars[0].volume), (201.35, 100.0));
}

/// The best prices of an order book (`mbp-1`), with an order that is added, a trade, its fill, a cancelled order and a reset.
#[test]
fn only_the_trades_of_an_order_book_are_trades() {
    let header = "ts_event,rtype,publisher_id,instrument_id,action,side,price,size,sequence,symbol\n";
    let row = |second: u64, action: &str, price: &str, size: u64| {
        format!(
            "{},1,2,38,{action},B,{price},{size},{second},AAPL\n",
            1_748_872_800_000_000_000 + second * 1_000_000_000
        )
    };
    let book = [
        row(0, "A", "190000000000", 500),
        row(1, "T", "201360000000", 100),
        row(1, "F", "201360000000", 100),
        row(2, "C", "250360000000", 900),
        row(3, "M", "190000000000", 5),
        row(4, "R", "9223372036854775807", 0),
        row(5, "T", "201350000000", 40),
    ];
    let (folded, bars) = fold(&format!("{header}{}", book.concat())).unwrap();
    assert_eq!((folded.trades, folded.rejected, bars.len()), (2, 0, 1));
    assert_eq!([bars[0].open, bars[0].high, bars[0].low, bars[0].close], [201.36, 201.36, 201.35, 201.35]);
    assert_eq!((bars[0].volume, bars[0].trades), (140.0, Some(2)));
    assert!(folded.notes[0].contains("5 rows are of an order book and no trades"), "{:?}", folded.notes);
    // Without the columns that mark Databento's records, and without the action.
    let short = "ts_event,action,price,size,symbol\n1748872801000000000,T,201.36,100,AAPL\n\
        1748872802000000000,C,250.36,900,AAPL\n";
    assert_eq!(fold(short).unwrap().0.trades, 1);
    let no_action = format!("{header}{}", book.concat()).replace("action", "kind");
    assert!(fold(&no_action).unwrap_err().contains("rtype `1` is of an order book"));
    // Another provider's column says whose order it was.
    let other = "symbol,time,price,size,action\nA,2025-06-02T14:00:00Z,10,1,BUY\nA,2025-06-02T14:00:01Z,10,1,C\n";
    assert_eq!(fold(other).unwrap().0.trades, 2);
}

#[test]
fn databentos_undefined_price_is_no_price() {
    let header = "ts_event,rtype,publisher_id,instrument_id,action,price,size,symbol\n";
    for undefined in ["9223372036854775807", "9223372036.854775807", "9223372036.854776"] {
        let csv = format!(
            "{header}1748872801000000000,0,2,38,T,201.36,100,AAPL\n\
            1748872802000000000,0,2,38,T,{undefined},100,AAPL\n"
        );
        let (folded, bars) = fold(&csv).unwrap();
        assert_eq!((folded.trades, folded.rejected, bars[0].close), (1, 1, 201.36), "{undefined}");
        assert!(folded.reasons[0].contains("undefined price"), "{:?}", folded.reasons);
        let of_bars = format!(
            "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n\
            1747056600000000000,33,2,38,193,194,192,193,15,EXMP\n1747056660000000000,33,2,38,193,194,192,193,15,EXMP\n\
            1747056720000000000,33,2,38,{undefined},{undefined},{undefined},{undefined},0,EXMP\n"
        );
        let given = ReplayOptions { price_scale: Some(1.0), ..ReplayOptions::default() };
        let read = bars_with(&of_bars, &given).unwrap();
        assert!(read.reasons()[0].1.contains("undefined price"), "{:?}", read.reasons());
        assert_eq!(read.bars().len(), 2);
    }
}

/// NYSE's TAQ, as WRDS has it: the symbol in two columns, letters for conditions, and corrections.
#[test]
fn trades_of_taq_are_those_of_their_class_and_of_the_tapes_rules() {
    let taq = "DATE,TIME_M,EX,SYM_ROOT,SYM_SUFFIX,TR_SCOND,SIZE,PRICE,TR_STOP_IND,TR_CORR,TR_SEQNUM,TR_ID\n\
        2025-06-02,9:30:00.123456789,N,BRK,A,@ O,1,750000.5,,00,1,1\n\
        2025-06-02,9:30:01.123456789,N,BRK,B,@,100,500.25,,00,2,2\n\
        2025-06-02,9:30:02.5,N,BRK,B,@,100,999.99,,08,3,3\n\
        2025-06-02,9:30:03.5,D,BRK,B,@ TI,1,400.35,,00,4,4\n\
        2025-06-02,9:30:04.5,T,BRK,B,@F,200,501.25,,01,5,5\n\
        2025-06-02,9:30:04.5,T,BRK,B,@F,200,900.25,,12,6,6\n\
        2025-06-02,9:30:05,N,PSA,PRH,,100,20.5,,00,7,7\n\
        2025-06-02,9:30:05,N,ACHR,WS,,100,2.5,,00,8,8\n\
        2025-06-02,9:30:05,N,XYZ,L,,100,3.5,,00,9,9\n\
        2025-06-02,9:30:05,N,AAPL,,,100,200.5,,00,10,10\n";
    let options = TradesOptions { zone: zone("America/New_York"), ..options() };
    let (folded, bars) = fold_with(taq, &options).unwrap();
    assert_eq!((folded.trades, folded.rejected), (8, 0), "{:?}", folded.reasons);
    let found: Vec<(&str, f64)> = bars.iter().map(|bar| (bar.symbol.as_str(), bar.close)).collect();
    let expected =
        [("AAPL", 200.5), ("ACHR.WS", 2.5), ("BRK.A", 750_000.5), ("BRK.B", 501.25), ("PSApH", 20.5), ("XYZ-L", 3.5)];
    assert_eq!(found, expected);
    let class_b = &bars[3];
    assert_eq!((class_b.open, class_b.high, class_b.low, class_b.volume), (500.25, 501.25, 500.25, 301.0));
    assert_eq!(class_b.start, at("2025-06-02T13:30:00Z"));
    assert_eq!(folded.notes, ["2 trades were cancelled or corrected, and do not count"]);
    // Without the suffixes, two classes would be one symbol.
    let roots = taq.replace("SYM_SUFFIX", "OTHER");
    let refused = fold_with(&roots, &options).unwrap_err();
    assert!(refused.contains("column SYM_ROOT") && refused.contains("--columns suffix="), "{refused}");
    let none = TradesOptions { columns: [("suffix".to_owned(), None)].into(), ..options };
    assert_eq!(fold_with(taq, &none).unwrap().0.symbols, 5);
}

#[test]
fn rows_without_ids_are_trades_of_their_own() {
    let (_, bars) = fold("symbol,time,price,size\nA,2025-06-02T14:00:00Z,10,1\nA,2025-06-02T14:00:00Z,10,1\n").unwrap();
    assert_eq!((bars[0].volume, bars[0].trades), (2.0, Some(2)));
}

#[test]
fn trades_out_of_order_are_sorted_within_the_lateness_and_refused_beyond() {
    let csv = |second| {
        format!(
            "symbol,time,price,size\nA,2025-06-02T14:00:05Z,10,1\nA,2025-06-02T14:01:10Z,11,1\n\
             A,2025-06-02T14:{second}Z,12,1\n"
        )
    };
    let (_, bars) = fold(&csv("01:01")).unwrap();
    assert_eq!((bars.len(), bars[1].open, bars[1].close), (2, 12.0, 11.0));
    let refused = fold(&csv("00:59")).unwrap_err();
    assert!(refused.contains("line 4") && refused.contains("--lateness"), "{refused}");
}

/// The trades of WRDS and of spreadsheets.
#[test]
fn a_day_and_a_time_of_day_may_be_in_two_columns() {
    let options = TradesOptions { zone: zone("America/New_York"), ..options() };
    let expected = [("2025-06-02T13:30:00Z", 200.5), ("2025-06-02T13:31:00Z", 202.5)];
    let taq = "DATE,TIME_M,SYM,SIZE,PRICE\n2025-06-02,9:30:00.123,AAPL,100,200.5\n\
        2025-06-02,9:31:02.123456789,AAPL,100,202.5\n";
    let two = "symbol,date,time,price,size\nAAPL,2025-06-02,09:30:01,200.5,5\nAAPL,2025-06-02,09:31:01,202.5,5\n";
    let midnight = two.replace("2025-06-02,", "2025-06-02 00:00:00,");
    let stamp = midnight.replace("date", "timestamp");
    for csv in [taq, two, &two.replace("date", "timestamp"), &midnight, &stamp] {
        let (folded, bars) = fold_with(csv, &options).unwrap();
        assert_eq!((folded.trades, folded.rejected), (2, 0), "{csv}");
        let found: Vec<(String, f64)> = bars.iter().map(|bar| (bar.start.to_string(), bar.open)).collect();
        assert_eq!(found, expected.map(|(start, open)| (start.to_owned(), open)), "{csv}");
    }
    let named = two.replace("date,time", "session,clock");
    let columns = [("date", "session"), ("at", "clock")].map(|(what, name)| (what.to_owned(), Some(name.to_owned())));
    let (_, bars) = fold_with(&named, &TradesOptions { columns: columns.into(), ..options.clone() }).unwrap();
    assert_eq!(bars[0].start, at(expected[0].0));
    // A moment needs no day, and is not one.
    let (_, bars) = fold_with(&two.replace("09:3", "2025-06-02T09:3"), &options).unwrap();
    assert_eq!(bars[0].start, at(expected[0].0));
    for (csv, part) in [
        (two.replace("date", "session"), "time `09:30:01` is a time of day; --columns date=NAME"),
        (two.replace("2025-06-02,", "2025-06-02T00:00:00Z,"), "is not a day alone, and time `09:30:01`"),
        (stamp.replace("00:00:00,", "00:00:00-04:00,"), "is not a day alone, and time `09:30:01`"),
        (two.replace("2025-06-02,", "2025-06-02T04:00:00Z,").replace("date", "timestamp"), "is not a day alone"),
        (two.replace("2025-06-02,", ","), "date `` is missing"),
    ] {
        let refused = fold_with(&csv, &options).unwrap_err();
        assert!(refused.contains(part), "{refused}");
    }
}

/// The column of times says the same moment as the one before it.
#[test]
fn a_trade_of_midnight_is_read() {
    for midnight in ["1748822400000", "2025-06-02T00:00:00Z"] {
        let csv = format!("symbol,timestamp,time,price,size\nBTC-USD,{midnight},00:00:00,100.5,1\n");
        let (folded, bars) = fold(&csv).unwrap();
        assert_eq!((folded.trades, folded.rejected, bars[0].start), (1, 0, at("2025-06-02T00:00:00Z")), "{csv}");
    }
}

#[test]
fn what_is_not_a_trade_is_refused_with_the_place_and_the_remedy() {
    let rows = "symbol,time,price,size,conditions\nA,2025-06-02T14:00:00Z,10,1,\nA,2025-06-02T14:00:01Z,-10,1,\n\
        A,2025-06-02T14:00:02Z,10,x,\nA,2025-06-02,10,1,\nA,2025-06-02T14:00:03Z,10,1,@ I\n";
    let (folded, bars) = fold(rows).unwrap();
    assert_eq!((folded.trades, folded.rejected, bars.len()), (1, 4, 1));
    let reasons = folded.reasons.join("; ");
    for part in ["`-10` can't be a price", "`x`", "is a day", "`--columns conditions=`"] {
        assert!(reasons.contains(part), "{part}: {reasons}");
    }
    let refused = fold(BARS).unwrap_err();
    assert!(refused.contains("no price") || refused.contains("no at"), "{refused}");
    assert!(fold("symbol,time,price,size\n").unwrap_err().contains("no rows"));
}

#[test]
fn bars_of_trades_are_read_back_as_bars() {
    let (_, folded) = fold(MASSIVE).unwrap();
    let csv: String = folded
        .iter()
        .map(|bar| {
            let Bar { symbol, start, width_s, open, high, low, close, volume, .. } = bar;
            format!("{symbol},{start},{width_s},{open},{high},{low},{close},{volume}\n")
        })
        .collect();
    let read = bars(&format!("symbol,start,width_s,open,high,low,close,volume\n{csv}")).unwrap();
    assert_eq!(read.prepared.rejected, []);
}

/// Four days of a share, with trades before the open and after the close.
fn four_days(symbol: &str, times: [&str; 5]) -> String {
    let day = |day: usize| -> String {
        let price = |at: usize| [95.0, 100.0, 100.2, 100.5, 110.0][at] + day as f64;
        let row = |at: usize| format!("{symbol},2025-06-0{}T{}Z,{},100,{day}{at}\n", 2 + day, times[at], price(at));
        (0..5).map(row).collect()
    };
    format!("symbol,time,price,size,id\n{}", (0..4).map(day).collect::<String>())
}

/// A daily bar by the clock of UTC opened before the news and closed after hours, and the join took it for the session.
#[test]
fn wide_bars_are_cut_by_the_sessions_of_the_market_of_each_symbol() {
    let new_york = four_days("AAPL", ["08:30:00", "13:30:00", "16:30:00", "19:59:59", "21:00:00"]);
    let london = four_days("VOD.L", ["06:30:00", "07:00:00", "11:00:00", "15:29:00", "15:55:00"]);
    let days = TradesOptions { widths: Widths::new(&[3600, 86_400]).unwrap(), ..options() };
    for (csv, first, last_hour, market) in [
        (new_york, "2025-06-02T13:30:00Z", "2025-06-02T19:30:00Z", "XNYS"),
        (london, "2025-06-02T07:00:00Z", "2025-06-02T15:00:00Z", "XLON"),
    ] {
        let (folded, folds) = fold_with(&csv, &days).unwrap();
        let of = |width: u32| folds.iter().filter(move |bar| bar.width_s == width).collect::<Vec<_>>();
        let (hours, daily) = (of(3600), of(86_400));
        assert_eq!((hours.len(), daily.len()), (12, 4));
        let prices = |bar: &Bar| (bar.start, [bar.open, bar.high, bar.low, bar.close], bar.volume);
        assert_eq!(prices(daily[0]), (at(first), [100.0, 100.5, 100.0, 100.5], 300.0));
        assert_eq!(prices(hours[0]), (at(first), [100.0; 4], 100.0));
        assert_eq!(prices(hours[2]), (at(last_hour), [100.5; 4], 100.0));
        let note = format!("bars of 3600 s and 86400 s are cut by the sessions of {market}");
        assert!(folded.notes[0].contains(&note) && folded.notes[0].contains("8 of 20 trades"), "{:?}", folded.notes);
        // As the join reads them.
        let rows = daily.iter().map(|bar| {
            let Bar { symbol, start, width_s, open, high, low, close, volume, .. } = bar;
            format!("{symbol},{start},{width_s},{open},{high},{low},{close},{volume}\n")
        });
        let read = bars(&format!("symbol,start,width_s,open,high,low,close,volume\n{}", rows.collect::<String>()));
        assert_eq!(read.unwrap().bars().iter().map(|bar| bar.close).collect::<Vec<_>>(), [100.5, 101.5, 102.5, 103.5]);
    }
    // A coin's day is one of UTC, and so is that of what the user says is one.
    let coin = four_days("BTC-USD", ["00:00:00", "08:00:00", "12:00:00", "16:00:00", "23:59:59"]);
    let mut calendars = Calendars::default();
    calendars.set("BTC", tapewire_core::exchange::Market::Crypto).unwrap();
    let said = TradesOptions { calendars, ..days.clone() };
    for (csv, options) in [(coin.replace("BTC-USD", "BTC"), &said), (coin, &days)] {
        let (folded, folds) = fold_with(&csv, options).unwrap();
        let daily = folds.iter().find(|bar| bar.width_s == 86_400).unwrap();
        assert_eq!((daily.start, daily.open, daily.close), (at("2025-06-02T00:00:00Z"), 95.0, 110.0));
        assert!(folded.notes.is_empty(), "{:?}", folded.notes);
    }
}

#[test]
fn wide_bars_need_the_market_of_a_symbol() {
    let csv = four_days("NESN.SW", ["06:30:00", "07:00:00", "11:00:00", "15:29:00", "15:55:00"]);
    let days = TradesOptions { widths: Widths::new(&[86_400]).unwrap(), ..options() };
    let refused = fold_with(&csv, &days).unwrap_err();
    assert!(refused.contains("NESN.SW") && refused.contains("--market .SW=xetra"), "{refused}");
    assert_eq!(fold(&csv).unwrap().0.bars, 20, "bars of a minute are by the clock");
}
