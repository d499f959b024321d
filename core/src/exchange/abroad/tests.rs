//! Each spelling of a ticker abroad, and what is of no exchange that we know.

use super::*;
use crate::Symbol;

#[test]
fn each_exchange_has_one_spelling_whoever_wrote_it() {
    let table: [(&str, &[&str]); 12] = [
        ("VOD.L", &["LON:VOD", "lse:vod", "XLON: VOD", "VOD:LN", "VOD:LSE", "VOD LN Equity", "VOD LN", "VOD.XLON"]),
        ("VOD.L", &["VOD.LSE", "VOD-GB", "VOD.LN", "vod.l", "VOD.L", "$VOD:LN", "VOD.UK", "vod.uk"]),
        ("BP.L", &["BP/ LN Equity", "LSE:BP.", "BP LN", "Bp.L", "BP-GB"]),
        ("BT-A.L", &["LON:BT.A", "BT/A LN Equity", "BTa.L", "BT-A.L", "BT.A.L"]),
        ("SAP.DE", &["XETR:SAP", "ETR:SAP", "SAP:GER", "SAP GY Equity", "SAP GR Equity", "SAP.XETRA", "SAP-DE"]),
        ("MC.PA", &["EPA:MC", "MC FP Equity", "MC:PAR", "MC:FP", "MC.XPAR", "MC-FR"]),
        ("7203.T", &["TYO:7203", "7203 JP", "7203 JT Equity", "7203:JP", "7203.XTKS", "7203-JP", "7203.JP"]),
        ("130A.T", &["TYO:130A", "130A JP Equity"]),
        ("0700.HK", &["HKEX:700", "HKG:0700", "700 HK", "700.HK", "00700.HK", "HK.00700", "0700-HK", "700:HK"]),
        ("80700.HK", &["HKEX:80700", "80700.HK"]),
        ("RY.TO", &["TSX:RY", "RY CN Equity", "RY CT Equity", "RY:CN", "RY:TOR", "RY-CA", "XTSE:RY"]),
        ("RCI-B.TO", &["TSX:RCI.B", "RCI/B CN Equity", "RCIb.TO", "RCI.B.TO", "RCI-B.TO"]),
    ];
    for (expected, texts) in table {
        for text in texts {
            let found = read(text).unwrap_or_else(|| panic!("{text} names no exchange"));
            assert_eq!(found.as_deref(), Ok(expected), "{text}");
        }
    }
}

