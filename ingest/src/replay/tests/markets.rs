//! Where the symbols of files are traded.

use super::*;
use tapewire_core::exchange::Market;

/// A minute bar of a symbol every six hours, from a Thursday on.
fn round_the_clock(symbol: &str, days: i64) -> String {
    let start = at("2023-03-09T00:00:00Z");
    let line = |hours: i64, minute: i64| {
        let start = start + jiff::SignedDuration::from_mins(60 * hours + minute);
        format!("{symbol},{start},1,2,1,2,10\n")
    };
    let hours = (0..24 * days).step_by(6);
    hours
        .flat_map(|hours| (0..3).map(move |minute| (hours, minute)))
        .map(|(hours, minute)| line(hours, minute))
        .collect()
}

const HEADER: &str = "symbol,start,open,high,low,close,volume\n";

#[test]
fn bars_at_weekends_show_a_cryptocurrency_and_that_is_said() {
    let csv = format!("{HEADER}{}{}", round_the_clock("BTC", 7), round_the_clock("BTCUSDT", 7));
    let read = bars(&csv).unwrap();
    let options = read.prepared.options();
    let btc = Symbol::new("BTC").unwrap();
    assert_eq!(options.calendars.of(&btc), Market::Crypto);
    assert_eq!(options.other_benchmarks, std::slice::from_ref(&btc), "in dollars rather than in a stablecoin");
    let notes = read.notes();
    assert!(notes.contains("BTC is joined as a cryptocurrency") && notes.contains("--market BTC=us"), "{notes}");
    assert!(notes.contains("calendar 24/7: 2 symbols, with the benchmark BTC"), "{notes}");
    assert!(!notes.contains("no bar of the benchmark SPY"), "{notes}");

    let mut calendars = tapewire_core::exchange::Calendars::default();
    calendars.set("*", Market::Crypto).unwrap();
    let read = bars_with(&csv, &ReplayOptions { calendars, ..ReplayOptions::default() }).unwrap();
    let options = read.prepared.options();
    assert_eq!((options.benchmark.clone(), options.other_benchmarks.len()), (Some(btc.clone()), 0), "SPY is no coin");

    let mut calendars = tapewire_core::exchange::Calendars::default();
    calendars.set("BTC", Market::NewYork).unwrap();
    let read = bars_with(&csv, &ReplayOptions { calendars, ..ReplayOptions::default() }).unwrap();
    assert_eq!(read.prepared.options().calendars.of(&btc), Market::NewYork);
    assert!(!read.notes().contains("is joined as a cryptocurrency"), "{}", read.notes());
}

#[test]
fn bars_of_weekdays_show_nothing() {
    // Two days at all hours, as of a share that is traded at night; and Sundays without Saturdays, as in Tel Aviv.
    let sundays: String =
        (0..4).map(|week| format!("POLI,2023-03-{:02}T08:00:00Z,1,2,1,2,10\n", 5 + 7 * week)).collect();
    let minute: String =
        (0..4).map(|week| format!("POLI,2023-03-{:02}T08:01:00Z,1,2,1,2,10\n", 5 + 7 * week)).collect();
    for csv in [format!("{HEADER}{}", round_the_clock("BTC", 2)), format!("{HEADER}{sundays}{minute}")] {
        let read = bars(&csv).unwrap();
        assert_eq!(read.prepared.options().calendars, tapewire_core::exchange::Calendars::default());
    }
}

