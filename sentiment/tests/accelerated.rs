//! The path through candle's tensors, which GPUs use, agrees with the packed engine. Runs on the processor, or on the
//! GPU that `TAPEWIRE_TEST_DEVICE` names (`cuda`, `cuda:1`).
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use candle_core::Device as CandleDevice;
use common::{Case, Family, LABELS, STANDARD, Spelling, TINY};
use proptest::prelude::*;
use std::sync::LazyLock;
use tapewire_models::{ModelFiles, Registry, Source};
use tapewire_sentiment::engine::accelerated::AcceleratedModel;
use tapewire_sentiment::engine::checkpoint::Checkpoint;
use tapewire_sentiment::engine::config::ModelConfig;
use tapewire_sentiment::engine::device::Device;
use tapewire_sentiment::engine::families::Family as FamilyOf;
use tapewire_sentiment::engine::tokenizer::{Encoding, TextTokenizer};
use tapewire_sentiment::engine::transformers::TransformersModel;
use tapewire_sentiment::engine::windows::Overflow;
use tapewire_sentiment::{Engine, EngineConfig, Precision};

/// Largest difference of a logit: the two paths add 32-bit floats in different orders.
const TOLERANCE: f32 = 2e-4;

fn device() -> CandleDevice {
    match std::env::var("TAPEWIRE_TEST_DEVICE").map(Device::try_from) {
        Ok(device) => match device.unwrap() {
            Device::Cpu => CandleDevice::Cpu,
            Device::Cuda(number) => CandleDevice::new_cuda(number).unwrap(),
        },
        Err(_) => CandleDevice::Cpu,
    }
}

fn both(files: &ModelFiles) -> (Engine, AcceleratedModel) {
    let checkpoint = Checkpoint::open(&files.weights).unwrap();
    let FamilyOf::Own(architecture) = ModelConfig::read(&files.config).unwrap().family else {
        panic!("candle-transformers runs this family");
    };
    let accelerated = AcceleratedModel::load(&architecture, 3, &checkpoint, &device()).unwrap();
    let config = EngineConfig { precision: Some(Precision::F32), ..EngineConfig::default() };
    (Engine::load(files, &config).unwrap(), accelerated)
}

fn distance((engine, accelerated): &(Engine, AcceleratedModel), texts: &[&Encoding]) -> f32 {
    let (packed, padded) = (engine.logits(texts), accelerated.logits(texts).unwrap());
    assert_eq!(packed.len(), padded.len());
    let pairs = packed.into_iter().zip(padded).flat_map(|(a, b)| a.unwrap().into_iter().zip(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most })
}

static TINY_PAIR: LazyLock<(Engine, AcceleratedModel)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let spelling = Spelling { prefix: false, gamma_and_beta: true, ..STANDARD };
    both(&common::write(folder.path(), &TINY, spelling, 2.0, LABELS))
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn texts_of_any_lengths(lengths in prop::collection::vec(1usize..48, 1..20), seed in 0u32..1000) {
        let text = |length: &usize| Encoding {
            input_ids: (0..*length as u32).map(|i| (i * 7 + seed) % 64).collect(),
            token_type_ids: (0..*length as u32).map(|i| u32::from(i * 2 > *length as u32)).collect(),
        };
        let texts: Vec<Encoding> = lengths.iter().map(text).collect();
        let distance = distance(&TINY_PAIR, &texts.iter().collect::<Vec<_>>());
        prop_assert!(distance < TOLERANCE, "{distance}");
    }
}

#[test]
fn every_family() {
    for family in Family::all().into_iter().filter(Family::runs_in_our_engine) {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<Encoding> = family.cases.iter().map(Case::encoding).collect();
        let distance = distance(&both(&family.write(folder.path())), &texts.iter().collect::<Vec<_>>());
        println!("{}: largest difference of a logit between the two paths {distance:e}", family.name);
        assert!(distance < TOLERANCE, "{}: {distance}", family.name);
    }
}

/// Padded, as on a GPU, DeBERTa's logits are those of each text alone.
#[test]
fn padding_does_not_matter_to_candle_transformers() {
    for family in Family::all().into_iter().filter(|family| !family.runs_in_our_engine()) {
        let folder = tempfile::tempdir().unwrap();
        let files = family.write(folder.path());
        let FamilyOf::Transformers(description) = ModelConfig::read(&files.config).unwrap().family else {
            panic!("our own engine runs {}", family.name);
        };
        let checkpoint = Checkpoint::open(&files.weights).unwrap();
        let padded = TransformersModel::load(&description, 3, &checkpoint, &device()).unwrap();
        let texts: Vec<Encoding> = family.cases.iter().map(Case::encoding).collect();
        let together: Vec<Vec<f32>> = if description.batches {
            padded.logits(&texts.iter().collect::<Vec<_>>()).unwrap()
        } else {
            texts.iter().flat_map(|text| padded.logits(&[text]).unwrap()).collect()
        };
        for (logits, case) in together.iter().zip(&family.cases) {
            let distance = logits.iter().zip(&case.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let tokens = case.input_ids.len();
            assert!(distance < TOLERANCE, "{}, {tokens} tokens: {distance}", family.name);
        }
    }
}

#[test]
fn the_shipped_model() {
    let files = Registry::from_env().resolve(&Source::default()).unwrap();
    let tokenizer = TextTokenizer::load(&files.tokenizer, 512).unwrap();
    let texts: Vec<Encoding> = [
        ("Shares of Apple fall as Microsoft gains", Some("Apple")),
        ("Shares of Apple fall as Microsoft gains", Some("Microsoft")),
        ("Profit doubled.", None),
    ]
    .map(|(text, company)| tokenizer.encode(text, company, Overflow::Refuse).unwrap().remove(0).encoding)
    .into();
    let distance = distance(&both(&files), &texts.iter().collect::<Vec<_>>());
    println!("shipped model: largest difference of a logit between the two paths {distance:e}");
    assert!(distance < TOLERANCE, "{distance}");
}
