//! Text as a reader sees it: no markup, no entities, no invisible characters, no disclaimers at the end.
//!
//! What providers sent stays on the topic `news` and in the table `articles`; a text is cleaned when it is scored.

pub mod boilerplate;
pub mod markup;
pub mod promotional;

use std::borrow::Cow;

/// Most passes that remove markup: removing one tag can form another (`<<b>b>`). Only a hostile text has markup left after
/// this many passes; its `<` and `&` then become spaces.
const MAX_PASSES: usize = 8;

/// The text that a model reads: cleaned by [`clean`], then without [`boilerplate`]. It is empty, or only spaces, where
/// a reader sees nothing.
pub fn readable(text: &str) -> Cow<'_, str> {
    match clean(text) {
        Cow::Borrowed(text) => Cow::Borrowed(boilerplate::without(text)),
        Cow::Owned(text) => Cow::Owned(boilerplate::without(&text).to_owned()),
    }
}

/// The text without markup and invisible characters, with entities decoded however often they were encoded. Plain text
/// stays as it is, also with `<` and `&` in it (`P<E`, `a < b`, `AT&T`). Cleaning a text twice is the same as cleaning
/// it once.
///
/// ```
/// use tapewire_core::text::clean;
///
/// assert_eq!(clean("<p>AT&amp;amp;T lifts\u{200b} its&nbsp;outlook</p>"), "AT&T lifts its outlook");
/// assert_eq!(clean("AT&T: if P<E, sell"), "AT&T: if P<E, sell");
/// ```
pub fn clean(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..MAX_PASSES {
        let Some(read) = remove_markup_once(&text) else { return text };
        text = Cow::Owned(read);
    }
    if remove_markup_once(&text).is_none() {
        return text;
    }
    // Without these two characters there is no markup and no entity.
    Cow::Owned(text.replace(['<', '&'], " "))
}

/// The text with its markup removed once; `None` if that changes nothing.
fn remove_markup_once(text: &str) -> Option<String> {
    let without_markup = markup::without(text);
    let of = without_markup.as_deref().unwrap_or(text);
    visible(of).or(without_markup)
}

/// The text without invisible characters and with every kind of space replaced by a plain one; `None` if nothing
/// changes.
fn visible(text: &str) -> Option<String> {
    let is_plain = |c: char| matches!(c, ' '..='~' | '\t' | '\n' | '\r') || (c > '~' && shown(c) == Some(c));
    (!text.chars().all(is_plain)).then(|| text.chars().filter_map(shown).collect())
}

/// Longest part of a text that a message quotes, in characters.
const LONGEST_QUOTE: usize = 60;

/// The text as messages quote it: in backticks, shortened if it is long, with the numbers of characters that nobody
/// sees.
///
/// ```
/// assert_eq!(tapewire_core::text::quoted("AA\u{200b}PL"), "`AA<U+200B>PL`");
/// ```
pub fn quoted(text: &str) -> String {
    let mut short = String::with_capacity(text.len().min(LONGEST_QUOTE) + 2);
    for c in text.chars().take(LONGEST_QUOTE) {
        match c {
            '\n' => short.push_str("\\n"),
            '\r' => short.push_str("\\r"),
            '\t' => short.push_str("\\t"),
            _ if c.is_control() || is_invisible(c) || c.is_whitespace() && c != ' ' => {
                short.push_str(&format!("<U+{:04X}>", u32::from(c)));
            }
            _ => short.push(c),
        }
    }
    if text.chars().nth(LONGEST_QUOTE).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}

/// The text without characters that nobody sees: marks of direction, zero-width spaces, control characters other than
/// white space.
pub fn without_invisible(text: &str) -> Cow<'_, str> {
    let is_unseen = |c: char| c.is_control() && !c.is_whitespace() || is_invisible(c);
    match text.contains(is_unseen) {
        true => Cow::Owned(text.chars().filter(|&c| !is_unseen(c)).collect()),
        false => Cow::Borrowed(text),
    }
}