/// Coins from Monday to Thursday; or shares that are traded at night, too.
#[test]
fn bars_at_all_hours_of_weekdays_are_said_to_be_joined_by_new_york() {
    let every = |symbol: &str, hours: i64| -> String {
        let row = |hour: i64| {
            format!("{symbol},{},1,2,1,2,10\n", at("2025-06-09T00:00:00Z") + jiff::SignedDuration::from_hours(hour))
        };
        (0..96).step_by(hours as usize).map(row).collect()
    };
    let csv = format!("{HEADER}{}{}", every("ETH", 1), every("BTCUSDT", 1));
    let notes = bars(&csv).unwrap().notes();
    for part in ["joined by the sessions of New York", "at all hours of a day: ETH;", "--market ETH=crypto", "ETH=us"] {
        assert!(notes.contains(part), "{notes}");
    }
    let four_hours = bars(&format!("{HEADER}{}", every("ETH", 4))).unwrap().notes();
    assert!(four_hours.contains("--market ETH=crypto"), "{four_hours}");
    for market in [Market::Crypto, Market::NewYork] {
        let mut calendars = tapewire_core::exchange::Calendars::default();
        calendars.set("ETH", market).unwrap();
        let read = bars_with(&csv, &ReplayOptions { calendars, ..ReplayOptions::default() }).unwrap();
        assert!(!read.notes().contains("at all hours of a day"), "{}", read.notes());
    }
    // Early and late trading in New York leave the night free.
    let day = |hours: std::ops::Range<i64>| -> String {
        let row = |hour: i64| {
            format!("A,{},1,2,1,2,10\n", at("2025-06-10T00:00:00Z") + jiff::SignedDuration::from_hours(hour))
        };
        hours.map(row).collect()
    };
    let csv = format!("{HEADER}{}{}", day(8..24), day(32..48));
    assert!(!bars(&csv).unwrap().notes().contains("at all hours of a day"));
}

#[test]
fn a_daily_bar_is_of_the_session_of_its_own_exchange() {
    let starts = |csv: &str| -> Vec<(String, String)> {
        let bars = bars(csv).unwrap().bars();
        bars.iter().map(|bar| (bar.start.to_string(), bar.received_at.to_string())).collect()
    };
    // Tokyo: a date, and midnight in Tokyo.
    let expected = [("2025-06-02T00:00:00Z", "2025-06-02T06:30:00Z"), ("2025-06-03T00:00:00Z", "2025-06-03T06:30:00Z")];
    let expected = expected.map(|(open, close)| (open.to_owned(), close.to_owned()));
    for days in [["2025-06-02", "2025-06-03"], ["2025-06-01T15:00:00Z", "2025-06-02T15:00:00Z"]] {
        let rows: String = days.map(|day| format!("7203.T,{day},1,2,1,2,10\n")).concat();
        assert_eq!(starts(&format!("{HEADER}{rows}")), expected);
    }
    // London: midnight there is midnight in UTC in winter only.
    for days in [
        ["2025-03-28T00:00:00Z", "2025-03-30T23:00:00Z", "2025-03-31T23:00:00Z"],
        ["2025-03-28T00:00:00Z", "2025-03-31T00:00:00Z", "2025-04-01T00:00:00Z"],
    ] {
        let rows: String = days.map(|day| format!("VOD.L,{day},1,2,1,2,10\n")).concat();
        let opens: Vec<String> = starts(&format!("{HEADER}{rows}")).into_iter().map(|(open, _)| open).collect();
        assert_eq!(opens, ["2025-03-28T08:00:00Z", "2025-03-31T07:00:00Z", "2025-04-01T07:00:00Z"], "{days:?}");
    }
    // Open in New York, closed in Toronto.
    let read = bars(&format!("{HEADER}RY.TO,2025-06-30,1,2,1,2,10\nRY.TO,2025-07-01,1,2,1,2,10\n")).unwrap();
    assert!(read.reasons()[0].1.contains("`2025-07-01` is no trading day of XTSE"), "{:?}", read.reasons());
}

#[test]
fn news_and_bars_of_another_country_meet_however_each_spells_its_tickers() {
    for (in_news, in_bars, expected) in [
        ("LON:VOD", "VOD.L", "VOD.L"),
        ("VOD LN Equity", "VOD.XLON", "VOD.L"),
        ("7203 JP", "TYO:7203", "7203.T"),
        ("HKEX:700", "00700.HK", "0700.HK"),
        ("RY:CN", "RY-CA", "RY.TO"),
        ("TSX:RCI.B", "RCIb.TO", "RCI-B.TO"),
        ("BINANCE:BTCUSDT", "BINANCE:BTCUSDT", "BINANCE:BTCUSDT"),
    ] {
        let news = NEWS.replace("AAPL", in_news);
        let csv =
            format!("{HEADER}{in_bars},2025-05-12T14:00:00Z,1,2,1,2,10\n{in_bars},2025-05-12T14:01:00Z,1,2,1,2,10\n");
        let read = read(&[("news.jsonl", &news), ("bars.csv", &csv)], &ReplayOptions::default()).unwrap();
        assert_eq!(read.symbols("a1"), [expected], "{in_news}");
        assert!(read.bars().iter().all(|bar| bar.symbol.as_str() == expected), "{in_bars}");
    }
}

