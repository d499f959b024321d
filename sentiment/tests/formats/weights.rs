//! Every format of the weights gives the same model.

use super::common::{self, LABELS, STANDARD, Shape, Spelling, TINY, encoding};
use super::{data, load, probe};
use safetensors::Dtype;
use tapewire_sentiment::{Engine, EngineConfig, Precision, SentimentError};

fn logits(spelling: Spelling) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let files = common::write(folder.path(), &TINY, spelling, 8.0, LABELS);
    load(&files).logits(&[&probe()]).remove(0).unwrap()
}

#[test]
fn names_of_tensors_may_vary_and_half_precision_is_widened() {
    let standard = logits(STANDARD);
    assert_eq!(logits(Spelling { prefix: false, ..STANDARD }), standard);
    assert_eq!(logits(Spelling { gamma_and_beta: true, ..STANDARD }), standard);
    let half = logits(Spelling { half: true, ..STANDARD });
    assert_ne!(half, standard);
    assert!(half.iter().zip(&standard).all(|(a, b)| (a - b).abs() < 0.05), "{half:?} {standard:?}");
}

#[test]
fn both_of_pytorchs_pickles_are_read() {
    let shape = Shape { layers: 2, hidden: 16, heads: 2, inner: 24, vocabulary: 40, positions: 16 };
    let expected: serde_json::Value = serde_json::from_slice(&std::fs::read(data("logits.json")).unwrap()).unwrap();
    let list =
        |key: &str| -> Vec<f64> { expected[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect() };
    let ids = |key: &str| -> Vec<u32> { list(key).into_iter().map(|n| n as u32).collect() };
    for file in ["zip.bin", "legacy.bin"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(data(file), folder.path().join("pytorch_model.bin")).unwrap();
        std::fs::write(folder.path().join("config.json"), common::config_json(&shape, LABELS)).unwrap();
        std::fs::write(folder.path().join("vocab.txt"), common::vocabulary(shape.vocabulary)).unwrap();
        let engine = load(&common::files(folder.path()));
        let found = engine.logits(&[&encoding(&ids("input_ids"), &ids("token_type_ids"))]).remove(0).unwrap();
        assert!(
            found.iter().zip(list("logits")).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5),
            "{file}: {found:?} {expected}"
        );
    }
}

/// How a matrix of 8-bit integers is stored: wrongly in all cases but the first.
#[derive(Clone, Copy, PartialEq)]
enum Scales {
    ForEachRow,
    Missing,
    ForTheWhole,
}

/// Writes the tiny model with the matrices of its layers as 8-bit integers, as compressed-tensors writes them, and the
/// same model in `f32`.
fn write_int8(scales: Scales) -> [(tempfile::TempDir, tapewire_models::ModelFiles); 2] {
    let (mut integers, mut floats) = (Vec::new(), Vec::new());
    for (name, dims) in common::tensors(&TINY) {
        let elements: Vec<f32> = common::elements(&name, dims.iter().product(), 0.5);
        let [rows, columns] = dims[..] else {
            integers.push((name.clone(), Dtype::F32, dims.clone(), common::bytes(&elements)));
            floats.push((name, Dtype::F32, dims, common::bytes(&elements)));
            continue;
        };
        let of_rows: Vec<f32> =
            elements.chunks(columns).map(|row| row.iter().fold(0f32, |a, x| a.max(x.abs())) / 127.0).collect();
        let rounded: Vec<i8> =
            elements.iter().enumerate().map(|(at, x)| (x / of_rows[at / columns]).round() as i8).collect();
        let widened: Vec<f32> =
            rounded.iter().enumerate().map(|(at, &x)| f32::from(x) * of_rows[at / columns]).collect();
        let kept = match scales {
            Scales::ForEachRow => Some((vec![rows, 1], common::bytes(&of_rows))),
            Scales::ForTheWhole => Some((vec![1], common::bytes(&of_rows[..1]))),
            Scales::Missing => None,
        };
        integers.push((name.clone(), Dtype::I8, dims.clone(), rounded.into_iter().map(i8::cast_unsigned).collect()));
        integers.extend(kept.map(|(dims, bytes)| (format!("{name}_scale"), Dtype::F32, dims, bytes)));
        floats.push((name, Dtype::F32, dims, common::bytes(&widened)));
    }
    [integers, floats].map(|tensors| {
        let folder = tempfile::tempdir().unwrap();
        let config = common::config_json(&TINY, &format!("{LABELS}, {}", quantization("int-quantized")));
        let files = common::save(folder.path(), tensors, &config, TINY.vocabulary);
        (folder, files)
    })
}

/// The configuration of the format.
fn quantization(format: &str) -> String {
    format!(
        r#""quantization_config": {{"quant_method": "compressed-tensors", "format": "{format}", "config_groups": {{"group_0": {{
            "weights": {{"num_bits": 8, "type": "int", "symmetric": true, "strategy": "channel"}}}}}}}}"#
    )
}

#[test]
fn other_formats_of_compressed_tensors_are_refused() {
    for (from, to) in [
        ("int-quantized", "pack-quantized"),
        ("\"symmetric\": true", "\"symmetric\": false"),
        ("channel", "group"),
        ("\"num_bits\": 8", "\"num_bits\": 4"),
        ("\"weights\"", "\"input_activations\": {\"num_bits\": 8}, \"weights\""),
    ] {
        let [(_folder, files), _] = write_int8(Scales::ForEachRow);
        let config = std::fs::read_to_string(&files.config).unwrap();
        assert!(config.contains(from), "{config}");
        std::fs::write(&files.config, config.replace(from, to)).unwrap();
        let error = Engine::load(&files, &EngineConfig::default()).err().unwrap().to_string();
        assert!(error.contains("a quantized checkpoint is not supported"), "{to}: {error}");
    }
}

#[test]
fn matrices_of_8_bit_integers_are_widened_by_the_scales_of_their_rows() {
    let [(_integers, integers), (_floats, floats)] = write_int8(Scales::ForEachRow);
    let of = |files, precision| {
        let engine = Engine::load(files, &EngineConfig { precision, ..EngineConfig::default() }).unwrap();
        (engine.precision(), engine.logits(&[&probe()]).remove(0).unwrap())
    };
    assert_eq!(of(&integers, Some(Precision::F32)), of(&floats, Some(Precision::F32)));
    assert_eq!(of(&integers, None), of(&floats, Some(Precision::Int8)), "the default is the precision of the weights");
    assert!(integers.weights.path().metadata().unwrap().len() * 2 < floats.weights.path().metadata().unwrap().len());
}

#[test]
fn matrices_of_8_bit_integers_without_a_scale_for_each_row_are_refused() {
    for (scales, expected) in [(Scales::Missing, "without scales"), (Scales::ForTheWhole, "with scales of shape [1]")] {
        let [(_folder, files), _] = write_int8(scales);
        let error = Engine::load(&files, &EngineConfig::default()).err().unwrap();
        assert!(matches!(error, SentimentError::Tensor { .. }), "{error}");
        assert!(error.to_string().contains(expected) && error.to_string().contains("f32, f16 or bf16"), "{error}");
    }
}
