//! A text's logits do not depend on the other texts of its batch, nor on the number of threads.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::{Family, LABELS, STANDARD, Shape, TINY};
use proptest::prelude::*;
use std::sync::LazyLock;
use tapewire_sentiment::companies::Company;
use tapewire_sentiment::engine::tokenizer::Encoding;
use tapewire_sentiment::engine::windows::Overflow;
use tapewire_sentiment::{Engine, EngineConfig, Input, Precision, ScoreError, TextScore};

/// As wide as MiniLM, so that matrix products are split into blocks as in real models.
const WIDE: Shape = Shape { layers: 2, hidden: 384, heads: 12, inner: 1536, vocabulary: 64, positions: 300 };

fn engine(shape: &Shape, threads: usize, gain: f32, precision: Precision) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let more = format!("{LABELS}, \"tapewire_reads_company\": true");
    let files = common::write(folder.path(), shape, STANDARD, gain, &more);
    Engine::load(&files, &EngineConfig { threads, precision: Some(precision), ..EngineConfig::default() }).unwrap()
}

/// With one thread and with three, for each precision.
static TINY_ENGINES: LazyLock<[[Engine; 2]; 5]> =
    LazyLock::new(|| Precision::ALL.map(|precision| [1, 3].map(|threads| engine(&TINY, threads, 8.0, precision))));
static WIDE_ENGINES: LazyLock<[Engine; 5]> =
    LazyLock::new(|| Precision::ALL.map(|precision| engine(&WIDE, 2, 2.0, precision)));

fn text(longest: usize) -> impl Strategy<Value = Encoding> {
    prop::collection::vec((0u32..64, 0u32..2), 1..=longest).prop_map(|pairs| {
        let (input_ids, token_type_ids) = pairs.into_iter().unzip();
        Encoding { input_ids, token_type_ids }
    })
}

