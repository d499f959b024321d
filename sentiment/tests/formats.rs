//! Every format of a checkpoint or tokenizer gives the same model.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;
#[path = "formats/weights.rs"]
mod weights;

use common::{Family, LABELS, STANDARD, Shape, TINY, encoding};
use std::path::{Path, PathBuf};
use tapewire_sentiment::engine::tokenizer::{Encoding, TextTokenizer, Window};
use tapewire_sentiment::engine::windows::Overflow;
use tapewire_sentiment::{Engine, EngineConfig, Precision, ScoreError, SentimentError};

fn load(files: &tapewire_models::ModelFiles) -> Engine {
    Engine::load(files, &EngineConfig { threads: 1, ..EngineConfig::default() }).unwrap()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pickles").join(name)
}

/// The encoding of a text that fits into the model.
fn one(windows: Result<Vec<Window>, ScoreError>) -> Encoding {
    let [window] = windows.unwrap().try_into().unwrap();
    window.encoding
}

fn probe() -> Encoding {
    encoding(&[2, 9, 33, 8, 3, 20, 3], &[0, 0, 0, 0, 0, 1, 1])
}

#[test]
fn errors_of_a_model_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = common::write(folder.path(), &TINY, STANDARD, 1.0, LABELS);
    let fails = |files: &tapewire_models::ModelFiles| match Engine::load(files, &EngineConfig::default()) {
        Ok(_) => panic!("loaded"),
        Err(error) => {
            assert!(!error.is_retryable());
            (error.to_string(), error)
        }
    };
    let rewrite = |shape: &Shape, more: &str| std::fs::write(&files.config, common::config_json(shape, more)).unwrap();

    rewrite(&TINY, r#""id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}"#);
    let (message, error) = fails(&files);
    assert!(matches!(error, SentimentError::Labels { .. }) && message.contains("LABEL_0=positive"), "{message}");

    rewrite(&Shape { layers: 4, ..TINY }, LABELS);
    let (message, error) = fails(&files);
    assert!(matches!(error, SentimentError::Tensor { .. }) && message.contains("layer.3."), "{message}");

    rewrite(&Shape { inner: 101, ..TINY }, LABELS);
    let (message, _) = fails(&files);
    assert!(message.contains("intermediate.dense") && message.contains("101"), "{message}");

    rewrite(&TINY, &format!("{LABELS}, \"position_embedding_type\": \"relative_key\""));
    let (message, error) = fails(&files);
    assert!(matches!(error, SentimentError::Unsupported { .. }) && message.contains("relative_key"), "{message}");

    rewrite(&TINY, &format!("{LABELS}, \"problem_type\": \"multi_label_classification\""));
    let (message, _) = fails(&files);
    assert!(message.contains("multi_label_classification is not supported"), "{message}");

    rewrite(&TINY, LABELS);
    std::fs::write(files.weights.path(), "not a model").unwrap();
    let (message, error) = fails(&files);
    assert!(matches!(error, SentimentError::Unreadable { .. }) && message.contains("model.safetensors"), "{message}");
}

fn family(name: &str) -> Family {
    Family::all().into_iter().find(|family| family.name == name).unwrap()
}

/// The error of loading a model with one setting changed.
fn refusal(mut family: Family, setting: &str, value: serde_json::Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    family.config[setting] = value;
    let files = family.write(folder.path());
    let error = Engine::load(&files, &EngineConfig::default()).err();
    error.unwrap_or_else(|| panic!("{setting}: loaded")).to_string()
}

