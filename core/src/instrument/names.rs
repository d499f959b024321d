//! From a legal name to the names by which texts mention a company.
//!
//! The rules remove from the end what only lawyers and registers write: the state in slashes, the class of share, the
//! legal form. What is left is the name. Shorter forms of it are aliases: the name without `Group` or `Holdings`, or
//! without what the company does (`Southwest Airlines`, `Chipotle Mexican Grill`). A single word with which the names
//! of many companies begin (`American`, `First`) is not an alias.
//!
//! Names are for texts that a provider has tagged with the company's ticker. Some names are ordinary words (`Target`,
//! `Gap`, `Progressive`), so the caller has to match names with their capitals.

use super::words::{ACRONYMS, CLASSES, COMMON, INDUSTRIES, LEGAL, NOT_INITIALS, OWNERS};
use crate::Symbol;

/// The names of a company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The common name: `Waters`. Empty if the legal name is empty.
    pub name: String,
    /// Shorter and other names: `Southwest` for Southwest Airlines, `IBM`.
    pub aliases: Vec<String>,
}

/// Given names that registers write after the surname: `SCHWAB CHARLES CORP`.
const GIVEN: [&str; 10] =
    ["charles", "arthur", "walt", "william", "robert", "john", "joseph", "edward", "henry", "ralph"];

/// The names by which texts mention the company with this legal name. The initials are an alias if they are the ticker
/// `symbol` (`IBM`).
///
/// ```
/// use tapewire_core::Symbol;
/// use tapewire_core::instrument::common_names;
///
/// let names = common_names("SOUTHWEST AIRLINES CO", Some(&Symbol::new("LUV")?));
/// assert_eq!((&*names.name, names.aliases), ("Southwest Airlines", vec!["Southwest".to_owned()]));
/// assert_eq!(common_names("WATERS CORP /DE/", None).name, "Waters");
/// # Ok::<(), tapewire_core::symbol::NotASymbol>(())
/// ```
pub fn common_names(legal: &str, symbol: Option<&Symbol>) -> Names {
    let mut aliases = Vec::new();
    let issuer = without_class(without_state(legal));
    let (issuer, other) = issuer.split_once(" - ").unwrap_or((issuer, ""));
    let words = spelled(issuer);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    drop_legal(&mut words);
    if words.first().is_some_and(|first| first.eq_ignore_ascii_case("the")) && words.len() > 1 {
        words.remove(0);
    }
    let (words, surname) = in_order(words);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = words.join(" ");
    aliases.extend(surname);
    aliases.extend(shorter(&words));
    if let Some(domain) = name.strip_suffix(" Com") {
        aliases.push(format!("{domain}.com"));
    }
    aliases.extend(initials(&words, symbol));
    // Names after a further ` - ` are left out, because a text may have any number of them.
    let other = other.split(" - ").next().unwrap_or_default();
    if !other.trim().is_empty() {
        aliases.push(common_names(other, None).name);
    }
    let name = name.strip_suffix(" Com").or_else(|| name.strip_suffix(".com")).unwrap_or(&name).to_owned();
    aliases.retain(|alias| !alias.is_empty() && *alias != name);
    aliases.dedup();
    Names { name, aliases }
}

/// Whether a word can't stand for one company alone: many names begin with it (`American`, `Gold`), or it says what a
/// company does (`Media`).
pub fn is_common(word: &str) -> bool {
    let word = word.to_lowercase();
    COMMON.contains(&&*word) || INDUSTRIES.contains(&&*word)
}

/// The name without the state in which the company is registered and similar marks: `/DE/`, `/NEW`, `/ADR`.
fn without_state(mut legal: &str) -> &str {
    loop {
        legal = legal.trim().trim_end_matches('/').trim_end();
        match legal.rsplit_once('/') {
            // The Danish and Norwegian `A/S` is a legal form.
            Some((before, state))
                if state.eq_ignore_ascii_case("s")
                    && before.len() > 1
                    && before.as_bytes()[before.len() - 2..].eq_ignore_ascii_case(b" a") =>
            {
                return legal;
            }
            Some((before, state)) if state.len() <= 5 && !before.trim().is_empty() && !state.contains('.') => {
                legal = before
            }
            _ => return legal.trim(),
        }
    }
}

