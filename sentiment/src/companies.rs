//! What companies are called in a text, by ticker.

use crate::SentimentError;
use std::collections::HashMap;
use std::path::Path;
use tapewire_core::Symbol;

/// Well-known US companies; see the file's head for the columns.
const KNOWN: &str = include_str!("../companies.csv");

const HEADER: &str = "symbol,name,aliases";

/// Names of companies: the built-in table, and what the user adds to it.
#[derive(Debug, Clone)]
pub struct Companies {
    names: HashMap<Symbol, Vec<String>>,
}

impl Companies {
    /// The built-in table, with the lines of `extra` over it: `SYMBOL,NAME,ALIAS;ALIAS`, header first.
    ///
    /// # Errors
    /// [`SentimentError::Companies`], naming file and line.
    pub fn load(extra: Option<&Path>) -> Result<Self, SentimentError> {
        let mut companies = Self { names: HashMap::new() };
        companies.read("built in", KNOWN)?;
        if let Some(path) = extra {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| SentimentError::Companies { place: place.clone(), problem: error.to_string() })?;
            companies.read(&place, &text)?;
        }
        Ok(companies)
    }

    fn read(&mut self, place: &str, text: &str) -> Result<(), SentimentError> {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong =
                |problem: String| SentimentError::Companies { place: format!("{place}, line {}", number + 1), problem };
            if number == 0 {
                match line.trim() {
                    HEADER => continue,
                    other => return Err(wrong(format!("`{other}` is not the header"))),
                }
            }
            let mut columns = line.splitn(3, ',');
            let symbol = Symbol::new(columns.next().unwrap_or_default()).map_err(|error| wrong(error.to_string()))?;
            let name = columns.next().map(str::trim).filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| wrong(format!("{symbol} has no name")))?;
            let aliases =
                columns.next().unwrap_or_default().split(';').map(str::trim).filter(|alias| !alias.is_empty());
            self.names.insert(symbol, std::iter::once(name).chain(aliases).map(str::to_owned).collect());
        }
        Ok(())
    }

    /// What to ask a model about: the company's name, or its ticker where no name is known.
    pub fn name<'a>(&'a self, symbol: &'a Symbol) -> &'a str {
        self.names.get(symbol).map_or(symbol.as_str(), |names| &names[0])
    }

    /// Byte position of the first word in `text` that means the company: name, alias or ticker.
    ///
    /// Names are matched whatever their case, tickers only as they are: `it` is not the ticker
    /// `IT`. A ticker of one or two letters counts only where it is marked as one (`$IT`,
    /// `(IT)`, `NYSE: IT`): `IT budgets` and `C-suite` name no company.
    pub fn first_mention(&self, symbol: &Symbol, text: &str) -> Option<usize> {
        let folded = text.to_ascii_lowercase();
        let ticker = symbol.as_str();
        let names = self.names.get(symbol).into_iter().flatten();
        let by_name = names.filter_map(|name| words(&folded, &name.to_ascii_lowercase()).next());
        let by_ticker = words(text, ticker).find(|&at| ticker.len() > 2 || is_marked(&text[..at]));
        by_name.chain(by_ticker).min()
    }
}

/// Places where `word` stands by itself, or with an English possessive behind it.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part_of_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        !part_of_word(text[..at].chars().next_back()) && !part_of_word(text[at + word.len()..].chars().next())
    })
}

/// Whether what comes next is marked as a ticker by what stands before it.
fn is_marked(before: &str) -> bool {
    before.trim_end().ends_with(['$', '(', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(text: &str) -> Symbol {
        Symbol::new(text).unwrap()
    }

    #[test]
    fn finds_names_aliases_and_tickers_as_words() {
        let companies = Companies::load(None).unwrap();
        for (ticker, text, expected) in [
            ("AAPL", "Why Apple's margin fell", Some(4)),
            ("AAPL", "APPLE beats", Some(0)),
            ("AAPL", "Pineapple prices rise", None),
            ("AAPL", "Shares of $AAPL jump", Some(11)),
            ("GOOGL", "Ruling against google", Some(15)),
            ("T", "it is time to sell at the top", None),
            ("C", "C-suite pay at Citi", Some(15)),
            ("V", "A V-shaped rebound", None),
            ("F", "Carmaker (NYSE: F) recalls trucks", Some(16)),
            ("T", "AT&T to cut its dividend", Some(0)),
            ("ZZZZ", "ZZZZ files for bankruptcy", Some(0)),
        ] {
            assert_eq!(companies.first_mention(&symbol(ticker), text), expected, "{ticker} in {text}");
        }
        assert_eq!(companies.name(&symbol("MSFT")), "Microsoft");
        assert_eq!(companies.name(&symbol("ZZZZ")), "ZZZZ");
    }

    #[test]
    fn a_users_table_adds_and_overrides_and_its_faults_are_placed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.csv");
        std::fs::write(&path, "symbol,name,aliases\nZZZZ,Zeta Works,Zeta\nAAPL,Apple Inc.,Apple\n").unwrap();
        let companies = Companies::load(Some(&path)).unwrap();
        assert_eq!(companies.name(&symbol("ZZZZ")), "Zeta Works");
        assert_eq!(companies.name(&symbol("AAPL")), "Apple Inc.");
        assert_eq!(companies.name(&symbol("MSFT")), "Microsoft");
        for (text, place) in [("symbol,name,aliases\nZZZZ\n", "mine.csv, line 2"), ("ZZZZ,Zeta,\n", "mine.csv, line 1")]
        {
            std::fs::write(&path, text).unwrap();
            let error = Companies::load(Some(&path)).unwrap_err().to_string();
            assert!(error.contains(place), "{error}");
        }
    }
}
