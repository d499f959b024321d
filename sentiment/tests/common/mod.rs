//! Made-up models, written to a folder in the format of the hub.
#![allow(clippy::unwrap_used, dead_code, reason = "a test fails loudly; each test binary uses a part")]

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use tapewire_models::{ModelFiles, Registry, Source};
use tapewire_sentiment::engine::tokenizer::Encoding;
use tapewire_sentiment::{Engine, EngineConfig};

/// Sizes of a BERT classifier of three classes.
#[derive(Clone, Copy)]
pub struct Shape {
    pub layers: usize,
    pub hidden: usize,
    pub heads: usize,
    pub inner: usize,
    pub vocabulary: usize,
    pub positions: usize,
}

pub const BERT_BASE: Shape =
    Shape { layers: 12, hidden: 768, heads: 12, inner: 3072, vocabulary: 30522, positions: 512 };

/// Small, with widths that are not multiples of vector registers, and all the parts of a large model.
pub const TINY: Shape = Shape { layers: 3, hidden: 60, heads: 5, inner: 100, vocabulary: 64, positions: 48 };

/// The variants of a checkpoint's format.
#[derive(Clone, Copy)]
pub struct Spelling {
    pub prefix: bool,
    pub gamma_and_beta: bool,
    pub half: bool,
}

pub const STANDARD: Spelling = Spelling { prefix: true, gamma_and_beta: false, half: false };

/// Names and shapes of all tensors, with Hugging Face's names.
pub fn tensors(shape: &Shape) -> Vec<(String, Vec<usize>)> {
    let (h, f) = (shape.hidden, shape.inner);
    let mut all: Vec<(String, Vec<usize>)> = vec![
        ("bert.embeddings.word_embeddings.weight".into(), vec![shape.vocabulary, h]),
        ("bert.embeddings.position_embeddings.weight".into(), vec![shape.positions, h]),
        ("bert.embeddings.token_type_embeddings.weight".into(), vec![2, h]),
    ];
    let mut norms = vec!["bert.embeddings.LayerNorm".to_owned()];
    let mut linears = vec![("bert.pooler.dense".to_owned(), h, h), ("classifier".to_owned(), 3, h)];
    for layer in 0..shape.layers {
        let name = |part: &str| format!("bert.encoder.layer.{layer}.{part}");
        for part in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"] {
            linears.push((name(part), h, h));
        }
        linears.push((name("intermediate.dense"), f, h));
        linears.push((name("output.dense"), h, f));
        norms.extend([name("attention.output.LayerNorm"), name("output.LayerNorm")]);
    }
    all.extend(linears.into_iter().flat_map(|(name, out, inputs)| {
        [(format!("{name}.weight"), vec![out, inputs]), (format!("{name}.bias"), vec![out])]
    }));
    all.extend(
        norms.into_iter().flat_map(|name| [(format!("{name}.weight"), vec![h]), (format!("{name}.bias"), vec![h])]),
    );
    all
}

/// Largest distance of elements from 0, or from 1 for norms, unless a reference says otherwise.
pub const SCALE: f32 = 0.07;

/// The elements of a tensor, generated from its name in the same way as in `models/train/reference_logits.py`.
pub fn elements(name: &str, count: usize, scale: f32) -> Vec<f32> {
    let seed =
        name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let unit = |i: usize| (splitmix64(seed, i as u64) >> 40) as f32 * 2f32.powi(-23) - 1.0;
    let middle = if name.to_lowercase().ends_with("norm.weight") { 1.0 } else { 0.0 };
    let value = |i| middle + unit(i) * scale;
    (0..count).map(value).collect()
}

