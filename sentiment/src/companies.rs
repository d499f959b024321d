//! Companies and the names by which texts mention them.
//!
//! A ticker stands for a company for a span of days: `FB` was Meta Platforms until 2022. Three layers say what a ticker
//! stood for, and the first layer that has it decides: the user's file, the table of well-known companies that was made
//! by hand, and the list of all instruments, whose names are derived from legal names ([`tapewire_core::instrument`]).

mod coins;
pub mod finding;
pub mod matching;
mod several;
pub mod table;

use crate::SentimentError;
use jiff::civil::Date;
use matching::{Name, first_marked_ticker, first_ticker, normalised};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tapewire_core::exchange::Calendars;
use tapewire_core::instrument::{Names, common_names};
use tapewire_core::{Instrument, Symbol, text, ticker};

/// Well-known US companies.
const KNOWN: &str = include_str!("../companies.csv");

/// Tickers that well-known companies no longer have, with their last day.
const FORMER: &str = include_str!("../former.csv");

/// All that the SEC lists; see `instruments.md`.
const LISTED: &str = include_str!("../instruments.csv");

/// A company and its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// Its name, then its aliases; empty if only the ticker is known.
    names: Vec<Name>,
    symbol: Option<Symbol>,
    /// Whether it counts only if the text mentions it, because its name may be an unknown ticker.
    is_doubtful: bool,
}

impl Company {
    /// A company of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self { names: vec![Name::chosen(name)], symbol: None, is_doubtful: false }
    }

    /// A company for a word that may be a name or an unknown ticker.
    fn doubtful(word: &str) -> Self {
        // The name of a company is longer than most words in capitals.
        let name = if word.len() > 3 { Name::capitalised(word) } else { Name::chosen(word) };
        Self { names: vec![name], symbol: None, is_doubtful: true }
    }

    /// A ticker of which no name is known.
    fn unknown(symbol: Symbol) -> Self {
        Self { names: Vec::new(), symbol: Some(symbol), is_doubtful: false }
    }

    /// Its name; its ticker if no name is known.
    pub fn name(&self) -> &str {
        let ticker = self.symbol.as_ref().map(Symbol::as_str);
        self.names.first().map(Name::as_str).or(ticker).unwrap_or_default()
    }

    /// Its name and aliases; empty if only the ticker is known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(Name::as_str)
    }

    /// Its ticker, if it is known.
    pub fn symbol(&self) -> Option<&Symbol> {
        self.symbol.as_ref()
    }

    /// All that a score depends on.
    pub(crate) fn key(&self) -> impl Iterator<Item = &[u8]> {
        let doubtful: &[u8] = if self.is_doubtful { b"doubtful" } else { b"" };
        let ticker = self.symbol.iter().map(|symbol| symbol.as_str().as_bytes());
        std::iter::once(doubtful).chain(ticker).chain(self.names.iter().flat_map(Name::key))
    }

    /// Byte position of the first mention of the company in `text`, by name, alias or ticker.
    ///
    /// Names that somebody chose match in any case, and so do derived names of several words; a derived name of one word
    /// matches only with a capital (`Target`), and a name in capitals (`UPS`) only in capitals. Accents, apostrophes and
    /// the kinds of hyphens and spaces make no difference.
    ///
    /// Tickers match only in their own case, and always if they are marked as tickers: `$IT`, `(IT)`, `NYSE: IT`,
    /// `<IT.N>`. An unmarked ticker counts only if it is unlikely to be a common word: it has at least three letters
    /// (`IT budgets` and `C-suite` name no company), and the text is not all in capitals (`NOW HIRING`). `ALL` in `They
    /// sold ALL of it` is still a false match.
    pub fn first_mention(&self, text: &str) -> Option<usize> {
        let ticker = self.symbol.as_ref().and_then(|symbol| first_ticker(text, symbol.as_str()));
        [self.by_name(text), ticker].into_iter().flatten().map(|span| span.start).min()
    }

    /// The name by which a model is asked about the company in `text`. In the spelling of the text, the name or alias that
    /// comes first, or the longer of two at the same position; the ticker if the text uses no name and marks the ticker as
    /// one; otherwise the company's own name. `None` if no name is known: to a model a bare ticker is a word like `IT`
    /// or `NOW`, and for a headline about two companies it would answer for the other one.
    pub fn name_in<'a>(&'a self, text: &'a str) -> Option<&'a str> {
        let own = || self.names.first().filter(|_| !self.is_doubtful).map(Name::as_str);
        self.by_name(text).map(|span| &text[span]).or_else(|| self.ticker_to_ask(text)).or_else(own)
    }

    fn ticker_to_ask<'a>(&self, text: &'a str) -> Option<&'a str> {
        let symbol = self.symbol.as_ref()?;
        first_marked_ticker(text, symbol.as_str()).map(|span| &text[span])
    }

    fn by_name(&self, text: &str) -> Option<Range<usize>> {
        let spans = self.names.iter().filter_map(|name| name.first_in(text));
        spans.min_by_key(|span| (span.start, Reverse(span.end)))
    }
}