#[test]
fn ambiguous_tickers_are_refused_and_those_of_other_exchanges_are_left_alone() {
    for (text, part) in [
        ("TSE:7203", "Tokyo or of Toronto; write 7203.T or 7203.TO"),
        ("RY:TSE", "Tokyo or of Toronto"),
        ("7203.TSE", "Tokyo or of Toronto"),
        ("ETE:GR", "Greece"),
        ("TYO:SONY", "not a ticker of Tokyo"),
        ("HKG:AAPL", "not a ticker of Hong Kong"),
        ("SONY.JP", "not a ticker of Tokyo"),
        ("AAPL HK", "not a ticker of Hong Kong"),
        ("LON:?!", "not a ticker of London"),
        ("HKEX:0", "not a ticker of Hong Kong"),
    ] {
        let reason = read(text).unwrap_or_else(|| panic!("{text} names no exchange")).unwrap_err();
        assert!(reason.contains(part), "{text}: {reason}");
    }
    let others = ["AAPL", "BRK.B", "BRK-B", "ASX:LSE", "ASX:BHP", "600519:CN", "MARKET:XLON", "X:BTCUSD", "BTC-USD"];
    let more = [
        "BAC.PR.L",
        "bac.pr.t",
        "NESN.SW",
        "NESN SW Equity",
        "BC-PC",
        "AAPL US",
        "Vodafone",
        "Yum! Brands",
        "A.O. Smith",
        "",
        ".L",
        ":",
    ];
    for text in others.into_iter().chain(more) {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn a_class_of_one_letter_may_be_the_ending_of_an_exchange() {
    let found = ["L", "T", "B", "DE", "PA", ""].map(city_of_class);
    assert_eq!(found, [Some("London"), Some("Tokyo"), None, None, None, None]);
}

/// Endings that Yahoo, Reuters, Stooq and EODHD give exchanges whose calendars are not known.
#[test]
fn every_ending_that_is_no_part_of_a_ticker_of_the_united_states_is_of_an_exchange() {
    let endings = "SW VX AS BR LS MI MC IR ST HE CO OL IC VI WA BD AT IS TA ME JO SA BA MX SN AX NZ SS SZ SH TW TWO KS KQ NS \
        BO SI KL BK JK VN SG MU DU HM HA BE NE QA SR HU PL STU NSE BSE SHG SHE KO AU WAR CN CA NEO SAU TI IL XC XD XA \
        CL CR AE KW PS RG TL VS LIM KAR F V";
    for ending in endings.split_whitespace() {
        let (ticker, expected) = (format!("ABC.{ending}"), format!(".{ending}"));
        assert_eq!(without_calendar(&ticker), Some(&*expected));
        assert!(!crate::exchange::Calendars::default().is_known(&Symbol::new(&ticker).unwrap()), "{ticker}");
    }
    assert_eq!(without_calendar("NESN-CH"), Some("-CH"));
    for ticker in [
        "AAPL",
        "BRK.B",
        "BF.A",
        "HEI.A",
        "MKC.V",
        "BACpL",
        "ABR.PR",
        "CFG.PRE",
        "AACT.U",
        "GLOP.R",
        "XYZ.W",
        "ACHR.WS",
        "HYMC.WS.A",
        "REI.UN",
        "XYZ.WI",
        "VOD.L",
        "SAP.DE",
        "MC.PA",
        "7203.T",
        "0700.HK",
        "RY.TO",
        "RCI-B.TO",
        "BTC.USD",
        "X:BTCUSD",
        "I:NDX",
        "^GSPC",
        "^DJI.XX",
        "MARKET:24.7",
        "BRK-B",
        "BTC-USD",
        ".SW",
        "A.1",
        "BRK.b",
    ] {
        assert_eq!(without_calendar(ticker), None, "{ticker}");
    }
    assert_eq!(["CEZ.PR", "REI.UN", "BRK.B", "BACpL"].map(also_of), [Some("Prague"), Some("Toronto"), None, None]);
}

#[test]
fn the_ending_of_an_exchange_is_not_part_of_its_own_ticker() {
    let found = ["VOD.L", "BT-A.L", "NESN.SW", "AAPL", "BRK.B", ".L"].map(without_ending);
    assert_eq!(found, ["VOD", "BT-A", "NESN", "AAPL", "BRK.B", ".L"]);
}

#[test]
fn a_symbol_has_the_normal_spelling_and_its_market() {
    let calendars = crate::exchange::Calendars::default();
    for (text, expected, market) in [
        ("LON:VOD", "VOD.L", Market::London),
        ("XETR:SAP", "SAP.DE", Market::Xetra),
        ("EPA:MC", "MC.PA", Market::Paris),
        ("TYO:7203", "7203.T", Market::Tokyo),
        ("HKEX:700", "0700.HK", Market::HongKong),
        ("700.HK", "0700.HK", Market::HongKong),
        ("TSX:RCI.B", "RCI-B.TO", Market::Toronto),
        ("RCIb.TO", "RCI-B.TO", Market::Toronto),
        ("RCI.B.TO", "RCI-B.TO", Market::Toronto),
        ("XYZ.T", "XYZ.T", Market::NewYork),
        ("TSE:7203", "TSE:7203", Market::NewYork),
        ("MARKET:XLON", "MARKET:XLON", Market::London),
    ] {
        let symbol = Symbol::new(text).unwrap();
        assert_eq!((symbol.as_str(), calendars.of(&symbol)), (expected, market), "{text}");
        assert_eq!(Symbol::new(symbol.as_str()), Ok(symbol.clone()), "{text}");
    }
}
