//! Records of every topic, tickers, texts and legal names, from anybody: no panic, no more memory than the input accounts
//! for, and what is accepted has the numbers and times that a plain reader finds.
//!
//! `tapewire_fuzzkit` says how many inputs run, and how to run more.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod records;

use jiff::{SignedDuration, Timestamp};
use tapewire_core::exchange::{Calendar, Session, floor_minute};
use tapewire_core::instrument::common_names;
use tapewire_core::text::{clean, readable};
use tapewire_core::{Article, Symbol, Watermark};
use tapewire_fuzzkit::{Dice, bounded, fuzz};

/// How many inputs `cargo test` tries for each target.
const INPUTS: usize = 4000;

#[test]
fn sessions_around_any_moment() {
    let calendar = Calendar::xnys();
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let ends = [Timestamp::MIN, Timestamp::MAX, Watermark::END, Timestamp::UNIX_EPOCH];
        let session = &calendar.sessions()[dice.below(calendar.sessions().len())];
        let end = dice.of(&ends);
        let base = dice.of(&[session.open, session.close, session.open, session.close, end]);
        let microseconds = dice.bits() as i64 >> dice.below(64);
        let at = base.saturating_add(SignedDuration::from_micros(microseconds)).unwrap_or(base);
        let minute = floor_minute(at);
        assert!(minute <= at && at.duration_since(minute) < MINUTE);
        assert!(calendar.before(at).is_none_or(|session| session.close <= at));
        assert!(calendar.after(at).is_none_or(|session| session.open > at));
        assert!(calendar.containing(at).is_none_or(|session| session.open <= at && at < session.close));
        let _ = (calendar.phase(at), calendar.day_from(at));
        if let Some((session, entry)) = calendar.first_tradable(at) {
            assert!(entry > at && session.open <= entry && entry < session.close, "{at} {entry}");
            // The first session of those around it that still has a whole minute.
            let minute = |session: &Session| if at < session.open { session.open } else { floor_minute(at) + MINUTE };
            let around = &calendar.sessions()[session.index.saturating_sub(2)..];
            let linear = around.iter().find(|&session| minute(session) + MINUTE <= session.close);
            assert_eq!(entry, minute(session), "{at}");
            assert_eq!(linear, Some(session), "{at}");
        }
    });
}

#[test]
fn tickers() {
    const PARTS: [&str; 42] = [
        "LON:", "HKEX:", "007", ".HK", ".TO", ".L", "BC", "A", "BRK", "brk", "ACHR", "GOOGL", "p", "P", "PR", "pr",
        "r", "w", "WS", "WT", "U", "UN", "RI", "B", "b", ".", "-", "/", "^", " ", ":", "X:", "O:", "_", "C", "1", "é",
        "İ", "\u{a0}", "İ", "\0", "\u{feff}",
    ];
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let text = match dice.once_in(8) {
            true => String::from_utf8_lossy(dice.rest()).into_owned(),
            false => (0..dice.within(1..9)).map(|_| dice.of(&PARTS)).collect(),
        };
        let Ok(symbol) = bounded(text.len(), || Symbol::new(&text)) else { return };
        let read = symbol.as_str();
        assert_eq!(Symbol::new(read).as_ref(), Ok(&symbol), "{text:?}");
        assert!((1..=Symbol::MAX_LEN + 1).contains(&read.len()) && read.is_ascii(), "{text:?} is {read:?}");
        // Letters may be lost or added, because they mark kinds of shares; digits may not.
        let digits = |text: &str| {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            // Hong Kong's numbers have four digits or more.
            if read.ends_with(".HK") { digits.trim_start_matches('0').to_owned() } else { digits }
        };
        assert_eq!(digits(read), digits(&text), "{text:?} is {read:?}");
        let _ = symbol.asset_class();
        if let Some(common) = symbol.common_share() {
            assert_eq!(Symbol::new(common.as_str()), Ok(common.clone()), "{text:?}");
            assert!(read.starts_with(common.as_str()) && common.common_share().is_none(), "{text:?}");
        }
    });
}

