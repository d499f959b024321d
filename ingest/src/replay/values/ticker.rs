//! Tickers, as they are written in lists and texts.

use super::{quoted, quoted_text};
use tapewire_core::Symbol;
use tapewire_formats::Value;

/// The characters between the tickers of a text.
const MARKS: [char; 4] = [',', ';', '|', '\n'];

/// The fields that name the company in an object of a list; the first that is there counts.
const NAMES: [&str; 4] = ["ticker", "symbol", "stockTicker", "code"];

/// Exchanges of the United States: a ticker means the same share on all of them.
const US_EXCHANGES: [&str; 24] = [
    "NASDAQ",
    "NYSE",
    "AMEX",
    "NYSEAMERICAN",
    "NYSE AMERICAN",
    "NYSEMKT",
    "NYSE MKT",
    "NYSEARCA",
    "NYSE ARCA",
    "ARCA",
    "BATS",
    "CBOE",
    "XNAS",
    "XNYS",
    "XASE",
    "ARCX",
    "OTC",
    "OTCMKTS",
    "OTCPK",
    "OTCQB",
    "OTCQX",
    "PINK",
    "US",
    "USA",
];

/// Bloomberg's codes for them.
const BLOOMBERG_US: [&str; 9] = ["US", "UN", "UW", "UQ", "UR", "UA", "UP", "UF", "UV"];

/// The companies that a value names, and what was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Companies {
    /// Each company once, in the value's order.
    pub symbols: Vec<Symbol>,
    /// The reason for each part of the value that was left out.
    pub left_out: Vec<String>,
}

impl Companies {
    fn add(&mut self, text: &str) {
        if is_absent(text) {
            return;
        }
        match ticker(text) {
            Ok(symbol) if self.symbols.contains(&symbol) => {}
            Ok(symbol) => self.symbols.push(symbol),
            Err(reason) => self.left_out.push(reason),
        }
    }
}

/// Reads the companies of an article: a list of tickers or of objects with a `ticker` or `symbol`, a text with `,`, `;`,
/// `|` or spaces between tickers, or a list written as a text. Nulls and empty items are passed over; what is not a ticker
/// is left out, with its reason, and costs nothing else.
pub fn companies(value: &Value) -> Companies {
    let mut companies = Companies::default();
    collect(value, &mut companies);
    companies
}

fn collect(value: &Value, companies: &mut Companies) {
    match value {
        Value::Text(text) => in_text(text, companies),
        Value::List(items) => items.iter().for_each(|item| in_list(item, companies)),
        other => in_list(other, companies),
    }
}

fn in_list(item: &Value, companies: &mut Companies) {
    match item {
        Value::Null => {}
        // Within a list a space does not divide two tickers.
        Value::Text(text) => text.split(MARKS).for_each(|item| companies.add(item)),
        Value::Number(digits) => companies.add(digits),
        Value::Object(fields) => {
            let field = |name: &str| fields.iter().rfind(|(own, _)| own.eq_ignore_ascii_case(name));
            match NAMES.into_iter().find_map(field).map(|(_, value)| value) {
                Some(named @ (Value::Null | Value::Text(_) | Value::Number(_))) => in_list(named, companies),
                _ => companies.left_out.push("an object without `ticker` or `symbol` is not a ticker".into()),
            }
        }
        other => companies.left_out.push(format!("{} is not a ticker", quoted(other))),
    }
}

/// A text of one ticker or several, or a list that a program wrote as a text: `["A", "B"]`, `['A' 'B']`, `{A,B}`.
fn in_text(text: &str, companies: &mut Companies) {
    let text = text.trim();
    let is_list = [('[', ']'), ('{', '}'), ('(', ')')]
        .iter()
        .any(|&(open, close)| text.starts_with(open) && text.ends_with(close));
    if !is_list || text.len() < 2 {
        return text.split(MARKS).for_each(|part| with_spaces(part, companies));
    }
    if let Ok(list) = serde_json::from_str(text) {
        return collect(&of_json(list), companies);
    }
    let inner = text[1..text.len() - 1].trim();
    match ['\'', '"'].into_iter().find(|quote| inner.contains(*quote)) {
        // Python writes a comma between the items of a list, numpy a space.
        Some(quote) if inner.starts_with(quote) => {
            inner.split(quote).skip(1).step_by(2).for_each(|item| companies.add(item));
        }
        Some(_) => companies.left_out.push(format!("{} is not a list of tickers", quoted_text(text))),
        None => inner.split(MARKS).for_each(|part| with_spaces(part, companies)),
    }
}

/// A part of a text: one ticker, a ticker with its class or market after a space, or several tickers in upper case with
/// spaces between them.
fn with_spaces(part: &str, companies: &mut Companies) {
    let words: Vec<&str> = part.split_whitespace().collect();
    if words.len() < 2 || part.contains(':') || of_bloomberg(&words).is_some() || class_of(&words).is_some() {
        return companies.add(part);
    }
    let is_ticker = |word: &&str| {
        let letters = word.trim_start_matches('$');
        !letters.is_empty()
            && letters.len() <= 6
            && letters.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || ".-/".contains(c))
    };
    if words.iter().all(is_ticker) {
        words.into_iter().for_each(|word| companies.add(word));
    } else {
        companies.left_out.push(format!("{} is not a ticker", quoted_text(part.trim())));
    }
}

fn of_json(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Number(number.to_string()),
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(of_json).collect()),
        Json::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, of_json(value))).collect()),
    }
}

/// Reads one ticker. Besides the spellings of [`Symbol::new`]: `$AAPL`, `(NASDAQ: AAPL)` and `NASDAQ:AAPL` with an
/// exchange of the United States, `AAPL.US`, `AAPL US Equity`, and a class after a space, as `BRK B`.
///
/// # Errors
/// Why the text is not a ticker. The reason quotes the text.
pub fn ticker(text: &str) -> Result<Symbol, String> {
    let refused = || format!("{} is not a ticker", quoted_text(text.trim()));
    let mut bare = text.trim();
    if let Some(inner) = bare.strip_prefix('(').and_then(|bare| bare.strip_suffix(')')) {
        bare = inner.trim();
    }
    if let Some((exchange, ticker)) = bare.split_once(':') {
        let exchange = exchange.trim();
        if US_EXCHANGES.iter().any(|known| known.eq_ignore_ascii_case(exchange)) {
            bare = ticker.trim();
        }
    }
    bare = bare.strip_prefix('$').unwrap_or(bare);
    let words: Vec<&str> = bare.split_whitespace().collect();
    let joined;
    if let Some((ticker, market)) = of_bloomberg(&words) {
        if !BLOOMBERG_US.contains(&market) {
            return Err(format!("{} is not traded in the United States", quoted_text(text.trim())));
        }
        joined = ticker.replace('/', ".");
        bare = &joined;
    } else if let Some((base, class)) = class_of(&words) {
        joined = format!("{base}.{class}");
        bare = &joined;
    }
    if let Some((base, market)) = bare.rsplit_once('.')
        && market.eq_ignore_ascii_case("US")
    {
        bare = base;
    }
    Symbol::new(bare).map_err(|_| refused())
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

/// Whether a cell has no ticker. `NA`, `NAN` and `INF` do not mean that a ticker is missing: they are tickers.
pub fn is_absent(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || ["-", "--", "n/a", "N/A", "nan", "NaN", "null", "NULL", "None", "none", "nil"].contains(&text)
}
