//! Texts that name several companies, and names that only look so.
//!
//! A score is about one company. `Apple, Microsoft` and `Procter & Gamble / Unilever` name two; `Alphabet, Inc.`, `AT & T` and
//! `Johnson and Johnson` name one.

use super::Companies;
use tapewire_core::ticker;

/// Legal forms and other endings that a comma may stand before, without points and in small letters.
#[rustfmt::skip]
const ENDINGS: &[&str] = &[
    "inc", "incorporated", "corp", "corporation", "co", "company", "companies", "ltd", "limited", "llc", "llp", "lp", "plc",
    "sa", "nv", "ag", "se", "spa", "ab", "as", "asa", "a/s", "oyj", "kgaa", "gmbh", "bv", "pte", "pty", "na", "the", "jr", "sr",
    "class", "series", "etf", "trust", "holdings", "group", "adr",
];

/// Of these endings, those that also begin names, such as `The Home Depot`.
const BEGINNINGS: &[&str] = &["the", "limited", "trust", "group", "company", "as", "se", "na", "series", "class"];

/// Conjunctions and the like, which stand between two companies or within a name.
const CONJUNCTIONS: &[&str] = &[" and ", " & ", " + ", " vs ", " vs. ", " versus ", " or ", " with "];

/// What may stand before the last company of a list.
const BEFORE_LAST: &[&str] = &["and ", "& ", "or "];

/// A longer text is no name.
const LONGEST: usize = 200;

impl Companies {
    /// The companies of a text that names several. `None` if it names one, known or not, or none.
    ///
    /// Semicolons, bars, slashes with spaces, and commas except those before a legal form divide names. Words such as
    /// `and` divide them only if all companies are known, because names have such words.
    pub fn several<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        if self.known(text.trim()).is_some() {
            return None;
        }
        let parts = divided(text);
        if parts.len() > 1 { Some(parts) } else { self.with_conjunctions(text.trim()).or_else(|| self.tickers(text)) }
    }

    /// The tickers of a text that has nothing else, with spaces between them.
    fn tickers<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_ticker = |word: &&str| {
            !word.contains(char::is_lowercase)
                && ticker::read(word).is_ok_and(|symbol| self.by_symbol.contains_key(&symbol))
        };
        (words.len() > 1 && words.iter().all(is_ticker)).then_some(words)
    }

    /// The companies of a text with words between them, if all are known.
    fn with_conjunctions<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        if text.len() > LONGEST {
            return None;
        }
        let small = text.to_ascii_lowercase();
        let mut conjunctions: Vec<(usize, &str)> =
            CONJUNCTIONS.iter().flat_map(|conjunction| small.match_indices(conjunction)).collect();
        conjunctions.sort_unstable();
        conjunctions.into_iter().rev().find_map(|(at, conjunction)| {
            let (before, after) = (text[..at].trim(), text[at + conjunction.len()..].trim());
            self.known(after)?;
            let mut all = if self.known(before).is_some() { vec![before] } else { self.with_conjunctions(before)? };
            all.push(after);
            Some(all)
        })
    }
}

