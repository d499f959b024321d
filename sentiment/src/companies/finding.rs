//! The companies that a text names, where the provider does not say which.
//!
//! A wrong company is worse than none: its price would be joined with somebody else's news. So a name counts only where
//! the text leaves little doubt. `Morgan Stanley` does wherever it stands with its capitals; a single word (`Target`,
//! `Delta`) needs a sign beside it that a company is meant, such as `Inc`, `'s`, `shares` or `reports`, or has to stand with
//! a capital in the middle of a sentence that is not written in capitals throughout. How often what is found is right is
//! measured by the example `found_companies`.

use super::matching::{Name, is_of_exchange, is_of_word};
use super::{Companies, Listing, coins};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use tapewire_core::instrument::names::is_common;
use tapewire_core::{Article, Symbol};

/// More companies than these in one text are a list, and an article about all of them is about none.
const MOST: usize = 10;

/// Words after a name that say that it is one: what companies have, and what they do in headlines.
#[rustfmt::skip]
const AFTER: &[&str] = &[
    "shares", "share", "stock", "stocks", "adrs", "bonds", "ceo", "cfo", "coo", "chairman", "chief", "board", "investors",
    "shareholders", "executives", "spokesman", "spokeswoman", "spokesperson", "employees", "workers", "unit", "subsidiary",
    "revenue", "sales", "profit", "profits", "earnings", "results", "net", "loss", "quarterly", "q1", "q2", "q3", "q4", "eps",
    "says", "said", "sees", "reports", "reported", "posts", "posted", "beats", "beat", "misses", "missed", "tops", "topped",
    "raises", "raised", "cuts", "lowers", "lifts", "boosts", "reaffirms", "announces", "announced", "unveils", "launches",
    "expects", "plans", "agrees", "acquires", "acquired", "buys", "bought", "sells", "sold", "wins", "won", "loses", "lost", "sues",
    "sued", "names", "appoints", "hires", "fires", "files", "filed", "recalls", "declares", "declared", "completes", "completed",
    "gains", "gained", "rises", "rose", "falls", "fell", "drops", "dropped", "jumps", "jumped", "surges", "surged", "soars", "soared",
    "slips", "slipped", "slides", "slid", "sinks", "sank", "tumbles", "tumbled", "plunges", "plunged", "climbs", "climbed", "rallies",
    "rallied", "warns", "warned", "forecasts", "delays", "halts", "resumes", "faces", "settles", "pays", "opens", "closes", "shuts",
    "will", "has", "is", "was", "to", "and", "may", "could", "would",
];

/// Of these, the words that may follow an ordinary word just as well. They count only in the middle of a sentence.
const WEAK: &[&str] = &[
    "share", "stock", "stocks", "bonds", "sales", "net", "loss", "unit", "board", "chief", "will", "has", "is", "was",
    "to", "and", "may", "could", "would",
];

/// Legal forms that no other word after a name looks like.
#[rustfmt::skip]
const FORMS: &[&str] = &[
    "inc", "incorporated", "corp", "corporation", "co", "company", "ltd", "limited", "plc", "llc", "lp", "sa", "nv", "ag", "spa",
    "ab", "asa", "oyj", "kgaa", "group", "holdings", "holding",
];

/// Names of companies that nearly always mean something else, in small letters.
#[rustfmt::skip]
const OTHERS: &[&str] = &[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug",
    "sep", "sept", "oct", "nov", "dec", "january", "february", "march", "april", "june", "july", "august", "september", "october",
    "november", "december", "world", "gulf", "post", "trump", "celsius", "bullish", "bearish", "covid", "nasdaq", "dow", "euro", "dollar",
    "brent", "street", "treasury", "congress", "senate", "republic", "union", "new jersey", "new york", "california", "texas", "florida",
    "columbia", "virginia", "delaware", "mexico", "canada", "china", "india", "indonesia", "japan", "korea", "brazil", "argentina",
    "israel", "turkey", "russia", "ukraine", "germany", "france", "italy", "spain", "greece", "ireland", "england", "singapore",
    "thailand", "vietnam", "malaysia", "philippines", "australia", "africa", "europe", "asia", "london", "paris", "tokyo", "boston",
    "chicago", "washington", "houston", "dallas", "detroit", "denver", "seattle", "atlanta", "miami",
];

/// Companies after this place of the list of the SEC are so small that a word that could be their name seldom is.
const LARGE: usize = 1500;

/// What `$` stands before in brackets or before a colon where it counts money: thousands, millions, billions, trillions.
const AMOUNTS: &[&str] = &["K", "M", "MM", "MN", "B", "BN", "T", "TN", "USD"];

