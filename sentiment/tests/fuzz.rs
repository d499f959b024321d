//! Files of companies, names in texts and sentencepiece models, whatever is in them: no panic, and what is accepted is
//! what a plain reader finds.
//!
//! `tapewire_fuzzkit` says how many inputs run, and how to run more.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::train;
use std::collections::HashSet;
use tapewire_core::Symbol;
use tapewire_fuzzkit::{Dice, bounded, fuzz, table};
use tapewire_models::{Registry, Source, TokenizerFiles};
use tapewire_sentiment::ScoreError;
use tapewire_sentiment::companies::{
    Companies,
    finding::{Finder, Found},
    table::read,
};
use tapewire_sentiment::engine::tokenizer::{TextTokenizer, Window};
use tapewire_sentiment::engine::windows::Overflow;

/// The limit of tokens that the tokenizer is loaded with, so low that many texts exceed it.
const LIMIT: usize = 32;

/// How many inputs `cargo test` tries for each target.
const INPUTS: usize = 4000;

const TABLES: [&str; 2] = [
    "symbol,name,aliases
AAPL,Apple,Apple Inc;iPhone maker
BC-PC,Brunswick,
BRK.B,Berkshire Hathaway,Berkshire
",
    "symbol,name,kind,exchange,cik,figi,valid_from,valid_to
AAPL,Apple Inc.,stock,Nasdaq,320193,BBG000B9XRY4,,
FB,Meta Platforms,stock,Nasdaq,1326801,,2012-05-18,2022-06-08
",
];

#[test]
fn tables_of_companies() {
    fuzz!(INPUTS, |bytes: &[u8]| {
        let content = table::file(&mut Dice::new(bytes), &TABLES);
        let text = String::from_utf8_lossy(&content);
        let table = match bounded(text.len(), || read("companies.csv", &text)) {
            Ok(table) => table,
            Err(error) => return assert!(error.to_string().contains("companies.csv"), "{error}"),
        };
        let plain =
            csv::ReaderBuilder::new().flexible(true).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let rows: Vec<csv::StringRecord> = plain.into_records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), table.instruments.len());
        let mut plain =
            csv::ReaderBuilder::new().flexible(true).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header: Vec<String> = plain.headers().unwrap().iter().map(|name| name.trim().to_owned()).collect();
        for (row, instrument) in rows.iter().zip(&table.instruments) {
            let cell = |name: &str| {
                let at = header.iter().position(|column| column == name)?;
                row.get(at).map(str::trim).filter(|cell| !cell.is_empty())
            };
            assert_eq!(instrument.symbol, Symbol::new(cell("symbol").unwrap()).unwrap());
            assert_eq!(Some(instrument.name.as_str()), cell("name"));
            assert_eq!(instrument.cik, cell("cik").map(|cik| cik.parse().unwrap()));
            for (day, name) in [(instrument.valid_from, "valid_from"), (instrument.valid_to, "valid_to")] {
                assert_eq!(day, cell(name).map(|day| day.parse().unwrap()), "{name}");
            }
        }
    });
}

/// Names, what stands beside them, and characters that case and accents make hard.
const PIECES: [&str; 40] = [
    "Apple",
    "apple",
    "APPLE",
    "Alphabet",
    "Google",
    "GOOG",
    "$AAPL",
    "(AAPL)",
    "(NASDAQ: AAPL)",
    "AAPL",
    "Target",
    "Gap",
    "Berkshire",
    "Hathaway",
    "3M",
    "AT&T",
    "'s",
    "’s",
    " ",
    " ",
    " ",
    "-",
    ".",
    ",",
    "é",
    "İ",
    "ß",
    "ẞ",
    "\u{200b}",
    "\u{a0}",
    "😀",
    "\u{e0041}",
    "ﬁ",
    "K",
    "<b>",
    "\0",
    "\n",
    "Inc.",
    "the",
    "e\u{301}",
];