/// The parts of a text between marks that divide names.
fn divided(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    let mut begins = 0;
    let marks = text.match_indices([',', ';', '|', '\n', '/']);
    let ends = marks.filter(|(at, mark)| *mark != "/" || is_between_names(&text[..*at], &text[at + 1..]));
    for end in ends.map(|(at, _)| at).chain([text.len()]) {
        let part = text[begins..end].trim();
        begins = end + 1;
        // A legal form belongs to the name before it.
        if !part.is_empty() && (parts.is_empty() || !is_ending(part)) {
            parts.push(without_conjunction(part));
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn without_conjunction(part: &str) -> &str {
    let small = part.to_ascii_lowercase();
    BEFORE_LAST
        .iter()
        .find(|conjunction| small.starts_with(**conjunction))
        .map_or(part, |conjunction| part[conjunction.len()..].trim())
}

/// Whether a part after a comma belongs to the name before it: ` Inc.`, ` & Co.`, ` The`.
fn is_ending(part: &str) -> bool {
    let mut words =
        without_conjunction(part.trim()).split_whitespace().map(|word| word.replace('.', "").to_ascii_lowercase());
    let first = words.next().unwrap_or_default();
    // A letter or a number is that of a class or a series.
    let is_more = |word: String| word.len() == 1 || ENDINGS.contains(&&*word);
    ENDINGS.contains(&&*first) && (!BEGINNINGS.contains(&&*first) || words.all(is_more))
}

/// Whether a slash divides names: it has spaces around it, or words of three letters or more. It does not in `A/S`,
/// `/DE/` and `/NEW`.
fn is_between_names(before: &str, after: &str) -> bool {
    if before.ends_with(char::is_whitespace) && after.starts_with(char::is_whitespace) {
        return true;
    }
    let is_part = |c: &char| c.is_alphanumeric();
    let right = after.chars().take_while(is_part).count();
    let left = before.chars().rev().take_while(is_part).count();
    let state = ["NEW", "OLD", "CAN", "ADR"].iter().any(|state| after.starts_with(state) && right == state.len());
    left >= 3 && right >= 3 && !state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_company() {
        let companies = Companies::load(None).unwrap();
        for name in [
            "Apple",
            "Alphabet, Inc.",
            "ALPHABET, INC",
            "AT & T",
            "AT&T",
            "AT and T",
            "Johnson and Johnson",
            "JOHNSON & JOHNSON",
            "Procter and Gamble",
            "Bath and Body Works",
            "Smith and Jones",
            "Deere & Company",
            "Merck & Co., Inc.",
            "Coca-Cola Company, The",
            "Berkshire Hathaway, Class B",
            "Limited, The",
            "Foo, Inc. and Subsidiaries",
            "Power, Trust Company, The",
            "Novo Nordisk A/S",
            "WATERS CORP /DE/",
            "SCHWAB CHARLES CORP/NEW",
            "Black and Decker",
            "HOME DEPOT",
            "BRK B",
            "AAPL US Equity",
            "",
            ",",
        ] {
            assert_eq!(companies.several(name), None, "{name}");
        }
    }

    #[test]
    fn a_list_is_several_companies() {
        let companies = Companies::load(None).unwrap();
        for (text, expected) in [
            ("Apple, Microsoft", &["Apple", "Microsoft"][..]),
            ("Apple, Inc., Microsoft Corp.", &["Apple", "Microsoft Corp."]),
            ("Apple, The Home Depot", &["Apple", "The Home Depot"]),
            ("Apple, Inc., The Home Depot, Inc.", &["Apple", "The Home Depot"]),
            ("Apple, Limited Brands", &["Apple", "Limited Brands"]),
            ("Apple; Foo GmbH", &["Apple", "Foo GmbH"]),
            ("Procter & Gamble / Unilever", &["Procter & Gamble", "Unilever"]),
            ("Procter & Gamble/Unilever", &["Procter & Gamble", "Unilever"]),
            ("Apple and Microsoft", &["Apple", "Microsoft"]),
            ("Apple, Microsoft and Tesla", &["Apple", "Microsoft and Tesla"]),
            ("Apple, Microsoft, and Tesla", &["Apple", "Microsoft", "Tesla"]),
            ("Johnson & Johnson and Procter & Gamble", &["Johnson & Johnson", "Procter & Gamble"]),
            ("AT & T and Verizon", &["AT & T", "Verizon"]),
            ("AAPL AND MSFT", &["AAPL", "MSFT"]),
            ("AAPL & MSFT & TSLA", &["AAPL", "MSFT", "TSLA"]),
            ("AAPL MSFT", &["AAPL", "MSFT"]),
            ("Apple vs. Microsoft", &["Apple", "Microsoft"]),
            ("AT&T, Verizon", &["AT&T", "Verizon"]),
        ] {
            assert_eq!(companies.several(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_name_with_a_conjunction_is_found_however_that_is_written() {
        let companies = Companies::load(None).unwrap();
        let find = |word| companies.find(word).symbol().map(ToString::to_string);
        for (word, symbol) in
            [("AT & T", "T"), ("AT and T", "T"), ("Johnson and Johnson", "JNJ"), ("JOHNSON&JOHNSON", "JNJ")]
        {
            assert_eq!(find(word).as_deref(), Some(symbol), "{word}");
        }
    }
}
