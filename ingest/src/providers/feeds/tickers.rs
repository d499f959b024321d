//! The companies of a release: those that its categories name, or those that its text names with an exchange.

use crate::providers::xml::{Field, Item};
use crate::replay::values::ticker::ticker;
use tapewire_core::{Symbol, text};

/// Exchanges of the United States, as releases write them before a ticker, and the names by which [`ticker`] knows them.
const EXCHANGES: [(&str, &str); 17] = [
    ("NASDAQ", "NASDAQ"),
    ("NASDAQGS", "NASDAQ"),
    ("NASDAQGM", "NASDAQ"),
    ("NASDAQCM", "NASDAQ"),
    ("NYSE", "NYSE"),
    ("NYSE AMERICAN", "NYSE"),
    ("NYSEAMERICAN", "NYSE"),
    ("NYSE MKT", "NYSE"),
    ("NYSE ARCA", "NYSE"),
    ("NYSEARCA", "NYSE"),
    ("AMEX", "NYSE"),
    ("CBOE", "CBOE"),
    ("OTC", "OTC"),
    ("OTHER OTC", "OTC"),
    ("OTCQB", "OTC"),
    ("OTCQX", "OTC"),
    ("PINK", "OTC"),
];

/// Longest text in brackets that is read as a list of tickers, in bytes.
const LONGEST_MARK: usize = 160;

/// Whether a category is the number of a security and not a word.
pub fn is_of_a_security(field: &Field) -> bool {
    let domain = field.attribute("domain").to_ascii_lowercase();
    domain.ends_with("/stock") || domain.ends_with("/isin")
}

/// The companies of an item, each once, and why one had to be left out, if any had.
///
/// A ticker counts only with its exchange, because the same letters are other companies elsewhere: `Nasdaq:FCEL` is
/// `FCEL`, and `TSX-V:DEX` is left out, as it is not listed in the United States.
pub fn companies(item: &Item, title: &str, description: &str) -> (Vec<Symbol>, Option<String>) {
    let (mut symbols, mut left_out) = (Vec::new(), Vec::new());
    let stocks =
        item.all("category").filter(|field| field.attribute("domain").to_ascii_lowercase().ends_with("/stock"));
    for field in stocks {
        match of_exchange(&field.text).unwrap_or_else(|| ticker(&field.text)) {
            Ok(symbol) if symbols.contains(&symbol) => {}
            Ok(symbol) => symbols.push(symbol),
            Err(reason) => left_out.push(reason),
        }
    }
    if symbols.is_empty() && left_out.is_empty() {
        symbols = marked(title, description);
    }
    let flaw = || format!("the article is kept without {} of its tickers: {}", left_out.len(), left_out.join("; "));
    (symbols, (!left_out.is_empty()).then(flaw))
}

/// The companies that a text names as `(NYSE: BRK.B)` or `(Nasdaq: FCEL; TSX: FCL)`.
fn marked(title: &str, description: &str) -> Vec<Symbol> {
    let mut found = Vec::new();
    for part in [title, description] {
        let part = text::clean(part);
        for bracket in part.split('(').skip(1).filter_map(|rest| rest.split(')').next()) {
            let listed = bracket.split([';', ',']).filter(|_| bracket.len() <= LONGEST_MARK);
            for symbol in listed.filter_map(of_exchange).flatten() {
                if !found.contains(&symbol) {
                    found.push(symbol);
                }
            }
        }
    }
    found
}

/// The ticker of `NYSE: BRK.B`; `None` if the text does not begin with an exchange of the United States.
fn of_exchange(mark: &str) -> Option<Result<Symbol, String>> {
    let (exchange, symbol) = mark.split_once(':')?;
    let exchange = exchange.trim().to_uppercase();
    let (_, known) = EXCHANGES.iter().find(|(name, _)| *name == exchange)?;
    Some(ticker(&format!("{known}:{}", symbol.trim().trim_matches(['"', '\u{201c}', '\u{201d}']))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(symbols: &[Symbol]) -> Vec<&str> {
        symbols.iter().map(Symbol::as_str).collect()
    }

    fn of_categories(texts: &[&str]) -> (Vec<Symbol>, Option<String>) {
        let domain = ("domain".to_owned(), "https://www.globenewswire.com/rss/stock".to_owned());
        let field =
            |text: &&str| Field { name: "category".into(), attributes: vec![domain.clone()], text: (*text).into() };
        companies(&Item(texts.iter().map(field).collect()), "Up (NYSE: IBM)", "")
    }

    #[test]
    fn a_ticker_of_another_country_is_never_one_of_the_united_states() {
        let (symbols, flaw) =
            of_categories(&["Nasdaq:FCEL", "TSX-V:DEX", "Other OTC:ABCD", "nyse:BRK.B", "Nasdaq:FCEL"]);
        assert_eq!(names(&symbols), ["FCEL", "ABCD", "BRK.B"]);
        assert!(flaw.unwrap().contains("`TSX-V:DEX`"));
        let (symbols, flaw) = of_categories(&["Nasdaq Copenhagen:MAERSK B", "Nasdaq:"]);
        assert_eq!(names(&symbols), [""; 0]);
        assert!(flaw.unwrap().contains("MAERSK B"));
        assert_eq!(names(&of_categories(&[]).0), ["IBM"]);
    }

    #[test]
    fn tickers_in_a_text_count_with_their_exchange_only() {
        let marked = |text: &str| names(&marked("", text)).join(" ");
        assert_eq!(
            marked("FuelCell (Nasdaq: FCEL; TSX: FCL) and IBM (<b>NYSE</b>:&nbsp;IBM, NYSE: BRK.B)"),
            "FCEL IBM BRK.B"
        );
        assert_eq!(marked("Almadex (TSX-V: \"DEX\") (AAPL) (see: IBM) at (11:30 ET) (NYSE: )"), "");
        assert_eq!(marked("(OTCQX: \u{201c}ABCD\u{201d}"), "ABCD");
    }
}
