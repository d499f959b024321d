//! Tickers of the exchanges outside the United States whose calendars are known. Each has one spelling, the exchange's
//! ticker with the ending of Yahoo and Reuters: `VOD.L`, `SAP.DE`, `MC.PA`, `7203.T`, `0700.HK`, `RY.TO`.
//!
//! | written | by |
//! |---|---|
//! | `LON:VOD`, `LSE:VOD`, `TSX:RCI.B`, `HKEX:700` | Google, TradingView |
//! | `VOD:LSE`, `VOD:LN`, `SAP:GER`, `7203:JP` | the Financial Times, Bloomberg's pages |
//! | `VOD LN Equity`, `BP/ LN`, `7203 JP` | Bloomberg |
//! | `VOD.XLON`, `SAP.XETRA`, `VOD.LSE` | codes of exchanges (ISO 10383), EODHD |
//! | `VOD-GB`, `0700-HK` | FactSet |
//! | `RCIb.TO`, `00700.HK`, `HK.00700` | Reuters, Futu |

use super::Market;

/// An exchange, and how tickers name it.
struct Exchange {
    market: Market,
    /// Its ending in the normal spelling.
    ending: &'static str,
    /// Its name where it is used in sentences.
    city: &'static str,
    /// Its codes before or after a colon, and after a point.
    codes: &'static [&'static str],
    /// Bloomberg's codes.
    bloomberg: &'static [&'static str],
    /// FactSet's country.
    country: &'static str,
}

const EXCHANGES: [Exchange; 6] = [
    Exchange {
        market: Market::London,
        ending: ".L",
        city: "London",
        codes: &["LON", "LSE", "XLON"],
        bloomberg: &["LN"],
        country: "GB",
    },
    Exchange {
        market: Market::Xetra,
        ending: ".DE",
        city: "Xetra",
        codes: &["ETR", "XETR", "XETRA", "GER"],
        bloomberg: &["GY", "GR"],
        country: "DE",
    },
    Exchange {
        market: Market::Paris,
        ending: ".PA",
        city: "Paris",
        codes: &["EPA", "XPAR", "PAR"],
        bloomberg: &["FP"],
        country: "FR",
    },
    Exchange {
        market: Market::Tokyo,
        ending: ".T",
        city: "Tokyo",
        codes: &["TYO", "XTKS"],
        bloomberg: &["JP", "JT"],
        country: "JP",
    },
    Exchange {
        market: Market::HongKong,
        ending: ".HK",
        city: "Hong Kong",
        codes: &["HKG", "HKEX", "XHKG", "SEHK"],
        bloomberg: &["HK"],
        country: "HK",
    },
    Exchange {
        market: Market::Toronto,
        ending: ".TO",
        city: "Toronto",
        codes: &["TSX", "XTSE", "TOR"],
        bloomberg: &["CT", "CN"],
        country: "CA",
    },
];

/// Endings of exchanges whose calendars are not known. Endings of one letter, and `.PR`, are left out because in the
/// United States they are share classes.
#[rustfmt::skip]
const NO_CALENDAR: &[&str] = &[
    ".SW", ".VX", ".AS", ".BR", ".LS", ".MI", ".MC", ".IR", ".ST", ".HE", ".CO", ".OL", ".IC", ".VI", ".WA", ".BD", ".AT",
    ".IS", ".TA", ".ME", ".JO", ".SA", ".BA", ".MX", ".SN", ".AX", ".NZ", ".SS", ".SZ", ".SH", ".TW", ".TWO", ".KS",
    ".KQ", ".NS", ".BO", ".SI", ".KL", ".BK", ".JK", ".VN", ".SG", ".MU", ".DU", ".HM", ".HA", ".BE", ".NE", ".QA", ".SR",
    "-CH", "-NL", "-IT", "-ES", "-SE", "-DK", "-NO", "-FI", "-AU", "-CN", "-KR", "-IN",
];

