//! Each spelling of a ticker, and what is not a ticker.

use super::*;

fn one(text: &str) -> String {
    read(text).unwrap_or_else(|reason| panic!("{text}: {reason}")).to_string()
}

const SPELLINGS_OF_AAPL: &[&str] = &[
    "AAPL",
    "aapl",
    "$AAPL",
    "(NASDAQ: AAPL)",
    "NASDAQ:AAPL",
    "nasdaq:aapl",
    "AAPL:US",
    "AAPL:NASDAQ",
    "AAPL:UW",
    "AAPL:NSQ",
    "US:AAPL",
    "AAPL.US",
    "AAPL-US",
    "AAPL-USA",
    "AAPL.XNAS",
    "AAPL.NASDAQ",
    "AAPL@NASDAQ",
    "NasdaqGS:AAPL",
    "US.AAPL",
    "AAPL.O",
    "AAPL.OQ",
    "aapl.oq",
    "aapl.o",
    "AAPL US Equity",
    "AAPL UW EQUITY",
    "AAPL US",
    "NASDAQ AAPL",
    "AAPL NASDAQ",
    "\u{200b}AAPL",
    "\u{feff}AAPL\u{200e}",
    "AA\u{ad}PL",
    "\u{a0}AAPL ",
    "\"AAPL\"",
    "'AAPL'",
    "=\"AAPL\"",
    "<AAPL.O>",
];

/// How vendors write a ticker, and how it is written here.
const SPELLINGS: &[(&str, &str)] = &[
    ("IBM.N", "IBM"),
    ("BRKb.N", "BRK.B"),
    ("BFb.N", "BF.B"),
    ("BAC_pL.N", "BACpL"),
    ("BRK/B US Equity", "BRK.B"),
    ("NYSE:BRK.B", "BRK.B"),
    ("BRK.B-US", "BRK.B"),
    ("BTC/USD", "BTC-USD"),
    ("X:BTCUSD", "X:BTCUSD"),
    ("7203", "7203"),
    ("VOD.L", "VOD.L"),
    ("LON:VOD", "VOD.L"),
    ("(LSE: VOD)", "VOD.L"),
    ("VOD LN Equity", "VOD.L"),
    ("VOD:LN", "VOD.L"),
    ("7203 JP", "7203.T"),
    ("TSX:RY", "RY.TO"),
    ("NYSE:DE", "DE"),
    ("NASDAQ:LSE", "LSE"),
    ("BINANCE:BTCUSDT", "BINANCE:BTCUSDT"),
    ("OANDA:EURUSD", "OANDA:EURUSD"),
    ("MC.PA", "MC.PA"),
    ("^N225", "^N225"),
    ("^GSPC", "^GSPC"),
    ("^STOXX50E", "^STOXX50E"),
];

#[test]
fn a_ticker_with_its_exchange_or_market_is_the_ticker() {
    for text in SPELLINGS_OF_AAPL {
        assert_eq!(one(text), "AAPL", "{text}");
    }
    for &(text, expected) in SPELLINGS {
        assert_eq!(one(text), expected, "{text}");
    }
}

#[test]
fn classes_and_preferred_shares_are_kept() {
    for (text, expected) in [
        ("BRK.B", "BRK.B"),
        ("BRK-B", "BRK.B"),
        ("BRK/B", "BRK.B"),
        ("brk/b", "BRK.B"),
        ("BRK B", "BRK.B"),
        ("BRK.A", "BRK.A"),
        ("MKC.V", "MKC.V"),
        ("BF.B", "BF.B"),
        ("BCpC", "BCpC"),
        ("BC-PC", "BCpC"),
        ("BC/PC", "BCpC"),
        ("BC/PRC", "BCpC"),
        ("ABRp", "ABRp"),
        ("ACHR/WS", "ACHR.WS"),
        ("ACHR.WS", "ACHR.WS"),
        ("AACT.U", "AACT.U"),
        ("AACT/U", "AACT.U"),
        ("AACT/UN", "AACT.U"),
        ("LEN.Bw", "LEN.Bw"),
    ] {
        assert_eq!(one(text), expected, "{text}");
    }
}

