//! Texts that are good for one company and bad for another.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::shipped;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use tapewire_models::{Registry, Source};
use tapewire_sentiment::companies::{Companies, Company};
use tapewire_sentiment::{Engine, EngineConfig, Input};

/// See `data/sentfin/README.md`.
#[derive(Deserialize)]
struct Headline {
    text: String,
    /// The label for each entity that it names.
    labels: BTreeMap<String, String>,
}

fn score(engine: &Engine, text: &str, company: &str) -> (f64, &'static str) {
    let company = Company::named(company);
    let scored = engine.score(&[Input::new(text, Some(&company))]).remove(0).unwrap();
    (scored.probabilities.score(), scored.probabilities.label())
}

/// The headlines in which it is obvious who gains and who loses.
const UNMISTAKABLE: [&str; 7] = [
    "M&M, Tata Motors outperformers in July; TVS and Maruti underperform",
    "Gold extends gains on festive buying, weak rupee",
    "IT companies to benefit on weak rupee: Dipan Mehta",
    "Ukraine crisis over? Oil marketing companies gain as rupee appreciates, crude slips",
    "Seoul shares fall as foreigners' 5-day buying streak ends; won edges up",
    "Seoul shares fall on China PMI, won retreats as dollar rallies",
    "Dollar's retreat lifts Asia FX; yuan up on central bank stabilisation moves",
];

/// Headlines that were not used in training, each with an entity that gains and one that loses. They include all
/// headlines of SEntFiN's held-out part that contrast two companies.
#[test]
fn the_shipped_model_distinguishes_the_companies_of_a_headline() {
    let engine = shipped();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sentfin/mixed.jsonl");
    let lines = std::fs::read_to_string(path).unwrap();
    let (mut right, mut blind, mut labels, mut apart, mut pairs, mut unmistakable) = (0, 0, 0, 0, 0, 0);
    for line in lines.lines() {
        let Headline { text, labels: expected } = serde_json::from_str(line).unwrap();
        let scores: BTreeMap<&str, (f64, &str)> =
            expected.keys().map(|entity| (&**entity, score(&engine, &text, entity))).collect();
        println!("{text}\n    {scores:?}");
        if UNMISTAKABLE.contains(&&*text) {
            unmistakable += 1;
            for (entity, label) in &expected {
                let (score, said) = scores[&**entity];
                assert!(said == label && score.abs() > 0.25, "{entity} in {text}: {score}, {said}");
            }
        }
        let of = |label: &'static str| expected.iter().filter(move |(_, l)| *l == label).map(|(entity, _)| &**entity);
        labels += expected.len();
        right += expected.iter().filter(|(entity, label)| scores[&***entity].1 == **label).count();
        blind += ["positive", "neutral", "negative"].map(|label| of(label).count()).into_iter().max().unwrap();
        for (gains, loses) in of("positive").flat_map(|gains| of("negative").map(move |loses| (gains, loses))) {
            pairs += 1;
            apart += usize::from(scores[gains].0 > scores[loses].0);
        }
    }
    println!(
        "{right} of {labels} labels; {apart} of {pairs} pairs in order; without the company at most {blind} and no pair"
    );
    assert_eq!(unmistakable, UNMISTAKABLE.len());
    assert!(right > blind && right * 100 >= labels * 65, "{right} of {labels} labels, {blind} without the company");
    assert!(apart * 100 >= pairs * 90, "{apart} of {pairs} pairs");
}

/// A text about Google does not name `Alphabet`.
#[test]
fn the_model_gets_the_name_that_the_text_uses() {
    let companies = Companies::load(None).unwrap();
    let engine = shipped();
    let text = "Google gains on record profit while Facebook sinks on heavy losses";
    for (ticker, name) in [("GOOGL", "Google"), ("META", "Facebook")] {
        let company = companies.find(ticker);
        let by_ticker = engine.score(&[Input::new(text, Some(&company))]).remove(0).unwrap().probabilities;
        assert_eq!((by_ticker.score(), by_ticker.label()), score(&engine, text, name));
        assert_ne!(by_ticker.score(), score(&engine, text, company.name()).0, "{name}");
    }
}