#[test]
fn symbols_of_the_news_without_bars_are_named_beside_those_of_the_bars() {
    let news = |symbols: &[&str]| NEWS.replace("[\"AAPL\"]", &format!("{symbols:?}"));
    let bars = |symbols: &[&str]| {
        let row = |symbol: &&str, minute: u32| format!("{symbol},2025-05-12T14:0{minute}:00Z,1,2,1,2,10\n");
        let rows: String = symbols.iter().map(|symbol| row(symbol, 0) + &row(symbol, 1)).collect();
        format!("{HEADER}{rows}")
    };
    let notes = |of_news: &[&str], of_bars: &[&str]| {
        let files = [("news.jsonl", &*news(of_news)), ("bars.csv", &*bars(of_bars))];
        read(&files, &ReplayOptions::default()).unwrap().notes()
    };
    let none = notes(
        &["VOD.L", "BRKB", "RY.TO", "BTC-USD", "BCPC", "ZZZZ"],
        &["VOD", "BRK.B", "RY", "X:BTCUSD", "BCpC", "MSFT"],
    );
    for part in [
        "none of the symbols of the news has bars: the news has BCPC, BRKB, BTC-USD, RY.TO, VOD.L and 1 more, the \
         bars have BCpC, BRK.B, MSFT, RY, VOD and 1 more; --alias NEWS=TAPE",
        "in another spelling: BRKB (BRK.B), BTC-USD (X:BTCUSD), RY.TO (RY), VOD.L (VOD); if they are, --alias \
         BRKB=BRK.B",
    ] {
        assert!(none.contains(part), "{none}");
    }
    let some = notes(&["AAPL", "MSFT", "ZZZZ"], &["AAPL", "MSFT"]);
    assert!(some.contains("1 of 3 symbols of the news have no bars: ZZZZ"), "{some}");
    assert!(!some.contains("in another spelling"), "{some}");
    assert!(!notes(&["AAPL"], &["AAPL", "MSFT"]).contains("have no bars"));
}

