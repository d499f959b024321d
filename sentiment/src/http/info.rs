//! `GET /info`: which model answers, and what runs it.

use super::Api;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;

/// Names up to `max_client_batch_size` are those of text-embeddings-inference.
///
/// ```json
/// {"model_id": "tapewire-e5-sentiment", "model_sha": "4be1...", "model_dtype": "f32",
///  "model_type": {"classifier": {"id2label": {"0": "positive", "1": "negative", "2": "neutral"},
///                                "label2id": {"positive": 0, "negative": 1, "neutral": 2}}},
///  "max_input_length": 512, "max_client_batch_size": 256,
///  "family": "BERT", "engine": "tapewire", "reads_company": true}
/// ```
#[derive(Debug, Serialize)]
pub struct Info {
    model_id: String,
    /// As in every row: with the precision after `+`, unless it is f32.
    model_sha: String,
    model_dtype: String,
    model_type: ModelType,
    /// In tokens. `/v1/score` reads longer texts in several windows.
    max_input_length: usize,
    max_client_batch_size: usize,
    family: &'static str,
    /// `tapewire`, or `candle-transformers`, which is several times slower.
    engine: &'static str,
    /// Whether the model is asked about a company, or reads the sentences that name it.
    reads_company: bool,
}

#[derive(Debug, Serialize)]
struct ModelType {
    classifier: Classifier,
}

/// The model's own names of its classes.
#[derive(Debug, Serialize)]
struct Classifier {
    id2label: BTreeMap<String, String>,
    label2id: BTreeMap<String, usize>,
}

pub(super) async fn info(State(api): State<Api>) -> Json<Info> {
    let engine = api.queue.engine();
    let labels = || engine.labels().iter().cloned().enumerate();
    let classifier = Classifier {
        id2label: labels().map(|(id, label)| (id.to_string(), label)).collect(),
        label2id: labels().map(|(id, label)| (label, id)).collect(),
    };
    Json(Info {
        model_id: engine.name().to_owned(),
        model_sha: engine.revision().to_owned(),
        model_dtype: engine.precision().to_string(),
        model_type: ModelType { classifier },
        max_input_length: engine.max_seq_len(),
        max_client_batch_size: api.max_batch,
        family: engine.family(),
        engine: engine.runs_in(),
        reads_company: engine.reads_company(),
    })
}