/// What texts of news are made of: markup, entities, whole and torn, and invisible characters.
const PIECES_OF_TEXT: [&str; 64] = [
    "<",
    ">",
    "&",
    ";",
    "#",
    "x",
    "p",
    "</",
    "/>",
    "<p>",
    "<br",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<script>",
    "</script>",
    "<style",
    "<a href=\"",
    "\"",
    "'",
    "=",
    "&amp;",
    "&amp;amp;",
    "&lt;",
    "&gt;",
    "&#",
    "&#x",
    "39;",
    "&#0;",
    "&#xd800;",
    "&#x110000;",
    "&#99999999999;",
    "&nbsp;",
    "&ngE;",
    "&nvlt;",
    "&NotEqualTilde;",
    "&fjlig;",
    "&hellip",
    "\u{200b}",
    "\u{a0}",
    "\u{85}",
    "\u{2028}",
    "\0",
    "\n",
    "\t",
    " ",
    "  ",
    "AT&T",
    "P<E",
    "a < b",
    "é",
    "😀",
    "\u{e0041}",
    ". ",
    "!",
    "Maker rises",
    "This article is for informational purposes only.",
    "Disclaimer:",
    "(c) 2025",
    "All rights reserved.",
    "<table><tr><td>",
    "<title>",
    "<textarea>",
];

/// A text made of pieces of markup, or whatever the bytes are.
fn marked_up(bytes: &[u8]) -> String {
    let mut dice = Dice::new(bytes);
    match dice.once_in(8) {
        true => String::from_utf8_lossy(dice.rest()).into_owned(),
        false => (0..dice.below(60)).map(|_| dice.of(&PIECES_OF_TEXT)).collect(),
    }
}

#[test]
fn texts() {
    fuzz!(INPUTS, |bytes: &[u8]| {
        let text = marked_up(bytes);
        let cleaned = bounded(text.len(), || clean(&text).into_owned());
        // An entity grows most: `&nGt;`, of five bytes, becomes two characters of six bytes together.
        assert!(cleaned.len() <= 2 * text.len(), "{text:?} is {cleaned:?}");
        assert_eq!(clean(&cleaned), cleaned, "{text:?}");
        let read = bounded(text.len(), || readable(&text).into_owned());
        assert_eq!(readable(&read), read, "{text:?}");
        assert!(read.len() <= cleaned.len());
        assert!(!read.contains(['\0', '\u{200b}', '\u{85}', '\u{2028}']), "{text:?} is {read:?}");
        let revision = Article::fingerprint(&text, &read, &[]);
        assert_eq!(revision, Article::fingerprint(&text, &read, &[]));
    });
}

/// What legal names are made of.
const PARTS_OF_NAMES: [&str; 48] = [
    "WATERS",
    "Southwest",
    "Airlines",
    "CO",
    "CORP",
    "Inc.",
    "INC",
    "Ltd",
    "plc",
    "/DE/",
    "/NEW",
    "/",
    " - ",
    "-",
    ",",
    ".",
    " ",
    "  ",
    "The",
    "the",
    "Group",
    "Holdings",
    "Class A",
    "Common Stock",
    "(",
    ")",
    "&",
    "'",
    "’",
    "SCHWAB",
    "CHARLES",
    "International",
    "Business",
    "Machines",
    "Com",
    ".com",
    "3M",
    "A",
    "of",
    "and",
    "S.A.",
    "N.V.",
    "ADR",
    "é",
    "İ",
    "\u{a0}",
    "Warrant",
    "\0",
];

#[test]
fn legal_names() {
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let ticker = Symbol::new(dice.of(&["IBM", "A", "BRK.B"])).unwrap();
        let legal: String = match dice.once_in(8) {
            true => String::from_utf8_lossy(dice.rest()).into_owned(),
            false => (0..dice.below(20)).flat_map(|_| [dice.of(&PARTS_OF_NAMES), dice.of(&[" ", "", " "])]).collect(),
        };
        let names = bounded(legal.len(), || common_names(&legal, Some(&ticker)));
        let longest = names.aliases.iter().chain([&names.name]).map(String::len).max().unwrap_or_default();
        assert!(longest <= 3 * legal.len() + 4, "{legal:?} is {names:?}");
        assert!(names.aliases.iter().all(|alias| !alias.trim().is_empty()), "{legal:?} is {names:?}");
        assert!(names.aliases.len() <= legal.len() + 4, "{legal:?} is {names:?}");
    });
}
