//! Smoothing, which int8 applies when a model is loaded.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::{Family, encoding};
use tapewire_models::ModelFiles;
use tapewire_sentiment::engine::tokenizer::Encoding;
use tapewire_sentiment::{Engine, EngineConfig, Precision};

/// int8 logits of a few texts, bit for bit.
fn bits(family: &Family, files: &ModelFiles, threads: usize) -> Vec<Vec<u32>> {
    let config = EngineConfig { threads, precision: Some(Precision::Int8), ..EngineConfig::default() };
    let engine = Engine::load(files, &config).unwrap();
    let vocab_size = u32::try_from(family.setting("vocab_size")).unwrap();
    let id = |text: u32, at: u32| (text * 31 + at * at * 7 + at) % vocab_size;
    let text = |text| (0..family.limit() as u32).map(|at| id(text, at)).collect::<Vec<_>>();
    let texts: Vec<Encoding> = (0..5).map(text).map(|ids| encoding(&ids, &vec![0; ids.len()])).collect();
    let logits = engine.logits(&texts.iter().collect::<Vec<_>>());
    logits.into_iter().map(|logits| logits.unwrap().iter().map(|logit| logit.to_bits()).collect()).collect()
}

#[test]
fn a_model_is_the_same_each_time_it_is_loaded() {
    for family in Family::all().into_iter().filter(Family::runs_in_our_engine) {
        let folder = tempfile::tempdir().unwrap();
        let files = family.write(folder.path());
        let [once, again, in_threads] = [1, 1, 3].map(|threads| bits(&family, &files, threads));
        assert_eq!(once, again, "{}", family.name);
        assert_eq!(once, in_threads, "{}: with another number of threads", family.name);
    }
}

/// If a norm makes a channel 64 times larger and the weights that read it are 64 times smaller, the model is the same,
/// and smoothing arrives at the same values to quantise. Without smoothing, the channel would cost the others their
/// precision.
#[test]
fn the_magnitude_of_a_channel_does_not_matter() {
    const CHANNEL: usize = 5;
    let families: Vec<Family> =
        Family::all().into_iter().filter(|family| family.config["model_type"] == "modernbert").collect();
    assert_eq!(families.len(), 2, "families whose norms have a single reader");
    for family in families {
        let width = family.setting("hidden_size");
        let normed = |name: &str| ["attn_norm", "mlp_norm"].iter().any(|norm| name.contains(norm));
        // The attention of layer 0 reads the norm of the embeddings, which other parts read too.
        let reads = |name: &str| name.contains("Wi.weight") || (name.contains("Wqkv.weight") && !name.contains(".0."));
        let enlarge = |name: &str, elements: &mut [f32]| {
            let factor = if normed(name) { 64.0 } else { 1.0 / 64.0 };
            if normed(name) || reads(name) {
                elements.iter_mut().skip(CHANNEL).step_by(width).for_each(|x| *x *= factor);
            }
        };
        let [plain, changed] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let files = [family.write(plain.path()), family.write_changed(changed.path(), enlarge)];
        let [plain, changed] = files.map(|files| bits(&family, &files, 2));
        assert_eq!(plain, changed, "{}", family.name);
    }
}
