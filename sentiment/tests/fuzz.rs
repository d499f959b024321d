//! Files of companies, names in texts and sentencepiece models, whatever is in them: no panic, and what is accepted is
//! what a plain reader finds.
//!
//! `tapewire_fuzzkit` says how many inputs run, and how to run more.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::train;
use tapewire_core::Symbol;
use tapewire_fuzzkit::{Dice, bounded, fuzz, table};
use tapewire_models::TokenizerFiles;
use tapewire_sentiment::companies::{Companies, table::read};
use tapewire_sentiment::engine::tokenizer::TextTokenizer;
use tapewire_sentiment::engine::windows::Overflow;

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

#[test]
fn names_in_texts() {
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

/// A tokenizer is made of each, and it is more work than to read a table.
const MODELS: usize = 300;

#[test]
fn sentencepiece_models() {
    let valid = std::fs::read(train().join("sentencepiece/deberta-v2.model")).unwrap();
    let folder = tempfile::tempdir().unwrap();
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
