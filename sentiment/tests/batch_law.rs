//! The law of the engine: a text's numbers do not depend on what it was batched with.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::{LABELS, Shape, TINY, USUAL};
use proptest::prelude::*;
use std::sync::LazyLock;
use tapewire_sentiment::engine::tokens::Tokens;
use tapewire_sentiment::{Engine, EngineConfig, Input, Precision, ScoreError, Scored};

/// As wide as MiniLM, so that matrix products are cut into blocks as they are in earnest.
const WIDE: Shape = Shape { layers: 2, hidden: 384, heads: 12, inner: 1536, vocabulary: 64, positions: 300 };

fn engine(shape: &Shape, threads: usize, loud: f32, precision: Precision) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let more = format!("{LABELS}, \"tapewire_reads_company\": true");
    let files = common::write(folder.path(), shape, USUAL, loud, &more);
    Engine::load(&files, &EngineConfig { threads, precision, ..EngineConfig::default() }).unwrap()
}

/// With one thread and with three, for each precision.
static TINY_ENGINES: LazyLock<[[Engine; 2]; 3]> =
    LazyLock::new(|| Precision::ALL.map(|precision| [1, 3].map(|threads| engine(&TINY, threads, 8.0, precision))));
static WIDE_ENGINES: LazyLock<[Engine; 3]> =
    LazyLock::new(|| Precision::ALL.map(|precision| engine(&WIDE, 2, 2.0, precision)));

fn text(longest: usize) -> impl Strategy<Value = Tokens> {
    prop::collection::vec((0u32..64, 0u32..2), 1..=longest).prop_map(|pairs| {
        let (ids, types) = pairs.into_iter().unzip();
        Tokens { ids, types }
    })
}

fn bits(logits: &Result<Vec<f32>, ScoreError>) -> Vec<u32> {
    logits.as_ref().unwrap().iter().map(|logit| logit.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn alone_or_among_others_the_bits_are_the_same(texts in prop::collection::vec(text(48), 1..60)) {
        for [one, three] in &*TINY_ENGINES {
            let all: Vec<&Tokens> = texts.iter().collect();
            let (together, in_threads) = (one.logits(&all), three.logits(&all));
            for (at, text) in all.iter().enumerate() {
                let alone = one.logits(&[text]).remove(0);
                prop_assert_eq!(bits(&together[at]), bits(&alone));
                prop_assert_eq!(bits(&in_threads[at]), bits(&alone));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn so_at_the_width_of_real_models(texts in prop::collection::vec(text(300), 2..12)) {
        let all: Vec<&Tokens> = texts.iter().collect();
        for engine in &*WIDE_ENGINES {
            let together = engine.logits(&all);
            for (at, text) in all.iter().enumerate() {
                prop_assert_eq!(bits(&together[at]), bits(&engine.logits(&[text]).remove(0)));
            }
        }
    }
}

#[test]
fn texts_and_companies_are_told_apart_and_equal_ones_agree() {
    let engine = &TINY_ENGINES[0][0];
    let input = |text, company| Input { text, company };
    let inputs =
        [input("a b c", Some("d")), input("a b c", Some("e")), input("a b c", None), input("a b c", Some("d"))];
    let scored: Vec<Scored> = engine.score(&inputs).into_iter().map(Result::unwrap).collect();
    assert_eq!(scored[0], scored[3]);
    assert!(scored[0] != scored[1] && scored[0] != scored[2] && scored[1] != scored[2], "{scored:?}");
}

#[test]
fn a_text_that_fails_leaves_the_others_alone() {
    let engine = &TINY_ENGINES[0][0];
    let good = Tokens { ids: vec![2, 9, 3], types: vec![0, 0, 0] };
    let unknown = Tokens { ids: vec![2, 64, 3], types: vec![0, 0, 0] };
    let long = Tokens { ids: vec![9; 49], types: vec![0; 49] };
    let empty = Tokens { ids: vec![], types: vec![] };
    let found = engine.logits(&[&unknown, &good, &long, &empty]);
    assert_eq!(found[0], Err(ScoreError::UnknownToken { token: 64, segment: 0 }));
    assert_eq!(bits(&found[1]), bits(&engine.logits(&[&good])[0]));
    assert_eq!(found[2], Err(ScoreError::Length { tokens: 49, limit: 48 }));
    assert_eq!(found[3], Err(ScoreError::Length { tokens: 0, limit: 48 }));

    let far_too_long = "q ".repeat(60);
    let scored = engine.score(&[
        Input { text: "a", company: Some(&far_too_long) },
        Input { text: &far_too_long, company: Some("a") },
        Input { text: "a", company: None },
    ]);
    assert_eq!(scored[0], Err(ScoreError::CompanyTooLong { limit: 48 }));
    assert!(scored[1].as_ref().unwrap().truncated);
    assert!(!scored[2].as_ref().unwrap().truncated);
}

#[test]
fn what_is_no_number_is_an_error_and_not_a_score() {
    for precision in Precision::ALL {
        let broken = engine(&TINY, 1, f32::INFINITY, precision);
        assert_eq!(broken.score(&[Input { text: "a", company: None }]), [Err(ScoreError::NotFinite)], "{precision}");
    }
    assert!(TINY_ENGINES[0][0].score(&[]).is_empty());
}