/// Codes before a colon that are not of the exchanges above: exchanges whose calendars are not known, and the prefixes
/// of coins, indices, currencies and options (`X`, `I`, `C`, `O`). What follows is a ticker, even if it is spelled as
/// one of the codes above: `ASX:LSE`.
#[rustfmt::skip]
const OTHERS: &[&str] = &[
    "ASX", "NSE", "BSE", "BOM", "SIX", "SWX", "VTX", "VIE", "BIT", "MIL", "BME", "AMS", "EURONEXT", "EBR", "ELI", "STO", "OMX",
    "OMXSTO", "OMXHEX", "OMXCOP", "CPH", "HEL", "OSL", "KRX", "KOSDAQ", "TPE", "TWSE", "TPEX", "SSE", "SZSE", "SHA", "SHE",
    "SGX", "IDX", "BKK", "SET", "KLSE", "TSXV", "TSX-V", "CVE", "CSE", "NEO", "NZE", "NZX", "JSE", "TASE", "TADAWUL", "BMV",
    "BCBA", "BVMF", "B3", "FRA", "FWB", "STU", "MUN", "HAM", "BER", "DUS", "MOEX", "GPW", "WSE", "X", "I", "C", "O",
];

/// A ticker in its normal spelling, or why it can't be read.
pub type Read = Result<String, String>;

/// Reads a ticker with its exchange in any of the spellings of this [module](self). `None` if the text names none of these
/// exchanges.
pub fn read(text: &str) -> Option<Read> {
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    match *words {
        [ticker, code, kind] if kind.eq_ignore_ascii_case("Equity") => {
            let code = code.to_ascii_uppercase();
            return exchange(|exchange| exchange.bloomberg.contains(&&*code)).map(|found| found.spell(ticker));
        }
        [ticker, code] if is_written_as_ticker(ticker) && !ticker.contains(char::is_lowercase) => {
            return exchange(|exchange| exchange.bloomberg.contains(&code)).map(|found| found.spell(ticker));
        }
        _ => {}
    }
    with_colon(text).or_else(|| match *words {
        [word] => with_ending(word),
        _ => None,
    })
}

/// The normal spelling of a ticker that begins or ends with its exchange. `None` if it does not, if it can't be read,
/// or if it is in the normal spelling already.
pub fn normal(text: &str) -> Option<String> {
    let spelled = match text.split_once(':') {
        Some((before, after)) => of_code(before)?.spell(after),
        None => {
            let at = text.rfind('.').filter(|&at| at > 0)?;
            let (before, ending) = text.split_at(at);
            exchange(|exchange| exchange.ending.eq_ignore_ascii_case(ending))?.spell(before)
        }
    };
    spelled.ok().filter(|spelled| spelled != text)
}

/// The market of an exchange by its code before a colon.
pub fn market_of(code: &str) -> Option<Market> {
    of_code(code).map(|exchange| exchange.market)
}

/// The ending by which tickers with this code before a colon are spelled: `.L` for `LON`.
pub fn ending_of(code: &str) -> Option<&'static str> {
    of_code(code).map(|exchange| exchange.ending)
}

/// The city of the exchange whose ending a share class would be after a point: London for `L`.
pub fn city_of_class(class: &str) -> Option<&'static str> {
    let is_ending = |exchange: &Exchange| exchange.ending.strip_prefix('.') == Some(class);
    exchange(is_ending).filter(|_| class.len() == 1).map(|found| found.city)
}

/// The ending of a ticker, if it is that of an exchange whose calendar is not known: `.SW` of `NESN.SW`.
pub fn without_calendar(ticker: &str) -> Option<&'static str> {
    let is_ending = |ending: &&str| ticker.len() > ending.len() && ticker.ends_with(ending);
    NO_CALENDAR.iter().copied().find(is_ending)
}