/// What a ticker stands for, for a span of time.
#[derive(Debug, Clone)]
struct Listing {
    instrument: Instrument,
    company: Arc<Company>,
    /// Place in its table, counted from 0; the list of the SEC has the largest companies first.
    place: usize,
    /// Whether somebody chose its names, and no rule.
    has_chosen_names: bool,
}

/// Companies by ticker and by name.
#[derive(Debug, Clone)]
pub struct Companies {
    by_symbol: HashMap<Symbol, Vec<Listing>>,
    /// Symbols by the [`key`] of names and aliases; of two companies with the same name, the first.
    by_name: HashMap<String, Symbol>,
    /// Symbols that the user's file has.
    own: HashSet<Symbol>,
    calendars: Calendars,
}

/// All instruments that are built in, each ticker from the first table that has it. What that table leaves out, such as
/// the issuer's number, is from the list of the SEC.
///
/// # Errors
/// [`SentimentError::Companies`] if a table can't be read, which does not happen with the built-in tables.
pub fn built_in() -> Result<Vec<Instrument>, SentimentError> {
    let mut all: Vec<Instrument> = Vec::new();
    let mut by_symbol: HashMap<Symbol, usize> = HashMap::new();
    for text in [KNOWN, FORMER, LISTED] {
        let first = all.len();
        for instrument in table::read("built in", text)?.instruments {
            let Some(&at) = by_symbol.get(&instrument.symbol).filter(|&&at| at < first) else {
                by_symbol.insert(instrument.symbol.clone(), all.len());
                all.push(instrument);
                continue;
            };
            let known = &mut all[at];
            if known.valid_to.is_none() {
                known.cik = known.cik.or(instrument.cik);
                if known.exchange.is_empty() {
                    known.exchange = instrument.exchange;
                }
            }
        }
    }
    Ok(all)
}

impl Companies {
    /// The built-in tables, extended and overridden by the file `extra`.
    ///
    /// # Errors
    /// [`SentimentError::Companies`], naming file and line.
    pub fn load(extra: Option<&Path>) -> Result<Self, SentimentError> {
        Self::with_instruments(extra, None)
    }

    /// As [`Companies::load`], with a file in the place of the built-in list of instruments.
    ///
    /// # Errors
    /// As [`Companies::load`].
    pub fn with_instruments(extra: Option<&Path>, instruments: Option<&Path>) -> Result<Self, SentimentError> {
        let (by_symbol, by_name) = (HashMap::new(), HashMap::new());
        let mut companies = Self { by_symbol, by_name, own: HashSet::new(), calendars: Calendars::default() };
        if let Some(path) = extra {
            companies.add_file(path)?;
            companies.own = companies.by_symbol.keys().cloned().collect();
        }
        companies.add("built in", KNOWN)?;
        companies.add("built in", FORMER)?;
        match instruments {
            Some(path) => companies.add_file(path)?,
            None => companies.add("built in", LISTED)?,
        }
        Ok(companies)
    }

