//! Companies and the names by which texts mention them.

use crate::SentimentError;
use std::char::ToLowercase;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tapewire_core::Symbol;

/// Well-known US companies; the first line names the columns.
const KNOWN: &str = include_str!("../companies.csv");

const HEADER: [&str; 3] = ["symbol", "name", "aliases"];

/// Exchanges before the colon, as in `NYSE: F`.
const EXCHANGES: [&str; 9] = ["nyse", "nasdaq", "amex", "american", "arca", "cboe", "otc", "otcqb", "otcqx"];

/// A company and its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// Its name, then its aliases; empty if only the ticker is known.
    names: Vec<String>,
    symbol: Option<Symbol>,
}

impl Company {
    /// A company of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self { names: vec![name.into()], symbol: None }
    }

    /// Its name; its ticker if no name is known.
    pub fn name(&self) -> &str {
        let ticker = self.symbol.as_ref().map(Symbol::as_str);
        self.names.first().map(String::as_str).or(ticker).unwrap_or_default()
    }

    /// Its name and aliases.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Its ticker, if it is known.
    pub fn symbol(&self) -> Option<&Symbol> {
        self.symbol.as_ref()
    }

    /// Byte position of the first mention of the company in `text`, by name, alias or ticker.
    ///
    /// Names match in any case and with any kind of apostrophe, hyphen and space. A name in capital letters only
    /// (`UPS`) matches only in capital letters, because prices have ups and downs.
    ///
    /// Tickers match only in their own case, and always if they are marked as tickers: `$IT`, `(IT)`, `NYSE: IT`,
    /// `<IT.N>`. An unmarked ticker counts only if it is unlikely to be a common word: it has at least three letters
    /// (`IT budgets` and `C-suite` name no company), and the text is not all in capitals (`NOW HIRING`). `ALL` in `They
    /// sold ALL of it` is still a false match.
    pub fn first_mention(&self, text: &str) -> Option<usize> {
        [self.by_name(text), self.by_ticker(text)].into_iter().flatten().map(|span| span.start).min()
    }

    /// The name that `text` uses for the company, in the spelling of the text: the name or alias that comes first, or
    /// the longer of two at the same position; the ticker if the text uses no name; the company's own name if the text
    /// does not mention it.
    pub fn name_in<'a>(&'a self, text: &'a str) -> &'a str {
        self.by_name(text).or_else(|| self.by_ticker(text)).map_or(self.name(), |span| &text[span])
    }

    fn by_name(&self, text: &str) -> Option<Range<usize>> {
        let first = |name: &String| {
            let is_capitals = name.chars().all(char::is_uppercase);
            word_matches(text, name, |c, of_name| c == of_name || !is_capitals && normalise(c).eq(normalise(of_name)))
                .next()
        };
        self.names.iter().filter_map(first).min_by_key(|span| (span.start, Reverse(span.end)))
    }

    fn by_ticker(&self, text: &str) -> Option<Range<usize>> {
        let ticker = self.symbol.as_ref()?.as_str();
        let is_distinctive = ticker.len() > 2 && text.contains(char::is_lowercase);
        word_matches(text, ticker, |c, of_ticker| c == of_ticker)
            .find(|span| is_distinctive || is_marked(&text[..span.start], &text[span.end..]))
    }
}

/// Companies by ticker and by name: the built-in table and the user's additions.
#[derive(Debug, Clone)]
pub struct Companies {
    by_symbol: HashMap<Symbol, Arc<Company>>,
    /// Symbols by normalised name and alias; of two companies with the same name, the first in the table.
    by_name: HashMap<String, Symbol>,
}

impl Companies {
    /// The built-in table, extended and overridden by the file `extra`: a header, then lines `SYMBOL,NAME,ALIAS;ALIAS`.
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