/// What a reader sees of a character.
fn shown(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' => Some(c),
        '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1f}' | '\u{2028}' | '\u{2029}' | '\u{2800}' => Some(' '),
        // Characters of Windows-1252 that a program took for Latin-1.
        '\u{85}' => Some('…'),
        '\u{91}' => Some('‘'),
        '\u{92}' => Some('’'),
        '\u{93}' => Some('“'),
        '\u{94}' => Some('”'),
        '\u{95}' => Some('•'),
        '\u{96}' => Some('–'),
        '\u{97}' => Some('—'),
        _ if c.is_control() || is_invisible(c) => None,
        _ if c.is_whitespace() => Some(' '),
        _ => Some(c),
    }
}

/// Whether a character is not shown: Unicode's `Default_Ignorable_Code_Point` (soft hyphen, zero-width characters, marks
/// of direction, variation selectors, tags, fillers) and the marks of annotations.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_and_entities_are_gone() {
        for (sent, read) in [
            (
                "<div class=\"body\"><p style=\"color:red\">Profit doubled at Selby.</p></div>",
                "Profit doubled at Selby.",
            ),
            ("<script>var loss=true; crash(); fail();</script>Profit doubled at Selby.", "Profit doubled at Selby."),
            ("<SCRIPT type='x'>if (a<b) fail('</p>')</SCRIPT >Profit", "Profit"),
            ("<style>p > a { color: red }</style><p>Profit</p>", "Profit"),
            ("Profit<!-- loss > crash --> doubled", "Profit doubled"),
            ("Profit<!-- loss --!> doubled", "Profit doubled"),
            ("Profit <!-->doubled<!---> today", "Profit doubled today"),
            // A comment that is never closed takes nothing with it.
            ("Profit doubled <!-- at Selby", "Profit doubled at Selby"),
            ("<p>Profit</p><!-- begins <b>here</b>", "Profit begins here"),
            ("<!--", ""),
            ("<p>Profit</p><p>doubled</p>", "Profit doubled"),
            ("Pro<b>fit</b> doubled<br/>again<BR>today", "Profit doubled again today"),
            ("<ul>\n  <li>one</li>\n  <li>two</li>\n</ul>", "one two"),
            ("AT&amp;T", "AT&T"),
            ("AT&amp;amp;amp;T", "AT&T"),
            (
                "McDonald&#39;s and McDonald&#x2019;s and Wendy&#8217;s&hellip;",
                "McDonald's and McDonald’s and Wendy’s…",
            ),
            ("&lt;p&gt;Profit&lt;/p&gt;", "Profit"),
            ("&amp;lt;p&amp;gt;Profit &amp;amp; loss&amp;lt;/p&amp;gt;", "Profit & loss"),
            ("a &lt; b", "a < b"),
            ("<div data-x=\"{&quot;a&quot;:1}\">Profit</div>", "Profit"),
            ("<a title='5 > 4' href=x>Profit</a>", "Profit"),
            ("<![CDATA[<p>Profit</p>]]>", "Profit"),
            ("<?xml version=\"1.0\"?><!DOCTYPE html><html><body>Profit</body></html>", "Profit"),
            ("<ix:nonFraction name=\"x\">5</ix:nonFraction> and <o:p></o:p>up", "5 and up"),
            ("Profit doubled <a href=\"https://example.com/a", "Profit doubled"),
            ("<script>Profit doubled", "Profit doubled"),
            // The text is cut off within the script.
            ("Profit doubled <script>var loss=\"plunge\";", "Profit doubled"),
            ("Profit doubled <style>p.loss{color:red", "Profit doubled"),
            ("<img src=\"x.png\" alt=\"loss\"> Profit", "Profit"),
            ("&nbsp;", " "),
            ("R&amp;D &copy; 2025", "R&D © 2025"),
        ] {
            assert_eq!(clean(sent), read, "{sent}");
        }
    }

    #[test]
    fn plain_text_with_these_characters_is_not_touched() {
        for text in [
            "AT&T, R&D, S&P 500, M&A; Q&A",
            "P<E and a < b and c > d and 3<5>2",
            "if a <b and c> d",
            "Gartner <IT.N>, Allstate <ALL.N>, <AAPL> and <BRK.B>",
            "<X:BTCUSD> rises <3",
            "&c. & so on; &c; &unknownentity; &",
            "?a=1&copy=2&lt=3",
            "-> and <- and <-> and <!> and </>",
            "two  spaces\nand a\tline",
            "Café Zürich — 5 % ☕ 日本",
        ] {
            assert_eq!(clean(text), text);
            assert!(matches!(clean(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn invisible_characters_are_gone() {
        for (sent, read) in [
            ("\u{200b}", ""),
            ("\u{200b}\u{2060}\u{feff}", ""),
            ("\u{ad}", ""),
            ("\u{200e}\u{202e}\u{2066}\u{e0041}\u{fe0f}\u{3164}\u{0}\u{7f}\u{9f}", ""),
            ("&#8203;&shy;&zwnj;", ""),
            ("Profit\u{200b} dou\u{ad}bled", "Profit doubled"),
            ("Profit\u{a0}doubled\u{2003}today\u{3000}x", "Profit doubled today x"),
            ("McDonald\u{92}s", "McDonald’s"),
            ("<scr\u{200b}ipt>loss</scr\u{200b}ipt>Profit", "Profit"),
        ] {
            assert_eq!(clean(sent), read, "{sent:?}");
        }
    }

    #[test]
    fn markup_within_markup_ends() {
        let deep = format!("{}b>Profit", "<".repeat(5000));
        assert!(clean(&deep).contains("Profit"));
        let nested = format!("&{}lt;", "amp;".repeat(50_000));
        assert_eq!(clean(&nested), "<");
        let broken = "<a b=\"".repeat(20_000);
        assert_eq!(clean(&broken), clean(&clean(&broken)).as_ref());
        let mut split = "b>".to_owned();
        for _ in 0..40 {
            split = format!("<<b>{split}");
        }
        assert_eq!(clean(&split), clean(&clean(&split)).as_ref());
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("<p>"),
            Just("</p>"),
            Just("<"),
            Just(">"),
            Just("&"),
            Just("amp;"),
            Just("&lt;"),
            Just("&gt;"),
            Just("<script>"),
            Just("</script>"),
            Just("<!--"),
            Just("-->"),
            Just("<a href=\""),
            Just("\""),
            Just("'"),
            Just(" "),
            Just("b"),
            Just("lt;"),
            Just("#39;"),
            Just("/"),
            Just("="),
            Just("\u{200b}"),
            Just("&#x200b;"),
            Just("<![CDATA["),
            Just("]]>"),
            Just("text"),
            Just("&nbsp;"),
            Just("\u{a0}"),
            Just("<br"),
            Just("\n"),
            Just("This article is for informational purposes only."),
            Just(". "),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn cleaning_what_is_clean_changes_nothing(text in prop_oneof![pieces(), any::<String>()]) {
            let cleaned = clean(&text).into_owned();
            prop_assert_eq!(&clean(&cleaned), &cleaned);
            let read = readable(&text).into_owned();
            prop_assert_eq!(&readable(&read), &read);
        }

        #[test]
        fn plain_ascii_is_unchanged(text in "[ -%'-;=-~\t\n\r]{0,200}") {
            prop_assert_eq!(clean(&text), text.as_str());
        }

        #[test]
        fn words_between_tags_are_kept(words in prop::collection::vec("[a-zA-Z0-9]{1,8}", 1..10)) {
            let text = words.iter().map(|word| format!("<td class=\"x\">{word}</td>")).collect::<String>();
            prop_assert_eq!(clean(&text), words.join(" "));
        }
    }
}
