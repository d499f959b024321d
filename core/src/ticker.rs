//! Tickers as people and data vendors write them: with an exchange, a market, a class, or several in one text.
//!
//! [`Symbol::new`] knows the spellings of exchanges and of the providers of prices. A file has others:
//!
//! | written | read as |
//! |---|---|
//! | `$AAPL`, `NASDAQ:AAPL`, `(NYSE: GM)`, `AAPL:US`, `AAPL-US`, `AAPL.US`, `AAPL.XNAS`, `AAPL US Equity` | the ticker |
//! | `AAPL.O`, `AAPL.OQ`, `IBM.N`, `BRKb.N` of Reuters | `AAPL`, `IBM`, `BRK.B` |
//! | `LON:VOD`, `VOD LN Equity`, `7203 JP` and more of exchanges whose calendars are known | `VOD.L`, `7203.T`: [`abroad`] |
//! | `BINANCE:BTCUSDT` and other pairs of currencies or cryptocurrencies with their exchange | as it is |
//! | `AAPL,MSFT`, `AAPL/MSFT`, `AAPL AND MSFT`, `AAPL MSFT` | several tickers |
//! | ISIN, CUSIP, SEDOL, FIGI, LEI, CIK; `BHP AU Equity`, `ASX:BHP`, `TSE:7203`; `Ford`; `SPY.P` | refused, with the reason |
//! | `BAC-L`, `RY-T`: with a point the class would be the ending of London or Tokyo | refused, with the reason |
//! | `^N225`, `^GSPC` | as it is: an index |
//!
//! A text that may be a ticker or something else is refused: the ticker could be that of another company.

use crate::Symbol;
use crate::exchange::{abroad, is_pair};
use crate::text::{quoted, without_invisible};
use std::borrow::Cow;

/// The characters between the tickers of a text.
const SEPARATORS: [char; 4] = [',', ';', '|', '\n'];

/// Exchanges and markets of the United States, as vendors name them: a ticker means the same share on all of them.
#[rustfmt::skip]
const US_EXCHANGES: [&str; 34] = [
    "NASDAQ", "NASDAQGS", "NASDAQGM", "NASDAQCM", "NYSEAM", "NYSE", "AMEX", "NYSEAMERICAN", "NYSE AMERICAN", "NYSEMKT", "NYSE MKT", "NYSEARCA", "NYSE ARCA", "ARCA",
    "BATS", "CBOE", "XNAS", "XNYS", "XASE", "ARCX", "OTC", "OTCMKTS", "OTCPK", "OTCQB", "OTCQX", "PINK", "US", "USA",
    "NSQ", "NYQ", "NMQ", "ASQ", "PCQ", "XNMS",
];

/// Bloomberg's codes for them.
const BLOOMBERG_US: [&str; 9] = ["US", "UN", "UW", "UQ", "UR", "UA", "UP", "UF", "UV"];

/// Bloomberg's codes for markets whose calendars are not known.
const BLOOMBERG_OTHER: [&str; 13] = ["AU", "IM", "SM", "SW", "SE", "NA", "BB", "DC", "SS", "NO", "FH", "KS", "TT"];

/// Reuters' codes for exchanges of the United States after a point. `A` and `B` are not there: they are share classes.
const REUTERS_US: [&str; 8] = ["O", "OQ", "N", "NB", "K", "Z", "PK", "OB"];

/// Words of company names. A text in capitals that has one is a name and not several tickers.
#[rustfmt::skip]
const WORDS_OF_NAMES: [&str; 20] = [
    "INC", "CORP", "LTD", "PLC", "LLC", "LP", "CO", "GROUP", "TRUST", "BANK", "FUND", "ETF", "OF", "THE", "FOR", "OR", "VS",
    "CLASS", "MOTOR", "STEEL",
];

/// The tickers of a text, and the reasons for what was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tickers {
    /// Each ticker once, in the order of the text.
    pub symbols: Vec<Symbol>,
    /// Why a part of the text is not a ticker. Each reason quotes the part.
    pub left_out: Vec<String>,
}

impl Tickers {
    /// Adds the ticker that a text is. If the text is not a ticker, adds the reason; if it stands for a missing ticker, adds
    /// nothing.
    pub fn add(&mut self, text: &str) {
        if is_absent(text) {
            return;
        }
        match read(text) {
            Ok(symbol) => self.add_symbol(symbol),
            Err(reason) => self.left_out.push(reason),
        }
    }