/// Words within names that may be small.
const SMALL: &[&str] = &["of", "and", "the", "for", "de", "in", "on", "at", "by", "com"];

/// A name of a listed company.
#[derive(Debug, Clone)]
struct Candidate {
    name: Name,
    symbol: Symbol,
    needs: Needs,
}

/// What a text has to have beside a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Several words need nothing.
    Nothing,
    /// A word needs a sign that a company is meant.
    Sign,
    /// An acronym, and a word that is the name of a small company, need a legal form.
    LegalForm,
}

impl Needs {
    fn of(name: &str, listing: &Listing) -> Self {
        if name.contains(|c: char| c.is_whitespace() || c == '-') {
            return Self::Nothing;
        }
        let is_acronym = name.len() < 6 && !name.contains(char::is_lowercase);
        match listing.has_chosen_names || !is_acronym && listing.place < LARGE {
            true => Self::Sign,
            false => Self::LegalForm,
        }
    }
}

/// Finds the companies that a text names.
#[derive(Debug, Clone)]
pub struct Finder {
    companies: Companies,
    /// Names by how they begin ([`beginning`]), longest first.
    candidates: HashMap<String, Vec<Candidate>>,
}

/// A company that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its ticker.
    pub symbol: Symbol,
    /// Where the text names it first, in bytes.
    pub span: Range<usize>,
}

impl Finder {
    /// A finder of these companies.
    pub fn new(companies: Companies) -> Self {
        let mut candidates: HashMap<String, Vec<Candidate>> = HashMap::new();
        // One symbol for each name: of two classes of share, the first in the list.
        let owners: HashSet<&Symbol> = companies.by_name.values().collect();
        for symbol in owners {
            let listings = companies.by_symbol.get(symbol).into_iter().flatten();
            let Some(listing) = listings.max_by_key(|listing| listing.instrument.valid_to.unwrap_or(Date::MAX)) else {
                continue;
            };
            for name in &listing.company.names {
                let text = name.as_str();
                let is_its_own = companies.by_name.get(&super::key(text)) == Some(symbol);
                let letters = text.chars().filter(|c| c.is_alphabetic()).count();
                let needs = Needs::of(text, listing);
                let is_other = OTHERS.contains(&&*text.to_lowercase()) || needs != Needs::Nothing && is_common(text);
                if is_its_own && letters > 2 && !is_other {
                    let candidate = Candidate { name: name.clone(), symbol: symbol.clone(), needs };
                    candidates.entry(beginning(text)).or_default().push(candidate);
                }
            }
        }
        for list in candidates.values_mut() {
            // By symbol, too, so that nothing depends on the order of a hash table.
            list.sort_by(|a, b| {
                b.name.as_str().len().cmp(&a.name.as_str().len()).then_with(|| a.symbol.cmp(&b.symbol))
            });
        }
        Self { companies, candidates }
    }

    /// The companies that a text names, in the order in which it does, and by what their tickers stood for on `day`. None
    /// if there are more than ten: such a text is a list.
    pub fn find(&self, text: &str, day: Option<Date>) -> Vec<Found> {
        let mut first: BTreeMap<Symbol, Range<usize>> = BTreeMap::new();
        let found = self.by_name(text).chain(self.by_ticker(text, day));
        for Found { symbol, span } in found.filter(|found| self.is_listed(&found.symbol, day)) {
            let known = first.entry(symbol).or_insert_with(|| span.clone());
            if span.start < known.start {
                *known = span;
            }
        }
        if first.len() > MOST {
            return Vec::new();
        }
        let mut found: Vec<Found> = first.into_iter().map(|(symbol, span)| Found { symbol, span }).collect();
        found.sort_by_key(|found| found.span.start);
        found
    }

    /// The companies that a cleaned article names in its headline or teaser, as [`Finder::find`] finds them.
    pub fn of_article(&self, article: &Article) -> Vec<Symbol> {
        let day = article.published_at.to_zoned(TimeZone::UTC).date();
        // By themselves, because headlines often have capitals that teasers do not have.
        let parts = [&article.title, &article.description];
        let found = parts.into_iter().flat_map(|part| self.find(part, Some(day))).map(|found| found.symbol);
        let mut symbols: Vec<Symbol> = Vec::new();
        found.for_each(|symbol| {
            if !symbols.contains(&symbol) {
                symbols.push(symbol)
            }
        });
        if symbols.len() > MOST { Vec::new() } else { symbols }
    }