#[test]
fn names_in_texts() {
    let companies = Companies::load(None).unwrap();
    let asked =
        ["AAPL", "GOOG", "TGT", "GAP", "BRK.B", "MMM", "T", "Apple", "ﬁ", "İ", "é"].map(|word| companies.find(word));
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let company = &asked[dice.below(asked.len())];
        let text: String = (0..dice.below(24)).map(|_| dice.of(&PIECES)).collect();
        let (found, name) = bounded(text.len(), || (company.first_mention(&text), company.name_in(&text)));
        assert!(found.is_none_or(|at| text.is_char_boundary(at) && at < text.len()), "{text:?} {found:?}");
        // A name is asked for as the text writes it.
        assert!(name.is_none_or(|name| !name.is_empty()), "{text:?}");
    });
}

#[test]
fn companies_found_in_texts() {
    const SIGNS: [&str; 12] = [
        " shares ",
        " Inc",
        ", Inc.",
        " reports ",
        " and ",
        "NYSE: ",
        "$",
        "Morgan Stanley",
        "F",
        "TSLA",
        "UNH",
        "The ",
    ];
    let companies = Companies::load(None).unwrap();
    let finder = Finder::new(companies.clone());
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let piece = |dice: &mut Dice| if dice.once_in(2) { dice.of(&SIGNS) } else { dice.of(&PIECES) };
        let text: String = (0..dice.below(32)).map(|_| piece(&mut dice)).collect();
        let found = bounded(text.len(), || finder.find(&text, None));
        assert!(found.len() <= 10 && found.is_sorted_by_key(|found| found.span.start), "{text:?} {found:?}");
        let symbols: HashSet<&Symbol> = found.iter().map(|found| &found.symbol).collect();
        assert_eq!(symbols.len(), found.len(), "{text:?} {found:?}");
        for Found { symbol, span } in &found {
            // The names by which a model is asked are looked up in another way.
            let company = companies.of_symbol(symbol, None);
            let (before, name) = (&text[..span.start], &text[span.clone()]);
            let is_ticker = name == symbol.as_str() && before.trim_end().ends_with(['$', ':']);
            assert!(is_ticker || company.first_mention(name) == Some(0), "{text:?} {symbol} {name:?}");
            assert!(company.first_mention(&text).is_some_and(|first| first <= span.start), "{text:?} {symbol}");
        }
    });
}

/// Pieces that tokenizers stumble over, and words.
const TOKENS: [&str; 40] = [
    "Apple",
    "profit",
    "fell",
    "unaffable",
    "Apple gains as Microsoft slips",
    " ",
    " ",
    " ",
    "\n",
    "\t",
    "\0",
    ".",
    "-",
    "'s",
    "[SEP]",
    "[CLS]",
    "[MASK]",
    "[UNK]",
    "[PAD]",
    "##s",
    "\u{200b}",
    "\u{a0}",
    "\u{ad}",
    "\u{301}",
    "\u{fe0f}",
    "\u{202e}",
    "\u{e000}",
    "\u{feff}",
    "\u{fffd}",
    "\u{10ffff}",
    "é",
    "İ",
    "ﬃ",
    "漢字",
    "日本",
    "नमस्ते",
    "العربية",
    "😀",
    "👨‍👩‍👧",
    "12.5%",
];

/// Checks the windows of a text with or without a company.
fn assert_windows(windows: &[Window], text: &str, [begin, end]: [u32; 2], vocabulary: u32) {
    assert!(!windows.is_empty(), "{text:?}");
    for Window { encoding, weight } in windows {
        let (ids, types) = (&encoding.input_ids, &encoding.token_type_ids);
        assert!(ids.len() <= LIMIT && ids.len() == types.len(), "{text:?}");
        assert!(ids.iter().all(|&id| id < vocabulary) && types.iter().all(|&kind| kind <= 1), "{text:?}");
        assert_eq!((ids.first(), ids.last()), (Some(&begin), Some(&end)), "{text:?}");
        // A separator that is written in a text is read as plain text: there is one, or two with a company.
        let separators = ids.iter().filter(|&&id| id == end).count();
        assert_eq!(separators, 1 + usize::from(types.contains(&1)), "{text:?}");
        assert!(weight.is_finite() && *weight > 0.0, "{text:?}");
    }
    assert!(windows.len() == 1 || windows.len() <= text.len(), "{text:?}");
}