#[test]
fn what_is_not_a_ticker_is_refused_by_its_kind() {
    for (text, part) in [
        ("US0378331005", "ISIN"),
        ("us0378331005", "ISIN"),
        ("037833100", "CUSIP"),
        ("59491810 4", "not a ticker"),
        ("594918104", "CUSIP"),
        ("38259P508", "CUSIP"),
        ("2046251", "SEDOL"),
        ("B1YW440", "SEDOL"),
        ("BBG000B9XRY4", "FIGI"),
        ("HWUPKR0MPOU8FGXBT394", "LEI"),
        ("0000320193", "CIK"),
        ("37833100", "CIK"),
        ("7203.0", "number"),
        ("BHP AU Equity", "calendar is not known"),
        ("ASX:BHP", "United States"),
        ("ASX:LSE", "United States"),
        ("TSE:7203", "write 7203.T or 7203.TO"),
        ("HKG:AAPL", "not a ticker of Hong Kong"),
        ("Ford", "may be a name"),
        ("Apple", "may be a name"),
        ("SPY.P", "Arca"),
        ("AAPL.OQ^A12", "no longer listed"),
        ("TWTR.N^K22", "no longer listed"),
        ("BAC-L", "may be a preferred share, or a ticker of London; write BACpL or BAC.L"),
        ("bac-l", "write BACpL or BAC.L"),
        ("BAC/L", "write BACpL or BAC.L"),
        ("NYSE:BAC-L", "write BACpL"),
        ("RY-T", "may be a preferred share, or a ticker of Tokyo; write RYpT"),
        ("AAPL/MSFT", "several"),
        ("A B C", "not a ticker"),
        ("?!", "not a ticker"),
        ("AAPL\u{1f600}", "not a ticker"),
        ("", "not a ticker"),
    ] {
        let reason = read(text).unwrap_err();
        assert!(reason.contains(part) && reason.contains(text), "{text}: {reason}");
    }
}

#[test]
fn several_tickers_are_several_and_a_name_is_none() {
    let of = |text: &str| {
        let mut tickers = Tickers::default();
        tickers.add_text(text);
        (tickers.symbols.iter().map(ToString::to_string).collect::<Vec<_>>(), tickers.left_out)
    };
    for (text, expected) in [
        ("AAPL/MSFT", &["AAPL", "MSFT"][..]),
        ("AAPL/MSFT/TSLA", &["AAPL", "MSFT", "TSLA"]),
        ("$AAPL/$MSFT", &["AAPL", "MSFT"]),
        ("AAPL AND MSFT", &["AAPL", "MSFT"]),
        ("AAPL and MSFT", &["AAPL", "MSFT"]),
        ("AAPL & MSFT", &["AAPL", "MSFT"]),
        ("AAPL, MSFT, AND TSLA", &["AAPL", "MSFT", "TSLA"]),
        ("LON:VOD, 7203 JP; RY:CN", &["VOD.L", "7203.T", "RY.TO"]),
        ("AAPL MSFT", &["AAPL", "MSFT"]),
        ("AAPL.O, MSFT.OQ;IBM.N", &["AAPL", "MSFT", "IBM"]),
        ("NASDAQ:AAPL, NYSE:IBM", &["AAPL", "IBM"]),
        ("\u{200b}AAPL,\u{200b}MSFT", &["AAPL", "MSFT"]),
    ] {
        assert_eq!(of(text), (expected.iter().map(|&text| text.to_owned()).collect(), Vec::new()), "{text}");
    }
    for text in [
        "AAPL OR MSFT",
        "FORD MOTOR CO",
        "APPLE INC",
        "BANK OF AMERICA",
        "Apple Inc",
        "AAPL BB",
        "NKE UA",
        "VOD LN",
        "AT & T",
        "GM AND F",
    ] {
        let (symbols, left_out) = of(text);
        assert!(symbols.is_empty() && left_out.len() == 1 && left_out[0].contains(text), "{text}: {symbols:?}");
    }
    let mut items = Tickers::default();
    ["AAPL/MSFT", "BRK B", "A B C", "AT & T", "VOD LN"].into_iter().for_each(|item| items.add_item(item));
    assert_eq!((items.symbols.len(), items.left_out.len()), (4, 2), "{items:?}");
}

#[test]
fn a_column_of_names_or_tickers_is_read_where_it_says_more() {
    let found = |text: &str| decorated(text).map(|symbol| symbol.map(|symbol| symbol.to_string()));
    for (text, expected) in [
        ("AAPL", None),
        ("Apple", None),
        ("Apple Inc.", None),
        ("A.O. Smith", None),
        ("AT&T", None),
        ("Yum! Brands", None),
        ("NASDAQ:AAPL", Some("AAPL")),
        ("AAPL.O", Some("AAPL")),
        ("AAPL US Equity", Some("AAPL")),
        ("$AAPL", Some("AAPL")),
        ("AAPL:US", Some("AAPL")),
        ("BRK.B", None),
        ("Johnson & Johnson", None),
        ("Amazon.com", None),
        ("AT & T", None),
        ("Alibaba HK", None),
        ("LON:VOD", Some("VOD.L")),
        ("VOD LN Equity", Some("VOD.L")),
    ] {
        assert_eq!(found(text), Ok(expected.map(str::to_owned)), "{text}");
    }
    assert!(found("US0378331005").unwrap_err().contains("ISIN"));
    assert_eq!(listed("AAPL/MSFT"), Some(vec!["AAPL".into(), "MSFT".into()]));
    assert_eq!(listed("AAPL, MSFT AND TSLA"), Some(vec!["AAPL".into(), "MSFT".into(), "TSLA".into()]));
    for name in ["JOHNSON AND JOHNSON", "BLACK AND DECKER", "AT & T", "APPLE, INC.", "DEERE & CO", "TESLA, INC"] {
        assert_eq!(listed(name), None, "{name}");
    }
    assert_eq!((listed("BRK/B"), listed("Apple, Inc"), listed("HOME DEPOT")), (None, None, None));
}