/// The ticker without the ending of its exchange: `VOD` of `VOD.L`, `NESN` of `NESN.SW`.
pub fn without_ending(ticker: &str) -> &str {
    let known = EXCHANGES.iter().map(|exchange| exchange.ending).find(|ending| ticker.ends_with(ending));
    let base = known.or_else(|| without_calendar(ticker)).and_then(|ending| ticker.strip_suffix(ending));
    base.filter(|base| !base.is_empty()).unwrap_or(ticker)
}

/// Whether Bloomberg uses this code for one of these exchanges.
pub fn is_of_bloomberg(code: &str) -> bool {
    exchange(|exchange| exchange.bloomberg.contains(&code)).is_some()
}

fn exchange(is: impl Fn(&Exchange) -> bool) -> Option<&'static Exchange> {
    EXCHANGES.iter().find(|exchange| is(exchange))
}

fn of_code(code: &str) -> Option<&'static Exchange> {
    let code = code.trim().to_ascii_uppercase();
    exchange(|exchange| exchange.codes.contains(&&*code))
}

/// `LON:VOD`, `VOD:LN`. Of the codes after a colon, `GR` may be Germany or Greece, and `CN` after digits is China.
fn with_colon(text: &str) -> Option<Read> {
    let (before, after) = text.split_once(':')?;
    let (before, after) = (before.trim(), after.trim());
    let code = after.to_ascii_uppercase();
    if before.eq_ignore_ascii_case("MARKET") || !is_written_as_ticker(before.trim_start_matches('$')) {
        return None;
    }
    if let Some(found) = of_code(before) {
        return Some(found.spell(after.trim_start_matches('$')));
    }
    let ticker = before.trim_start_matches('$');
    if before.eq_ignore_ascii_case("TSE") {
        return Some(Err(tokyo_or_toronto(after)));
    }
    let is_china = code == "CN" && !ticker.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_code = |exchange: &Exchange| exchange.codes.contains(&&*code) || exchange.bloomberg.contains(&&*code);
    if OTHERS.iter().any(|other| other.eq_ignore_ascii_case(before)) {
        return None;
    }
    match &*code {
        "TSE" => Some(Err(tokyo_or_toronto(ticker))),
        "GR" => Some(Err(format!("may be a ticker of Germany or of Greece; write {}.DE for Xetra", shown(ticker)))),
        _ if is_china => None,
        _ => exchange(is_code).map(|found| found.spell(ticker)),
    }
}

/// `VOD.XLON`, `VOD.LN`, `VOD-GB`, `HK.00700`.
fn with_ending(word: &str) -> Option<Read> {
    let at = word.rfind(['.', '-']).filter(|&at| at > 0)?;
    let (before, after) = (&word[..at], word[at + 1..].to_ascii_uppercase());
    if !is_written_as_ticker(before) {
        return None;
    }
    if word[at..].starts_with('-') {
        return exchange(|exchange| exchange.country == after).map(|found| found.spell(before));
    }
    let is_digits = !after.is_empty() && after.bytes().all(|c| c.is_ascii_digit());
    if before.eq_ignore_ascii_case("HK") && is_digits {
        return of_code("HKEX").map(|found| found.spell(&after));
    }
    if after == "TSE" {
        return Some(Err(tokyo_or_toronto(before)));
    }
    // After a point, only those of Bloomberg's codes are read that can't mean anything else.
    let is_code = |exchange: &Exchange| {
        exchange.codes.contains(&&*after)
            || ["LN", "GY"].contains(&&*after) && exchange.bloomberg.contains(&&*after)
            || exchange.ending[1..] == after
    };
    exchange(is_code).map(|found| found.spell(before))
}

fn tokyo_or_toronto(ticker: &str) -> String {
    let ticker = shown(ticker);
    format!("may be a ticker of Tokyo or of Toronto; write {ticker}.T or {ticker}.TO")
}

/// A ticker as a message repeats it.
fn shown(ticker: &str) -> String {
    ticker.chars().filter(|c| c.is_ascii_alphanumeric()).take(8).collect()
}

fn is_written_as_ticker(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || ".-/".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_part)
}

