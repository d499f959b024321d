//! Where a text mentions a name or a ticker.

use std::ops::Range;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// Exchanges before the colon, as in `NYSE: F`.
const EXCHANGES: [&str; 9] = ["nyse", "nasdaq", "amex", "american", "arca", "cboe", "otc", "otcqb", "otcqx"];

/// A name, and the case in which it counts in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    text: String,
    case: Case,
    /// The name in the form in which it is compared with a text.
    pattern: Vec<char>,
}

/// The case in which a name counts in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Any,
    /// A name of one word may be an ordinary word (`Target`), so it counts only with a capital at the beginning.
    Capitalised,
    /// A name in capitals (`UPS`) counts only in capitals, because prices have ups and downs.
    Capitals,
}

impl Name {
    /// A name that somebody chose: it counts in upper and lower case, but a name in capitals counts only in capitals.
    pub fn chosen(text: impl Into<String>) -> Self {
        Self::new(text.into(), Case::Any)
    }

    /// A name of one word that counts only with a capital.
    pub fn capitalised(text: impl Into<String>) -> Self {
        let text = text.into();
        let pattern = compared(&text).collect();
        Self { text, case: Case::Capitalised, pattern }
    }

    /// A name that was derived from a legal name by rules.
    pub fn derived(text: impl Into<String>) -> Self {
        let text = text.into();
        let case = if text.contains(char::is_whitespace) { Case::Any } else { Case::Capitalised };
        Self::new(text, case)
    }

    fn new(text: String, case: Case) -> Self {
        let is_capitals = text.chars().all(char::is_uppercase);
        let case = if is_capitals { Case::Capitals } else { case };
        let pattern = match case {
            Case::Capitals => text.chars().collect(),
            Case::Any | Case::Capitalised => compared(&text).collect(),
        };
        Self { text, case, pattern }
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What a score depends on: the name, and the case in which it counts.
    pub fn key(&self) -> [&[u8]; 2] {
        let case: &[u8] = match self.case {
            Case::Any => b"any",
            Case::Capitalised => b"capitalised",
            Case::Capitals => b"capitals",
        };
        [self.text.as_bytes(), case]
    }

    /// The range of the name if `text` has it at `start`, which must be the beginning of a word. Unlike
    /// [`Name::first_in`], a capitalised name is found in lower case, too: the caller checks the capital.
    pub fn at(&self, text: &str, start: usize) -> Option<Range<usize>> {
        let compare = match self.case {
            Case::Capitals => |c| [Some(c), None],
            Case::Any | Case::Capitalised => folded,
        };
        occurrence(text, start, &self.pattern, compare)
    }

    /// The first occurrence in `text` as whole words, possibly followed by an English possessive. Accents, apostrophes and
    /// the kinds of hyphens and spaces make no difference.
    pub fn first_in(&self, text: &str) -> Option<Range<usize>> {
        let matches_case = |span: &Range<usize>| {
            self.case != Case::Capitalised || text[span.clone()].starts_with(|c: char| !c.is_lowercase())
        };
        match self.case {
            Case::Capitals => occurrences(text, &self.pattern, |c| [Some(c), None]).next(),
            _ => occurrences(text, &self.pattern, folded).find(matches_case),
        }
    }
}

/// Whether `before` ends with an exchange and a colon, after which a ticker stands.
pub fn is_of_exchange(before: &str) -> bool {
    let of_exchange = |before: &str| {
        let venue = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        EXCHANGES.iter().any(|exchange| venue.eq_ignore_ascii_case(exchange))
    };
    before.trim_end().strip_suffix(':').is_some_and(of_exchange)
}

/// A name in the form in which it is looked up.
pub fn normalised(name: &str) -> String {
    compared(name).collect()
}

/// The first occurrence of a ticker in `text`, in its own case. One that is not marked as a ticker (`$IT`, `(IT)`,
/// `NYSE: IT`, `<IT.N>`) counts only if it is unlikely to be a word: it has at least three letters, and the text is not
/// all in capitals.
pub fn first_ticker(text: &str, ticker: &str) -> Option<Range<usize>> {
    let is_distinctive = ticker.len() > 2 && text.contains(char::is_lowercase);
    tickers(text, ticker).find(|span| is_distinctive || is_marked(text, span))
}

/// The first occurrence of a ticker in `text` that is marked as one.
pub fn first_marked_ticker(text: &str, ticker: &str) -> Option<Range<usize>> {
    tickers(text, ticker).find(|span| is_marked(text, span))
}

fn tickers<'a>(text: &'a str, ticker: &str) -> impl Iterator<Item = Range<usize>> + use<'a> {
    let pattern: Vec<char> = ticker.chars().collect();
    occurrences_owned(text, pattern, |c| [Some(c), None])
}