    /// Adds companies whose symbols are not known yet.
    fn read(&mut self, place: &str, text: &str) -> Result<(), SentimentError> {
        let text = text.trim_start_matches('\u{feff}');
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong =
                |problem: String| SentimentError::Companies { place: format!("{place}, line {}", number + 1), problem };
            let record = row(line).map_err(|error| wrong(error.to_string()))?;
            let columns: Vec<&str> = record.iter().collect();
            let (symbol, name, aliases) = match columns[..] {
                _ if number == 0 && columns == HEADER => continue,
                _ if number == 0 => return Err(wrong(format!("`{}` is not the header", columns.join(",")))),
                [symbol] | [symbol, ""] | [symbol, "", _] => return Err(wrong(format!("{symbol} has no name"))),
                [symbol, name] => (symbol, name, ""),
                [symbol, name, aliases] => (symbol, name, aliases),
                _ => return Err(wrong(format!("{} columns; quote a name that has a comma", columns.len()))),
            };
            let symbol = Symbol::new(symbol).map_err(|error| wrong(error.to_string()))?;
            let aliases = aliases.split(';').map(str::trim).filter(|alias| !alias.is_empty());
            self.add(symbol, std::iter::once(name).chain(aliases).map(str::to_owned).collect());
        }
        Ok(())
    }

    fn add(&mut self, symbol: Symbol, names: Vec<String>) {
        if self.by_symbol.contains_key(&symbol) {
            return;
        }
        for name in &names {
            self.by_name.entry(normalised(name)).or_insert_with(|| symbol.clone());
        }
        let company = Company { names, symbol: Some(symbol.clone()) };
        self.by_symbol.insert(symbol, Arc::new(company));
    }

    /// The company of a ticker; one that is not in the table has only its ticker.
    pub fn of_symbol(&self, symbol: &Symbol) -> Arc<Company> {
        self.by_symbol
            .get(symbol)
            .map_or_else(|| Arc::new(Company { names: Vec::new(), symbol: Some(symbol.clone()) }), Arc::clone)
    }

    /// The company with this ticker, name or alias; otherwise a company with this name.
    pub fn find(&self, word: &str) -> Arc<Company> {
        let word = word.trim();
        let known = |symbol: &Symbol| self.by_symbol.get(symbol).map(Arc::clone);
        Symbol::new(word)
            .ok()
            .and_then(|symbol| known(&symbol))
            .or_else(|| known(self.by_name.get(&normalised(word))?))
            .unwrap_or_else(|| Arc::new(Company::named(word)))
    }
}

/// The columns of a line; names contain no line breaks.
fn row(line: &str) -> csv::Result<csv::StringRecord> {
    let mut columns = csv::StringRecord::new();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(line.as_bytes());
    reader.read_record(&mut columns)?;
    Ok(columns)
}

/// The occurrences of `name` in `text` as a whole word, possibly followed by an English possessive. `is_same` compares
/// a character of the text with one of the name.
fn word_matches<'a>(
    text: &'a str,
    name: &'a str,
    is_same: impl Fn(char, char) -> bool + 'a,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut before = None;
    text.char_indices().filter_map(move |(start, c)| {
        let begins_word = !before.replace(c).is_some_and(char::is_alphanumeric);
        let mut found = text[start..].char_indices();
        let is_name = begins_word && name.chars().all(|of_name| found.next().is_some_and(|(_, c)| is_same(c, of_name)));
        let end = start + found.offset();
        (is_name && !text[end..].starts_with(char::is_alphanumeric)).then_some(start..end)
    })
}

/// A character in lower case, with typographic variants replaced by plain ones.
fn normalise(c: char) -> ToLowercase {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{2bc}' => '\'',
        '\u{2010}' | '\u{2011}' => '-',
        space if space.is_whitespace() => ' ',
        other => other,
    }
    .to_lowercase()
}

fn normalised(name: &str) -> String {
    name.chars().flat_map(normalise).collect()
}

