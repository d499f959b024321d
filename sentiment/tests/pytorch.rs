//! The engine's logits agree with PyTorch's and candle-transformers', and its tokenizers with sentencepiece.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "references/candle.rs"]
mod candle;
mod common;
#[path = "references/sentencepiece.rs"]
mod sentencepiece;

use common::{BERT_BASE, Case, Family, LABELS, SCALE, SIGNIFICANT, STANDARD, elements, read, train};
use serde::Deserialize;
use std::path::Path;
use tapewire_models::registry::SHIPPED;
use tapewire_models::{Registry, Source, TokenizerFiles};
use tapewire_sentiment::engine::tokenizer::{Encoding, TextTokenizer};
use tapewire_sentiment::engine::windows::Overflow;
use tapewire_sentiment::{Engine, EngineConfig, Precision};

/// Largest difference of a logit from PyTorch's.
const TOLERANCES: [(Precision, f32); 3] = [(Precision::F32, 1e-4), (Precision::Bf16, 0.03), (Precision::Int8, 0.2)];

#[derive(Deserialize)]
struct BertBase {
    probes: Vec<Probe>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Probe {
    tensor: String,
    index: usize,
    value: f32,
}

fn models() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../models"))
}

/// The largest difference between the engine's logits and those of the cases.
fn distance(engine: &Engine, cases: &[Case]) -> f32 {
    let texts: Vec<Encoding> = cases.iter().map(Case::encoding).collect();
    let logits = engine.logits(&texts.iter().collect::<Vec<_>>());
    let pairs =
        cases.iter().zip(logits).flat_map(|(case, logits)| case.logits.clone().into_iter().zip(logits.unwrap()));
    pairs.map(|(expected, found)| (expected - found).abs()).fold(0.0, |a, d| if d > a || d.is_nan() { d } else { a })
}

#[test]
fn bert_base_has_pytorchs_logits() {
    let reference: BertBase = read(&train().join("reference_bert_base.json"));
    for probe in &reference.probes {
        assert_eq!(
            elements(&probe.tensor, probe.index + 1, SCALE)[probe.index],
            probe.value,
            "{}[{}]",
            probe.tensor,
            probe.index
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let files = common::write(folder.path(), &BERT_BASE, STANDARD, 1.0, LABELS);
    let engine = Engine::load(&files, &EngineConfig::default()).unwrap();
    let distance = distance(&engine, &reference.cases);
    println!("bert-base: largest difference of a logit from PyTorch's {distance:e}");
    assert!(distance <= TOLERANCES[0].1, "{distance}");
}

#[test]
fn every_family_has_pytorchs_logits() {
    for family in Family::all() {
        let distance = distance(&family.engine(&EngineConfig::default()), &family.cases);
        println!("{}: largest difference of a logit from PyTorch's {distance:e}", family.name);
        assert!(distance <= SIGNIFICANT, "{}: {distance}", family.name);
    }
}

#[derive(Deserialize)]
struct Shipped {
    sha256: String,
    cases: Vec<Headline>,
}

#[derive(Deserialize)]
struct Headline {
    text: String,
    company: Option<String>,
    #[serde(flatten)]
    case: Case,
}

#[test]
fn the_shipped_models_have_pytorchs_logits_in_every_precision() {
    for name in SHIPPED {
        let reference = shipped(name);
        let files = Registry::from_env().resolve(&Source::Shipped(name)).unwrap();
        assert_eq!(files.revision, reference.sha256, "{name}: the reference is of other weights; generate it again");
        let cases: Vec<Case> = reference.cases.into_iter().map(|headline| headline.case).collect();
        for (precision, tolerance) in TOLERANCES {
            let engine =
                Engine::load(&files, &EngineConfig { precision: Some(precision), ..EngineConfig::default() }).unwrap();
            assert!(engine.reads_company());
            let suffix = engine.revision().strip_prefix(&files.revision).unwrap();
            let named =
                if precision == Precision::F32 { String::new() } else { format!("+{}", precision.effective_name()) };
            assert_eq!(suffix, named, "the precision is part of the revision");
            let distance = distance(&engine, &cases);
            println!("{name}, {precision}: largest difference of a logit from PyTorch's {distance:e}");
            assert!(distance <= tolerance, "{name}, {precision}: {distance}");
        }
    }
}

/// PyTorch's logits of a shipped model.
fn shipped(name: &str) -> Shipped {
    read(&models().join("shipped/reference_logits").join(format!("{name}.json")))
}

/// From `tokenizer.json`, and from `vocab.txt` with `tokenizer_config.json`, as for FinBERT.
#[test]
fn the_shipped_models_tokens_are_the_references() {
    let reference = shipped(SHIPPED[0]);
    let folder = models().join("shipped").join(SHIPPED[0]);
    let vocabulary = folder.join("vocab.txt");
    for files in [
        TokenizerFiles::Json(folder.join("tokenizer.json")),
        TokenizerFiles::Vocabulary { vocabulary, settings: Some(folder.join("tokenizer_config.json")) },
    ] {
        let tokenizer = TextTokenizer::load(&files, 512).unwrap();
        for Headline { text, company, case } in &reference.cases {
            let windows = tokenizer.encode(text, company.as_deref(), Overflow::Windows).unwrap().len();
            let found = tokenizer.encode(text, company.as_deref(), Overflow::KeepStart).unwrap().remove(0).encoding;
            assert_eq!(found.input_ids, case.input_ids, "{text} | {company:?}");
            assert_eq!(found.token_type_ids, case.token_type_ids, "{text} | {company:?}");
            assert_eq!(windows > 1, text.len() > 3000, "{} bytes of text, {windows} windows", text.len());
        }
    }
}

/// From `vocab.json` and `merges.txt`, as for older models of RoBERTa.
#[test]
fn robertas_tokens_are_the_references() {
    let folder = train().join("byte_level_bpe");
    let (vocabulary, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
    let files = TokenizerFiles::ByteLevelBpe { vocabulary, merges, settings: None };
    let tokenizer = TextTokenizer::load(&files, 512).unwrap();
    let cases: Vec<Text> = read(&folder.join("ids.json"));
    let separator = *tokenizer.encode("", None, Overflow::Refuse).unwrap()[0].encoding.input_ids.last().unwrap();
    for Text { text, company, input_ids, .. } in cases {
        let found = tokenizer.encode(&text, company.as_deref(), Overflow::Refuse).unwrap().remove(0).encoding;
        if text.contains("</s>") {
            // The reference reads `</s>` in a text as the end of the text. Ours reads it as ordinary characters, so
            // that an article can't contain special tokens.
            let separators = found.input_ids.iter().filter(|&&id| id == separator).count();
            assert_eq!(separators, if company.is_some() { 3 } else { 1 }, "{text} | {company:?}");
            continue;
        }
        assert_eq!(found.input_ids, input_ids, "{text} | {company:?}");
        assert!(found.token_type_ids.iter().all(|&kind| kind == 0), "{text} | {company:?}");
    }
}

#[derive(Deserialize)]
struct Text {
    text: String,
    company: Option<String>,
    input_ids: Vec<u32>,
    #[serde(default)]
    token_type_ids: Vec<u32>,
}