/// A family, a setting, its value as JSON, and what the error has to say.
const UNSUPPORTED: &[(&str, &str, &str, &str)] = &[
    ("bert", "model_type", r#""albert""#, "model_type albert is not supported; sequence classifiers of bert, "),
    ("bert", "hidden_act", r#""silu""#, "hidden_act silu is not supported; gelu, gelu_new"),
    (
        "roberta",
        "position_embedding_type",
        r#""relative_key_query""#,
        "relative_key_query is not supported; absolute is",
    ),
    ("distilbert", "activation", r#""mish""#, "activation mish is not supported; gelu, "),
    ("distilbert", "dim", "0", "a size of 0"),
    ("xlm-roberta", "pad_token_id", "45", "a length of at most 0 tokens"),
    ("roberta", "pad_token_id", "35", "a length of at most 6 tokens"),
    ("roberta", "pad_token_id", "4294967295", "a length of at most 0 tokens"),
    ("modernbert-cls", "num_attention_heads", "8", "rotary positions in heads of 5 elements"),
    ("modernbert-cls", "classifier_pooling", r#""max""#, "classifier_pooling max is not supported; cls and mean are"),
    ("modernbert-mean", "layer_types", r#"["full_attention"]"#, "layer_types of 1 layers instead of 5"),
    ("modernbert-mean", "layer_types", r#"["full_attention", "linear", "", "", ""]"#, "a layer of type linear"),
    ("modernbert-mean", "rope_parameters", r#"{"full_attention": {"rope_type": "yarn"}}"#, "rope_type yarn"),
    ("distilbert", "n_heads", "5", "a width of 48 with 5 heads"),
    ("bert", "model_type", r#""deberta""#, "model_type deberta is not supported; sequence classifiers of "),
    ("electra", "embedding_size", "32", "embedding_size 32 with hidden_size 48 is not supported; embeddings as "),
    (
        "bert",
        "architectures",
        r#"["BertForMaskedLM"]"#,
        "a BertForMaskedLM is not supported; choose a model that was fine-tuned to classify texts",
    ),
    // It has the same tensors as a classifier of texts.
    (
        "modernbert-cls",
        "architectures",
        r#"["ModernBertForTokenClassification"]"#,
        "a ModernBertForTokenClassification is not supported",
    ),
    (
        "bert",
        "quantization_config",
        r#"{"quant_method": "bitsandbytes", "load_in_8bit": true}"#,
        "a quantized checkpoint is not supported; choose a checkpoint in f32, f16 or bf16",
    ),
    ("deberta-v3", "conv_kernel_size", "3", "conv_kernel_size 3 is not supported; DeBERTa without a convolution"),
    ("deberta-v3", "pos_att_type", r#""c2p|p2p""#, "pos_att_type p2p is not supported; c2p and p2c are"),
    ("deberta-v3", "pooler_hidden_act", r#""tanh""#, "pooler_hidden_act tanh is not supported; gelu, "),
    ("deberta-v3", "hidden_act", r#""silu""#, "hidden_act silu is not supported; gelu, "),
    ("deberta-v3", "pooler_hidden_size", "24", "pooler_hidden_size 24 is not supported; that of hidden_size is"),
    ("deberta-v3", "attention_head_size", "8", "attention_head_size 8 with 4 heads is not supported"),
    ("deberta-v3", "position_buckets", "1", "position_buckets 1 is not supported; 2 or more are"),
    ("deberta-v3", "num_attention_heads", "5", "a width of 48 with 5 heads"),
    ("deberta-v3", "num_attention_heads", "0", "a size of 0"),
    ("deberta-v3", "max_position_embeddings", "7", "a length of at most 7 tokens"),
    ("deberta-v2", "embedding_size", "32", "embedding_size 32 with type_vocab_size 2 is not supported"),
];

#[test]
fn an_unsupported_setting_names_the_supported_ones() {
    for &(name, setting, value, expected) in UNSUPPORTED {
        let message = refusal(family(name), setting, serde_json::from_str(value).unwrap());
        assert!(message.contains(expected) && message.contains("config.json"), "{message}");
    }
}

/// Every setting has an effect.
#[test]
fn every_setting_is_used() {
    for (name, setting, value) in [
        ("bert", "hidden_act", "gelu".into()),
        ("bert", "layer_norm_eps", 0.1.into()),
        ("bert", "num_attention_heads", 6.into()),
        ("distilbert", "activation", "gelu_new".into()),
        ("distilbert", "n_heads", 6.into()),
        ("roberta", "pad_token_id", 0.into()),
        ("modernbert-cls", "local_attention", 14.into()),
        ("modernbert-cls", "local_rope_theta", 800.into()),
        ("modernbert-cls", "global_rope_theta", 80_000.into()),
        ("modernbert-cls", "global_attn_every_n_layers", 3.into()),
        ("modernbert-cls", "norm_eps", 0.1.into()),
        ("modernbert-cls", "classifier_activation", "relu".into()),
        ("modernbert-cls", "hidden_activation", "gelu_new".into()),
        ("modernbert-cls", "classifier_pooling", "mean".into()),
        ("modernbert-mean", "attention_bias", false.into()),
        ("modernbert-mean", "mlp_bias", false.into()),
        ("modernbert-mean", "norm_bias", false.into()),
        ("modernbert-mean", "classifier_bias", false.into()),
        ("modernbert-mean", "local_attention", 18.into()),
        ("electra", "num_attention_heads", 6.into()),
        ("camembert", "pad_token_id", 0.into()),
        ("deberta-v3", "num_attention_heads", 6.into()),
        ("deberta-v3", "layer_norm_eps", 0.1.into()),
        ("deberta-v3", "hidden_act", "relu".into()),
        ("deberta-v3", "pooler_hidden_act", "relu".into()),
        ("deberta-v3", "max_relative_positions", 300.into()),
        ("deberta-v3", "norm_rel_ebd", "none".into()),
        ("deberta-v3", "pos_att_type", "c2p".into()),
        ("deberta-v3", "relative_attention", false.into()),
        ("deberta-v3-small-buckets", "max_relative_positions", 20.into()),
        ("deberta-v2", "position_biased_input", false.into()),
        ("deberta-v2", "share_att_key", true.into()),
        ("deberta-v2", "type_vocab_size", 0.into()),
    ] {
        let mut family = family(name);
        let text = family.cases.last().unwrap().encoding();
        let logits = |family: &Family| family.engine(&EngineConfig::default()).logits(&[&text]).remove(0).unwrap();
        let standard = logits(&family);
        family.config[setting] = value;
        let changed = logits(&family).iter().zip(standard).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(changed > common::SIGNIFICANT, "{name}: {setting} changes logits by {changed:e} only");
    }
}

#[test]
fn a_missing_tensor_is_named_with_a_remedy() {
    for (name, lost, head) in [
        ("bert", "bert.pooler.dense.weight", "BERT sequence classifier"),
        ("distilbert", "pre_classifier.bias", "DistilBERT sequence classifier"),
        ("roberta", "classifier.out_proj.weight", "RoBERTa sequence classifier"),
        ("modernbert-cls", "model.layers.3.attn.Wqkv.weight", "ModernBERT sequence classifier"),
        ("modernbert-mean", "head.norm.bias", "ModernBERT sequence classifier"),
        ("xlm-roberta", "roberta.encoder.layer.2.output.LayerNorm.bias", "XLM-R sequence classifier"),
        ("camembert", "classifier.dense.weight", "CamemBERT sequence classifier"),
        ("electra", "classifier.dense.bias", "ELECTRA sequence classifier"),
        ("deberta-v3", "pooler.dense.weight", "DeBERTa sequence classifier"),
        ("deberta-v3", "classifier.bias", "DeBERTa sequence classifier"),
        ("deberta-v3", "deberta.encoder.layer.1.output.LayerNorm.weight", "DeBERTa sequence classifier"),
        ("deberta-v3", "deberta.encoder.rel_embeddings.weight", "DeBERTa sequence classifier"),
        ("deberta-v2", "deberta.encoder.layer.2.attention.self.pos_query_proj.weight", "DeBERTa sequence classifier"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut family = family(name);
        family.tensors.remove(lost).unwrap();
        let error = Engine::load(&family.write(folder.path()), &EngineConfig::default()).err().unwrap();
        let message = error.to_string();
        assert!(matches!(error, SentimentError::Tensor { .. }), "{message}");
        assert!(message.contains(lost) && message.contains(head) && message.contains("fine-tuned"), "{message}");
    }
}

/// Changes the weights file of a family, and returns the error of loading it.
fn broken(name: &str, change: impl Fn(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let files = family(name).write(folder.path());
    change(files.weights.path());
    let error = Engine::load(&files, &EngineConfig::default()).err();
    error.unwrap_or_else(|| panic!("{name}: loaded")).to_string()
}

#[test]
fn half_a_file_and_numbers_that_are_no_weights_are_refused() {
    for name in ["bert", "deberta-v3"] {
        let half = broken(name, |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        });
        assert!(half.contains("model.safetensors") && half.contains("not complete, download it again"), "{half}");

        // Bytes of quantized weights have the right shape, and would be read as numbers from 0 to 255.
        for (dtype, width, kind) in [(safetensors::Dtype::U8, 1, "u8"), (safetensors::Dtype::I64, 8, "i64")] {
            let wrong = broken(name, |path| {
                let bytes = std::fs::read(path).unwrap();
                let stored = safetensors::SafeTensors::deserialize(&bytes).unwrap();
                let kept = stored.tensors();
                let elements = vec![1; 8 * 48 * 72];
                let views = kept.into_iter().map(|(tensor, view)| {
                    if !tensor.ends_with("layer.1.intermediate.dense.weight") {
                        return (tensor, view);
                    }
                    let dims = view.shape().to_vec();
                    let data = &elements[..dims.iter().product::<usize>() * width];
                    (tensor, safetensors::tensor::TensorView::new(dtype, dims, data).unwrap())
                });
                let written = safetensors::serialize(views, None).unwrap();
                std::fs::write(path, written).unwrap();
            });
            assert!(
                wrong.contains("layer.1.intermediate.dense.weight")
                    && wrong.contains(&format!("numbers of type {kind};")),
                "{wrong}"
            );
        }
    }
}

#[test]
fn a_head_of_other_classes_is_refused() {
    for name in ["bert", "deberta-v3"] {
        let refused = |labels: serde_json::Value| refusal(family(name), "id2label", labels);
        let two = refused(serde_json::json!({"0": "negative", "1": "positive"}));
        assert!(two.contains("negative, positive") && two.contains("no label is `neutral`"), "{two}");
        let four = refused(serde_json::json!({"0": "negative", "1": "neutral", "2": "positive", "3": "mixed"}));
        assert!(four.contains("4 classes instead of three"), "{four}");
        let unnamed = refused(serde_json::json!({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}));
        assert!(unnamed.contains("LABEL_0=positive"), "{unnamed}");

        // The configuration says three classes, the weights have two.
        let folder = tempfile::tempdir().unwrap();
        let mut family = family(name);
        family.tensors.insert("classifier.weight".into(), vec![2, 48]);
        let error = Engine::load(&family.write(folder.path()), &EngineConfig::default()).err().unwrap().to_string();
        assert!(
            error.contains("classifier.weight") && error.contains("[2, 48]") && error.contains("[3, 48]"),
            "{error}"
        );
    }
}

#[test]
fn deberta_runs_in_f32_whatever_precision_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let family = family("deberta-v3");
    let files = family.write(folder.path());
    let [f32, int8] = [Precision::F32, Precision::Int8].map(|precision| {
        Engine::load(&files, &EngineConfig { precision: Some(precision), ..EngineConfig::default() }).unwrap()
    });
    assert_eq!((f32.revision(), int8.revision()), (files.revision.as_str(), files.revision.as_str()));
    assert_eq!(int8.precision(), Precision::F32);
    assert_eq!((int8.runs_in(), int8.family()), ("candle-transformers", "DeBERTa"));
    let text = family.cases[4].encoding();
    assert_eq!(f32.logits(&[&text]), int8.logits(&[&text]));
    let own =
        self::family("bert").engine(&EngineConfig { precision: Some(Precision::Int8), ..EngineConfig::default() });
    assert_eq!((own.runs_in(), own.family(), own.precision()), ("tapewire", "BERT", Precision::Int8));
}

/// Names of settings and layer norms as checkpoints of other versions have them.
#[test]
fn deberta_is_read_in_other_spellings() {
    let logits = |family: &Family| {
        let engine = family.engine(&EngineConfig::default());
        engine.logits(&[&family.cases[4].encoding()]).remove(0).unwrap()
    };
    let standard = logits(&family("deberta-v3"));
    let mut other = family("deberta-v3");
    other.config["pos_att_type"] = " P2C | c2p".into();
    other.config["norm_rel_ebd"] = "Layer_Norm".into();
    for left_out in ["pooler_hidden_size", "pooler_hidden_act", "pooler_dropout", "max_relative_positions"] {
        other.config.as_object_mut().unwrap().remove(left_out).unwrap();
    }
    assert_eq!(logits(&other), standard);

    let folder = tempfile::tempdir().unwrap();
    let files = family("deberta-v3").write(folder.path());
    let bytes = std::fs::read(files.weights.path()).unwrap();
    let stored = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let old =
        |name: &str| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    let renamed = stored.tensors().into_iter().map(|(name, view)| (old(&name), view));
    safetensors::serialize_to_file(renamed, None, files.weights.path()).unwrap();
    let found = load(&files).logits(&[&family("deberta-v3").cases[4].encoding()]).remove(0).unwrap();
    assert_eq!(found, standard);
}

#[test]
fn every_family_loads_without_its_prefix() {
    for family in Family::all() {
        let logits = |engine: Engine| engine.logits(&[&family.cases[3].encoding()]).remove(0).unwrap();
        let standard = logits(family.engine(&EngineConfig::default()));
        let folder = tempfile::tempdir().unwrap();
        family.write(folder.path());
        let file = folder.path().join("model.safetensors");
        let bytes = std::fs::read(&file).unwrap();
        let stored = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let prefix = |name: &str| {
            ["bert.", "distilbert.", "roberta.", "electra.", "deberta.", "model."]
                .iter()
                .find(|&&p| name.starts_with(p))
                .map_or(0, |p| p.len())
        };
        let bare = stored.tensors().into_iter().map(|(name, view)| (name[prefix(&name)..].to_owned(), view));
        safetensors::serialize_to_file(bare, None, &file).unwrap();
        assert_eq!(logits(load(&common::files(folder.path()))), standard, "{}", family.name);
    }
}

#[test]
fn a_vocabulary_alone_gives_berts_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let files = common::write(folder.path(), &TINY, STANDARD, 1.0, LABELS);
    let tokenizer = TextTokenizer::load(&files.tokenizer, 12).unwrap();
    let id = |token: &str| common::vocabulary(64).lines().position(|line| line == token).unwrap() as u32;
    let ids = |tokens: &[&str]| tokens.iter().map(|token| id(token)).collect::<Vec<_>>();

    let found = one(tokenizer.encode("ÀB, c", Some("d"), Overflow::Windows));
    assert_eq!(found.input_ids, ids(&["[CLS]", "a", "##b", "[UNK]", "c", "[SEP]", "d", "[SEP]"]));
    assert_eq!(found.token_type_ids, [0, 0, 0, 0, 0, 0, 1, 1]);
    // What a text writes is no special token.
    let written = one(tokenizer.encode("a [SEP] b", Some("d"), Overflow::Windows));
    assert_eq!(written.input_ids.iter().filter(|&&token| token == id("[SEP]")).count(), 2);
    assert_eq!(written.token_type_ids.iter().filter(|&&kind| kind == 1).count(), 2);

    let long = "a b c d e f g h i j k l m";
    let windows = tokenizer.encode(long, Some("x y"), Overflow::Windows).unwrap();
    let read: Vec<_> = windows.iter().map(|window| window.encoding.input_ids.clone()).collect();
    let window = |letters: &[&str]| ids(&[&["[CLS]"], letters, &["[SEP]", "x", "y", "[SEP]"]].concat());
    assert_eq!(read, [window(&["a", "b", "c", "d", "e", "f", "g"]), window(&["g", "h", "i", "j", "k", "l", "m"])]);
    assert_eq!(windows[1].encoding.token_type_ids, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(windows[0].weight, 6.5);
    assert_eq!(one(tokenizer.encode("a b c d e f g h i j", None, Overflow::Windows)).input_ids.len(), 12);
    assert_eq!(tokenizer.encode("a", Some(long), Overflow::Windows), Err(ScoreError::CompanyTooLong { limit: 12 }));
    assert_eq!(one(tokenizer.encode("", None, Overflow::Windows)).input_ids, ids(&["[CLS]", "[SEP]"]));

    std::fs::write(folder.path().join("tokenizer_config.json"), r#"{"do_lower_case": false}"#).unwrap();
    let cased = TextTokenizer::load(&common::files(folder.path()).tokenizer, 12).unwrap();
    assert_eq!(one(cased.encode("A a", None, Overflow::Windows)).input_ids, ids(&["[CLS]", "[UNK]", "a", "[SEP]"]));
}

#[test]
fn only_the_windows_that_name_a_company_are_asked_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = common::write(folder.path(), &TINY, STANDARD, 1.0, LABELS);
    let tokenizer = TextTokenizer::load(&files.tokenizer, 48).unwrap();
    let id = |token: &str| common::vocabulary(64).lines().position(|line| line == token).unwrap() as u32;
    // `m` is named at the end only; `z` nowhere.
    let text = format!("{}m {}", "a b c d ".repeat(20), "e ".repeat(10));
    let about = |company: &str| {
        let windows = tokenizer.encode_about(&text, company, |part| part.contains(company), Overflow::Windows).unwrap();
        assert!(
            (windows.iter().map(|window| window.weight).sum::<f64>() - 91.0).abs() < 1e-9,
            "each token counts once"
        );
        windows.into_iter().map(|window| window.encoding).collect::<Vec<_>>()
    };
    let asked = |windows: &[Encoding], company| {
        let end = [id("[SEP]"), id(company), id("[SEP]")];
        windows.iter().map(|window| window.input_ids.ends_with(&end)).collect::<Vec<_>>()
    };
    let (m, z, a) = (about("m"), about("z"), about("a"));
    assert_eq!(asked(&m, "m"), [false, false, true]);
    assert_eq!(asked(&z, "z"), [false, false, false]);
    assert_eq!(asked(&a, "a"), [true, true, true]);
    assert_eq!(m[..2], z[..2], "windows that name neither are the same for both");
    assert!(m.iter().chain(&a).all(|window| window.input_ids.len() <= 48));
    assert_eq!(m[2].token_type_ids.iter().sum::<u32>(), 2, "the company and its end are the second segment");
    // A text in one window is asked about the company in any case, and one that is truncated too.
    let one_window = tokenizer.encode_about("a b", "z", |_| false, Overflow::Windows).unwrap();
    assert_eq!(asked(&[one(Ok(one_window))], "z"), [true]);
    let truncated = tokenizer.encode_about(&text, "z", |_| false, Overflow::KeepStart).unwrap();
    assert_eq!(asked(&[one(Ok(truncated))], "z"), [true]);
}

#[test]
fn padding_and_truncation_of_a_tokenizer_file_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let json = r###"{
      "version": "1.0", "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}, "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
      "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": null, "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
      "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4}}}"###;
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, json).unwrap();
    let tokenizer = TextTokenizer::load(&tapewire_models::TokenizerFiles::Json(path), 16).unwrap();
    assert_eq!(one(tokenizer.encode("a a a a a", None, Overflow::Windows)).input_ids, [2, 4, 4, 4, 4, 4, 3]);
}