/// Whether the text between `before` and `after` is marked as a ticker.
fn is_marked(before: &str, after: &str) -> bool {
    let of_exchange = |before: &str| {
        let venue = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        EXCHANGES.iter().any(|exchange| venue.eq_ignore_ascii_case(exchange))
    };
    before.ends_with(['$', '<'])
        || before.ends_with(['(', '[']) && after.starts_with([')', ']', '.'])
        || before.trim_end().strip_suffix(':').is_some_and(of_exchange)
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
            // Tickers that are words, from the table and not.
            ("NOW", "Now or never for all of it, so to speak", None),
            ("ALL", "NOW IS ALL OR NOTHING", None),
            ("ALL", "Allstate (NYSE: ALL) rises", Some(16)),
            ("ALL", "INSURERS FALL <ALL.N>", Some(15)),
            ("IT", "IT budgets: IT, (IT spending) and NYSE", None),
            ("IT", "Gartner (IT.N), Nasdaq:IT", Some(9)),
            ("SO", "$SO so so", Some(1)),
            ("UPS", "The ups and downs of the ups target", None),
            ("UPS", "The ups and downs of UPS", Some(21)),
            ("UPS", "UNITED PARCEL SERVICE CUTS JOBS", Some(0)),
            ("GM", "GM recalls trucks", Some(0)),
            // Typography of newswires.
            ("MCD", "At McDonald\u{2019}s, prices fall", Some(3)),
            ("KO", "Coca\u{2011}Cola up", Some(0)),
            ("GS", "Goldman\nSachs and Goldman\u{a0}Sachs", Some(0)),
        ] {
            let company = companies.of_symbol(&symbol(ticker));
            assert_eq!(company.first_mention(text), expected, "{ticker} in {text}");
        }
        assert_eq!(Company::named("Nestlé").first_mention("Shares of NESTLÉ rise"), Some(10));
        assert_eq!(companies.of_symbol(&symbol("MSFT")).name(), "Microsoft");
        assert_eq!(companies.of_symbol(&symbol("ZZZZ")).name(), "ZZZZ");
    }

    #[test]
    fn a_company_is_called_what_the_text_calls_it() {
        let companies = Companies::load(None).unwrap();
        for (ticker, text, expected) in [
            ("GOOGL", "Ruling against google, owned by Alphabet", "google"),
            ("GOOGL", "$GOOGL: Alphabet rises", "Alphabet"),
            ("GOOGL", "$GOOGL rises", "GOOGL"),
            ("GOOGL", "Search engines", "Alphabet"),
            ("META", "META PLATFORMS and Meta", "META PLATFORMS"),
            ("MCD", "McDonald\u{2019}s\u{2019} prices", "McDonald\u{2019}s"),
            ("ZZZZ", "Shares rise", "ZZZZ"),
        ] {
            assert_eq!(companies.of_symbol(&symbol(ticker)).name_in(text), expected, "{ticker} in {text}");
        }
    }

    #[test]
    fn ticker_name_and_alias_find_the_same_company() {
        let companies = Companies::load(None).unwrap();
        for word in ["AMZN", "Amazon", "amazon.com", " AWS "] {
            assert_eq!(companies.find(word).symbol(), Some(&symbol("AMZN")), "{word}");
        }
        assert_eq!(companies.find("MCDONALD\u{2019}S").symbol(), Some(&symbol("MCD")));
        assert_eq!(*companies.find("Zeta Works"), Company::named("Zeta Works"));
        assert_eq!(companies.find("berkshire hathaway").symbol(), Some(&symbol("BRK.A")), "first in the table");
    }

    #[test]
    fn a_users_table_adds_and_overrides_and_its_errors_name_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.csv");
        let table =
            "\u{feff}symbol,name,aliases\r\nZZZZ,Zeta Works,Zeta\r\n\r\nAAPL,\"Apple, Inc.\",Apple\r\nYYYY,Ypsilon\r\n";
        std::fs::write(&path, table).unwrap();
        let companies = Companies::load(Some(&path)).unwrap();
        assert_eq!(companies.of_symbol(&symbol("ZZZZ")).name(), "Zeta Works");
        assert_eq!(companies.find("AAPL").name(), "Apple, Inc.");
        assert_eq!(companies.find("ypsilon").symbol(), Some(&symbol("YYYY")));
        assert_eq!(companies.find("apple").symbol(), Some(&symbol("AAPL")));
        assert_eq!(companies.find("MSFT").name(), "Microsoft");
        for (text, place) in [
            ("symbol,name,aliases\n\nZZZZ\n", "mine.csv, line 3"),
            ("symbol,name,aliases\nZZZZ,Zeta, Inc.,Zeta\n", "mine.csv, line 2: 4 columns"),
            ("ZZZZ,Zeta,\n", "mine.csv, line 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Companies::load(Some(&path)).unwrap_err().to_string();
            assert!(error.contains(place), "{error}");
        }
    }
}