    /// Whether the ticker stood for the same company on that day as today.
    fn is_listed(&self, symbol: &Symbol, day: Option<Date>) -> bool {
        let now = self.companies.of_symbol(symbol, None);
        !now.names.is_empty() && (day.is_none() || self.companies.of_symbol(symbol, day).names == now.names)
    }

    fn by_name<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Found> + 'a {
        let style = Style::of(text);
        let mut end = 0;
        words(text).filter_map(move |word| {
            if word.start < end || !text[word.start..].starts_with(|c: char| c.is_uppercase() || c.is_numeric()) {
                return None;
            }
            let list = self.candidates.get(&beginning(&text[word.start..]))?;
            let (candidate, span) =
                list.iter().find_map(|candidate| Some((candidate, candidate.name.at(text, word.start)?)))?;
            // A shorter name within a longer one is not looked for: `Micron Solutions` is not Micron.
            end = span.end;
            let clear = style != Style::Capitals
                && has_capitals(&text[span.clone()])
                && match candidate.needs {
                    Needs::Nothing => true,
                    Needs::Sign => is_company(text, &span, style),
                    Needs::LegalForm => has_legal_form(&text[span.end..]),
                };
            clear.then(|| Found { symbol: candidate.symbol.clone(), span })
        })
    }

    /// Tickers that the text marks: `NASDAQ: AAPL`, `$AAPL`. `$BTC` is the coin, not the fund of that ticker.
    fn by_ticker<'a>(&'a self, text: &'a str, day: Option<Date>) -> impl Iterator<Item = Found> + 'a {
        words(text).filter_map(move |span| {
            let word = &text[span.clone()];
            let is_spelled = word.len() <= 5 && word.chars().all(|c| c.is_ascii_uppercase());
            let (before, after) = (&text[..span.start], &text[span.end..]);
            // `$M` counts money, and `A$AP` is a word.
            let is_amount = AMOUNTS.contains(&word) && (before.ends_with("($") || after.starts_with([')', ':']));
            let is_cashtag = before.strip_suffix('$').is_some_and(|rest| !rest.ends_with(char::is_alphanumeric))
                && !is_amount
                && !coins::is_coin(word);
            // Outside brackets, a word may follow the name of an index: `Nasdaq: A record year`.
            let is_in_brackets = after.starts_with([')', ']', ';', ',']);
            let is_listed = is_of_exchange(before) && (is_in_brackets || word.len() > 2);
            let symbol = (is_spelled && (is_cashtag || is_listed)).then(|| Symbol::new(word).ok())??;
            let is_known = !self.companies.of_symbol(&symbol, day).names.is_empty();
            is_known.then_some(Found { symbol, span })
        })
    }
}

/// The first three letters as they are compared, by which names are looked up.
fn beginning(name: &str) -> String {
    super::matching::normalised(&name.chars().take(6).collect::<String>()).chars().take(3).collect()
}

/// How a text uses capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Names and beginnings of sentences have them.
    Sentence,
    /// Nearly every word begins with one, as in many headlines.
    Title,
    /// Every letter is one.
    Capitals,
}

impl Style {
    fn of(text: &str) -> Self {
        let long: Vec<&str> = words(text).map(|span| &text[span]).filter(|word| word.chars().count() > 3).collect();
        let share =
            |is: fn(&str) -> bool| long.iter().filter(|word| is(word)).count() as f64 / long.len().max(1) as f64;
        if share(|word| !word.contains(char::is_lowercase)) > 0.8 {
            Self::Capitals
        } else if share(|word| word.starts_with(char::is_uppercase)) > 0.6 {
            Self::Title
        } else {
            Self::Sentence
        }
    }
}

/// Whether each word of a name has a capital, except those that need none.
fn has_capitals(name: &str) -> bool {
    words(name).all(|span| {
        let word = &name[span];
        !word.starts_with(char::is_lowercase) || SMALL.contains(&word) || word == "s"
    })
}

