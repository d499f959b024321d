//! Disclaimers at the end of a text: legal words that say nothing about the company.

/// The beginnings of disclaimers, in lower case. They count only where a sentence begins.
const BEGINNINGS: [&str; 28] = [
    "this article is for informational purposes",
    "this article is for information purposes",
    "this content is for informational purposes",
    "this is not investment advice",
    "this is not financial advice",
    "not investment advice",
    "nothing in this article constitutes",
    "nothing contained herein",
    "benzinga does not provide investment advice",
    "the motley fool has positions in",
    "the motley fool has a disclosure policy",
    "the views and opinions expressed herein",
    "past performance is no guarantee",
    "past performance is not",
    "past performance does not",
    "disclaimer:",
    "disclosure:",
    "safe harbor statement",
    "safe harbor:",
    "forward-looking statements:",
    "cautionary statement regarding forward",
    "cautionary note regarding forward",
    "this press release contains forward-looking statements",
    "this press release may contain forward-looking statements",
    "this news release contains forward-looking statements",
    "this release contains forward-looking statements",
    "certain statements in this press release",
    "statements in this press release that are not historical",
];

/// Words after which a full stop does not end a sentence in a copyright line.
const ABBREVIATIONS: [&str; 7] = [" inc", " corp", " co", " ltd", " llc", " l.p", " plc"];

/// A copyright line has fewer bytes than this.
const LONGEST_COPYRIGHT: usize = 160;

/// The text without its disclaimer: it is cut before the first sentence that begins as disclaimers do. The first
/// sentence of the text is always kept.
///
/// ```
/// # use tapewire_core::text::boilerplate::without;
/// assert_eq!(without("Profit doubled. This article is for informational purposes only."), "Profit doubled.");
/// assert_eq!(without("Disclosure of the breach sank shares."), "Disclosure of the breach sank shares.");
/// ```
pub fn without(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    let begins = |at: &usize| begins_sentence(&text[..*at]);
    let disclaimer = BEGINNINGS
        .iter()
        .filter_map(|beginning| lower.match_indices(beginning).map(|(at, _)| at).find(|at| begins(at)))
        .min();
    let mut kept = disclaimer.map_or(text, |at| text[..at].trim_end());
    // The text may now end in the copyright line that stood before the disclaimer: `© 2025 Benzinga.com.`
    while let Some(at) = kept.rfind("© ").filter(|at| kept.len() - at < LONGEST_COPYRIGHT && begins(at)) {
        // A credit that further sentences follow, such as that of a photo, is kept.
        let line = lower[at..kept.len()].trim_end().trim_end_matches('.');
        let line = line.strip_suffix("all rights reserved").unwrap_or(line).trim_end().trim_end_matches('.');
        let ends_sentence = |(end, _): (usize, &str)| !ABBREVIATIONS.iter().any(|form| line[..end].ends_with(form));
        if line.match_indices(". ").any(ends_sentence) || line.contains('\n') {
            break;
        }
        kept = kept[..at].trim_end();
    }
    kept
}

/// Whether a sentence begins after this text: it ends in a line break or a punctuation mark. After a word, what follows is
/// part of a sentence.
fn begins_sentence(before: &str) -> bool {
    let ends_line = |text: &str, end: &str| !end.is_empty() && text[end.len()..].contains(['\n', '\r']);
    let end = before.trim_end();
    // A quotation mark directly before the phrase opens a quotation, which is not a disclaimer: `"Past performance is not
    // what counts," he said.`
    if let Some(quoted) = before.strip_suffix('"') {
        return ends_line(quoted, quoted.trim_end());
    }
    ends_line(before, end) || end.ends_with(['.', '!', '?', ')', ']', '"', '”', '’', '*', '|', '…'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disclaimer_at_the_end_is_cut() {
        for (text, kept) in [
            (
                "Profit doubled. © 2025 Benzinga.com. Benzinga does not provide investment advice. All rights reserved.",
                "Profit doubled.",
            ),
            ("Profit doubled.\nDisclaimer: this may lose money", "Profit doubled."),
            ("Profit doubled\nSafe Harbor Statement\nSome words.", "Profit doubled"),
            (
                "Outlook raised. This press release contains forward-looking statements within the meaning of the Act.",
                "Outlook raised.",
            ),
            ("Profit. THIS ARTICLE IS FOR INFORMATIONAL PURPOSES ONLY", "Profit."),
            ("Profit doubled. © 2025 Wire. All rights reserved.", "Profit doubled."),
            ("Profit doubled. © 2025 Wire LLC. All Rights Reserved", "Profit doubled."),
            ("Profit doubled. © 2025 Acme Inc. and affiliates.", "Profit doubled."),
            ("\"Profit doubled\" Disclaimer: this may lose money", "\"Profit doubled\""),
            ("Profit doubled\n\"Safe Harbor Statement\" under the Act", "Profit doubled\n\""),
            // The credit of a photo.
            ("Apple falls. © Reuters. Apple shares fell 5%.", "Apple falls. © Reuters. Apple shares fell 5%."),
        ] {
            assert_eq!(without(text), kept);
        }
    }

    #[test]
    fn news_stays() {
        for text in [
            "This article is for informational purposes only.",
            "Court rules: the company's safe harbor statement was void",
            "Judge voids disclaimer: shares fall",
            "Analysts say past performance is not what moves the stock",
            "Maker said: \"Past performance is not what counts.\" Shares rose 5%.",
            "\"Past performance is not what counts,\" Maker said. Shares rose 5%.",
            "Fund rose. \"Past performance is not a guide,\" its manager said. Shares crashed after a fraud.",
            "Lender sinks. \"Disclosure: we are insolvent,\" he said.",
            "© 2025",
            "",
        ] {
            assert_eq!(without(text), text);
        }
    }
}
