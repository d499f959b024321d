//! candle-transformers' models of families that our engine runs: a reference in other code beside PyTorch's logits.

use super::common::{Family, encoding, splitmix64};
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear};
use candle_transformers::models::modernbert::{self, ClassifierConfig, ClassifierPooling};
use candle_transformers::models::{bert, distilbert, xlm_roberta};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use tapewire_models::registry::SHIPPED;
use tapewire_models::{ModelFiles, Registry, Source};
use tapewire_sentiment::engine::tokenizer::Encoding;
use tapewire_sentiment::{Engine, EngineConfig};

/// Largest difference of a logit: both compute in f32, in different orders.
const TOLERANCE: f32 = 1e-4;

/// A model of candle-transformers with its head.
enum Reference {
    Bert(bert::BertModel, Linear, Linear),
    DistilBert(distilbert::DistilBertModel, Linear, Linear),
    XlmR(xlm_roberta::XLMRobertaForSequenceClassification),
    ModernBert(modernbert::ModernBertForSequenceClassification),
}

impl Reference {
    fn load(files: &ModelFiles, config: &Value) -> Result<Self> {
        let bytes = std::fs::read(files.weights.path())?;
        let weights = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu)?;
        Ok(match config["model_type"].as_str().unwrap() {
            "bert" => {
                let settings: bert::Config = settings(config, json!({"hidden_act": act(&config["hidden_act"])}));
                let hidden = settings.hidden_size;
                let pooler = linear(hidden, hidden, weights.pp("bert.pooler.dense"))?;
                let classifier = linear(hidden, 3, weights.pp("classifier"))?;
                Self::Bert(bert::BertModel::load(weights.pp("bert"), &settings)?, pooler, classifier)
            }
            "distilbert" => {
                let settings: distilbert::Config = settings(config, json!({}));
                let dense = linear(settings.dim, settings.dim, weights.pp("pre_classifier"))?;
                let classifier = linear(settings.dim, 3, weights.pp("classifier"))?;
                let encoder = distilbert::DistilBertModel::load(weights.pp("distilbert"), &settings)?;
                Self::DistilBert(encoder, dense, classifier)
            }
            "roberta" | "xlm-roberta" => {
                let absolute = json!({"position_embedding_type": "absolute"});
                let settings = settings(config, absolute);
                Self::XlmR(xlm_roberta::XLMRobertaForSequenceClassification::new(3, &settings, weights)?)
            }
            "modernbert" => Self::ModernBert(modernbert::ModernBertForSequenceClassification::load(
                weights,
                &modernbert_settings(config),
            )?),
            other => panic!("{other}"),
        })
    }

    /// Logits of a text, or, of ModernBERT, logarithms of its probabilities.
    fn logits(&self, text: &Encoding) -> Result<Vec<f32>> {
        let row = |numbers: &[u32]| Tensor::new(numbers, &Device::Cpu)?.unsqueeze(0);
        let (ids, types) = (row(&text.input_ids)?, row(&text.token_type_ids)?);
        let first = |hidden: Tensor| hidden.narrow(1, 0, 1)?.squeeze(1)?.contiguous();
        let logits = match self {
            Self::Bert(model, pooler, classifier) => {
                let pooled = pooler.forward(&first(model.forward(&ids, &types, None)?)?)?.tanh()?;
                classifier.forward(&pooled)?
            }
            Self::DistilBert(model, dense, classifier) => {
                let masked = Tensor::zeros((1, 1, 1, text.input_ids.len()), DType::U8, &Device::Cpu)?;
                classifier.forward(&dense.forward(&first(model.forward(&ids, &masked)?)?)?.relu()?)?
            }
            Self::XlmR(model) => model.forward(&ids, &ids.ones_like()?, &types)?,
            Self::ModernBert(model) => model.forward(&ids, &ids.ones_like()?)?.log()?,
        };
        logits.squeeze(0)?.to_vec1()
    }
}

/// The settings of a `config.json` after some were changed, with defaults that transformers no longer writes.
fn settings<T: for<'a> Deserialize<'a>>(config: &Value, changed: Value) -> T {
    let mut all = json!({"initializer_range": 0.02});
    let changes = [config, &changed].into_iter().flat_map(|settings| settings.as_object().unwrap());
    all.as_object_mut().unwrap().extend(changes.map(|(key, value)| (key.clone(), value.clone())));
    serde_json::from_value(all).unwrap()
}

/// The name that candle-transformers gives to an activation of transformers.
fn act(name: &Value) -> &'static str {
    match name.as_str().unwrap() {
        "gelu_new" => "geluapproximate",
        "gelu" => "gelu",
        other => panic!("{other}"),
    }
}