/// Whether a name of one word at `span` is that of a company.
fn is_company(text: &str, span: &Range<usize>, style: Style) -> bool {
    let (before, after) = (&text[..span.start], &text[span.end..]);
    let is_possessive = after.starts_with("'s ") || after.starts_with("\u{2019}s ");
    // A form with an apostrophe may have been matched with it.
    let next = adjacent(after.trim_start_matches(['\'', '\u{2019}']));
    let previous = before.trim_end_matches(' ');
    let in_sentence = style == Style::Sentence
        && previous.ends_with(|c: char| c.is_lowercase() || c == ',' || c.is_numeric())
        && before.ends_with(' ');
    let follows_name = before.ends_with(' ')
        && previous.rsplit(' ').next().is_some_and(|word| word.starts_with(char::is_uppercase) && word.len() > 1)
        && style == Style::Sentence;
    if follows_name
        || before.ends_with(['-', '/', '#', '@', '.'])
        || after.starts_with(['-', '/', '@'])
        || after.strip_prefix('.').is_some_and(|rest| rest.starts_with(char::is_alphanumeric))
    {
        return false;
    }
    let small = next.to_lowercase();
    let precedes_name = next.starts_with(char::is_uppercase) && style == Style::Sentence;
    has_legal_form(after)
        || is_possessive && (in_sentence || style == Style::Title || !precedes_name)
        || AFTER.contains(&&*small) && (in_sentence || !WEAK.contains(&&*small))
        || in_sentence && !precedes_name
}

/// Whether a legal form follows: ` Inc.`, `, Inc`.
fn has_legal_form(after: &str) -> bool {
    let next = adjacent(after);
    next.starts_with(char::is_uppercase) && FORMS.contains(&&*next.to_lowercase())
}

/// The word that follows after one space.
fn adjacent(after: &str) -> &str {
    let after =
        after.strip_prefix("s ").or_else(|| after.strip_prefix(", ")).or_else(|| after.strip_prefix(' ')).unwrap_or("");
    let end = after.find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len());
    &after[..end]
}

/// Runs of letters, digits and accents that are written by themselves.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(char::is_alphanumeric)?;
        let end = text[start..].find(|c| !is_of_word(c)).map_or(text.len(), |at| start + at);
        rest = end;
        Some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static FINDER: LazyLock<Finder> = LazyLock::new(|| Finder::new(Companies::load(None).unwrap()));

    fn found(text: &str) -> Vec<String> {
        FINDER.find(text, None).into_iter().map(|found| found.symbol.to_string()).collect()
    }

    #[test]
    fn names_that_leave_no_doubt_are_found() {
        for (text, expected) in [
            ("Morgan Stanley raises its dividend after General Motors beats", vec!["MS", "GM"]),
            ("Apple's profit rose while shares of Starbucks fell", vec!["AAPL", "SBUX"]),
            ("Target reports a fall in sales", vec!["TGT"]),
            ("Starbucks Raises Outlook, Names New Chief", vec!["SBUX"]),
            ("The court ruled against Delta on Monday", vec!["DAL"]),
            ("Acme Widgets (NASDAQ: NVDA) rises; $TSLA too", vec!["NVDA", "TSLA"]),
            ("The court ruled against Delta.", vec!["DAL"]),
            ("Ford Motor (NYSE: F) recalls trucks", vec!["F"]),
            ("$T rises 3 %", vec!["T"]),
            ("JPMorgan Chase and Bank of America report results", vec!["JPM", "BAC"]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn ordinary_words_and_other_names_are_not() {
        for text in [
            "Target prices rise as the gap widens",
            "Analysts Raise Price Target On Chip Maker",
            "Delta variant spreads in Europe",
            "The Dow closes higher",
            "Apples and oranges",
            "US stocks open higher",
            "Gold shares fall",
            "TARGET SAYS BLOCK IS APPLE",
            "(TSX: NVDA) is another exchange",
            "The Ford Foundation gives $5",
            "$BTC and $SOL rise",
            "Nasdaq: A Record Year in Charts",
            "Dow falls, Nasdaq: AI stocks lead gains",
            "British American: IT outage hits sales",
            "A$AP Rocky trial begins",
            "Acme Q3 sales ($M): 120, assets ($B): 3",
            "",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    proptest! {
        /// Names and signs between any other characters: what is found is in the text, in its order.
        #[test]
        fn what_is_found_is_in_the_text(
            parts in proptest::collection::vec(
                prop_oneof!["\\PC{0,8}", "Apple|Lowe's|O\u{2019}Reilly|Estée Lauder|\\$F|NYSE: F|'s |\u{2019}s | Inc", " |-|\\.|\n"],
                0..12,
            ),
        ) {
            let text = parts.concat();
            let found = FINDER.find(&text, None);
            prop_assert!(found.is_sorted_by_key(|found| found.span.start));
            prop_assert!(found.iter().all(|found| text.get(found.span.clone()).is_some_and(|name| !name.is_empty())));
        }
    }

    #[test]
    fn a_list_is_about_nobody() {
        let text = "$AAPL $MSFT $NVDA $GOOGL $AMZN $META $TSLA $JPM $XOM $WMT";
        assert_eq!(found(text).len(), MOST);
        assert_eq!(found(&format!("{text} $UNH")), Vec::<String>::new());
    }
}