/// Alpha Vantage names two currencies, and the pair is the symbol.
#[test]
fn bars_of_alpha_vantage_of_two_currencies_are_of_their_pair() {
    let json = |to: &str| {
        let bar = r#"{"1. open": "1.1", "2. high": "1.2", "3. low": "1.0", "4. close": "1.15"}"#;
        format!(
            r#"{{"Meta Data": {{"1. Information": "FX Daily", "2. From Symbol": "EUR"{to}, "6. Time Zone": "UTC"}},
            "Time Series FX (Daily)": {{"2025-05-13": {bar}, "2025-05-12": {bar}}}}}"#
        )
    };
    let options = ReplayOptions { bar_columns: [("volume".to_owned(), None)].into(), ..ReplayOptions::default() };
    let read = bars_with(&json(r#", "3. To Symbol": "USD""#), &options).unwrap();
    let pair = Symbol::new("EURUSD").unwrap();
    assert_eq!(read.prepared.options().calendars.of(&pair), Market::Currencies);
    let bars = read.bars();
    assert!(bars.len() == 2 && bars.iter().all(|bar| bar.symbol == pair && bar.close == 1.15), "{bars:?}");
    let refused = bars_with(&json(""), &options).err().unwrap();
    assert!(refused.contains("--symbol"), "the euro alone is no symbol: {refused}");
}

#[test]
fn bars_of_a_country_without_a_calendar_are_refused_until_somebody_says_their_hours() {
    let csv = |symbol: &str| {
        format!("{HEADER}{symbol},2025-05-12T14:00:00Z,1,2,1,2,10\n{symbol},2025-05-12T14:01:00Z,1,2,1,2,10\n")
    };
    for (symbol, part) in
        [("NESN.SW", "--market .SW=xetra"), ("ASML.AS", "not known"), ("7203", "`7203.T`"), ("TSE:7203", "Toronto")]
    {
        let refused = bars(&csv(symbol)).err().unwrap();
        assert!(refused.contains(symbol) && refused.contains(part), "{refused}");
    }
    let mut calendars = tapewire_core::exchange::Calendars::default();
    calendars.set(".SW", Market::Xetra).unwrap();
    let read = bars_with(&csv("NESN.SW"), &ReplayOptions { calendars, ..ReplayOptions::default() }).unwrap();
    assert_eq!(read.bars().len(), 2);
}

fn days(header: &str, row: impl Fn(&str) -> String) -> String {
    let rows = ["2025-06-02", "2025-06-03", "2025-06-04", "2025-06-05", "2025-06-06"].map(row).concat();
    format!("{header},start,open,high,low,close,volume\n{rows}")
}

/// Their dates do not show that they are of another country.
#[test]
fn daily_bars_with_an_ending_that_is_not_known_are_refused_and_known_ones_of_other_vendors_are_read() {
    let of = |symbol: &str| days("symbol", |day| format!("{symbol},{day},1,2,1,2,10\n"));
    for (symbol, parts) in [
        ("NOVN.F", ["--market .F=xetra", "not known"]),
        ("ABC.V", ["TSX Venture", "--market .V=toronto"]),
        ("SHOP.NEO", ["--market .NEO=toronto", "--market SHOP.NEO=us"]),
        ("PKO.PL", ["--market .PL=xetra", "not known"]),
        ("600519.SHG", ["--market .SHG=xetra", "not known"]),
        ("BHP.AU", ["--market .AU=xetra", "--market BHP.AU=us"]),
    ] {
        let refused = bars(&of(symbol)).err().unwrap_or_else(|| panic!("{symbol}"));
        assert!(refused.contains(symbol) && parts.iter().all(|part| refused.contains(part)), "{refused}");
        let mut calendars = Calendars::default();
        calendars.set(symbol, Market::NewYork).unwrap();
        assert!(bars_with(&of(symbol), &ReplayOptions { calendars, ..ReplayOptions::default() }).is_ok(), "{symbol}");
    }
    for (symbol, expected, open) in [
        ("VOD.UK", "VOD.L", "2025-06-02T07:00:00Z"),
        ("7203.JP", "7203.T", "2025-06-02T00:00:00Z"),
        ("BRK.B", "BRK.B", "2025-06-02T13:30:00Z"),
        ("MKC.V", "MKC.V", "2025-06-02T13:30:00Z"),
        ("BAC.PR.L", "BACpL", "2025-06-02T13:30:00Z"),
        ("AACT.U", "AACT.U", "2025-06-02T13:30:00Z"),
        ("ACHR.WS", "ACHR.WS", "2025-06-02T13:30:00Z"),
    ] {
        let read = bars(&of(symbol)).unwrap_or_else(|refused| panic!("{symbol}: {refused}"));
        assert!(!read.notes().contains("another country"), "{}", read.notes());
        let first = read.bars().remove(0);
        assert_eq!((first.symbol.as_str(), first.start), (expected, at(open)), "{symbol}");
    }
    let notes = bars(&of("CEZ.PR")).unwrap().notes();
    assert!(notes.contains("another country are: CEZ.PR (Prague); --market CEZ.PR=us"), "{notes}");
    let tickers = Some(Arc::new([Symbol::new("CEZ.PR").unwrap()].into()));
    let known = bars_with(&of("CEZ.PR"), &ReplayOptions { tickers, ..ReplayOptions::default() }).unwrap().notes();
    assert!(!known.contains("another country"), "{known}");
}

#[test]
fn a_column_of_exchanges_says_where_a_symbol_is_traded() {
    let of = |name: &str, symbol: &str, exchange: &str| {
        days(&format!("symbol,{name}"), |day| format!("{symbol},{exchange},{day},1,2,1,2,10\n"))
    };
    for (name, symbol, exchange, expected, open) in [
        ("exchange", "VOD", "LSE", "VOD.L", "2025-06-02T07:00:00Z"),
        ("mic", "VOD", "XLON", "VOD.L", "2025-06-02T07:00:00Z"),
        ("Exchange Code", "700", "hkex", "0700.HK", "2025-06-02T01:30:00Z"),
        ("exchange", "BT.A", "LSE", "BT-A.L", "2025-06-02T07:00:00Z"),
        ("exchange", "VOD.L", "LSE", "VOD.L", "2025-06-02T07:00:00Z"),
        ("exchange", "BTC", "BINANCE", "BTC", "2025-06-02T00:00:00Z"),
        ("exchange", "AAPL", "XNAS", "AAPL", "2025-06-02T13:30:00Z"),
        ("exchange", "ABC.V", "NYSE", "ABC.V", "2025-06-02T13:30:00Z"),
        ("exchange", "BRK.B", "NYSE", "BRK.B", "2025-06-02T13:30:00Z"),
        // Codes of a provider, and what may be no exchange at all.
        ("exchange", "AAPL", "4", "AAPL", "2025-06-02T13:30:00Z"),
        ("exchange", "AAPL", "Q", "AAPL", "2025-06-02T13:30:00Z"),
        ("exchange", "AAPL", "SMART", "AAPL", "2025-06-02T13:30:00Z"),
    ] {
        let read = bars(&of(name, symbol, exchange)).unwrap_or_else(|refused| panic!("{symbol} {exchange}: {refused}"));
        assert_eq!(read.notes().contains("`SMART` in a column is not known"), exchange == "SMART", "{}", read.notes());
        let calendars = read.prepared.options().calendars.clone();
        let first = read.bars().remove(0);
        assert_eq!((first.symbol.as_str(), first.start), (expected, at(open)), "{symbol} {exchange}");
        assert_eq!(calendars.of(&first.symbol) == Market::NewYork, open.ends_with("13:30:00Z"), "{symbol} {exchange}");
    }
    for (symbol, exchange, part) in [
        ("VOD.L", "NASDAQ", "by its spelling it is of XLON"),
        ("NESN.SW", "LSE", "`.SW`"),
        ("BHP", "XASX", "--market BHP=xetra"),
        ("7203", "TSE", "one of two"),
        ("SONY", "XTKS", "not a ticker of Tokyo"),
    ] {
        let refused = bars(&of("exchange", symbol, exchange)).err().unwrap_or_else(|| panic!("{symbol} {exchange}"));
        assert!(refused.contains(part) && refused.contains(exchange), "{refused}");
    }
    // What the user says counts more, and may leave the column out.
    let mut calendars = Calendars::default();
    calendars.set("VOD", Market::Toronto).unwrap();
    let said = ReplayOptions { calendars, ..ReplayOptions::default() };
    assert_eq!(bars_with(&of("mic", "VOD", "XLON"), &said).unwrap().bars()[0].symbol.as_str(), "VOD");
    let without = ReplayOptions { bar_columns: [("exchange".to_owned(), None)].into(), ..ReplayOptions::default() };
    assert_eq!(bars_with(&of("mic", "VOD", "XLON"), &without).unwrap().bars()[0].start, at("2025-06-02T13:30:00Z"));
    // One ticker on two exchanges is two symbols.
    let two = of("mic", "VOD", "XLON") + of("mic", "VOD", "XNAS").split_once('\n').unwrap().1;
    let read = bars(&two).unwrap();
    let symbols: Vec<String> = read.prepared.bars.symbols().into_iter().map(ToString::to_string).collect();
    assert_eq!(symbols, ["VOD", "VOD.L"]);
}

#[test]
fn an_alias_or_a_market_of_no_row_is_named() {
    let symbol = |text: &str| Symbol::new(text).unwrap();
    let alias = |news: &str, tape: &str| (symbol(news), symbol(tape));
    let rule = |what: &str| (what.to_owned(), Market::Xetra);
    let options = ReplayOptions {
        aliases: [alias("APPL", "AAPL"), alias("AAPL", "MSFT"), alias("SPX", "SPY")].into_iter().collect(),
        market_rules: [".DE", "MSFT", "SAP", "*"].map(rule).into(),
        ..ReplayOptions::default()
    };
    let notes = read(&[("news.jsonl", NEWS), ("bars.csv", BARS)], &options).unwrap().prepared.notes();
    let idle: Vec<&String> = notes.iter().filter(|note| note.contains("changes nothing")).collect();
    assert_eq!(
        idle,
        [
            "--alias APPL=AAPL changes nothing: no row has the symbol APPL",
            "--alias SPX=SPY changes nothing: no row has the symbol SPX",
            "--market .DE=XETR changes nothing: no row has such a symbol",
            "--market SAP=XETR changes nothing: no row has such a symbol",
        ]
    );
}