    /// Adds a symbol, unless it is there.
    pub fn add_symbol(&mut self, symbol: Symbol) {
        if !self.symbols.contains(&symbol) {
            self.symbols.push(symbol);
        }
    }

    /// Adds the tickers of a text, in which spaces separate tickers in capitals.
    pub fn add_text(&mut self, text: &str) {
        for part in without_invisible(text).split(SEPARATORS) {
            match several(part) {
                Several::Parts(parts) => parts.iter().for_each(|part| self.add(part)),
                Several::One => self.add(part),
                Several::Refused(why) => self.left_out.push(format!("{} {why}", quoted(part.trim()))),
            }
        }
    }

    /// Adds the tickers of an item of a list, in which spaces do not separate tickers.
    pub fn add_item(&mut self, text: &str) {
        for part in without_invisible(text).split(SEPARATORS) {
            match several(part) {
                Several::Parts(parts) if part.contains('/') || has_conjunction(part) => {
                    parts.iter().for_each(|part| self.add(part));
                }
                _ => self.add(part),
            }
        }
    }
}

/// Whether a cell has no ticker. `NA`, `NAN` and `INF` do not mean that a ticker is missing: they are tickers.
pub fn is_absent(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || ["-", "--", "n/a", "N/A", "nan", "NaN", "null", "NULL", "None", "none", "nil"].contains(&text)
}

/// Reads one ticker.
///
/// # Errors
/// Why the text is not a ticker. The reason quotes the text.
///
/// ```
/// use tapewire_core::ticker::read;
///
/// for text in ["AAPL", "aapl", "$AAPL", "NASDAQ:AAPL", "AAPL:US", "AAPL.OQ", "AAPL US Equity"] {
///     assert_eq!(read(text).map(|symbol| symbol.to_string()), Ok("AAPL".into()), "{text}");
/// }
/// assert!(read("US0378331005").unwrap_err().contains("ISIN"));
/// ```
pub fn read(text: &str) -> Result<Symbol, String> {
    let text = without_invisible(text);
    let whole = text.trim();
    let refused = |why: &str| format!("{} {why}", quoted(whole));
    let bare = unwrapped(whole);
    let bare = bare.strip_prefix('$').unwrap_or(bare);
    let of_us = match bare.split_once(':') {
        Some((exchange, ticker)) if is_us(exchange) => Some(ticker.trim().trim_start_matches('$')),
        Some((ticker, market)) if is_us(market) || is_any(&BLOOMBERG_US, market.trim()) => Some(ticker.trim()),
        _ => None,
    };
    if let Some(read) = abroad::read(bare).filter(|_| of_us.is_none()) {
        let spelled = read.map_err(|why| refused(&why))?;
        return Symbol::new(&spelled).map_err(|_| refused("is not a ticker"));
    }
    let bare = match of_us {
        Some(ticker) => ticker,
        None if bare.split_once(':').is_some_and(|(prefix, rest)| !is_asset_class(prefix) && !is_pair(rest)) => {
            return Err(refused(
                "is not a ticker of an exchange in the United States, or of another whose calendar is known",
            ));
        }
        None => bare,
    };
    let words: Vec<&str> = bare.split_whitespace().collect();
    let joined = match of_bloomberg(&words) {
        Some((_, market)) if !is_any(&BLOOMBERG_US, market) => {
            return Err(refused("is a ticker of a market whose calendar is not known"));
        }
        Some((ticker, _)) => ticker.replace('/', "."),
        None => match (&words[..], class_of(&words)) {
            (_, Some((base, class))) => format!("{base}.{class}"),
            ([exchange, ticker] | [ticker, exchange], _) if is_us(exchange) => (*ticker).to_owned(),
            _ => bare.to_owned(),
        },
    };
    if let Some(kind) = identifier(&joined) {
        return Err(refused(&format!("is {kind}, and not a ticker")));
    }
    if is_capitalised(&joined) {
        return Err(refused("may be a name; a ticker is written in capitals"));
    }
    let bare = without_market(&joined).map_err(&refused)?;
    if let Some(why) = ambiguous_class(&bare) {
        return Err(refused(&why));
    }
    if let Some((_, second)) = bare.split_once('/')
        && let Several::Parts(_) = several(&bare)
    {
        return Err(refused(&format!("names several tickers, {second} among them")));
    }
    Symbol::new(&bare).map_err(|_| refused("is not a ticker"))
}