fn bits(logits: &Result<Vec<f32>, ScoreError>) -> Vec<u32> {
    logits.as_ref().unwrap().iter().map(|logit| logit.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn logits_have_the_same_bits_alone_and_in_a_batch(texts in prop::collection::vec(text(48), 1..60)) {
        for [one, three] in &*TINY_ENGINES {
            let all: Vec<&Encoding> = texts.iter().collect();
            let (together, in_threads) = (one.logits(&all), three.logits(&all));
            for (at, text) in all.iter().enumerate() {
                let alone = one.logits(&[text]).remove(0);
                prop_assert_eq!(bits(&together[at]), bits(&alone));
                prop_assert_eq!(bits(&in_threads[at]), bits(&alone));
                prop_assert_eq!(bits(&three.logits(&[text])[0]), bits(&alone), "several threads for one text");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn also_at_the_width_of_real_models(texts in prop::collection::vec(text(300), 2..12)) {
        let all: Vec<&Encoding> = texts.iter().collect();
        for engine in &*WIDE_ENGINES {
            let together = engine.logits(&all);
            for (at, text) in all.iter().enumerate() {
                prop_assert_eq!(bits(&together[at]), bits(&engine.logits(&[text]).remove(0)));
            }
        }
    }
}

static FAMILIES: LazyLock<Vec<(Family, Vec<Engine>)>> = LazyLock::new(|| {
    let engines = |family: Family| {
        let engine = |precision| {
            family.engine(&EngineConfig { threads: 2, precision: Some(precision), ..EngineConfig::default() })
        };
        // candle-transformers has one precision.
        let precisions = if family.runs_in_our_engine() { &Precision::ALL[..] } else { &[Precision::F32] };
        let engines = precisions.iter().map(|&precision| engine(precision)).collect();
        (family, engines)
    };
    Family::all().into_iter().map(engines).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn also_for_every_family(texts in prop::collection::vec(text(320), 2..12)) {
        for (family, engines) in &*FAMILIES {
            let mut texts = texts.clone();
            for text in &mut texts {
                text.input_ids.truncate(family.limit());
                text.token_type_ids.truncate(family.limit());
                text.token_type_ids.iter_mut().for_each(|kind| *kind %= family.segments());
            }
            let all: Vec<&Encoding> = texts.iter().collect();
            for engine in engines {
                let together = engine.logits(&all);
                for (at, text) in all.iter().enumerate() {
                    prop_assert_eq!(bits(&together[at]), bits(&engine.logits(&[text]).remove(0)), "{}", family.name);
                }
            }
        }
    }
}

/// As DeBERTa v3 of base size, but with one layer.
static DEBERTA: LazyLock<[Engine; 2]> = LazyLock::new(|| {
    let mut family = Family::all().into_iter().find(|family| family.name == "deberta-v3").unwrap();
    let larger = |size: usize| match size {
        48 => 768,
        72 => 3072,
        other => other,
    };
    family.tensors.retain(|name, _| !name.contains("layer.1.") && !name.contains("layer.2."));
    family.tensors.values_mut().flatten().for_each(|size| *size = larger(*size));
    for (setting, size) in
        [("hidden_size", 768), ("pooler_hidden_size", 768), ("intermediate_size", 3072), ("num_hidden_layers", 1)]
    {
        family.config[setting] = size.into();
    }
    family.config["num_attention_heads"] = 12.into();
    family.scale = 0.04;
    [1, 3].map(|threads| family.engine(&EngineConfig { threads, ..EngineConfig::default() }))
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// Texts of one length are computed together, those of others are not.
    #[test]
    fn also_for_deberta(seed in 0u32..1000, lengths in prop::collection::vec(prop_oneof![Just(1usize), Just(2), Just(7), Just(24)], 2..9)) {
        let text = |(number, length): (usize, &usize)| {
            let ids = (0..*length as u32).map(|at| (seed + 31 * number as u32 + 7 * at * at) % 97).collect();
            Encoding { input_ids: ids, token_type_ids: vec![0; *length] }
        };
        let texts: Vec<Encoding> = lengths.iter().enumerate().map(text).collect();
        let all: Vec<&Encoding> = texts.iter().collect();
        let [one, three] = &*DEBERTA;
        let (together, in_threads) = (one.logits(&all), three.logits(&all));
        for (at, text) in all.iter().enumerate() {
            let alone = one.logits(&[text]).remove(0);
            prop_assert_eq!(bits(&together[at]), bits(&alone), "{} tokens", text.input_ids.len());
            prop_assert_eq!(bits(&in_threads[at]), bits(&alone), "{} tokens, several threads", text.input_ids.len());
        }
    }
}

#[test]
fn texts_and_companies_are_distinguished_and_equal_ones_agree() {
    let engine = &TINY_ENGINES[0][0];
    let (d, e) = (Company::named("d"), Company::named("e"));
    let inputs = [Some(&d), Some(&e), None, Some(&d)].map(|company| Input::new("a b c", company));
    let scored: Vec<TextScore> = engine.score(&inputs).into_iter().map(Result::unwrap).collect();
    assert_eq!(scored[0], scored[3]);
    assert!(scored[0] != scored[1] && scored[0] != scored[2] && scored[1] != scored[2], "{scored:?}");
}

#[test]
fn a_text_that_fails_does_not_affect_the_others() {
    let engine = &TINY_ENGINES[0][0];
    let good = Encoding { input_ids: vec![2, 9, 3], token_type_ids: vec![0, 0, 0] };
    let unknown = Encoding { input_ids: vec![2, 64, 3], token_type_ids: vec![0, 0, 0] };
    let long = Encoding { input_ids: vec![9; 49], token_type_ids: vec![0; 49] };
    let empty = Encoding { input_ids: vec![], token_type_ids: vec![] };
    let found = engine.logits(&[&unknown, &good, &long, &empty]);
    assert_eq!(found[0], Err(ScoreError::UnknownToken { token: 64, segment: 0 }));
    assert_eq!(bits(&found[1]), bits(&engine.logits(&[&good])[0]));
    assert_eq!(found[2], Err(ScoreError::Length { tokens: 49, limit: 48 }));
    assert_eq!(found[3], Err(ScoreError::Length { tokens: 0, limit: 48 }));

    let long = "q ".repeat(60);
    let (wordy, brief) = (Company::named(&*long), Company::named("a"));
    let scored = engine.score(&[Input::new("a", Some(&wordy)), Input::new("a", Some(&brief))]);
    assert_eq!(scored[0], Err(ScoreError::CompanyTooLong { limit: 48 }));
    assert!(scored[1].is_ok());
}

#[test]
fn the_score_of_a_long_text_is_the_mean_over_its_windows() {
    let engine = &TINY_ENGINES[0][0];
    let text: String = (0..100).map(|n| format!("{} ", char::from(b'a' + (n * n % 26) as u8))).collect();
    let score = |text: &str, overflow| engine.score(&[Input { overflow, ..Input::new(text, None) }]).remove(0);
    let whole = score(&text, Overflow::Windows).unwrap();
    assert_eq!((whole.windows, whole.logits), (3, None));

    // 48 positions, two of them special: windows of 46 letters at 0, 27 and 54. The first and the last each share 19 of
    // their letters with the middle one.
    let part = |start: usize| score(&text[2 * start..2 * (start + 46)], Overflow::Refuse).unwrap();
    let parts = [part(0), part(27), part(54)];
    let weights = [27.0 + 19.0 / 2.0, 8.0 + 19.0, 27.0 + 19.0 / 2.0];
    let mean: f64 = parts.iter().zip(weights).map(|(part, weight)| part.probabilities.score() * weight / 100.0).sum();
    assert!((whole.probabilities.score() - mean).abs() < 3e-6, "{whole:?} {parts:?}");

    assert_eq!(score(&text, Overflow::KeepStart).unwrap(), parts[0]);
    assert_eq!(score(&text, Overflow::KeepEnd).unwrap(), parts[2]);
    assert_eq!(score(&text, Overflow::Refuse), Err(ScoreError::Length { tokens: 102, limit: 48 }));
}

#[test]
fn a_logit_that_is_not_finite_is_an_error_and_not_a_score() {
    for precision in Precision::ALL {
        let broken = engine(&TINY, 1, f32::INFINITY, precision);
        assert_eq!(broken.score(&[Input::new("a", None)]), [Err(ScoreError::NotFinite)], "{precision}");
    }
    assert!(TINY_ENGINES[0][0].score(&[]).is_empty());
}