/// A model that does not read the company gets the sentences that name it.
#[test]
fn a_model_without_second_segment_distinguishes_companies_by_their_sentences() {
    let files = Registry::from_env().resolve(&Source::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(files.config.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let config = std::fs::read_to_string(&files.config).unwrap();
    let config = config.replace("\"tapewire_reads_company\": true", "\"tapewire_reads_company\": false");
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let engine = Engine::load(&common::files(folder.path()), &EngineConfig::default()).unwrap();
    assert!(!engine.reads_company());

    let text = "Northgate Inc. Chairman Doe reported a record profit and raised the dividend. \
                Shares of Selby Trust plunged after it warned of heavy losses.";
    assert_eq!(score(&engine, text, "Northgate").1, "positive");
    assert_eq!(score(&engine, text, "Selby Trust").1, "negative");
    let whole = engine.score(&[Input::new(text, None)]).remove(0).unwrap();
    assert_eq!(
        score(&engine, text, "Orsay").0,
        whole.probabilities.score(),
        "a company that no sentence names gets the whole text"
    );
}

/// Headlines about two companies, none of which is among those whose names were chosen by hand.
const BY_TICKER: [(&str, &str, &str); 13] = [
    ("Agilent climbs as Waters tumbles", "WAT", "Waters"),
    ("ServiceNow sinks on weak guidance; Gartner jumps on strong results", "NOW", "ServiceNow"),
    ("ServiceNow sinks on weak guidance; Gartner jumps on strong results", "IT", "Gartner"),
    ("Starbucks gains while Chipotle slides", "CMG", "Chipotle"),
    ("Deere profit surges; Caterpillar profit falls", "DE", "Deere"),
    ("Delta soars while Southwest slumps", "LUV", "Southwest"),
    ("Allstate profit soars while Progressive loss widens", "PGR", "Progressive"),
    ("Micron jumps on strong outlook; Western Digital sinks", "WDC", "Western Digital"),
    ("Micron jumps on strong outlook; Western Digital sinks", "MU", "Micron"),
    ("Schwab beats; BlackRock outflows sink shares", "BLK", "BlackRock"),
    ("Lowe's tops estimates while Target misses badly", "TGT", "Target"),
    ("Ulta Beauty jumps; Estee Lauder plunges", "EL", "Estee Lauder"),
    ("Brunswick preferred falls; Balchem profit soars", "BCpC", "Brunswick"),
];

#[test]
fn a_company_asked_by_its_ticker_is_the_one_that_is_asked_by_its_name() {
    let companies = Companies::load(None).unwrap();
    let engine = shipped();
    for (text, ticker, name) in BY_TICKER {
        let company = companies.find(ticker);
        assert_eq!(company.name_in(text), Some(name), "{ticker} in {text}");
        let by_ticker = engine.score(&[Input::new(text, Some(&company))]).remove(0).unwrap().probabilities;
        assert_eq!((by_ticker.score(), by_ticker.label()), score(&engine, text, name), "{ticker} in {text}");
    }
}

/// The model would answer for the other company, or for none.
#[test]
fn a_ticker_of_which_nothing_is_known_is_not_asked_about() {
    let companies = Companies::load(None).unwrap();
    let engine = shipped();
    for (text, ticker) in [("Northgate soars while Selby sinks", "ZZZZ"), ("Now is the time for all", "ZZp")] {
        let company = companies.find(ticker);
        let asked = engine.score(&[Input::new(text, Some(&company)), Input::new(text, None)]);
        assert_eq!((company.name_in(text), &asked[0]), (None, &asked[1]), "{ticker} in {text}");
    }
}