/// The ticker of a text that says more than a ticker: an exchange, a market, a vendor's code. `None` for a plain ticker,
/// and for what may be a name.
///
/// # Errors
/// Why the text, such as an ISIN, is neither a ticker nor a name.
pub fn decorated(text: &str) -> Result<Option<Symbol>, String> {
    let text = without_invisible(text);
    let bare = text.trim();
    if let Some(kind) = identifier(bare) {
        return Err(format!("{} is {kind}, and not a name or ticker", quoted(bare)));
    }
    let words: Vec<&str> = bare.split_whitespace().collect();
    let is_marked = |of_exchange: &str| is_us(of_exchange) || is_any(&BLOOMBERG_US, of_exchange.trim());
    let has_exchange = bare.split_once(':').is_some_and(|(before, after)| is_us(before) || is_marked(after));
    let is_of_vendor = of_bloomberg(&words).is_some() || bare.starts_with('$') && words.len() == 1;
    let has_market = words.len() == 1 && without_market(bare).is_ok_and(|without| without != bare);
    let is_abroad = match abroad::read(bare) {
        Some(read) => words.len() != 2 || read.is_ok(),
        None => false,
    };
    if has_exchange || is_of_vendor || has_market || is_abroad { read(bare).map(Some) } else { Ok(None) }
}

/// The tickers of a text that names several in capitals and nothing else: `AAPL/MSFT`, `AAPL,MSFT`. Spaces, `&` and `AND`
/// alone do not separate them, because a name may have them; nor does a comma in `APPLE, INC.`.
pub fn listed(text: &str) -> Option<Vec<String>> {
    let text = without_invisible(text);
    let texts: Vec<&str> = text.split(SEPARATORS).map(str::trim).filter(|part| !part.is_empty()).collect();
    let mut parts: Vec<String> = Vec::new();
    for part in &texts {
        match several(part) {
            Several::Parts(own) if part.contains('/') || texts.len() > 1 && has_conjunction(part) => {
                parts.extend(own.iter().map(|&part| part.to_owned()));
            }
            _ => parts.push((*part).to_owned()),
        }
    }
    let is_word_of_name = |part: &str| is_any(&WORDS_OF_NAMES, part.trim_end_matches('.'));
    let is_ticker = |part: &String| is_in_capitals(part) && part.len() <= 6 && !is_word_of_name(part);
    (parts.len() > 1 && parts.iter().all(is_ticker)).then_some(parts)
}

/// What a part of a text between two [`SEPARATORS`] holds.
enum Several<'a> {
    /// Several tickers.
    Parts(Vec<&'a str>),
    /// One ticker, or none.
    One,
    /// It may be several tickers or something else.
    Refused(&'static str),
}

fn several(part: &str) -> Several<'_> {
    let words: Vec<&str> = part.split_whitespace().collect();
    if let [word] = words[..] {
        return match slashed(word) {
            Some(parts) => Several::Parts(parts),
            None => Several::One,
        };
    }
    if words.len() < 2 || part.contains(':') || of_bloomberg(&words).is_some() || class_of(&words).is_some() {
        return Several::One;
    }
    if let [first, last] = words[..] {
        if is_us(first) || is_us(last) {
            return Several::One;
        }
        let is_abroad = abroad::is_of_bloomberg(last);
        let is_market = is_any(&BLOOMBERG_US, last) || is_any(&BLOOMBERG_OTHER, last) || is_abroad;
        if is_abroad && first.starts_with(|c: char| c.is_ascii_digit()) {
            return Several::One;
        }
        if is_market && is_in_capitals(first) && !first.starts_with('$') {
            return Several::Refused("may be two tickers, or one and its market; write a comma between tickers");
        }
    }
    let tickers: Vec<&str> =
        words.iter().filter(|&&word| word != "/" && !CONJUNCTIONS.contains(&word)).copied().collect();
    // `AT & T`, `P & G`, `A AND P`.
    let is_short = |word: &&str| word.len() <= 2;
    if has_conjunction(part) && tickers.iter().any(is_short) {
        return Several::Refused("may be a name; write commas between tickers");
    }
    let is_ticker = |word: &&&str| is_in_capitals(word) && word.trim_start_matches('$').len() <= 6;
    if tickers.iter().filter(is_ticker).count() < tickers.len() {
        return Several::Refused("is not a ticker");
    }
    if words.iter().any(|word| is_any(&WORDS_OF_NAMES, word)) {
        return Several::Refused("may be a name; write commas between tickers");
    }
    Several::Parts(tickers)
}