/// The name without the class of share that lists of instruments write after it.
fn without_class(legal: &str) -> &str {
    let lower = legal.to_ascii_lowercase();
    let class = CLASSES.iter().filter_map(|class| {
        let found = lower.match_indices(class).map(|(at, _)| at);
        found.filter(|at| *at > 0 && !lower.as_bytes()[at - 1].is_ascii_alphanumeric()).min()
    });
    let end = class.min().unwrap_or(legal.len());
    legal[..end].trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '-' | ',' | '(' | '–'))
}

/// The words of a name. A name in capitals gets the usual case, except for words that look like initials.
fn spelled(issuer: &str) -> Vec<String> {
    let words = issuer.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let is_capitals = words
        .clone()
        .filter(|word| word.len() > 2 && !LEGAL.contains(&plain(word).as_str()))
        .all(|word| !word.contains(char::is_lowercase));
    let mut words: Vec<String> = words.map(|word| if is_capitals { cased(word) } else { word.to_owned() }).collect();
    // `O REILLY`
    if words.len() > 1 && matches!(words[0].as_str(), "O" | "D") && words[1].len() > 2 {
        let joined = format!("{}'{}", words[0], words[1]);
        words.splice(..2, [joined]);
    }
    words
}

fn cased(word: &str) -> String {
    let has = |is: fn(char) -> bool| word.chars().any(is);
    let is_initials = word.len() <= 5 && !word.contains(['A', 'E', 'I', 'O', 'U', 'Y']) || ACRONYMS.contains(&word);
    if is_initials || has(|c| c.is_ascii_digit() || c == '&') || !has(char::is_uppercase) {
        return word.to_owned();
    }
    let mut begins = true;
    let case = |c: char| {
        let cased = if begins { c.to_uppercase().to_string() } else { c.to_lowercase().to_string() };
        begins = matches!(c, '-' | '/' | '.');
        cased
    };
    word.chars().map(case).collect()
}

/// A word in the form of the lists in [`super::words`]: `Inc.` is `inc`, `S.A.` is `sa`.
fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '.' | ',' | '\'' | '(' | ')')).flat_map(char::to_lowercase).collect()
}

fn drop_legal(words: &mut Vec<&str>) {
    while words.len() > 1 {
        if words.last().is_some_and(|last| LEGAL.contains(&plain(last).as_str())) {
            words.pop();
            continue;
        }
        // `N V` and `A/S` are legal forms of single letters. The end of a longer row of letters is not: the `S A` of
        // `U S A`.
        let is_letter = |word: &str| plain(word).chars().count() == 1;
        let spaced = (2..=3).rev().filter(|count| *count < words.len()).find(|count| {
            let (before, last) = words.split_at(words.len() - count);
            let joined: String = last.iter().map(|word| plain(word)).collect();
            last.iter().all(|word| is_letter(word))
                && before.last().is_some_and(|word| !is_letter(word))
                && LEGAL.contains(&&*joined)
        });
        let is_a_s = words.last().is_some_and(|last| last.eq_ignore_ascii_case("a/s"));
        match spaced.or(is_a_s.then_some(1)) {
            Some(count) => words.truncate(words.len() - count),
            None => break,
        }
    }
}

/// `Schwab Charles` as `Charles Schwab`, with the surname as an alias.
fn in_order(words: Vec<&str>) -> (Vec<String>, Option<String>) {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    match words[..] {
        [surname, given] if GIVEN.contains(&plain(given).as_str()) => {
            (owned(&[given, surname]), Some(surname.to_owned()))
        }
        _ => (owned(&words), None),
    }
}