pub fn splitmix64(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Writes a model of this shape. `gain` scales its elements, so that the logits of small models differ.
pub fn write(folder: &Path, shape: &Shape, spelling: Spelling, gain: f32, config: &str) -> ModelFiles {
    let stored = tensors(shape).into_iter().map(|(name, dims)| {
        let elements = elements(&name, dims.iter().product(), SCALE).into_iter().map(|x| x * gain);
        let bytes = match spelling.half {
            true => elements.flat_map(|x| half::f16::from_f32(x).to_le_bytes()).collect(),
            false => elements.flat_map(f32::to_le_bytes).collect(),
        };
        let dtype = if spelling.half { Dtype::F16 } else { Dtype::F32 };
        (spell(&name, spelling), dtype, dims, bytes)
    });
    save(folder, stored.collect(), &config_json(shape, config), shape.vocabulary)
}

/// The elements as a file of weights has them.
pub fn bytes(elements: &[f32]) -> Vec<u8> {
    elements.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Writes a model of these tensors: name, type, shape and bytes of each.
pub fn save(
    folder: &Path,
    stored: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    config: &str,
    vocab_size: usize,
) -> ModelFiles {
    let views = stored
        .iter()
        .map(|(name, dtype, dims, bytes)| (name.as_str(), TensorView::new(*dtype, dims.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &folder.join("model.safetensors")).unwrap();
    std::fs::write(folder.join("config.json"), config).unwrap();
    std::fs::write(folder.join("vocab.txt"), vocabulary(vocab_size)).unwrap();
    files(folder)
}

/// A difference between the logits of a [`Family`] that rounding does not reach, but a wrong setting does.
pub const SIGNIFICANT: f32 = 1e-5;

/// A small model of `models/train/reference_families.json`.
#[derive(Deserialize)]
pub struct Family {
    pub name: String,
    /// `config.json`, as transformers writes it.
    pub config: serde_json::Value,
    pub scale: f32,
    /// Shapes by name.
    pub tensors: BTreeMap<String, Vec<usize>>,
    pub cases: Vec<Case>,
}

/// A text and its logits by PyTorch.
#[derive(Deserialize)]
pub struct Case {
    pub input_ids: Vec<u32>,
    pub token_type_ids: Vec<u32>,
    pub logits: Vec<f32>,
}

impl Case {
    pub fn encoding(&self) -> Encoding {
        encoding(&self.input_ids, &self.token_type_ids)
    }
}

impl Family {
    pub fn all() -> Vec<Self> {
        read(&train().join("reference_families.json"))
    }

    pub fn write(&self, folder: &Path) -> ModelFiles {
        self.write_changed(folder, |_, _| ())
    }

    /// As [`Family::write`], after `change` was applied to each tensor.
    pub fn write_changed(&self, folder: &Path, change: impl Fn(&str, &mut [f32])) -> ModelFiles {
        let stored = self.tensors.iter().map(|(name, dims)| {
            let mut elements = elements(name, dims.iter().product(), self.scale);
            change(name, &mut elements);
            (name.clone(), Dtype::F32, dims.clone(), bytes(&elements))
        });
        save(folder, stored.collect(), &self.config.to_string(), self.setting("vocab_size"))
    }

    pub fn engine(&self, config: &EngineConfig) -> Engine {
        let folder = tempfile::tempdir().unwrap();
        Engine::load(&self.write(folder.path()), config).unwrap()
    }

    /// Whether our own engine runs it, not candle-transformers.
    pub fn runs_in_our_engine(&self) -> bool {
        self.config["model_type"] != "deberta-v2"
    }

    pub fn setting(&self, setting: &str) -> usize {
        usize::try_from(self.config[setting].as_u64().unwrap()).unwrap()
    }

    /// The largest number of tokens of a text.
    pub fn limit(&self) -> usize {
        self.cases.iter().map(|case| case.input_ids.len()).max().unwrap()
    }

    /// The number of segments of a text: 1 if the model has none.
    pub fn segments(&self) -> u32 {
        self.config["type_vocab_size"].as_u64().map_or(1, |segments| segments.max(1) as u32)
    }
}

/// The folder `models/train`, searched for upwards, because crates at several depths of the tree share this file.
pub fn train() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut places = above.map(|folder| folder.join("models/train"));
    places.find(|place| place.is_dir()).expect("the tests run in the source tree")
}

/// Reads a JSON file.
pub fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

pub fn files(folder: &Path) -> ModelFiles {
    Registry::from_env().resolve(&Source::Folder(folder.to_owned())).unwrap()
}

fn spell(name: &str, spelling: Spelling) -> String {
    let mut name = if spelling.prefix { name } else { name.trim_start_matches("bert.") }.to_owned();
    if spelling.gamma_and_beta && name.contains("LayerNorm") {
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    }
    name
}

pub const LABELS: &str = r#""id2label": {"0": "positive", "1": "negative", "2": "neutral"}"#;

pub fn config_json(shape: &Shape, more: &str) -> String {
    let Shape { layers, hidden, heads, inner, vocabulary, positions } = shape;
    format!(
        r#"{{"model_type": "bert", "hidden_act": "gelu", "hidden_size": {hidden}, "num_hidden_layers": {layers},
            "num_attention_heads": {heads}, "intermediate_size": {inner}, "vocab_size": {vocabulary},
            "max_position_embeddings": {positions}, "type_vocab_size": 2, {more}}}"#
    )
}

/// The special tokens of BERT, then words of one letter, then their continuations, then `w100`, `w101`, ...
pub fn vocabulary(size: usize) -> String {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let letters = ('a'..='z').map(|letter| letter.to_string());
    let continuations = ('a'..='z').map(|letter| format!("##{letter}"));
    let words = (100..).map(|n| format!("w{n}"));
    let all: Vec<String> = special.into_iter().chain(letters).chain(continuations).chain(words).take(size).collect();
    all.join("\n")
}

pub fn encoding(ids: &[u32], types: &[u32]) -> Encoding {
    Encoding { input_ids: ids.to_vec(), token_type_ids: types.to_vec() }
}

/// The shipped model, loaded once for a test binary.
pub fn shipped() -> Arc<Engine> {
    static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
        let files = Registry::from_env().resolve(&Source::default()).unwrap();
        Arc::new(Engine::load(&files, &EngineConfig::default()).unwrap())
    });
    Arc::clone(&ENGINE)
}

/// A text of `words` words, drawn from a small vocabulary by `seed`.
pub fn report(words: usize, seed: u64) -> String {
    const WORDS: [&str; 16] = [
        "profit",
        "loss",
        "shares",
        "rose",
        "fell",
        "Northgate",
        "bank",
        "outlook",
        "raised",
        "cut",
        "the",
        "on",
        "strong",
        "weak",
        "demand",
        "while",
    ];
    let word = |index| WORDS[(splitmix64(seed, index as u64) % 16) as usize];
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}