/// The parts of `AAPL/MSFT`. `None` for `BRK/B`, `BC/PC`, `ACHR/WS` and `BTC/USD`, which are one ticker each.
fn slashed(word: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = word.split('/').collect();
    let is_ticker = |part: &&str| is_in_capitals(part) && part.trim_start_matches('$').len() <= 6;
    let is_one = parts.len() == 2 && Symbol::new(word.trim_start_matches('$')).is_ok();
    (parts.len() > 1 && !is_one && parts.iter().all(is_ticker)).then_some(parts)
}

/// Words between tickers, which names have, too.
const CONJUNCTIONS: [&str; 4] = ["AND", "and", "&", "+"];

fn has_conjunction(part: &str) -> bool {
    part.split_whitespace().any(|word| CONJUNCTIONS.contains(&word))
}

/// Whether a word is in capitals as a ticker is, also with a `$`, digits and the marks of classes.
fn is_in_capitals(word: &str) -> bool {
    let letters = word.trim_start_matches('$');
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || ".-/".contains(c);
    letters.starts_with(|c: char| c.is_ascii_alphanumeric()) && letters.chars().all(is_part)
}

/// The text without quotes or brackets around it.
fn unwrapped(text: &str) -> &str {
    let pairs = [("(", ")"), ("[", "]"), ("\"", "\""), ("'", "'"), ("=\"", "\""), ("<", ">")];
    let inner = pairs.iter().find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close));
    inner.map_or(text, str::trim)
}

/// Whether a name is that of an exchange or a market of the United States.
pub(crate) fn is_us(exchange: &str) -> bool {
    is_any(&US_EXCHANGES, exchange.trim())
}

fn is_any(known: &[&str], text: &str) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(text))
}

/// Whether a prefix is that of an asset class, such as the `X` of `X:BTCUSD`, or Alpha Vantage's `CRYPTO:BTC`.
fn is_asset_class(prefix: &str) -> bool {
    is_any(&["X", "I", "C", "O", "CRYPTO", "FOREX"], prefix)
}

/// The ticker and the market of `AAPL US Equity`, or of `AAPL US`.
fn of_bloomberg<'a>(words: &[&'a str]) -> Option<(&'a str, &'a str)> {
    match *words {
        [ticker, market, kind] if kind.eq_ignore_ascii_case("Equity") && market.len() == 2 => Some((ticker, market)),
        [ticker, "US"] => Some((ticker, "US")),
        _ => None,
    }
}

/// The two parts of `BRK B`. Only `A` and `B` are taken for a class, and only after two letters or more.
fn class_of<'a>(words: &[&'a str]) -> Option<(&'a str, &'a str)> {
    match *words {
        [base, class @ ("A" | "B" | "a" | "b")]
            if (2..=4).contains(&base.len()) && base.chars().all(|c| c.is_ascii_alphabetic()) =>
        {
            Some((base, class))
        }
        _ => None,
    }
}

/// The ticker without the market at its end: `AAPL.US`, `AAPL-US`, `AAPL.XNAS`, `AAPL.OQ`, `BRKb.N`.
fn without_market(bare: &str) -> Result<Cow<'_, str>, &'static str> {
    // At the beginning it marks an index, such as `^N225`.
    if bare.trim_start_matches('^').contains('^') && bare.ends_with(|c: char| c.is_ascii_digit()) {
        return Err("is Reuters' code of a share that is no longer listed, and not a ticker");
    }
    // As Futu writes it.
    if let Some(ticker) = bare.strip_prefix("US.").filter(|ticker| ticker.len() > 1) {
        return Ok(Cow::Borrowed(ticker));
    }
    let Some(at) = bare.rfind(['.', '-', '@']).filter(|&at| at > 0) else { return Ok(Cow::Borrowed(bare)) };
    let (base, market) = (&bare[..at], &bare[at + 1..]);
    if is_us(market) && is_letters(market) {
        return Ok(Cow::Borrowed(base));
    }
    if !bare[at..].starts_with('.') {
        return Ok(Cow::Borrowed(bare));
    }
    if market.eq_ignore_ascii_case("P") && is_letters(base) {
        return Err("may be on NYSE Arca by Reuters' code, or a preferred share; write the ticker of the exchange");
    }
    let root = base.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let class = &base[root.len()..];
    let is_of_reuters = is_any(&REUTERS_US, market) && (market.len() > 1 || market.starts_with(char::is_uppercase));
    if is_of_reuters && let Some((root, series)) = base.split_once("_p") {
        return Ok(Cow::Owned(format!("{root}p{}", series.to_uppercase())));
    }
    if is_of_reuters && is_letters(base) {
        let has_class = !root.is_empty() && class.len() == 1;
        return Ok(if has_class {
            Cow::Owned(format!("{root}.{}", class.to_uppercase()))
        } else {
            Cow::Borrowed(base)
        });
    }
    // `aapl.o`, all in small letters.
    let is_small = bare.bytes().all(|c| c.is_ascii_lowercase() || c == b'.');
    Ok(Cow::Borrowed(if is_small && is_any(&REUTERS_US, market) { base } else { bare }))
}

