//! Tickers of the exchanges outside the United States whose calendars are known. Each has one spelling, the exchange's
//! ticker with the ending of Yahoo and Reuters: `VOD.L`, `SAP.DE`, `MC.PA`, `7203.T`, `0700.HK`, `RY.TO`.
//!
//! | written | by |
//! |---|---|
//! | `LON:VOD`, `LSE:VOD`, `TSX:RCI.B`, `HKEX:700` | Google, TradingView |
//! | `VOD:LSE`, `VOD:LN`, `SAP:GER`, `7203:JP` | the Financial Times, Bloomberg's pages |
//! | `VOD LN Equity`, `BP/ LN`, `7203 JP` | Bloomberg |
//! | `VOD.XLON`, `SAP.XETRA`, `VOD.LSE` | codes of exchanges (ISO 10383), EODHD |
//! | `VOD.UK`, `7203.JP` | Stooq |
//! | `VOD-GB`, `0700-HK` | FactSet |
//! | `RCIb.TO`, `00700.HK`, `HK.00700` | Reuters, Futu |

use super::{Market, is_pair};

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
        codes: &["LON", "LSE", "XLON", "UK"],
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
        codes: &["TYO", "XTKS", "JP"],
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

/// What the tickers of the United States end in after a point, besides a class of one letter: warrants, shares when issued or
/// distributed, rights, units and preferred shares. Every other ending of two letters or more is that of an exchange.
const PARTS: &[&str] = &["WS", "WT", "WI", "WD", "RT", "RI", "UN", "PR"];

/// Endings of one letter of exchanges whose calendars are not known: Frankfurt's floor and TSX Venture. No share in the
/// United States is of class F, and one is of class V, [`OF_CLASS_V`].
const ONE_LETTER: [&str; 2] = [".F", ".V"];
const OF_CLASS_V: &str = "MKC.V";

/// Parts of tickers of the United States that are endings elsewhere.
const ALSO_ABROAD: [(&str, &str); 2] = [(".PR", "Prague"), (".UN", "Toronto")];

/// Countries by which FactSet names exchanges whose calendars are not known.
#[rustfmt::skip]
const COUNTRIES: &[&str] = &[
    "-CH", "-NL", "-IT", "-ES", "-SE", "-DK", "-NO", "-FI", "-AU", "-CN", "-KR", "-IN", "-AT", "-BE", "-IE", "-GR", "-TR",
    "-ZA", "-BR", "-MX", "-NZ", "-SG", "-TW", "-TH", "-MY", "-VN", "-HU", "-IL",
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
            if is_preferred(before, &ending[1..]) {
                return None;
            }
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
///
/// ```
/// # use tapewire_core::exchange::abroad::without_calendar;
/// let endings = ["NESN.SW", "ABC.V", "MKC.V", "BRK.B", "ACHR.WS", "VOD.L"].map(without_calendar);
/// assert_eq!(endings, [Some(".SW"), Some(".V"), None, None, None, None]);
/// ```
pub fn without_calendar(ticker: &str) -> Option<&str> {
    let listed =
        COUNTRIES.iter().chain(&ONE_LETTER).find(|ending| ticker.len() > ending.len() && ticker.ends_with(*ending));
    match listed {
        Some(_) if ticker == OF_CLASS_V => None,
        Some(ending) => Some(&ticker[ticker.len() - ending.len()..]),
        None => unknown_ending(ticker),
    }
}

/// An ending that is of no exchange whose calendar is known, and no part of a ticker of the United States.
fn unknown_ending(ticker: &str) -> Option<&str> {
    let at = ticker.rfind('.').filter(|&at| at > 0 && !ticker.contains(':') && !ticker.starts_with('^'))?;
    let ending = &ticker[at + 1..];
    let is_code = ending.len() > 1 && ending.bytes().all(|c| c.is_ascii_uppercase());
    let is_preferred = ending.len() == 3 && ending.starts_with("PR");
    let is_known = PARTS.contains(&ending) || exchange(|exchange| exchange.ending[1..] == *ending).is_some();
    (is_code && !is_preferred && !is_known && !is_pair(ticker)).then(|| &ticker[at..])
}

/// The city of which a ticker may be, too, that is taken for one of the United States: Prague for `CEZ.PR`.
pub fn also_of(ticker: &str) -> Option<&'static str> {
    let is_ending = |(ending, _): &&(&str, &str)| ticker.len() > ending.len() && ticker.ends_with(ending);
    ALSO_ABROAD.iter().find(is_ending).map(|(_, city)| *city)
}

/// The normal spelling of a ticker of this market, as the exchange writes it; `None` for a market whose tickers have no
/// ending.
pub fn spelled_in(market: Market, ticker: &str) -> Option<Read> {
    exchange(|exchange| exchange.market == market).map(|found| found.spell(ticker))
}

/// Whether a name before a colon is the code of an exchange whose calendar is not known.
pub(super) fn is_other_code(code: &str) -> bool {
    code.len() > 1 && OTHERS.iter().any(|other| other.eq_ignore_ascii_case(code))
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
    if !is_written_as_ticker(before) || is_preferred(before, &after) {
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

/// Whether a ticker is that of a preferred share in the United States, whose series may be an ending elsewhere: `BAC.PR.L`.
fn is_preferred(before: &str, series: &str) -> bool {
    let marker = before.len().checked_sub(3).and_then(|at| before.get(at..)).filter(|_| before.len() > 3);
    series.len() == 1 && marker.is_some_and(|marker| marker.eq_ignore_ascii_case(".PR"))
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
mod tests;