fn modernbert_settings(config: &Value) -> modernbert::Config {
    let number = |key: &str| usize::try_from(config[key].as_u64().unwrap()).unwrap();
    let labels = || (0..3).map(|id| (id.to_string(), id.to_string())).collect();
    modernbert::Config {
        vocab_size: number("vocab_size"),
        hidden_size: number("hidden_size"),
        num_hidden_layers: number("num_hidden_layers"),
        num_attention_heads: number("num_attention_heads"),
        intermediate_size: number("intermediate_size"),
        max_position_embeddings: number("max_position_embeddings"),
        layer_norm_eps: config["layer_norm_eps"].as_f64().unwrap(),
        pad_token_id: 0,
        global_attn_every_n_layers: number("global_attn_every_n_layers"),
        global_rope_theta: config["global_rope_theta"].as_f64().unwrap(),
        local_attention: number("local_attention"),
        local_rope_theta: config["local_rope_theta"].as_f64().unwrap(),
        classifier_config: Some(ClassifierConfig {
            id2label: labels(),
            label2id: labels(),
            classifier_pooling: ClassifierPooling::CLS,
        }),
    }
}

/// The largest difference of a logit; ModernBERT's are compared as logarithms of probabilities.
fn distance(engine: &Engine, reference: &Reference, texts: &[Encoding]) -> f32 {
    let logits = engine.logits(&texts.iter().collect::<Vec<_>>());
    let mut most = 0.0f32;
    for (text, logits) in texts.iter().zip(logits) {
        let mut logits = logits.unwrap();
        if matches!(reference, Reference::ModernBert(_)) {
            let total = logits.iter().map(|logit| logit.exp()).sum::<f32>().ln();
            logits.iter_mut().for_each(|logit| *logit -= total);
        }
        for (a, b) in logits.into_iter().zip(reference.logits(text).unwrap()) {
            assert!((a - b).is_finite());
            most = most.max((a - b).abs());
        }
    }
    most
}

/// Texts of a few lengths, other than those of PyTorch's reference.
fn texts(family: &Family) -> Vec<Encoding> {
    let vocabulary = family.setting("vocab_size") as u64;
    let text = |length: usize| {
        let ids: Vec<u32> = (0..length).map(|at| (splitmix64(99, at as u64) % (vocabulary - 6) + 6) as u32).collect();
        let types: Vec<u32> = (0..length).map(|at| u32::from(3 * at > length) % family.segments()).collect();
        encoding(&ids, &types)
    };
    [3, 17, 40, 200].into_iter().map(|length| text(length.min(family.limit()))).collect()
}

#[test]
fn families_of_our_engine_agree_with_candle_transformers() {
    let mut compared = Vec::new();
    for mut family in Family::all() {
        // candle-transformers has neither the biases nor the activations of `modernbert-mean`.
        let is_known = ["bert", "distilbert", "distilbert-relu", "roberta", "xlm-roberta", "modernbert-cls"];
        if !is_known.contains(&family.name.as_str()) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let reference = Reference::load(&family.write(folder.path()), &family.config).unwrap();
        if family.name == "distilbert" {
            // What candle-transformers calls gelu in DistilBERT is the approximation by tanh.
            family.config["activation"] = "gelu_new".into();
        }
        let engine = Engine::load(&family.write(folder.path()), &EngineConfig::default()).unwrap();
        let distance = distance(&engine, &reference, &texts(&family));
        println!("{}: largest difference of a logit from candle-transformers' {distance:e}", family.name);
        assert!(distance <= TOLERANCE, "{}: {distance}", family.name);
        compared.push(family.name);
    }
    assert_eq!(compared.len(), 6, "{compared:?}");
}

/// The smaller one: candle-transformers does not read matrices of 8-bit integers.
#[test]
fn a_shipped_model_agrees_with_candle_transformers() {
    let files = Registry::from_env().resolve(&Source::Shipped(SHIPPED[1])).unwrap();
    let config: Value = super::common::read(Path::new(&files.config));
    assert_eq!(config["model_type"], "bert");
    let reference = Reference::load(&files, &config).unwrap();
    let engine = Engine::load(&files, &EngineConfig::default()).unwrap();
    let ids: Vec<u32> = [101].into_iter().chain((0..60).map(|at| 2000 + 37 * at)).chain([102]).collect();
    let types: Vec<u32> = (0..ids.len()).map(|at| u32::from(at > 50)).collect();
    let distance = distance(&engine, &reference, &[encoding(&ids, &types), encoding(&ids[..9], &types[..9])]);
    println!("shipped model: largest difference of a logit from candle-transformers' {distance:e}");
    assert!(distance <= TOLERANCE, "{distance}");
}