/// The reason why `BAC-L` is refused: with a point, its class would be the ending of an exchange abroad. `None` for all
/// other tickers.
fn ambiguous_class(bare: &str) -> Option<String> {
    let (base, class) = bare.rsplit_once(['-', '/']).filter(|(base, _)| is_letters(base))?;
    let (base, class) = (base.to_ascii_uppercase(), class.to_ascii_uppercase());
    let city = abroad::city_of_class(&class)?;
    let there = Some(format!("{base}.{class}")).filter(|spelled| matches!(abroad::read(spelled), Some(Ok(_))));
    let there = there.map(|spelled| format!(" or {spelled}")).unwrap_or_default();
    Some(format!("may be a preferred share, or a ticker of {city}; write {base}p{class}{there}"))
}

fn is_letters(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphabetic())
}

/// Whether a word has a capital followed by small letters, as a name has. The small letters of a preferred share, `BCpC`
/// or `ABRp`, follow several capitals.
fn is_capitalised(word: &str) -> bool {
    let small = word.get(1..).unwrap_or_default();
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && small.len() > 1
        && small.bytes().all(|c| c.is_ascii_lowercase())
}

/// The kind of identifier that a text is, such as an ISIN. `None` if it may be a ticker.
fn identifier(text: &str) -> Option<&'static str> {
    let capitals = text.to_ascii_uppercase();
    let bytes = capitals.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && digits + 1 == bytes.len() && capitals.contains('.') {
        return Some("a number");
    }
    if !bytes.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let ends_in_digit = bytes.last().is_some_and(u8::is_ascii_digit);
    let begins = |letters: usize| bytes.iter().take(letters).all(u8::is_ascii_uppercase);
    match bytes.len() {
        12 if capitals.starts_with("BBG") && digits > 0 => Some("a FIGI"),
        12 if begins(2) && ends_in_digit && digits >= 4 => Some("an ISIN"),
        20 if digits >= 4 => Some("an LEI"),
        9 if digits == 9 || digits >= 3 && has_cusip_digit(bytes) => Some("a CUSIP"),
        7 if digits == 7 || digits >= 2 && has_sedol_digit(bytes) => Some("a SEDOL"),
        7.. if digits == bytes.len() => Some("a number such as a CIK"),
        _ => None,
    }
}

/// The value of a letter or digit in check digits: `A` is 10.
fn check_digit_value(byte: u8) -> u32 {
    if byte.is_ascii_digit() { u32::from(byte - b'0') } else { u32::from(byte - b'A') + 10 }
}

fn check_digit(bytes: &[u8], sum: u32) -> bool {
    bytes.last().is_some_and(|&last| last.is_ascii_digit() && check_digit_value(last) == (10 - sum % 10) % 10)
}

fn has_cusip_digit(bytes: &[u8]) -> bool {
    let weighted = bytes.iter().take(8).enumerate().map(|(at, &byte)| {
        let value = check_digit_value(byte) * (1 + u32::from(at % 2 == 1));
        value / 10 + value % 10
    });
    check_digit(bytes, weighted.sum())
}

fn has_sedol_digit(bytes: &[u8]) -> bool {
    let has_vowel = bytes.iter().any(|byte| b"AEIOU".contains(byte));
    let weighted = bytes.iter().zip([1, 3, 1, 7, 3, 9]).map(|(&byte, weight)| check_digit_value(byte) * weight);
    !has_vowel && check_digit(bytes, weighted.sum())
}

#[cfg(test)]
mod tests;