/// Whether the text around `span` marks it as a ticker.
fn is_marked(text: &str, span: &Range<usize>) -> bool {
    let (before, after) = (&text[..span.start], &text[span.end..]);
    before.ends_with(['$', '<'])
        || before.ends_with(['(', '[']) && after.starts_with([')', ']', '.'])
        || is_of_exchange(before)
}

/// The form in which a character is compared: in lower case and without its accent. An apostrophe is skipped.
fn folded(c: char) -> [Option<char>; 2] {
    match c {
        '\'' | '\u{2018}' | '\u{2019}' | '\u{2bc}' | '`' => [None, None],
        '-' | '\u{2010}'..='\u{2014}' => [Some(' '), None],
        space if space.is_whitespace() => [Some(' '), None],
        c if c.is_ascii() => [Some(c.to_ascii_lowercase()), None],
        c if is_accent(c) => [None, None],
        // A Korean syllable would decompose into letters, of which only the first would be compared.
        '\u{ac00}'..='\u{d7a3}' => [Some(c), None],
        c => {
            let mut base = None;
            decompose_canonical(c, |part| {
                if base.is_none() && !is_combining_mark(part) {
                    base = Some(part);
                }
            });
            let mut lower = base.unwrap_or(c).to_lowercase();
            [lower.next(), lower.next()]
        }
    }
}

/// Whether a character is an accent that is written by itself, after its letter.
fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

/// Whether a character is a part of a word.
pub(super) fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || is_accent(c)
}

fn compared(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().flat_map(folded).flatten()
}

fn occurrences<'a>(
    text: &'a str,
    pattern: &'a [char],
    compare: fn(char) -> [Option<char>; 2],
) -> impl Iterator<Item = Range<usize>> + use<'a> {
    starts(text).filter_map(move |start| occurrence(text, start, pattern, compare))
}

fn occurrences_owned(
    text: &str,
    pattern: Vec<char>,
    compare: fn(char) -> [Option<char>; 2],
) -> impl Iterator<Item = Range<usize>> + use<'_> {
    starts(text).filter_map(move |start| occurrence(text, start, &pattern, compare))
}

/// Where words begin.
fn starts(text: &str) -> impl Iterator<Item = usize> + '_ {
    let mut before = None;
    text.char_indices().filter_map(move |(start, c)| {
        let begins_word = !before.replace(c).is_some_and(is_of_word);
        begins_word.then_some(start)
    })
}

fn occurrence(
    text: &str,
    start: usize,
    pattern: &[char],
    compare: fn(char) -> [Option<char>; 2],
) -> Option<Range<usize>> {
    let mut rest = pattern.iter();
    let mut end = start;
    for (at, c) in text[start..].char_indices() {
        if rest.as_slice().is_empty() {
            break;
        }
        let parts = compare(c);
        // A name does not begin with an apostrophe.
        if at == 0 && parts == [None, None] {
            return None;
        }
        for part in parts.into_iter().flatten() {
            if rest.next() != Some(&part) {
                return None;
            }
        }
        end = start + at + c.len_utf8();
    }
    // The accent of the last letter is of the name.
    end = text.len() - text[end..].trim_start_matches(is_accent).len();
    let is_whole = rest.as_slice().is_empty() && !pattern.is_empty() && !text[end..].starts_with(is_of_word);
    is_whole.then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_makes_no_difference() {
        for (name, text, found) in [
            ("Estee Lauder", "Ulta Beauty jumps; Estée Lauder plunges", "Estée Lauder"),
            ("Lowes", "Lowe's tops estimates", "Lowe's"),
            ("Lowe's", "Lowes tops estimates", "Lowes"),
            ("O'Reilly", "Shares of O\u{2019}Reilly rise", "O\u{2019}Reilly"),
            ("Coca Cola", "Coca\u{2011}Cola up", "Coca\u{2011}Cola"),
            ("Nestlé", "NESTLE rises", "NESTLE"),
            ("Nestlé", "Nestle\u{301} rises", "Nestle\u{301}"),
            ("Waters", "Agilent climbs as Waters tumbles", "Waters"),
            ("Deere", "Deere's profit", "Deere"),
        ] {
            assert_eq!(Name::derived(name).first_in(text).map(|span| &text[span]), Some(found), "{name} in {text}");
        }
    }

    #[test]
    fn an_ordinary_word_is_no_name() {
        for (name, text) in [
            ("Target", "The price target was raised"),
            ("Progressive", "a progressive loss"),
            ("Gap", "the gap widens"),
            ("Waters", "Headwaters rise"),
            ("Block", "Blockbuster"),
            ("Nestlé", "Nestle\u{301}s"),
            ("Waters", "Ate\u{301}Waters"),
        ] {
            assert_eq!(Name::derived(name).first_in(text), None, "{name} in {text}");
        }
        assert_eq!(Name::derived("Target").first_in("A target for TARGET"), Some(13..19));
    }
}