impl Exchange {
    /// The normal spelling of one of its tickers.
    fn spell(&self, ticker: &str) -> Read {
        let ticker = ticker.trim();
        let refused = || format!("is not a ticker of {}", self.city);
        // Some tickers of London end in a mark: `BP.` and `BP/` are BP.
        let marked = ticker.trim_end_matches(['.', '/']);
        if !is_written_as_ticker(marked) || marked.len() > 12 {
            return Err(refused());
        }
        let mut base = match of_reuters(marked) {
            Some(spelled) => spelled,
            None => marked.to_ascii_uppercase().replace(['.', '/'], "-"),
        };
        let is_number = base.bytes().all(|c| c.is_ascii_digit());
        match self.market {
            Market::Tokyo if !base.starts_with(|c: char| c.is_ascii_digit()) || !(4..=5).contains(&base.len()) => {
                return Err(refused());
            }
            Market::HongKong => {
                base = format!("{:0>4}", base.trim_start_matches('0'));
                if !is_number || base.len() > 5 || base == "0000" {
                    return Err(refused());
                }
            }
            _ => {}
        }
        Ok(format!("{base}{}", self.ending))
    }
}

/// Reuters writes a class of shares as a small letter after capitals: `RCIb` is `RCI-B`. Before it there are two letters or
/// more, because `Bp` is BP.
fn of_reuters(ticker: &str) -> Option<String> {
    let root = ticker.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let class = &ticker[root.len()..];
    let is_class = class.len() == 1 && root.len() > 1 && root.bytes().all(|c| c.is_ascii_uppercase());
    is_class.then(|| format!("{root}-{}", class.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Symbol;

    #[test]
    fn each_exchange_has_one_spelling_whoever_wrote_it() {
        let table: [(&str, &[&str]); 12] = [
            ("VOD.L", &["LON:VOD", "lse:vod", "XLON: VOD", "VOD:LN", "VOD:LSE", "VOD LN Equity", "VOD LN", "VOD.XLON"]),
            ("VOD.L", &["VOD.LSE", "VOD-GB", "VOD.LN", "vod.l", "VOD.L", "$VOD:LN"]),
            ("BP.L", &["BP/ LN Equity", "LSE:BP.", "BP LN", "Bp.L", "BP-GB"]),
            ("BT-A.L", &["LON:BT.A", "BT/A LN Equity", "BTa.L", "BT-A.L", "BT.A.L"]),
            ("SAP.DE", &["XETR:SAP", "ETR:SAP", "SAP:GER", "SAP GY Equity", "SAP GR Equity", "SAP.XETRA", "SAP-DE"]),
            ("MC.PA", &["EPA:MC", "MC FP Equity", "MC:PAR", "MC:FP", "MC.XPAR", "MC-FR"]),
            ("7203.T", &["TYO:7203", "7203 JP", "7203 JT Equity", "7203:JP", "7203.XTKS", "7203-JP"]),
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
            ("AAPL HK", "not a ticker of Hong Kong"),
            ("LON:?!", "not a ticker of London"),
            ("HKEX:0", "not a ticker of Hong Kong"),
        ] {
            let reason = read(text).unwrap_or_else(|| panic!("{text} names no exchange")).unwrap_err();
            assert!(reason.contains(part), "{text}: {reason}");
        }
        let others =
            ["AAPL", "BRK.B", "BRK-B", "ASX:LSE", "ASX:BHP", "600519:CN", "MARKET:XLON", "X:BTCUSD", "BTC-USD"];
        let more =
            ["NESN.SW", "NESN SW Equity", "BC-PC", "AAPL US", "Vodafone", "Yum! Brands", "A.O. Smith", "", ".L", ":"];
        for text in others.into_iter().chain(more) {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_class_of_one_letter_may_be_the_ending_of_an_exchange() {
        let found = ["L", "T", "B", "DE", "PA", ""].map(city_of_class);
        assert_eq!(found, [Some("London"), Some("Tokyo"), None, None, None, None]);
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
}