/// The name without the words for a holding company and for what the company does.
fn shorter(words: &[&str]) -> Vec<String> {
    let mut aliases = Vec::new();
    let mut rest = words.to_vec();
    loop {
        let lower: Vec<String> = rest.iter().map(|word| plain(word)).collect();
        let before = |count: usize| lower.len().checked_sub(count).filter(|before| *before > 0);
        let ends = |phrase: &&str| match phrase.split_once(' ') {
            Some((first, second)) => before(2).filter(|at| lower[*at] == first && lower[at + 1] == second).map(|_| 2),
            None => before(1).filter(|at| lower[*at] == *phrase).map(|_| 1),
        };
        let Some(count) = OWNERS.iter().chain(&INDUSTRIES).find_map(ends) else { return aliases };
        rest.truncate(rest.len() - count);
        drop_legal(&mut rest);
        let [.., last] = rest[..] else { return aliases };
        let is_common = rest.len() == 1 && (COMMON.contains(&plain(last).as_str()) || last.len() < 3);
        let is_joint = matches!(plain(last).as_str(), "of" | "&" | "and" | "for");
        if is_common || is_joint {
            return aliases;
        }
        aliases.push(rest.join(" "));
    }
}

/// The ticker, if it is the initials of the name and not an ordinary word.
fn initials(words: &[&str], symbol: Option<&Symbol>) -> Option<String> {
    let ticker = symbol?.as_str();
    let initials: String = words.iter().filter(|word| **word != "&").filter_map(|word| word.chars().next()).collect();
    (words.len() > 2 && initials.eq_ignore_ascii_case(ticker) && !NOT_INITIALS.contains(&ticker))
        .then(|| ticker.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Legal name, ticker, common name, and other names.
    const COMMON_NAMES: &[(&str, &str, &str, &[&str])] = &[
        ("Waters Corporation /DE/", "WAT", "Waters", &[]),
        ("WATERS CORP /DE/", "WAT", "Waters", &[]),
        ("META PLATFORMS, INC.", "META", "Meta Platforms", &["Meta"]),
        ("ALPHABET INC. CLASS A", "GOOGL", "Alphabet", &[]),
        ("Alphabet Inc. Class C Capital Stock", "GOOG", "Alphabet", &[]),
        ("Deere & Co", "DE", "Deere", &[]),
        ("DEERE & CO", "DE", "Deere", &[]),
        ("The Boeing Company", "BA", "Boeing", &[]),
        ("SOUTHWEST AIRLINES CO", "LUV", "Southwest Airlines", &["Southwest"]),
        ("DELTA AIR LINES, INC.", "DAL", "Delta Air Lines", &["Delta", "DAL"]),
        ("American Airlines Group Inc.", "AAL", "American Airlines Group", &["American Airlines"]),
        ("INTERNATIONAL BUSINESS MACHINES CORP", "IBM", "International Business Machines", &["IBM"]),
        ("UNITED PARCEL SERVICE INC", "UPS", "United Parcel Service", &["UPS"]),
        ("Alexandria Real Estate Equities", "AREE", "Alexandria Real Estate Equities", &["AREE"]),
        ("Alexandria Real Estate, Inc.", "ARE", "Alexandria Real Estate", &[]),
        ("3M CO", "MMM", "3M", &[]),
        ("NOVO NORDISK A S", "NVO", "Novo Nordisk", &[]),
        ("GENMAB A/S", "GMAB", "Genmab", &[]),
        ("Heineken Holding N V", "HKHHY", "Heineken Holding", &["Heineken"]),
        ("DEUTSCHE LUFTHANSA A G", "DLAKY", "Deutsche Lufthansa", &[]),
        ("Enel S P A", "ENLAY", "Enel", &[]),
        ("Credit Union U S A Inc", "CUSA", "Credit Union U S A", &[]),
        ("BERKSHIRE HATHAWAY INC", "BRK-B", "Berkshire Hathaway", &[]),
        ("CHIPOTLE MEXICAN GRILL INC", "CMG", "Chipotle Mexican Grill", &["Chipotle", "CMG"]),
        ("PROGRESSIVE CORP/OH/", "PGR", "Progressive", &[]),
        ("ESTEE LAUDER COMPANIES INC", "EL", "Estee Lauder", &[]),
        ("AT&T INC.", "T", "AT&T", &[]),
        ("ServiceNow, Inc.", "NOW", "ServiceNow", &[]),
        ("MICRON TECHNOLOGY INC", "MU", "Micron Technology", &["Micron"]),
        ("WESTERN DIGITAL CORP", "WDC", "Western Digital", &[]),
        ("SCHWAB CHARLES CORP", "SCHW", "Charles Schwab", &["Schwab"]),
        ("AMAZON COM INC", "AMZN", "Amazon", &["Amazon.com"]),
        ("Amazon.com, Inc.", "AMZN", "Amazon", &[]),
        ("O REILLY AUTOMOTIVE INC", "ORLY", "O'Reilly Automotive", &["O'Reilly"]),
        ("COSTCO WHOLESALE CORP /NEW", "COST", "Costco Wholesale", &["Costco"]),
        ("UNITEDHEALTH GROUP INC", "UNH", "Unitedhealth Group", &["Unitedhealth"]),
        ("PETROBRAS - PETROLEO BRASILEIRO SA", "PBR", "Petrobras", &["Petroleo Brasileiro"]),
        (
            "Alibaba Group Holding Ltd American Depositary Shares, each representing eight",
            "BABA",
            "Alibaba Group Holding",
            &["Alibaba Group", "Alibaba"],
        ),
        ("Galderma Group AG/ADR", "GALDY", "Galderma Group", &["Galderma"]),
        ("Spotify Technology S.A.", "SPOT", "Spotify Technology", &["Spotify"]),
        ("Brunswick Corporation 6.375% Depositary Shares", "BCpC", "Brunswick Corporation 6.375%", &[]),
        ("Archer Aviation Inc. Warrants, each exercisable", "ACHR.WS", "Archer Aviation", &[]),
        ("WELLS FARGO & COMPANY/MN", "WFC", "Wells Fargo", &[]),
        ("Target Corp", "TGT", "Target", &[]),
        ("MOODYS CORP /DE/", "MCO", "Moodys", &[]),
        ("SPDR S&P 500 ETF TRUST", "SPY", "SPDR S&P 500 ETF Trust", &[]),
        ("First Financial Corp", "THFF", "First Financial", &[]),
        ("DOMINOS PIZZA INC", "DPZ", "Dominos Pizza", &["Dominos"]),
        ("ROYAL CARIBBEAN CRUISES LTD", "RCL", "Royal Caribbean Cruises", &["Royal Caribbean"]),
        ("BROOKFIELD Corp /ON/", "BN", "Brookfield", &[]),
        ("NIKE, Inc.", "NKE", "Nike", &[]),
        ("Macy's, Inc.", "M", "Macy's", &[]),
        ("PG&E Corp", "PCG", "PG&E", &[]),
        ("NRG ENERGY, INC.", "NRG", "NRG Energy", &["NRG"]),
    ];

    #[test]
    fn a_name_of_any_length_is_read() {
        assert_eq!(common_names(&"a - ".repeat(100_000), None).name, "a");
        assert!(!common_names(&format!("x{}", "/s".repeat(500_000)), None).name.is_empty());
    }

    #[test]
    fn legal_names_become_common_ones() {
        for &(legal, ticker, name, aliases) in COMMON_NAMES {
            let names = common_names(legal, Symbol::new(ticker).ok().as_ref());
            assert_eq!(
                (&*names.name, names.aliases.iter().map(String::as_str).collect::<Vec<_>>().as_slice()),
                (name, aliases),
                "{legal}"
            );
        }
    }

    #[test]
    fn a_name_of_words_that_are_removed_keeps_one_of_them() {
        for legal in ["Inc", "The Co", "CO", "Group", "Holdings Inc."] {
            assert!(!common_names(legal, None).name.is_empty(), "{legal}");
        }
        assert_eq!(common_names(" / ", None).name, "");
    }

    proptest! {
        #[test]
        fn any_name_can_be_read(legal in ".{0,60}") {
            let names = common_names(&legal, None);
            prop_assert!(names.aliases.iter().all(|alias| !alias.is_empty()));
        }
    }
}