    /// Says which symbols are coins. A coin has the names of the user's file, otherwise its own.
    pub fn with_markets(self, calendars: Calendars) -> Self {
        Self { calendars, ..self }
    }

    fn add_file(&mut self, path: &Path) -> Result<(), SentimentError> {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| SentimentError::Companies { place: place.clone(), problem: error.to_string() })?;
        self.add(&place, &text)
    }

    /// Adds a layer: the symbols that no earlier one has.
    fn add(&mut self, place: &str, text: &str) -> Result<(), SentimentError> {
        let table::Table { mut instruments, has_chosen_names } = table::read(place, text)?;
        instruments.retain(|instrument| !self.by_symbol.contains_key(&instrument.symbol));
        let names: Vec<Names> = match has_chosen_names {
            true => instruments.iter().map(|i| Names { name: i.name.clone(), aliases: i.aliases.clone() }).collect(),
            false => unambiguous(&instruments, &self.by_name),
        };
        self.add_names(&instruments, &names);
        let name = |text: String| if has_chosen_names { Name::chosen(text) } else { Name::derived(text) };
        for (place, (instrument, Names { name: common, aliases })) in instruments.into_iter().zip(names).enumerate() {
            let symbol = instrument.symbol.clone();
            let names = std::iter::once(common).chain(aliases).filter(|name| !name.is_empty()).map(name).collect();
            let company = Arc::new(Company { names, symbol: Some(symbol.clone()), is_doubtful: false });
            self.by_symbol.entry(symbol).or_default().push(Listing { instrument, company, place, has_chosen_names });
        }
        Ok(())
    }

    /// Makes symbols known by names: first by all full names, then by aliases, and last by the names of former tickers.
    fn add_names(&mut self, instruments: &[Instrument], names: &[Names]) {
        let pairs = || instruments.iter().zip(names);
        for goes_on in [true, false] {
            let of_age = |(instrument, _): &(&Instrument, _)| instrument.valid_to.is_none() == goes_on;
            let full = pairs().filter(of_age).map(|(instrument, names)| (&names.name, &instrument.symbol));
            let short =
                pairs().filter(of_age).flat_map(|(i, names)| names.aliases.iter().map(|alias| (alias, &i.symbol)));
            for (name, symbol) in full.chain(short).filter(|(name, _)| !name.is_empty()) {
                self.by_name.entry(key(name)).or_insert_with(|| symbol.clone());
            }
        }
    }

    /// All tickers that are known, also former ones.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.by_symbol.keys()
    }

    /// The company that a ticker stood for on a day, or stands for now if `day` is `None`. If nothing is known of the
    /// ticker on that day, the company has no name. A warrant, right or unit gives the company of the common share.
    pub fn of_symbol(&self, symbol: &Symbol, day: Option<Date>) -> Arc<Company> {
        let listed = self.listed(symbol, day).or_else(|| {
            let company = self.listed(&symbol.common_share()?, day)?;
            Some(Arc::new(Company { symbol: Some(symbol.clone()), ..Company::clone(&company) }))
        });
        listed.unwrap_or_else(|| Arc::new(Company::unknown(symbol.clone())))
    }

    fn listed(&self, symbol: &Symbol, day: Option<Date>) -> Option<Arc<Company>> {
        if let Some(coin) = self.calendars.coin_of(symbol).filter(|_| !self.own.contains(symbol)) {
            return Some(Arc::new(coins::company(symbol, coin)));
        }
        let listings = self.by_symbol.get(symbol)?;
        let listing = match day {
            Some(day) => listings.iter().find(|listing| listing.instrument.is_valid_on(day)),
            // The listing that ended last, if none is still in force.
            None => listings.iter().max_by_key(|listing| listing.instrument.valid_to.unwrap_or(Date::MAX)),
        };
        listing.map(|listing| Arc::clone(&listing.company))
    }

    /// The company with this ticker, name or alias; otherwise a company with this name. A word that may be an unknown
    /// ticker (`ZZZZ`, `BCpC`) counts only if the text mentions it. `NASDAQ:AAPL`, `AAPL.O` and the like are the ticker.
    pub fn find(&self, word: &str) -> Arc<Company> {
        let visible = text::without_invisible(word);
        let word = visible.trim();
        if let Ok(Some(symbol)) = ticker::decorated(word)
            && symbol.as_str() != word
        {
            return self.find(symbol.as_str());
        }
        self.known(word).unwrap_or_else(|| {
            let is_ticker = Symbol::new(word).is_ok_and(|symbol| is_spelled_as_ticker(word, &symbol));
            Arc::new(if is_ticker { Company::doubtful(word) } else { Company::named(word) })
        })
    }

    /// The company with this ticker, name or alias.
    fn known(&self, word: &str) -> Option<Arc<Company>> {
        let symbol = Symbol::new(word).ok();
        let known = |symbol: &Symbol| self.listed(symbol, None).or_else(|| self.listed(&symbol.common_share()?, None));
        let by_name = || known(self.by_name.get(&key(word))?);
        // A word in capitals is looked up as a ticker first, any other word as a name first: `Ford` is not FORD.
        let is_ticker = symbol.as_ref().is_some_and(|symbol| is_spelled_as_ticker(word, symbol));
        let by_ticker = || known(symbol.as_ref()?);
        let found = if is_ticker { by_ticker().or_else(by_name) } else { by_name().or_else(by_ticker) };
        // `Alphabet, Inc.`, and `Apple Inc (NASDAQ: AAPL)`.
        let by_common_name = || {
            let common = common_names(word, None).name;
            (common != word).then(|| self.by_name.get(&key(&common)))?.and_then(known)
        };
        let by_bracket = || {
            let (before, bracket) = word.strip_suffix(')')?.rsplit_once('(')?;
            let company = known(&ticker::read(bracket).ok()?)?;
            // `Vodafone (UK)` and `OpenAI (AI)` are not the companies with these tickers.
            let is_marked = bracket.contains([':', '$']);
            (is_marked || company.first_mention(before).is_some()).then_some(company)
        };
        found.or_else(by_bracket).or_else(by_common_name)
    }
}

