//! The sentences of a text that name a company.

use crate::companies::Company;
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation as _;

/// Abbreviations that end with a full stop without ending a sentence, in lower case.
const ABBREVIATIONS: [&str; 23] = [
    "bros", "co", "corp", "cos", "dr", "inc", "jr", "llc", "ltd", "messrs", "mr", "mrs", "ms", "plc", "prof", "sen",
    "sr", "st", "vs", "u.k", "u.s", "u.n", "e.u",
];

/// The sentences that name the company, joined by spaces; the whole text if no sentence does.
///
/// Sentences that refer to the company without its name (`The company also ...`) are not found.
pub fn about<'a>(text: &'a str, company: &Company) -> Cow<'a, str> {
    let all = sentences(text);
    let about: Vec<&str> = all.iter().copied().filter(|sentence| company.first_mention(sentence).is_some()).collect();
    if about.is_empty() || about.len() == all.len() { Cow::Borrowed(text) } else { Cow::Owned(about.join(" ")) }
}

/// Splits a text by Unicode's rules for sentences (UAX #29), but not after abbreviations such as `Northgate Inc.`,
/// which these rules do not know. If a sentence does end with one (`a bid for Northgate Inc. Selby plunged.`), it is
/// joined with the next: it can't be told from `Northgate Inc. Chairman Doe` without understanding it, and one sentence
/// too many does less harm than half a sentence. `No.` is an abbreviation only before a digit.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, piece) in text.split_sentence_bound_indices() {
        let end = at + piece.len();
        if !ends_in_abbreviation(piece, &text[end..]) || end == text.len() {
            sentences.push(text[start..end].trim());
            start = end;
        }
    }
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

fn ends_in_abbreviation(piece: &str, next: &str) -> bool {
    let last = piece.trim_end().rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let Some(word) = last.strip_suffix('.') else { return false };
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    match word.to_lowercase().as_str() {
        "no" => next.starts_with(|c: char| c.is_ascii_digit()),
        word => initial || ABBREVIATIONS.contains(&word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sentences_end_where_a_reader_expects() {
        let text = "Shares of Northgate Inc. Class A rose 4.5% to $10.20. J. Doe of Selby & Co. Ltd. said \"No!\" \
                    Is it over? The U.S. Treasury waits. Is it a no. Yes, by Order No. 5 Article 2.\n\
                    A new line (see Orsay Corp. Annual Report). A bid for Northgate Inc. Selby plunged.";
        assert_eq!(
            sentences(text),
            [
                "Shares of Northgate Inc. Class A rose 4.5% to $10.20.",
                "J. Doe of Selby & Co. Ltd. said \"No!\"",
                "Is it over?",
                "The U.S. Treasury waits.",
                "Is it a no.",
                "Yes, by Order No. 5 Article 2.",
                "A new line (see Orsay Corp. Annual Report).",
                "A bid for Northgate Inc. Selby plunged.",
            ]
        );
    }

    #[test]
    fn sentences_that_name_the_company_are_kept_or_all() {
        let text = "Northgate gained. Selby sank. Both are banks, and Northgate's is the older.";
        let of = |name| about(text, &Company::named(name));
        assert_eq!(of("Northgate"), "Northgate gained. Both are banks, and Northgate's is the older.");
        assert_eq!(of("Selby"), "Selby sank.");
        assert_eq!(of("Orsay"), text);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_sentences(text in ".{0,200}") {
            let whole: String = sentences(&text).concat().split_whitespace().collect();
            prop_assert_eq!(whole, text.split_whitespace().collect::<String>());
        }
    }
}