#[test]
fn windows_of_texts() {
    let files = Registry::from_env().resolve(&Source::default()).unwrap();
    let tokenizer = std::panic::AssertUnwindSafe(TextTokenizer::load(&files.tokenizer, LIMIT).unwrap());
    let empty = tokenizer.encode("", None, Overflow::Windows).unwrap().remove(0).encoding.input_ids;
    let [begin, end] = empty[..] else { panic!("{empty:?}") };
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(&files.config).unwrap()).unwrap();
    let vocabulary = u32::try_from(config["vocab_size"].as_u64().unwrap()).unwrap();
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let long = dice.once_in(16);
        let text: String = match dice.once_in(8) {
            true => String::from_utf8_lossy(dice.rest()).into_owned(),
            false => (0..dice.below(if long { 200 } else { 40 })).map(|_| dice.of(&TOKENS)).collect(),
        };
        // A token takes a few hundred bytes while it is made.
        let (sees, windows) = bounded(8 * text.len(), || {
            let all = [Overflow::Windows, Overflow::KeepStart, Overflow::KeepEnd, Overflow::Refuse];
            (tokenizer.sees(&text), all.map(|overflow| tokenizer.encode(&text, None, overflow)))
        });
        let seen = sees.unwrap();
        let [whole, start, last, refused] = windows;
        let whole = whole.unwrap();
        assert_windows(&whole, &text, [begin, end], vocabulary);
        assert_eq!(whole.iter().any(|window| window.encoding.input_ids.len() > 2), seen || whole.len() > 1, "{text:?}");
        assert_eq!(start.unwrap()[0].encoding, whole[0].encoding, "{text:?}");
        assert_eq!(last.unwrap()[0].encoding, whole[whole.len() - 1].encoding, "{text:?}");
        assert_eq!(matches!(refused, Err(ScoreError::Length { .. })), whole.len() > 1, "{text:?}");
        let asked = std::cell::RefCell::new(Vec::new());
        let is_named = |part: &str| {
            asked.borrow_mut().push(part.to_owned());
            part.contains("Apple")
        };
        match bounded(8 * text.len(), || tokenizer.encode_about(&text, "Apple Inc", is_named, Overflow::Windows)) {
            Ok(windows) => assert_windows(&windows, &text, [begin, end], vocabulary),
            Err(error) => assert!(matches!(error, ScoreError::CompanyTooLong { .. }), "{error}"),
        }
        assert!(asked.into_inner().iter().all(|part| text.contains(part.as_str())), "{text:?}");
    });
}

/// As [`INPUTS`], for [`sentencepiece_models`]: fewer, because a tokenizer is loaded for each.
const MODELS: usize = 300;

#[test]
fn sentencepiece_models() {
    let valid = std::fs::read(train().join("sentencepiece_models/deberta-v2.model")).unwrap();
    let folder = tapewire_fuzzkit::folder();
    let (model, config) = (folder.path().join("spm.model"), folder.path().join("config.json"));
    std::fs::write(&config, r#"{"model_type": "deberta-v2"}"#).unwrap();
    let files = TokenizerFiles::SentencePiece { model: model.clone(), config, settings: None };
    fuzz!(MODELS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let mut changed = valid.clone();
        for _ in 0..dice.below(5) {
            let at = dice.below(changed.len());
            changed[at] = dice.below(256) as u8;
        }
        if dice.below(4) == 0 {
            changed.truncate(dice.below(changed.len()));
        }
        std::fs::write(&model, &changed).unwrap();
        let tokenizer = match TextTokenizer::load(&files, 512) {
            Ok(tokenizer) => tokenizer,
            Err(error) => return assert!(error.to_string().contains("spm.model"), "{error}"),
        };
        // The table of what is replaced may be damaged, so that the tokenizer fails on a text.
        if let Ok(windows) = tokenizer.encode("Shares of \u{ff21}pple fall", Some("Apple"), Overflow::Windows) {
            // Every piece has at least two bytes in the file.
            let ids = &windows[0].encoding.input_ids;
            assert!(ids.len() >= 3 && ids.iter().all(|&id| (id as usize) < changed.len() / 2), "{ids:?}");
        }
    });
}