/// The form in which names are looked up. `&` and `and` are the same, with spaces around them or without.
fn key(name: &str) -> String {
    let name = normalised(name).replace(" and ", "&");
    let parts: Vec<&str> = name.split('&').map(str::trim).collect();
    parts.join("&")
}

/// Whether a word is written as tickers are: short and in capitals, or with the marker of a preferred share.
fn is_spelled_as_ticker(word: &str, symbol: &Symbol) -> bool {
    let has_marker = symbol.as_str().contains(|c: char| c.is_ascii_lowercase());
    let longest = if word.contains(['.', ':', '-', '/']) { 8 } else { 5 };
    has_marker || word.len() <= longest && !word.contains(char::is_lowercase) && word.contains(char::is_alphabetic)
}

/// The names of instruments from their legal names. If two companies have the same short name, it belongs to the first
/// in the list, and to neither if an earlier layer has it: `Micron` is Micron Technology, not Micron Solutions. The
/// list of the SEC has the largest companies first.
fn unambiguous(instruments: &[Instrument], taken: &HashMap<String, Symbol>) -> Vec<Names> {
    let mut owners: HashMap<String, String> = HashMap::new();
    let of = |instrument: &Instrument| {
        let Names { name, mut aliases } = common_names(&instrument.name, Some(&instrument.symbol));
        owners.entry(key(&name)).or_insert_with(|| name.clone());
        aliases.retain(|alias| {
            let alias = key(alias);
            !taken.contains_key(&alias) && *owners.entry(alias).or_insert_with(|| name.clone()) == name
        });
        Names { name, aliases }
    };
    instruments.iter().map(of).collect()
}

#[cfg(test)]
mod tests;
