//! What companies are called in a text.

use crate::SentimentError;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tapewire_core::Symbol;

/// Well-known US companies; see the file's head for the columns.
const KNOWN: &str = include_str!("../companies.csv");

const HEADER: &str = "symbol,name,aliases";

/// A company as texts speak of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// The name a model is asked about, then what else it is called.
    names: Vec<String>,
    symbol: Option<Symbol>,
}

impl Company {
    /// A company of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self { names: vec![name.into()], symbol: None }
    }

    /// The name a model is asked about.
    pub fn name(&self) -> &str {
        &self.names[0]
    }

    /// Name and aliases.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The ticker, where it is known.
    pub fn symbol(&self) -> Option<&Symbol> {
        self.symbol.as_ref()
    }

    /// Byte position of the first word in `text` that means the company: name, alias or ticker.
    ///
    /// Names are matched whatever their case, tickers only as they are: `it` is not the ticker
    /// `IT`. A ticker of one or two letters counts only where it is marked as one (`$IT`,
    /// `(IT)`, `NYSE: IT`): `IT budgets` and `C-suite` name no company.
    pub fn first_mention(&self, text: &str) -> Option<usize> {
        let folded = text.to_ascii_lowercase();
        let by_name = self.names.iter().filter_map(|name| words(&folded, &name.to_ascii_lowercase()).next());
        let by_ticker = self.symbol.iter().filter_map(|symbol| {
            let ticker = symbol.as_str();
            words(text, ticker).find(|&at| ticker.len() > 2 || is_marked(&text[..at]))
        });
        by_name.chain(by_ticker).min()
    }
}

/// Companies by ticker and by name: the built-in table, and what the user adds to it.
#[derive(Debug, Clone)]
pub struct Companies {
    by_symbol: HashMap<Symbol, Arc<Company>>,
    /// Symbols by name and alias in lower case; of two companies of one name the first in the table.
    by_name: HashMap<String, Symbol>,
}

impl Companies {
    /// The built-in table, with the lines of `extra` over it: `SYMBOL,NAME,ALIAS;ALIAS`, header first.
    ///
    /// # Errors
    /// [`SentimentError::Companies`], naming file and line.
    pub fn load(extra: Option<&Path>) -> Result<Self, SentimentError> {
        let mut companies = Self { by_symbol: HashMap::new(), by_name: HashMap::new() };
        if let Some(path) = extra {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| SentimentError::Companies { place: place.clone(), problem: error.to_string() })?;
            companies.read(&place, &text)?;
        }
        companies.read("built in", KNOWN)?;
        Ok(companies)
    }

    /// Adds the companies that are not there yet.
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
            self.add(symbol, std::iter::once(name).chain(aliases).map(str::to_owned).collect());
        }
        Ok(())
    }

    fn add(&mut self, symbol: Symbol, names: Vec<String>) {
        if self.by_symbol.contains_key(&symbol) {
            return;
        }
        for name in &names {
            self.by_name.entry(name.to_lowercase()).or_insert_with(|| symbol.clone());
        }
        let company = Company { names, symbol: Some(symbol.clone()) };
        self.by_symbol.insert(symbol, Arc::new(company));
    }

    /// The company of a ticker; where it is not in the table it goes by its ticker.
    pub fn of_symbol(&self, symbol: &Symbol) -> Arc<Company> {
        self.by_symbol.get(symbol).map_or_else(
            || Arc::new(Company { names: vec![symbol.to_string()], symbol: Some(symbol.clone()) }),
            Arc::clone,
        )
    }

    /// The company somebody means by a ticker, a name or an alias; where none is known by it, a
    /// company of that name.
    pub fn find(&self, word: &str) -> Arc<Company> {
        let word = word.trim();
        let known = |symbol: &Symbol| self.by_symbol.get(symbol).map(Arc::clone);
        Symbol::new(word)
            .ok()
            .and_then(|symbol| known(&symbol))
            .or_else(|| known(self.by_name.get(&word.to_lowercase())?))
            .unwrap_or_else(|| Arc::new(Company::named(word)))
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
            let company = companies.of_symbol(&symbol(ticker));
            assert_eq!(company.first_mention(text), expected, "{ticker} in {text}");
        }
        assert_eq!(companies.of_symbol(&symbol("MSFT")).name(), "Microsoft");
        assert_eq!(companies.of_symbol(&symbol("ZZZZ")).name(), "ZZZZ");
    }

    #[test]
    fn ticker_name_and_alias_find_the_same_company() {
        let companies = Companies::load(None).unwrap();
        for word in ["AMZN", "Amazon", "amazon.com", " AWS "] {
            assert_eq!(companies.find(word).symbol(), Some(&symbol("AMZN")), "{word}");
        }
        assert_eq!(*companies.find("Zeta Works"), Company::named("Zeta Works"));
        assert_eq!(companies.find("berkshire hathaway").symbol(), Some(&symbol("BRK.A")), "first in the table");
    }

    #[test]
    fn a_users_table_adds_and_overrides_and_its_faults_are_placed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.csv");
        std::fs::write(&path, "symbol,name,aliases\nZZZZ,Zeta Works,Zeta\nAAPL,Apple Inc.,Apple\n").unwrap();
        let companies = Companies::load(Some(&path)).unwrap();
        assert_eq!(companies.of_symbol(&symbol("ZZZZ")).name(), "Zeta Works");
        assert_eq!(companies.find("AAPL").name(), "Apple Inc.");
        assert_eq!(companies.find("apple").symbol(), Some(&symbol("AAPL")));
        assert_eq!(companies.find("MSFT").name(), "Microsoft");
        for (text, place) in [("symbol,name,aliases\nZZZZ\n", "mine.csv, line 2"), ("ZZZZ,Zeta,\n", "mine.csv, line 1")]
        {
            std::fs::write(&path, text).unwrap();
            let error = Companies::load(Some(&path)).unwrap_err().to_string();
            assert!(error.contains(place), "{error}");
        }
    }
}
